//! Transmissions that left in a group of FEC: parity may bring them back after they were overtaken.
//!
//! What is overtaken for too long is lost, but if its group gets parity, the peer may have it all the same: it
//! is acknowledged as late as that parity arrives. Only then it is known whether the group has failed.

use std::collections::VecDeque;

use super::overtaken::Transmission;
use crate::time::{Duration, Time};

/// The groups of a conversation, as far as its segments are concerned.
///
/// Bound: one suspect a transmission in flight.
#[derive(Debug, Default)]
pub(super) struct Coded {
    /// What leaves now belongs to this group; `None`: it leaves without FEC.
    group: Option<u32>,
    /// The newest group, when it began, and how long the last one took until all its data had left.
    newest: Option<u32>,
    began: Time,
    fill: Duration,
    /// All its data has left.
    is_full: bool,
    /// Lost, and how long their parity has time to change that.
    suspects: VecDeque<(Time, Transmission)>,
    last_failed: Option<u32>,
    /// Groups that have failed since [`Coded::take_failures`].
    failures: u32,
}

impl Coded {
    /// What leaves from now on belongs to this group; `None`: it leaves without FEC.
    pub(super) fn set_group(&mut self, group: Option<u32>) {
        self.group = group;
    }

    /// A segment leaves. Returns its group.
    pub(super) fn note_sent(&mut self, now: Time) -> Option<u32> {
        if self.group.is_some() && self.group != self.newest {
            (self.newest, self.began, self.is_full) = (self.group, now, false);
        }
        self.group
    }

    /// How long the last group took until all its data had left.
    pub(super) fn fill(&self) -> Duration {
        self.fill
    }

    /// All data of the last group has left.
    pub(super) fn note_full(&mut self, now: Time) {
        (self.fill, self.is_full) = (now.since(self.began), true);
    }

    /// Whether parity may still come for this group.
    pub(super) fn has_parity(&self, group: u32) -> bool {
        self.is_full || self.newest != Some(group)
    }

    /// A transmission of a group is lost. Its parity may change that for so long.
    pub(super) fn suspect(&mut self, transmission: Transmission, smoothed: Duration, now: Time) {
        // The next one may take longer than the last.
        let at = now + (2 * self.fill).min(smoothed / 2);
        let after = self.suspects.back().map_or(at, |(last, _)| at.max(*last));
        self.suspects.push_back((after, transmission));
    }

    /// The next transmission that parity should have brought back by now.
    pub(super) fn next(&mut self, now: Time) -> Option<Transmission> {
        let (_, transmission) = *self.suspects.front().filter(|(at, _)| *at <= now)?;
        self.suspects.pop_front();
        Some(transmission)
    }

    /// It has not: its group has failed.
    pub(super) fn note_failed(&mut self, group: u32) {
        if self.last_failed.replace(group) != Some(group) {
            self.failures += 1;
        }
    }

    /// Groups that have failed since the last call.
    pub(super) fn take_failures(&mut self) -> u32 {
        core::mem::take(&mut self.failures)
    }

    /// When [`Coded::next`] has one.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.suspects.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Sn;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn transmission(order: u64) -> Transmission {
        let sn = Sn(order as u32);
        Transmission { order, sn }
    }

    #[test]
    fn parity_has_as_much_time_as_its_group_took_to_fill() {
        let mut coded = Coded::default();
        for (group, time) in [(Some(1), 0), (None, 3), (Some(1), 10)] {
            coded.set_group(group);
            assert_eq!(coded.note_sent(at(time)), group);
        }
        coded.note_full(at(12));
        coded.suspect(transmission(5), Duration::from_millis(100), at(200));
        assert_eq!(coded.next_timeout(), Some(at(224)));
        assert_eq!(coded.next(at(223)), None);
        assert_eq!(coded.next(at(224)), Some(transmission(5)));
        assert_eq!(coded.next_timeout(), None);
        // A slow group does not hold a segment up for long.
        coded.suspect(transmission(6), Duration::from_millis(20), at(300));
        assert_eq!(coded.next_timeout(), Some(at(310)));
    }

    #[test]
    fn a_group_that_is_not_full_gets_no_parity_yet() {
        let mut coded = Coded::default();
        coded.set_group(Some(1));
        coded.note_sent(at(0));
        assert!(!coded.has_parity(1));
        coded.note_full(at(5));
        assert!(coded.has_parity(1));
        coded.set_group(Some(2));
        coded.note_sent(at(9));
        assert!(coded.has_parity(1) && !coded.has_parity(2));
    }

    #[test]
    fn a_group_fails_once() {
        let mut coded = Coded::default();
        for group in [1, 1, 1, 2, 2] {
            coded.note_failed(group);
        }
        assert_eq!((coded.take_failures(), coded.take_failures()), (2, 0));
    }
}
