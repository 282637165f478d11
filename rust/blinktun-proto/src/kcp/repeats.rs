//! Acknowledgements of segments ahead of order that leave again with later ones.
//!
//! Each leaves in the next datagram that acknowledges something, and once more [`LATER`] such datagrams
//! after it: a burst of losses takes neighbours.

use std::collections::VecDeque;

use crate::wire::{Millis, Sn};
use crate::work;

/// Each queue has at most so many: those of some hundred datagrams.
const MOST: usize = 4096;
/// So many datagrams lie between the first time and the last.
const LATER: u64 = 8;

/// An acknowledgement owed: which segment, and its clock to echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwedAck {
    /// The segment's number.
    pub sn: Sn,
    /// The segment's clock.
    pub ts: Millis,
}

/// What leaves again, and in which datagram at the earliest.
///
/// Bound: [`MOST`]; the oldest is given up.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    soon: VecDeque<(OwedAck, u64)>,
    later: VecDeque<(OwedAck, u64)>,
    datagrams: u64,
    /// How many may still leave in this datagram.
    allowed: usize,
}

impl Repeats {
    /// A datagram is written that acknowledges something.
    pub(super) fn begin(&mut self) {
        self.datagrams += 1;
        self.allowed = 0;
    }

    /// An acknowledgement leaves for the first time.
    pub(super) fn add(&mut self, ack: OwedAck) {
        self.allowed += 2;
        push(&mut self.soon, (ack, self.datagrams + 1));
    }

    /// The next one that leaves again in this datagram: for each new one two at most. `next` is the first
    /// segment that is missing; what lies before it needs no acknowledgement.
    pub(super) fn next(&mut self, next: Sn) -> Option<OwedAck> {
        while self.allowed > 0 {
            work::count(1);
            let now = self.datagrams;
            let is_due =
                |queue: &VecDeque<(OwedAck, u64)>| queue.front().is_some_and(|it| it.1 <= now);
            let is_soon = is_due(&self.soon);
            let queue = match (is_soon, is_due(&self.later)) {
                (true, _) => &mut self.soon,
                (false, true) => &mut self.later,
                (false, false) => return None,
            };
            let (ack, _) = queue.pop_front()?;
            if ack.sn.before(next) {
                continue;
            }
            if is_soon {
                push(&mut self.later, (ack, now + LATER));
            }
            self.allowed -= 1;
            return Some(ack);
        }
        None
    }
}

fn push(queue: &mut VecDeque<(OwedAck, u64)>, entry: (OwedAck, u64)) {
    if queue.len() == MOST {
        queue.pop_front();
    }
    queue.push_back(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(n: u32) -> OwedAck {
        OwedAck {
            sn: Sn(n),
            ts: Millis(n),
        }
    }

    #[test]
    fn each_leaves_with_the_next_datagram_and_once_more_later() {
        let mut repeats = Repeats::default();
        let mut seen = Vec::new();
        for datagram in 0..20 {
            repeats.begin();
            repeats.add(ack(datagram));
            while let Some(ack) = repeats.next(Sn(0)) {
                seen.push((ack.sn.0, datagram));
            }
        }
        let of_three: Vec<_> = seen.iter().filter(|(sn, _)| *sn == 3).collect();
        assert_eq!(of_three, [&(3, 4), &(3, 12)]);
    }

    #[test]
    fn what_finds_no_room_does_not_pile_up() {
        let mut repeats = Repeats::default();
        for n in 0..100_000 {
            repeats.begin();
            repeats.add(ack(n));
        }
        assert_eq!(repeats.soon.len(), MOST);
    }

    #[test]
    fn what_is_in_order_by_now_leaves_no_more() {
        let mut repeats = Repeats::default();
        repeats.begin();
        repeats.add(ack(5));
        repeats.begin();
        repeats.add(ack(9));
        assert_eq!(repeats.next(Sn(6)), None);
    }
}
