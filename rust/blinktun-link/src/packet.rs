//! What a router does with an IP packet that is too long for the next link.

/// The longest ICMP message about a packet of IPv4 (RFC 1812, section 4.3.2.3).
const LONGEST_V4: usize = 576;
/// The longest ICMP message about a packet of IPv6 (RFC 4443, section 2.4).
const LONGEST_V6: usize = 1280;
const HEADER_V4: usize = 20;
const HEADER_V6: usize = 40;
const ICMP: usize = 8;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_ICMP_V6: u8 = 58;
const HOPS: u8 = 64;

/// The pieces of an IPv4 packet that may be cut (RFC 791, section 3.2), each `mtu` bytes long at most.
/// `None` for any other packet.
pub fn fragments(packet: &[u8], mtu: usize) -> Option<Vec<Vec<u8>>> {
    let header = header_v4(packet)?;
    let flags = be16(header, 6)?;
    if flags & DONT_FRAGMENT != 0 {
        return None;
    }
    let payload = packet.get(header.len()..)?;
    let step = mtu.checked_sub(header.len())? / 8 * 8;
    if step == 0 {
        return None;
    }
    let count = payload.len().div_ceil(step);
    let piece = |(index, part): (usize, &[u8])| {
        let offset = (flags & OFFSET).wrapping_add((index * step / 8) as u16) & OFFSET;
        let more = match index + 1 < count {
            true => MORE_FRAGMENTS,
            false => flags & MORE_FRAGMENTS,
        };
        let mut piece = header.to_vec();
        piece[2..4].copy_from_slice(&((header.len() + part.len()) as u16).to_be_bytes());
        piece[6..8].copy_from_slice(&(offset | more).to_be_bytes());
        seal(&mut piece, 10);
        piece.extend_from_slice(part);
        piece
    };
    Some(payload.chunks(step).enumerate().map(piece).collect())
}

/// The ICMP message to the sender of a packet that is longer than `mtu`: "fragmentation needed" of
/// IPv4 (RFC 1191) or "packet too big" of IPv6 (RFC 4443). It comes from the packet's destination, so
/// that the link needs no address of its own. `None` for packets to which no ICMP message may answer.
pub fn complaint(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    match packet.first()? >> 4 {
        4 => complaint_v4(packet, mtu),
        6 => complaint_v6(packet, mtu),
        _ => None,
    }
}

fn complaint_v4(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    let header = header_v4(packet)?;
    let kind = packet.get(header.len())?;
    let is_error = header[9] == PROTOCOL_ICMP && [3, 4, 5, 11, 12].contains(kind);
    let is_multicast = header[16] >= 224;
    if is_error || is_multicast || be16(header, 6)? & OFFSET != 0 {
        return None;
    }
    let quoted = &packet[..packet.len().min(LONGEST_V4 - HEADER_V4 - ICMP)];
    let mut message = vec![0x45, 0];
    let length = HEADER_V4 + ICMP + quoted.len();
    message.extend_from_slice(&(length as u16).to_be_bytes());
    message.extend_from_slice(&[0, 0, 0, 0, HOPS, PROTOCOL_ICMP, 0, 0]);
    message.extend_from_slice(&header[16..20]);
    message.extend_from_slice(&header[12..16]);
    seal(&mut message, 10);
    let mut icmp = vec![3, 4, 0, 0, 0, 0];
    icmp.extend_from_slice(&(mtu as u16).to_be_bytes());
    icmp.extend_from_slice(quoted);
    seal(&mut icmp, 2);
    message.extend_from_slice(&icmp);
    Some(message)
}

fn complaint_v6(packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    let header = packet.get(..HEADER_V6)?;
    let is_error = header[6] == PROTOCOL_ICMP_V6 && *packet.get(HEADER_V6)? < 128;
    let is_multicast = header[24] == 0xff;
    if is_error || is_multicast {
        return None;
    }
    let quoted = &packet[..packet.len().min(LONGEST_V6 - HEADER_V6 - ICMP)];
    let addresses = [&header[24..40], &header[8..24]].concat();
    let length = ((ICMP + quoted.len()) as u16).to_be_bytes();
    let mut icmp = vec![2, 0, 0, 0];
    icmp.extend_from_slice(&(mtu as u32).to_be_bytes());
    icmp.extend_from_slice(quoted);
    // The checksum also covers a header that is not sent (RFC 8200, section 8.1).
    let pseudo = [&length[..], &[0, PROTOCOL_ICMP_V6]].concat();
    let sum = checksum(&[&addresses, &pseudo, &icmp].map(|part| &part[..]));
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut message = vec![0x60, 0, 0, 0, length[0], length[1], PROTOCOL_ICMP_V6, HOPS];
    message.extend_from_slice(&addresses);
    message.extend_from_slice(&icmp);
    Some(message)
}

/// The header of an IPv4 packet with its options.
fn header_v4(packet: &[u8]) -> Option<&[u8]> {
    let first = packet.first().filter(|first| **first >> 4 == 4)?;
    let length = usize::from(first & 15) * 4;
    packet.get(..length).filter(|_| length >= HEADER_V4)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let found = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*found))
}

