//! Copies of segments that somebody waits for, before anybody knows that they are lost.
//!
//! On a path that loses, a lost segment costs a round trip; a copy a few milliseconds later costs only its
//! bytes. The last segments of a request are copied, and, while there are requests, what is sent again: all
//! that left behind a lost segment waits for it.

use std::collections::VecDeque;

use crate::time::{Duration, Time};
use crate::wire::Sn;

/// Copies may take one part in so many of the path's rate.
const SHARE: u64 = 48;
/// They may take this at least, in bytes a second.
const LEAST_RATE: u64 = 4_000;
/// What was not used for copies is kept for so long, and for so many bytes at least.
const KEPT: Duration = Duration::from_millis(250);
const LEAST_KEPT: u64 = 16_000;
/// Without a loss for so long nothing is copied.
const LOSSY: Duration = Duration::from_secs(30);
/// After urgent data so long, all that is sent again counts as urgent.
const URGENT: Duration = Duration::from_secs(1);
/// A copy leaves so much later: most bursts of losses are over by then.
const GAPS: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(2)..=Duration::from_millis(10);

/// A transmission that is to be copied, unless it is acknowledged before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    at: Time,
    pub(super) sn: Sn,
    pub(super) order: u64,
}

/// What is to be copied.
#[derive(Debug, Default)]
pub(super) struct Copies {
    waiting: VecDeque<Due>,
    /// Bytes that copies may take now, and when that was counted.
    credit: i64,
    counted: Time,
    last_loss: Option<Time>,
    last_urgent: Option<Time>,
}

impl Copies {
    /// A segment is lost.
    pub(super) fn note_loss(&mut self, now: Time) {
        self.last_loss = Some(now);
    }

    /// A segment leaves that somebody waits for.
    pub(super) fn note_urgent(&mut self, now: Time) {
        self.last_urgent = Some(now);
    }

    /// Whether somebody waits for something.
    pub(super) fn is_somebody_waiting(&self, now: Time) -> bool {
        self.last_urgent.is_some_and(|at| now.since(at) < URGENT)
    }

    /// Copy a transmission of so many bytes, if there is enough left of `rate`; the round trip is `smoothed`.
    /// `is_needed` says that it counts more than the credit.
    pub(super) fn add(
        &mut self,
        (sn, order, bytes): (Sn, u64, usize),
        is_needed: bool,
        (rate, smoothed): (Option<u64>, Duration),
        now: Time,
    ) {
        let is_lossy = self.last_loss.is_some_and(|at| now.since(at) < LOSSY);
        let rate = (rate.unwrap_or(0) / SHARE).max(LEAST_RATE);
        let most = (rate * KEPT.as_millis() as u64 / 1000).max(LEAST_KEPT) as i64;
        let passed = now.since(self.counted).min(Duration::from_secs(10));
        let earned = u128::from(rate) * passed.as_micros() / 1_000_000;
        self.counted = now;
        self.credit = (self.credit + earned as i64).min(most);
        let least = if is_needed { -most } else { 0 };
        if !is_lossy || self.credit <= least {
            return;
        }
        self.credit = (self.credit - bytes as i64).max(-most);
        let at = now + (smoothed / 16).clamp(*GAPS.start(), *GAPS.end());
        self.waiting.push_back(Due { at, sn, order });
    }

    /// The next copy that is due.
    pub(super) fn next(&mut self, now: Time) -> Option<Due> {
        let due = *self.waiting.front().filter(|due| due.at <= now)?;
        self.waiting.pop_front();
        Some(due)
    }

    /// When the next copy is due.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.waiting.front().map(|due| due.at)
    }
}
