//! Copies of segments that somebody waits for, before anybody knows that they are lost.
//!
//! On a path that loses, a lost segment costs a round trip; a copy a few milliseconds later costs only its
//! bytes. The last segments of a request are copied, and, while there are requests, what is sent again: all
//! that left behind a lost segment waits for it.

use std::collections::VecDeque;

use super::in_flight::{Again, Outgoing};
use super::overtaken::Transmission;
use crate::time::{Duration, Time};
use crate::wire::Sn;

/// Copies may take one part in so many of the path's rate.
const SHARE: u64 = 48;
/// They may take so many bytes a second, however slow the path is.
const LEAST_RATE: u64 = 4_000;
/// What copies did not take is kept: what they may take in this time, or so many bytes.
const KEPT: Duration = Duration::from_millis(250);
const LEAST_KEPT: u64 = 16_000;
/// If nothing is lost for so long, nothing is copied.
const LOSSY: Duration = Duration::from_secs(30);
/// For so long after an urgent segment all that is repeated is urgent.
const URGENT: Duration = Duration::from_secs(1);
/// A segment that leaves so often, or more often, may be copied on credit.
const REPEATED: u32 = 3;
/// A copy leaves so much later: most bursts of losses are over by then.
const GAPS: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(2)..=Duration::from_millis(10);

/// What is to be copied, unless it is acknowledged before.
#[derive(Debug, Default)]
pub(super) struct Copies {
    waiting: VecDeque<(Time, Transmission)>,
    /// Bytes that copies may take now, and when that was counted. Below zero they were taken on credit.
    allowed: i64,
    counted: Time,
    last_loss: Option<Time>,
    last_urgent: Option<Time>,
}

impl Copies {
    /// A segment is lost.
    pub(super) fn note_loss(&mut self, now: Time) {
        self.last_loss = Some(now);
    }

    /// A segment leaves, for the first time or again. The path has this rate, in bytes a second, and this
    /// round trip.
    pub(super) fn note_sent(
        &mut self,
        sn: Sn,
        segment: &Outgoing,
        again: Option<Again>,
        (rate, smoothed): (Option<u64>, Duration),
        now: Time,
    ) {
        if segment.is_urgent {
            self.last_urgent = Some(now);
        }
        let is_wanted = match again {
            None => segment.is_urgent,
            Some(Again::Copy) => false,
            Some(_) => self.last_urgent.is_some_and(|at| now.since(at) < URGENT),
        };
        let is_lossy = self.last_loss.is_some_and(|at| now.since(at) < LOSSY);
        if !is_wanted || !is_lossy {
            return;
        }
        let rate = (rate.unwrap_or(0) / SHARE).max(LEAST_RATE);
        let most = brought(rate, KEPT).max(LEAST_KEPT as i64);
        let earned = brought(rate, now.since(self.counted));
        self.counted = now;
        self.allowed = self.allowed.saturating_add(earned).min(most);
        let may_borrow = segment.transmissions >= REPEATED;
        if self.allowed <= if may_borrow { -most } else { 0 } {
            return;
        }
        self.allowed -= segment.data.len() as i64;
        let order = segment.last.order;
        self.add(Transmission { order, sn }, smoothed, now);
    }

    /// Copy a transmission that leaves now, whatever it costs.
    pub(super) fn add(&mut self, transmission: Transmission, smoothed: Duration, now: Time) {
        let at = now + (smoothed / 16).clamp(*GAPS.start(), *GAPS.end());
        self.waiting.push_back((at, transmission));
    }

    /// The next transmission that is to be copied now.
    pub(super) fn next(&mut self, now: Time) -> Option<Transmission> {
        let (_, transmission) = *self.waiting.front().filter(|(at, _)| *at <= now)?;
        self.waiting.pop_front();
        Some(transmission)
    }

    /// When the next one is to be copied.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.waiting.front().map(|(at, _)| *at)
    }
}

/// What a rate brings in this time, in bytes.
fn brought(rate: u64, time: Duration) -> i64 {
    let bytes = u128::from(rate) * time.as_micros() / 1_000_000;
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