/// Write the checksum of a header into it, at `at`.
fn seal(header: &mut [u8], at: usize) {
    header[at..at + 2].fill(0);
    let sum = checksum(&[header]);
    header[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The Internet checksum (RFC 1071) of parts, of which only the last may have an odd length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet_v4(flags: u16, payload: usize) -> Vec<u8> {
        let mut packet = vec![0x45, 0];
        packet.extend_from_slice(&((HEADER_V4 + payload) as u16).to_be_bytes());
        packet.extend_from_slice(&[0x12, 0x34]);
        packet.extend_from_slice(&flags.to_be_bytes());
        packet.extend_from_slice(&[64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        seal(&mut packet, 10);
        packet.extend((0..payload).map(|n| n as u8));
        packet
    }

    fn packet_v6(next: u8, payload: usize) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend_from_slice(&(payload as u16).to_be_bytes());
        packet.extend_from_slice(&[next, 64]);
        packet.extend_from_slice(&[1; 16]);
        packet.extend_from_slice(&[2; 16]);
        packet.extend((0..payload).map(|n| n as u8));
        packet
    }

    #[test]
    fn pieces_make_the_whole() {
        let packet = packet_v4(0, 1480);
        let pieces = fragments(&packet, 576).unwrap();
        assert_eq!(pieces.len(), 3);
        let mut whole = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            assert!(piece.len() <= 576);
            assert_eq!(usize::from(be16(piece, 2).unwrap()), piece.len());
            assert_eq!(checksum(&[&piece[..HEADER_V4]]), 0);
            let flags = be16(piece, 6).unwrap();
            assert_eq!(usize::from(flags & OFFSET) * 8, whole.len());
            assert_eq!(flags & MORE_FRAGMENTS != 0, index < 2);
            whole.extend_from_slice(&piece[HEADER_V4..]);
        }
        assert_eq!(whole, packet[HEADER_V4..]);
    }

    #[test]
    fn a_piece_can_be_cut_again() {
        let middle = &fragments(&packet_v4(0, 1480), 1000).unwrap()[0];
        let again = fragments(middle, 500).unwrap();
        let flags = |piece: &[u8]| be16(piece, 6).unwrap();
        assert!(again.iter().all(|piece| flags(piece) & MORE_FRAGMENTS != 0));
        assert_eq!(flags(&again[1]) & OFFSET, 60);
    }

    #[test]
    fn the_sender_of_what_cannot_be_cut_is_told() {
        let packet = packet_v4(DONT_FRAGMENT, 1480);
        assert_eq!(fragments(&packet, 1280), None);
        let told = complaint(&packet, 1280).unwrap();
        assert_eq!(told.len(), LONGEST_V4);
        assert_eq!(checksum(&[&told[..HEADER_V4]]), 0);
        assert_eq!(checksum(&[&told[HEADER_V4..]]), 0);
        assert_eq!(told[12..20], [10, 0, 0, 2, 10, 0, 0, 1]);
        assert_eq!(told[20..22], [3, 4]);
        assert_eq!(be16(&told, 26), Some(1280));
        assert!(packet.starts_with(&told[28..]));
    }

    #[test]
    fn the_sender_of_ipv6_is_told() {
        let packet = packet_v6(17, 1400);
        assert_eq!(fragments(&packet, 1280), None);
        let told = complaint(&packet, 1300).unwrap();
        assert_eq!(told.len(), LONGEST_V6);
        assert_eq!((told[8], told[24]), (2, 1), "it goes back");
        assert_eq!(told[40..42], [2, 0]);
        assert_eq!(told[44..48], [0, 0, 5, 20]);
        let pseudo = [told[4], told[5], 0, PROTOCOL_ICMP_V6];
        assert_eq!(checksum(&[&told[8..40], &pseudo, &told[40..]]), 0);
    }

    #[test]
    fn nobody_complains_about_complaints() {
        for packet in [packet_v4(DONT_FRAGMENT, 1400), packet_v6(17, 1400)] {
            let told = complaint(&packet, 600).unwrap();
            assert_eq!(complaint(&told, 100), None);
        }
        let mut multicast = packet_v4(DONT_FRAGMENT, 1400);
        multicast[16] = 224;
        assert_eq!(complaint(&multicast, 600), None);
        assert_eq!(complaint(&packet_v4(DONT_FRAGMENT | 1, 1400), 600), None);
    }

    #[test]
    fn anything_may_come() {
        for packet in [packet_v4(0, 100), packet_v6(58, 100)] {
            for len in 0..packet.len() {
                for first in 0..=255 {
                    let mut wrong = packet[..len].to_vec();
                    if let Some(byte) = wrong.first_mut() {
                        *byte = first;
                    }
                    for mtu in [0, 19, 27, 60, 1280] {
                        let pieces = fragments(&wrong, mtu).unwrap_or_default();
                        assert!(pieces.iter().all(|piece| piece.len() <= mtu));
                        complaint(&wrong, mtu);
                    }
                }
            }
        }
    }
}
