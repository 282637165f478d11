//! Datagrams that come in parts: all of one, or nothing.

use std::collections::BTreeMap;

use super::gaps::Gaps;
use crate::time::{Duration, Time};
use crate::work;

/// Incomplete datagrams cost at most so many bytes together; the oldest are given up.
const MOST: usize = 2 << 20;
/// A datagram and each of its pieces cost so many bytes beside their data.
const EACH: usize = 64;
/// A datagram may come in so many pieces.
const MOST_PIECES: usize = 256;

/// The place of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of its datagram within the flow, modulo 2^32.
    pub number: u32,
    /// The place of its first byte.
    pub offset: u16,
    /// The bytes of the whole datagram.
    pub whole: u16,
}

/// A flow, and the number of a datagram in it.
type Key = (u32, u32);

/// A datagram of which some is missing.
#[derive(Debug)]
struct Partial {
    whole: u16,
    gaps: Gaps,
    /// Its place in the order in which the first parts came.
    ticket: u64,
}

impl Partial {
    fn cost(&self) -> usize {
        EACH + self.gaps.bytes() + EACH * self.gaps.pieces()
    }

    /// The datagram. Nothing of it is missing.
    fn into_whole(mut self) -> Vec<u8> {
        let (mut data, mut place) = (Vec::with_capacity(self.whole.into()), 0);
        while let Some(piece) = self.gaps.take(place) {
            place += piece.len() as u64;
            data.extend_from_slice(&piece);
        }
        data
    }
}

/// The incomplete datagrams of a session.
///
/// Bound: [`MOST`] bytes, [`EACH`] for a datagram and for each of its [`MOST_PIECES`] pieces included.
#[derive(Debug)]
pub(super) struct Assembly {
    /// A datagram is given up so long after its first part has come.
    lifetime: Option<Duration>,
    partials: BTreeMap<Key, Partial>,
    /// The oldest first.
    order: BTreeMap<u64, (Time, Key)>,
    next_ticket: u64,
    cost: usize,
}

/// The result of one part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assembled {
    /// The datagram, if it is complete.
    pub(super) complete: Option<Vec<u8>>,
    /// Datagrams that were given up.
    pub(super) dropped: u64,
}

impl Assembly {
    /// Nothing has come. A datagram is given up `lifetime` after its first part has come, if there is one.
    pub(super) fn new(lifetime: Option<Duration>) -> Assembly {
        Assembly {
            lifetime,
            partials: BTreeMap::new(),
            order: BTreeMap::new(),
            next_ticket: 0,
            cost: 0,
        }
    }

    /// The cost of all parts, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Take one part of a datagram of `flow`.
    pub(super) fn add(&mut self, flow: u32, part: Part, data: &[u8], now: Time) -> Assembled {
        let mut dropped = self.expire(now);
        let key = (flow, part.number);
        let (whole, begin) = (usize::from(part.whole), usize::from(part.offset));
        if data.len() == whole && begin == 0 {
            // Parts that came before hold less.
            self.remove(key);
            return Assembled {
                complete: Some(data.to_vec()),
                dropped,
            };
        }
        if data.is_empty() || begin + data.len() > whole {
            return Assembled {
                complete: None,
                dropped: dropped + 1,
            };
        }
        if self
            .partials
            .get(&key)
            .is_some_and(|it| it.whole != part.whole)
        {
            // The number was used again, for another datagram.
            self.remove(key);
            dropped += 1;
        }
        let partial = self.partials.entry(key).or_insert_with(|| {
            let ticket = self.next_ticket;
            self.next_ticket += 1;
            self.order.insert(ticket, (now, key));
            self.cost += EACH;
            Partial {
                whole: part.whole,
                gaps: Gaps::default(),
                ticket,
            }
        });
        let before = partial.cost();
        partial.gaps.insert(begin as u64, data);
        self.cost = self.cost + partial.cost() - before;
        let (bytes, pieces) = (partial.gaps.bytes(), partial.gaps.pieces());
        if bytes == whole {
            let complete = self.remove(key).map(Partial::into_whole);
            return Assembled { complete, dropped };
        }
        if pieces > MOST_PIECES {
            self.remove(key);
            dropped += 1;
        }
        while self.cost > MOST && self.drop_oldest() {
            dropped += 1;
        }
        Assembled {
            complete: None,
            dropped,
        }
    }

    /// Give up the oldest datagram; whether there was one.
    pub(super) fn drop_oldest(&mut self) -> bool {
        work::count(1);
        let oldest = self.order.first_key_value().map(|(_, &(_, key))| key);
        oldest.is_some_and(|key| self.remove(key).is_some())
    }

    /// Give up all that is too old; returns the number of datagrams.
    pub(super) fn expire(&mut self, now: Time) -> u64 {
        let mut dropped = 0;
        while let Some(lifetime) = self.lifetime
            && let Some((_, &(since, _))) = self.order.first_key_value()
            && now.since(since) >= lifetime
            && self.drop_oldest()
        {
            dropped += 1;
        }
        dropped
    }

    /// Give up all of a flow that has ended.
    pub(super) fn forget(&mut self, flow: u32) {
        while let Some((&key, _)) = self.partials.range((flow, 0)..=(flow, u32::MAX)).next() {
            work::count(1);
            self.remove(key);
        }
    }

