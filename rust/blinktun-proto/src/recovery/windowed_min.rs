//! The smallest recent value.

use crate::time::{Duration, Time};

/// The minimum of the last half to whole window. Each half keeps its own; the older half is dropped at
/// once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowedMin<T = Duration> {
    half: Duration,
    began: Time,
    current: Option<T>,
    previous: Option<T>,
}

impl<T: Copy + Ord> WindowedMin<T> {
    /// No value yet.
    pub(crate) fn new(window: Duration) -> WindowedMin<T> {
        WindowedMin {
            half: window / 2,
            began: Time::ZERO,
            current: None,
            previous: None,
        }
    }

    /// Take a value; `now` never goes back.
    pub(crate) fn add(&mut self, value: T, now: Time) {
        let age = now.since(self.began);
        if age >= self.half {
            // After a long pause the old values count until the next one comes, which is this.
            self.previous = self.current.filter(|_| age < 2 * self.half);
            (self.current, self.began) = (None, now);
        }
        self.current = Some(self.current.map_or(value, |least| least.min(value)));
    }

    /// The smallest, if there was any.
    pub(crate) fn get(&self) -> Option<T> {
        match (self.current, self.previous) {
            (Some(current), Some(previous)) => Some(current.min(previous)),
            (current, previous) => current.or(previous),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_value_counts_for_half_the_window_at_least_and_for_all_of_it_at_most() {
        let mut least = WindowedMin::new(millis(1000));
        assert_eq!(least.get(), None);
        for at in 0..5000 {
            // One value in a hundred is small, until the path changes.
            let value = if at % 100 == 0 && at < 2000 { 10 } else { 20 };
            least.add(millis(value), Time::from_millis(at));
            let expected = match at {
                0..=2399 => 10,
                2901.. => 20,
                _ => continue,
            };
            assert_eq!(least.get(), Some(millis(expected)), "at {at} ms");
        }
    }

    #[test]
    fn after_a_pause_the_first_value_replaces_the_old_ones() {
        let mut least = WindowedMin::new(millis(1000));
        least.add(millis(10), Time::from_millis(1));
        least.add(millis(90), Time::from_millis(60_000));
        assert_eq!(least.get(), Some(millis(90)));
    }
}
