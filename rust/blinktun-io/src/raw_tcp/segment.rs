//! TCP segments that carry datagrams (kcptun wire, 8.9): built, parsed, summed. Bytes in, bytes out.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

/// Bytes of a header that is built here: the fixed part and a timestamp option.
pub const HEADER: usize = 32;
/// The window that every segment names: nobody keeps it.
const WINDOW: u16 = 65535;
const PROTOCOL: u8 = 6;

const FIN: u8 = 0x01;
/// The flag of an opening.
pub const SYN: u8 = 0x02;
const RST: u8 = 0x04;
/// The flag of a segment that carries a datagram.
pub const PSH: u8 = 0x08;
/// The flag of a valid acknowledgement number.
pub const ACK: u8 = 0x10;

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_TIMESTAMP: u8 = 8;

/// The numbers of a segment to be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// Sequence number of the first byte.
    pub seq: u32,
    /// Number of the next byte expected from the peer.
    pub ack: u32,
    /// Timestamp value, and the peer's last one.
    pub timestamps: (u32, u32),
}

/// A segment that was taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number, if the flag is set.
    pub ack: Option<u32>,
    /// The kernel's answer to the opening of a connection.
    pub is_syn_ack: bool,
    /// Carries a datagram: PSH, and none of SYN, FIN, RST.
    pub is_push: bool,
    /// The peer's timestamp value.
    pub timestamp: Option<u32>,
    /// Where the payload lies.
    pub payload: Range<usize>,
}

impl Header {
    /// The header of a segment with PSH and ACK that carries `payload` from `source` to
    /// `destination`, its checksum included.
    pub fn build(&self, source: IpAddr, destination: IpAddr, payload: &[u8]) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..2].copy_from_slice(&self.ports.0.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.ports.1.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ack.to_be_bytes());
        bytes[12] = ((HEADER / 4) << 4) as u8;
        bytes[13] = PSH | ACK;
        bytes[14..16].copy_from_slice(&WINDOW.to_be_bytes());
        bytes[20..24].copy_from_slice(&[OPTION_NOP, OPTION_NOP, OPTION_TIMESTAMP, 10]);
        bytes[24..28].copy_from_slice(&self.timestamps.0.to_be_bytes());
        bytes[28..32].copy_from_slice(&self.timestamps.1.to_be_bytes());
        let sum = checksum(source, destination, &bytes, payload);
        bytes[16..18].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

/// Take a segment apart. None if its header does not fit into it.
pub fn parse(bytes: &[u8]) -> Option<Segment> {
    let fixed: &[u8; 20] = bytes.first_chunk()?;
    let offset = usize::from(fixed[12] >> 4) * 4;
    let options = bytes.get(20..offset)?;
    let flags = fixed[13];
    Some(Segment {
        ports: (be16(fixed, 0), be16(fixed, 2)),
        seq: be32(fixed, 4),
        ack: (flags & ACK != 0).then(|| be32(fixed, 8)),
        is_syn_ack: flags & (SYN | ACK) == SYN | ACK,
        is_push: flags & (PSH | SYN | FIN | RST) == PSH,
        timestamp: timestamp(options),
        payload: offset..bytes.len(),
    })
}

/// Whether the checksum of a whole segment is right.
pub fn is_intact(source: IpAddr, destination: IpAddr, segment: &[u8]) -> bool {
    checksum(source, destination, segment, &[]) == 0
}

/// Take an IPv4 packet apart: source, destination, and where its TCP segment lies.
pub fn open_ipv4(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, Range<usize>)> {
    let fixed: &[u8; 20] = packet.first_chunk()?;
    let header = usize::from(fixed[0] & 0x0f) * 4;
    let total = usize::from(be16(fixed, 2));
    let fits = header >= 20 && header <= total && total <= packet.len();
    if fixed[0] >> 4 != 4 || fixed[9] != PROTOCOL || !fits {
        return None;
    }
    let address = |at: usize| Ipv4Addr::from(be32(fixed, at));
    Some((address(12), address(16), header..total))
}

/// The Internet checksum (RFC 1071) over the pseudo header, a header of even length, and the
/// payload. Addresses of two families have none, and give 0.
fn checksum(source: IpAddr, destination: IpAddr, header: &[u8], payload: &[u8]) -> u16 {
    let len = header.len() + payload.len();
    let mut sum = u64::from(PROTOCOL) + len as u64;
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            sum += add(&source.octets()) + add(&destination.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            sum += add(&source.octets()) + add(&destination.octets());
        }
        _ => return 0,
    }
    sum += add(header) + add(payload);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The sum of 16-bit words, big endian, an odd last byte padded; not yet folded.
fn add(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let sum: u64 = words
        .iter()
        .map(|w| u64::from(u32::from_be_bytes(*w)))
        .sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_be_bytes(last))
}

/// The value of a timestamp option: 10 bytes long, or 12 as some originals write it.
fn timestamp(mut options: &[u8]) -> Option<u32> {
    while let [kind, rest @ ..] = options {
        match *kind {
            OPTION_END => return None,
            OPTION_NOP => options = rest,
            kind => {
                let (&len, value) = rest.split_first()?;
                if kind == OPTION_TIMESTAMP && matches!(len, 10 | 12) {
                    return value.first_chunk().map(|v| u32::from_be_bytes(*v));
                }
                options = options.get(usize::from(len.max(2))..)?;
            }
        }
    }
    None
}

fn be16(bytes: &[u8; 20], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn be32(bytes: &[u8; 20], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
