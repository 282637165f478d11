//! Acknowledgements of segments ahead of order that leave again with later ones.
//!
//! Each leaves in the next datagram that acknowledges something, and once more [`LATER`] such datagrams
//! after it: a burst of losses takes neighbours.

use std::collections::VecDeque;

use crate::wire::{Millis, Sn};
use crate::work;

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
/// Bound: two for each segment ahead of order.
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
        self.soon.push_back((ack, self.datagrams + 1));
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
                self.later.push_back((ack, now + LATER));
            }
            self.allowed -= 1;
            return Some(ack);
        }
        None
    }
}