    fn remove(&mut self, key: Key) -> Option<Partial> {
        let partial = self.partials.remove(&key)?;
        self.order.remove(&partial.ticket);
        self.cost -= partial.cost();
        Some(partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIFETIME: Duration = Duration::from_secs(5);

    fn part(number: u32, offset: usize, whole: usize) -> Part {
        Part {
            number,
            offset: offset as u16,
            whole: whole as u16,
        }
    }

    fn empty() -> Assembly {
        Assembly::new(Some(LIFETIME))
    }

    proptest! {
        #[test]
        fn parts_in_any_order_and_more_than_once_are_the_datagram(
            data in proptest::collection::vec(any::<u8>(), 1..3000),
            cuts in proptest::collection::vec((0usize..3000, 1usize..900), 0..20),
            turn in 0usize..30,
        ) {
            let mut assembly = empty();
            let all = data.chunks(700).enumerate().map(|(at, it)| (at * 700, it));
            let more = cuts.iter().filter(|(at, _)| *at < data.len());
            let more = more.map(|(at, len)| (*at, &data[*at..data.len().min(at + len)]));
            let mut parts: Vec<_> = all.chain(more).collect();
            let count = parts.len();
            parts.rotate_left(turn % count);
            let mut complete = Vec::new();
            for (at, piece) in parts {
                let part = part(7, at, data.len());
                complete.extend(assembly.add(3, part, piece, Time::ZERO).complete);
            }
            prop_assert!(!complete.is_empty());
            prop_assert!(complete.iter().all(|it| *it == data));
            assembly.forget(3);
            prop_assert_eq!((assembly.cost(), assembly.order.len()), (0, 0));
        }
    }

    #[test]
    fn flows_do_not_mix() {
        let mut assembly = empty();
        assembly.add(3, part(1, 0, 4), b"ab", Time::ZERO);
        assembly.add(5, part(1, 2, 4), b"yz", Time::ZERO);
        let whole = assembly.add(5, part(1, 0, 4), b"wx", Time::ZERO);
        assert_eq!(whole.complete.as_deref(), Some(&b"wxyz"[..]));
        assembly.forget(5);
        let whole = assembly.add(3, part(1, 2, 4), b"cd", Time::ZERO);
        assert_eq!(whole.complete.as_deref(), Some(&b"abcd"[..]));
    }

    #[test]
    fn the_oldest_of_too_many_is_given_up() {
        let mut assembly = empty();
        let most = MOST / (2 * EACH + 5);
        for number in 0..most as u32 {
            let added = assembly.add(3, part(number, 0, 10), b"12345", Time::ZERO);
            assert_eq!(added.dropped, 0);
        }
        let next = most as u32;
        let added = assembly.add(3, part(next, 0, 10), b"12345", Time::ZERO);
        assert_eq!(added.dropped, 1);
        assert!(assembly.cost() <= MOST);
        let late = assembly.add(3, part(0, 5, 10), b"67890", Time::ZERO);
        assert_eq!((late.complete, late.dropped), (None, 1));
        let whole = assembly.add(3, part(next, 5, 10), b"67890", Time::ZERO);
        assert_eq!(whole.complete.as_deref(), Some(&b"1234567890"[..]));
        assembly.forget(3);
        assert_eq!(assembly.cost(), 0);
    }

    #[test]
    fn a_part_that_is_too_old_never_joins_a_new_datagram() {
        let mut assembly = empty();
        assembly.add(3, part(1, 0, 10), b"12345", Time::ZERO);
        let late = Time::ZERO + LIFETIME;
        let added = assembly.add(3, part(1, 5, 10), b"67890", late);
        assert_eq!((added.complete, added.dropped), (None, 1));
        assert_eq!(assembly.expire(late), 0);
        assert_eq!(assembly.expire(late + LIFETIME), 1);
        assert_eq!(assembly.cost(), 0);
        let mut patient = Assembly::new(None);
        patient.add(3, part(1, 0, 10), b"12345", Time::ZERO);
        let whole = patient.add(3, part(1, 5, 10), b"67890", Time::from_millis(600_000));
        assert_eq!(whole.complete.as_deref(), Some(&b"1234567890"[..]));
    }

    #[test]
    fn improper_parts_are_dropped_and_cost_nothing() {
        let mut assembly = empty();
        for (part, data) in [(part(1, 8, 10), &b"12345"[..]), (part(1, 3, 10), b"")] {
            let added = assembly.add(3, part, data, Time::ZERO);
            assert_eq!((added.complete, added.dropped), (None, 1));
        }
        assert_eq!(assembly.cost(), 0);
        for at in (0..2 * MOST_PIECES + 2).step_by(2) {
            assembly.add(3, part(2, at, 60_000), b"x", Time::ZERO);
        }
        assert_eq!(assembly.cost(), 0);
        let nothing = assembly.add(3, part(3, 0, 0), b"", Time::ZERO);
        assert_eq!(nothing.complete, Some(Vec::new()));
    }

    #[test]
    fn work_does_not_grow_with_the_parts_that_wait() {
        let mut assembly = empty();
        let most = MOST / (2 * EACH + 1);
        let before = work::steps();
        for number in 0..2 * most as u32 {
            assembly.add(number % 64, part(number, 0, 10), b"1", Time::ZERO);
        }
        assert!(work::steps() - before <= 4 * most as u64);
    }
}
