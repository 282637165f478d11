//! FEC headers, and what the bytes behind them must be (kcptun wire, 1.3, 4.1, 4.2, 4.8).

use super::kcp::{PUSH, Segments};
use super::{SeqId, u16_at, u32_at};

/// Bytes in front of the KCP segments of a data packet: seqid 4, type 2, size 2.
pub const HEADER: usize = 8;

/// Bytes in front of a shard: seqid 4, type 2. In a parity packet nothing else is header.
pub const PARITY_HEADER: usize = 6;

/// The longest packet that takes part in recovery, in bytes: what a peer's receive buffer takes.
pub const MAX_PACKET: usize = 1500;

/// Bytes of the size field, the first of a shard; the size counts itself.
pub(crate) const SIZE_FIELD: usize = 2;

pub(crate) const TYPE_DATA: u16 = 0x00f1;
pub(crate) const TYPE_PARITY: u16 = 0x00f2;
const TYPE_OUT_OF_BAND: u16 = 0x00f3;

/// What a payload is (kcptun wire, 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// KCP segments behind a FEC header.
    Data,
    /// Parity behind a FEC header.
    Parity,
    /// Neither KCP nor FEC; kcptun never sends it.
    OutOfBand,
    /// KCP segments without FEC, or too short to say.
    Plain,
}

/// Tell payloads apart; any bytes of any length have a kind.
///
/// A `Data` or `Parity` payload may still be shorter than [`HEADER`]. Drop it then.
pub fn classify(payload: &[u8]) -> PacketKind {
    if payload.len() < PARITY_HEADER {
        return PacketKind::Plain;
    }
    match u16_at(payload, 4) {
        TYPE_DATA => PacketKind::Data,
        TYPE_PARITY => PacketKind::Parity,
        TYPE_OUT_OF_BAND => PacketKind::OutOfBand,
        _ => PacketKind::Plain,
    }
}

/// A FEC packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its number.
    pub seqid: SeqId,
    /// Data, else parity.
    pub is_data: bool,
    /// What is coded: all behind the type, the size field included.
    pub shard: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None` if it is no FEC packet, too short, or if a data packet's size field does not match its
    /// length.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        if bytes.len() < HEADER {
            return None;
        }
        let is_data = match classify(bytes) {
            PacketKind::Data => true,
            PacketKind::Parity => false,
            PacketKind::OutOfBand | PacketKind::Plain => return None,
        };
        let shard = &bytes[PARITY_HEADER..];
        if is_data && usize::from(u16_at(shard, 0)) != shard.len() {
            return None;
        }
        Some(Packet {
            seqid: SeqId(u32_at(bytes, 0)),
            is_data,
            shard,
        })
    }

    /// Its length in bytes.
    pub fn size(&self) -> usize {
        PARITY_HEADER + self.shard.len()
    }

    /// What stands behind the size field: of a data packet, its segments.
    pub fn content(&self) -> &'a [u8] {
        &self.shard[SIZE_FIELD..]
    }
}

/// The segments of a rebuilt shard, if all that can be checked about them holds (kcptun wire, 4.8): the
/// size is in range, zeros follow it, and segments of conversation `conv` fill it exactly, with data
/// in every PUSH.
pub(crate) fn rebuilt_segments(shard: &[u8], conv: u32) -> Option<Segments<'_>> {
    if shard.len() < SIZE_FIELD {
        return None;
    }
    let size = usize::from(u16_at(shard, 0));
    let segments = Segments::parse(shard.get(SIZE_FIELD..size)?).ok()?;
    let is_padded = shard[size..].iter().all(|&byte| byte == 0);
    let is_empty_push = |cmd, data: &[u8]| cmd == PUSH && data.is_empty();
    let is_sound = segments
        .into_iter()
        .all(|it| !is_empty_push(it.cmd, it.data));
    (is_padded && is_sound && segments.conv() == conv).then_some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONV: u32 = 0x1122_3344;

    fn segment(cmd: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = CONV.to_le_bytes().to_vec();
        bytes.extend([cmd, 0]);
        bytes.extend([0; 14]);
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn shard(kcp: &[u8], padding: &[u8]) -> Vec<u8> {
        let size = (SIZE_FIELD + kcp.len()) as u16;
        [&size.to_le_bytes()[..], kcp, padding].concat()
    }

    #[test]
    fn kinds_are_told_by_two_bytes() {
        assert_eq!(classify(&[]), PacketKind::Plain);
        assert_eq!(classify(&[0, 0, 0, 0, 0xf1]), PacketKind::Plain);
        assert_eq!(classify(&[0, 0, 0, 0, 0xf1, 0]), PacketKind::Data);
        assert_eq!(classify(&[0, 0, 0, 0, 0xf2, 0]), PacketKind::Parity);
        assert_eq!(classify(&[0, 0, 0, 0, 0xf3, 0]), PacketKind::OutOfBand);
        assert_eq!(classify(&[0, 0, 0, 0, 0xf1, 1]), PacketKind::Plain);
        assert_eq!(classify(&segment(81, b"x")), PacketKind::Plain);
    }

    #[test]
    fn packets_of_a_wrong_length_do_not_parse() {
        let mut data = vec![1, 0, 0, 0, 0xf1, 0, 4, 0, 9, 9];
        let parsed = Packet {
            seqid: SeqId(1),
            is_data: true,
            shard: &[4, 0, 9, 9],
        };
        assert_eq!(Packet::parse(&data), Some(parsed));
        data.push(0);
        assert_eq!(Packet::parse(&data), None);
        data[4] = 0xf2;
        assert!(Packet::parse(&data).is_some());
        assert_eq!(Packet::parse(&data[..7]), None);
    }

    #[test]
    fn a_sound_shard_gives_its_segments() {
        let kcp = [segment(81, b"data"), segment(82, b""), segment(84, b"")].concat();
        assert_eq!(
            rebuilt_segments(&shard(&kcp, &[]), CONV),
            Segments::parse(&kcp).ok()
        );
        assert_eq!(
            rebuilt_segments(&shard(&kcp, &[0; 5]), CONV),
            Segments::parse(&kcp).ok()
        );
    }

    #[test]
    fn an_unsound_shard_gives_nothing() {
        let kcp = segment(81, b"data");
        let mut fragment = kcp.clone();
        fragment[5] = 1;
        let too_long = [&200u16.to_le_bytes()[..], &kcp].concat();
        let unsound = [
            ("no bytes", vec![]),
            ("one byte", vec![2]),
            ("size 0", vec![0; 40]),
            ("size 1", vec![1, 0]),
            ("no segment", vec![2, 0]),
            ("size beyond the shard", too_long),
            ("padding not zero", shard(&kcp, &[0, 1])),
            ("a segment cut", shard(&kcp[..27], &[])),
            ("bytes left over", shard(&[&kcp[..], &[0; 3]].concat(), &[])),
            ("empty PUSH", shard(&segment(81, b""), &[])),
            ("ACK with data", shard(&segment(82, b"x"), &[])),
            ("unknown command below", shard(&segment(80, b""), &[])),
            ("unknown command above", shard(&segment(85, b""), &[])),
            ("a fragment", shard(&fragment, &[])),
        ];
        for (why, shard) in unsound {
            assert_eq!(rebuilt_segments(&shard, CONV), None, "{why}");
        }
        assert_eq!(
            rebuilt_segments(&shard(&kcp, &[]), CONV + 1),
            None,
            "another conversation"
        );
    }
}
