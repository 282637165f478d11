//! Datagrams that come in parts: all of one, or nothing.

use std::collections::VecDeque;

use super::gaps::Gaps;

/// So many of a flow may be incomplete, with so many bytes together; the oldest of more are given up.
const MOST: usize = 1024;
const BYTES: usize = 4 << 20;
/// One may come in so many parts.
const MOST_PIECES: usize = 256;

/// Where a part belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of its datagram within the flow, modulo 2^16.
    pub number: u16,
    /// The place of its first byte.
    pub offset: u16,
    /// The bytes of the whole datagram.
    pub whole: u16,
}

/// A datagram of which some is missing.
#[derive(Debug)]
struct Partial {
    number: u16,
    whole: u16,
    gaps: Gaps,
}

impl Partial {
    /// The datagram, of which nothing is missing.
    fn into_whole(mut self) -> Vec<u8> {
        let (mut data, mut place) = (Vec::with_capacity(self.whole.into()), 0);
        while let Some(piece) = self.gaps.take(place) {
            place += piece.len() as u64;
            data.extend_from_slice(&piece);
        }
        data
    }
}

/// The incomplete datagrams of a flow.
///
/// Bound: [`MOST`] datagrams, in [`MOST_PIECES`] pieces each, of [`BYTES`] together.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    partials: VecDeque<Partial>,
    bytes: usize,
}

/// What a part has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assembled {
    /// The datagram, if it is complete.
    pub(super) complete: Option<Vec<u8>>,
    /// Datagrams that were given up.
    pub(super) dropped: u64,
}

impl Assembly {
    /// Bytes that wait for others.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Take one part.
    pub(super) fn add(&mut self, part: Part, data: &[u8]) -> Assembled {
        let (whole, begin) = (usize::from(part.whole), usize::from(part.offset));
        let known = self
            .partials
            .iter()
            .rposition(|it| it.number == part.number);
        if data.len() == whole && begin == 0 {
            // What has come of it before is less.
            if let Some(at) = known {
                self.remove(at);
            }
            return Assembled {
                complete: Some(data.to_vec()),
                dropped: 0,
            };
        }
        if begin + data.len() > whole {
            return Assembled {
                complete: None,
                dropped: 1,
            };
        }
        let mut dropped = 0;
        let at = match known {
            Some(at) if self.partials[at].whole == part.whole => at,
            known => {
                // Numbers come again: what is known is another datagram.
                dropped += u64::from(known.is_some_and(|at| self.remove(at).is_some()));
                self.partials.push_back(Partial {
                    number: part.number,
                    whole: part.whole,
                    gaps: Gaps::default(),
                });
                self.partials.len() - 1
            }
        };
        let gaps = &mut self.partials[at].gaps;
        let before = gaps.bytes();
        gaps.insert(begin as u64, data);
        self.bytes += gaps.bytes() - before;
        if gaps.bytes() == whole {
            let complete = self.remove(at).map(Partial::into_whole);
            return Assembled { complete, dropped };
        }
        if gaps.pieces() > MOST_PIECES {
            dropped += u64::from(self.remove(at).is_some());
        }
        while self.partials.len() > MOST || self.bytes > BYTES {
            dropped += u64::from(self.remove(0).is_some());
        }
        Assembled {
            complete: None,
            dropped,
        }
    }

    fn remove(&mut self, at: usize) -> Option<Partial> {
        let partial = self.partials.remove(at)?;
        self.bytes -= partial.gaps.bytes();
        Some(partial)
    }

    /// Give all up; returns how many they were.
    pub(super) fn clear(&mut self) -> u64 {
        let count = self.partials.len() as u64;
        *self = Assembly::default();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(number: u16, offset: usize, whole: usize) -> Part {
        Part {
            number,
            offset: offset as u16,
            whole: whole as u16,
        }
    }

    proptest! {
        #[test]
        fn parts_in_any_order_and_more_than_once_are_the_datagram(
            data in proptest::collection::vec(any::<u8>(), 1..3000),
            cuts in proptest::collection::vec((0usize..3000, 1usize..900), 0..20),
            turn in 0usize..30,
        ) {
            let mut assembly = Assembly::default();
            let all = data.chunks(700).enumerate().map(|(at, it)| (at * 700, it));
            let more = cuts.iter().filter(|(at, _)| *at < data.len());
            let more = more.map(|(at, len)| (*at, &data[*at..data.len().min(at + len)]));
            let mut parts: Vec<_> = all.chain(more).collect();
            let count = parts.len();
            parts.rotate_left(turn % count);
            let mut complete = Vec::new();
            for (at, piece) in parts {
                complete.extend(assembly.add(part(7, at, data.len()), piece).complete);
            }
            prop_assert!(!complete.is_empty());
            prop_assert!(complete.iter().all(|it| *it == data));
        }
    }

    #[test]
    fn the_oldest_of_too_many_is_given_up() {
        let mut assembly = Assembly::default();
        for number in 0..MOST as u16 {
            assert_eq!(assembly.add(part(number, 0, 10), b"12345").dropped, 0);
        }
        let more = MOST as u16;
        assert_eq!(assembly.add(part(more, 0, 10), b"12345").dropped, 1);
        assert_eq!(assembly.bytes(), 5 * MOST);
        let late = assembly.add(part(0, 5, 10), b"67890");
        assert_eq!((late.complete, late.dropped), (None, 1));
        let whole = assembly.add(part(more, 5, 10), b"67890").complete;
        assert_eq!(whole.as_deref(), Some(&b"1234567890"[..]));
        assert_eq!(assembly.clear(), MOST as u64 - 1);
        let most = BYTES / 60_000;
        for number in 0..=most as u16 {
            let dropped = assembly.add(part(number, 0, 65_000), &[1; 60_000]).dropped;
            assert_eq!(dropped, u64::from(usize::from(number) == most), "{number}");
        }
        assert_eq!(assembly.bytes(), most * 60_000);
    }

    #[test]
    fn what_cannot_be_is_dropped() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.add(part(1, 8, 10), b"12345").dropped, 1);
        assert_eq!(assembly.bytes(), 0);
        for at in (0..2 * MOST_PIECES + 2).step_by(2) {
            assembly.add(part(2, at, 60_000), b"x");
        }
        assert_eq!(assembly.bytes(), 0);
        let empty = assembly.add(part(3, 0, 0), b"");
        assert_eq!(empty.complete, Some(Vec::new()));
    }
}
