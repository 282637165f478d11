//! What is left of a datagram when the crypt layer has opened it.

use super::fec::{Packet, PacketKind, classify};
use super::kcp::{HEADER, SegmentError, Segments};

/// The shortest that Go takes for out-of-band (kcptun wire, 1.4).
const MIN_OUT_OF_BAND: usize = 12;

/// A well-formed payload (kcptun wire, 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Segments without FEC.
    Plain(Segments<'a>),
    /// A FEC packet, and the segments in it.
    Data(Packet<'a>, Segments<'a>),
    /// A FEC packet that names no conversation.
    Parity(Packet<'a>),
    /// Neither KCP nor FEC; kcptun never sends it.
    OutOfBand,
}

/// Why bytes are no payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than any of its kind.
    Short(PacketKind),
    /// The size field of a data packet tells another length.
    Size,
    /// The KCP part.
    Kcp(SegmentError),
}

impl<'a> Payload<'a> {
    /// Read all of `bytes`.
    ///
    /// # Errors
    /// [`Malformed`] says why they are no payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Payload<'a>, Malformed> {
        let kind = classify(bytes);
        let least = match kind {
            PacketKind::OutOfBand => MIN_OUT_OF_BAND,
            _ => HEADER,
        };
        if bytes.len() < least {
            return Err(Malformed::Short(kind));
        }
        Ok(match kind {
            PacketKind::Plain => Payload::Plain(Segments::parse(bytes)?),
            PacketKind::Parity => Payload::Parity(Packet::parse(bytes).ok_or(Malformed::Size)?),
            PacketKind::Data => {
                let packet = Packet::parse(bytes).ok_or(Malformed::Size)?;
                Payload::Data(packet, Segments::parse(packet.content())?)
            }
            PacketKind::OutOfBand => Payload::OutOfBand,
        })
    }

    /// Its length in bytes; 0 for one of an unknown kind.
    pub fn size(&self) -> usize {
        match self {
            Payload::Plain(segments) => segments.bytes().len(),
            Payload::Data(packet, _) | Payload::Parity(packet) => packet.size(),
            Payload::OutOfBand => 0,
        }
    }

    /// The conversation, if it names one.
    pub fn conv(&self) -> Option<u32> {
        self.segments().map(|segments| segments.conv())
    }

    /// The segments, if it shows any.
    pub fn segments(&self) -> Option<Segments<'a>> {
        match self {
            Payload::Plain(segments) | Payload::Data(_, segments) => Some(*segments),
            Payload::Parity(_) | Payload::OutOfBand => None,
        }
    }
}

impl From<SegmentError> for Malformed {
    fn from(error: SegmentError) -> Malformed {
        Malformed::Kcp(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kcp::{ACK, PUSH, Segment};
    use super::super::{Millis, SeqId, Sn};
    use super::*;
    use proptest::prelude::*;

    fn segment(conv: u32, cmd: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER + data.len()];
        let (wnd, ts, sn, una) = (32, Millis(1), Sn(2), Sn(3));
        let segment = Segment {
            conv,
            cmd,
            wnd,
            ts,
            sn,
            una,
            data,
        };
        segment.write(&mut bytes);
        bytes
    }

    fn coded(kind: u8, content: &[u8]) -> Vec<u8> {
        let size = (2 + content.len()) as u16;
        [&[5, 0, 0, 0, kind, 0], &size.to_le_bytes()[..], content].concat()
    }

    #[test]
    fn each_kind_shows_what_is_in_it() {
        let kcp = [segment(7, PUSH, b"data"), segment(7, ACK, b"")].concat();
        let segments = Segments::parse(&kcp).expect("segments");
        assert_eq!(segments.conv(), 7);
        assert_eq!(segments.into_iter().count(), 2);
        assert_eq!(Payload::parse(&kcp), Ok(Payload::Plain(segments)));
        let data = coded(0xf1, &kcp);
        let Ok(Payload::Data(packet, inside)) = Payload::parse(&data) else {
            panic!("a data packet");
        };
        assert_eq!((packet.seqid, inside), (SeqId(5), segments));
        let parity = coded(0xf2, &kcp);
        let payload = Payload::parse(&parity).expect("a parity packet");
        assert!(matches!(payload, Payload::Parity(packet) if packet.shard == &parity[6..]));
        assert_eq!(payload.segments(), None);
        assert_eq!(
            Payload::parse(&coded(0xf3, &[0; 4])),
            Ok(Payload::OutOfBand)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (kcp, other) = (segment(7, PUSH, b"data"), segment(8, ACK, b""));
        let mut long = coded(0xf1, &kcp);
        long.push(0);
        let mut fragment = kcp.clone();
        fragment[5] = 1;
        let wrong = [
            (vec![0; 23], Malformed::Short(PacketKind::Plain)),
            (coded(0xf2, &[0; 15]), Malformed::Short(PacketKind::Parity)),
            (
                coded(0xf3, &[0; 3]),
                Malformed::Short(PacketKind::OutOfBand),
            ),
            (long, Malformed::Size),
            (
                coded(0xf1, &kcp[..27]),
                Malformed::Kcp(SegmentError::Length),
            ),
            (
                [&kcp[..], &[0; 3]].concat(),
                Malformed::Kcp(SegmentError::Length),
            ),
            ([kcp, other].concat(), Malformed::Kcp(SegmentError::Conv)),
            (segment(7, 99, b""), Malformed::Kcp(SegmentError::Command)),
            (segment(7, ACK, b"x"), Malformed::Kcp(SegmentError::Command)),
            (fragment, Malformed::Kcp(SegmentError::Fragment)),
        ];
        for (bytes, error) in wrong {
            assert_eq!(Payload::parse(&bytes), Err(error), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn segments_parse_where_they_end_and_nowhere_else(
            lengths in proptest::collection::vec(0usize..60, 1..5),
        ) {
            let kcp: Vec<u8> = lengths.iter().flat_map(|&n| segment(9, PUSH, &vec![1; n])).collect();
            let segments = Segments::parse(&kcp).expect("segments");
            let seen: Vec<usize> = segments.into_iter().map(|it| it.data.len()).collect();
            prop_assert_eq!(&seen, &lengths);
            let ends: Vec<usize> = lengths
                .iter()
                .scan(0, |end, n| { *end += HEADER + n; Some(*end) })
                .collect();
            for cut in 0..=kcp.len() {
                let is_whole = ends.contains(&cut);
                prop_assert_eq!(Segments::parse(&kcp[..cut]).is_ok(), is_whole, "{}", cut);
            }
        }

        #[test]
        fn a_wrong_byte_gives_an_error_or_segments_that_fill_the_payload(
            kind in prop_oneof![Just(None), Just(Some(0xf1u8)), Just(Some(0xf2))],
            at in any::<proptest::sample::Index>(),
            value in any::<u8>(),
        ) {
            let kcp = [segment(7, PUSH, b"data"), segment(7, ACK, b"")].concat();
            let mut bytes = match kind {
                None => kcp,
                Some(kind) => coded(kind, &kcp),
            };
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok(payload) = Payload::parse(&bytes)
                && let Some(segments) = payload.segments()
            {
                let filled: usize = segments.into_iter().map(|it| HEADER + it.data.len()).sum();
                prop_assert_eq!(filled, segments.bytes().len());
                prop_assert!(segments.into_iter().all(|it| it.conv == segments.conv()));
            }
        }
    }
}
