//! Which transmissions have been overtaken: later ones were acknowledged, they were not.
//!
//! Transmissions are numbered as they leave; a repeated segment gets a new number. One is lost when
//! `resend` later ones have been acknowledged, so the `resend` newest that are acknowledged tell all
//! that are lost, and those stand at the front of what is out. Nothing is looked at twice: an acknowledgement costs the
//! same however much is in flight.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::receiver::SLACK;
use crate::wire::Sn;
use crate::work;

/// A transmission: which one of the conversation, and of which segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transmission {
    pub(super) order: u64,
    pub(super) sn: Sn,
}

/// What is out, and the newest that was acknowledged.
///
/// Bound: twice what is in flight and [`SPARE`]; `resend` numbers.
#[derive(Debug)]
pub(super) struct Overtaken {
    resend: usize,
    /// Oldest first; some were acknowledged, or have left again since.
    out: VecDeque<Transmission>,
    /// The newest acknowledged transmissions, `resend` at most; the oldest of them on top.
    newest: BinaryHeap<Reverse<u64>>,
    /// All transmissions before this one have been overtaken at least once.
    passed: u64,
    /// All before this one were returned by [`Overtaken::next_passed`], or are lost.
    seen: u64,
}

/// Transmissions that may be out of date before they are cleared away.
const SPARE: usize = 64;

impl Overtaken {
    /// Nothing is out. `resend` later acknowledgements make a transmission lost; 0 never do.
    pub(super) fn new(resend: u32) -> Overtaken {
        Overtaken {
            resend: (resend as usize).min(SLACK as usize),
            out: VecDeque::new(),
            newest: BinaryHeap::new(),
            passed: 0,
            seen: 0,
        }
    }

    /// A segment leaves.
    pub(super) fn note_sent(&mut self, transmission: Transmission) {
        self.out.push_back(transmission);
    }

    /// A transmission was acknowledged.
    pub(super) fn note_acked(&mut self, order: u64) {
        self.passed = self.passed.max(order);
        if self.resend == 0 {
            return;
        }
        self.newest.push(Reverse(order));
        if self.newest.len() > self.resend {
            self.newest.pop();
        }
    }

    /// The next transmission that is lost, unless it was acknowledged or repeated. Each comes once.
    pub(super) fn next_lost(&mut self) -> Option<Transmission> {
        let Reverse(oldest) = *self.newest.peek()?;
        let is_lost = self.newest.len() == self.resend && self.out.front()?.order < oldest;
        work::count(1);
        if is_lost { self.out.pop_front() } else { None }
    }

    /// The next transmission that was overtaken at all, unless it was acknowledged or repeated. Each
    /// comes once.
    pub(super) fn next_passed(&mut self) -> Option<Transmission> {
        let index = self.out.partition_point(|it| it.order < self.seen);
        let next = self.out.get(index).filter(|it| it.order < self.passed)?;
        work::count(1);
        self.seen = next.order + 1;
        Some(*next)
    }

    /// Clear away what `is_out` says is out no more, if there is much of it.
    pub(super) fn tidy(&mut self, in_flight: u32, is_out: impl Fn(&Transmission) -> bool) {
        if self.out.len() > 2 * in_flight as usize + SPARE {
            work::count(self.out.len());
            self.out.retain(is_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(resend: u32, count: u32) -> Overtaken {
        let mut overtaken = Overtaken::new(resend);
        for n in 0..count {
            overtaken.note_sent(Transmission {
                order: n.into(),
                sn: Sn(n),
            });
        }
        overtaken
    }

    fn lost(overtaken: &mut Overtaken) -> Vec<u64> {
        std::iter::from_fn(|| overtaken.next_lost())
            .map(|it| it.order)
            .collect()
    }

    #[test]
    fn what_enough_later_ones_have_passed_is_lost_once() {
        let mut overtaken = sent(2, 10);
        overtaken.note_acked(5);
        assert_eq!(lost(&mut overtaken), [0u64; 0]);
        overtaken.note_acked(3);
        assert_eq!(lost(&mut overtaken), [0, 1, 2]);
        overtaken.note_acked(1);
        assert_eq!(lost(&mut overtaken), [0u64; 0]);
        overtaken.note_acked(9);
        assert_eq!(lost(&mut overtaken), [3, 4]);
    }

    #[test]
    fn without_a_threshold_nothing_is_lost_but_all_are_passed() {
        let mut overtaken = sent(0, 10);
        overtaken.note_acked(4);
        assert_eq!(lost(&mut overtaken), [0u64; 0]);
        let passed = std::iter::from_fn(|| overtaken.next_passed());
        assert_eq!(passed.map(|it| it.order).collect::<Vec<_>>(), [0, 1, 2, 3]);
        overtaken.note_acked(6);
        let passed = std::iter::from_fn(|| overtaken.next_passed());
        assert_eq!(passed.map(|it| it.order).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn what_is_not_out_any_more_is_cleared_away() {
        let mut overtaken = sent(2, 200);
        overtaken.tidy(60, |it| it.order >= 140);
        assert_eq!(overtaken.out.len(), 60);
        overtaken.tidy(1, |_| false);
        assert_eq!(overtaken.out.len(), 60, "few are left to be found later");
    }
}
