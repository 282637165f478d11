//! How long a transmission that was overtaken may still be on its way.

use crate::time::{Duration, Time};

/// Nothing is repeated sooner after it was overtaken: one wake-up of a receiver.
const LEAST: Duration = Duration::from_millis(1);
/// What was late once is expected again for so many round trips, and for twice as many at most.
const MEMORY_ROUNDS: u32 = 16;
/// As long at least.
const MEMORY: Duration = Duration::from_secs(1);
/// For so many round trips a path is new: it is assumed to reorder by an eighth of a round trip (RFC 9002,
/// 6.1.2).
const NEW_ROUNDS: u32 = 4;

/// The lateness of what arrived after it had been overtaken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reordering {
    first: Option<Time>,
    began: Time,
    current: Duration,
    previous: Duration,
}

impl Reordering {
    /// The path has delivered something.
    pub(crate) fn begin(&mut self, now: Time) {
        self.first.get_or_insert(now);
    }

    /// Something arrived so much later than what it had left before.
    pub(crate) fn note(&mut self, late: Duration, smoothed: Duration, now: Time) {
        let age = now.since(self.began);
        if age >= memory(smoothed) {
            self.previous = self.recent(age, smoothed);
            (self.current, self.began) = (Duration::ZERO, now);
        }
        self.current = self.current.max(late);
    }

    /// How long to wait for what has been overtaken.
    pub(crate) fn patience(&self, smoothed: Duration, now: Time) -> Duration {
        let age = now.since(self.began);
        let seen = match age < memory(smoothed) {
            true => self.current.max(self.previous),
            false => self.recent(age, smoothed),
        };
        let is_new = self
            .first
            .is_none_or(|first| now.since(first) < NEW_ROUNDS * smoothed);
        let least = if is_new { smoothed / 8 } else { LEAST };
        (LEAST + seen + seen / 4)
            .max(least)
            .min(smoothed.max(LEAST))
    }

    /// What counts of `current` when it is `age` old.
    fn recent(&self, age: Duration, smoothed: Duration) -> Duration {
        if age < 2 * memory(smoothed) {
            self.current
        } else {
            Duration::ZERO
        }
    }
}

fn memory(smoothed: Duration) -> Duration {
    (MEMORY_ROUNDS * smoothed).max(MEMORY)
}
