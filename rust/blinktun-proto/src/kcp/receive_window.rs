//! How much a peer may have on its way to us, for an end that tunes itself.
//!
//! A peer sends no more than the window that we tell it. So a peer that floods the path can be slowed down
//! from here: when what it sends waits too long on the path, it gets the window that the path fills without
//! that queue. Otherwise the window grows with what arrives. What has arrived out of order is not on its way
//! any more, so a loss does not make the window smaller.

use crate::recovery::windowed_min::WindowedMin;
use crate::time::{Duration, Time};
use crate::wire::Millis;

/// The window that a peer begins with, in segments.
const FIRST: u32 = 256;
/// The window never gets smaller.
const LEAST: u32 = 32;
/// What is sent in advance waits on the path for at most half a round trip, within these bounds.
const QUEUES: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(15)..=Duration::from_millis(50);
/// The shortest delay counts for so long: clocks drift.
const MEMORY: Duration = Duration::from_secs(30);
/// So often a queue that stays is emptied for a round, to see the path without it.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The round trip, while none is known.
const UNKNOWN: Duration = Duration::from_millis(100);
/// A window is measured for so long at least.
const LEAST_ROUND: Duration = Duration::from_millis(20);
/// A round with fewer segments says nothing.
const FEW: u32 = 16;

/// The window, and what is measured to find it.
#[derive(Clone, Debug)]
pub(super) struct ReceiveWindow {
    size: u32,
    most: u32,
    /// By how much our clock was ahead of the peer's at its first segment.
    offset: Option<i32>,
    /// The delay from the peer to here, in milliseconds since the first segment's. It may be negative.
    least_delay: WindowedMin<i32>,
    round: Round,
    /// When there was last next to no queue.
    seen_empty: Time,
    /// The window to go on with, while a queue is emptied.
    emptying: Option<u32>,
    /// The peer has filled the path before.
    has_filled: bool,
}

/// What has arrived in about a round trip.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    began: Time,
    segments: u32,
    least_delay: Option<i32>,
}

impl ReceiveWindow {
    /// A window that grows up to `most` segments.
    pub(super) fn new(most: u32) -> ReceiveWindow {
        ReceiveWindow {
            size: FIRST.min(most),
            most,
            offset: None,
            least_delay: WindowedMin::new(MEMORY),
            round: Round::default(),
            seen_empty: Time::ZERO,
            emptying: None,
            has_filled: false,
        }
    }

    /// Segments that may be on their way.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// A segment has arrived that left at `sent` by the peer's clock; it is `clock` by ours.
    pub(super) fn note(
        &mut self,
        (sent, clock): (Millis, Millis),
        round_trip: Option<Duration>,
        now: Time,
    ) {
        let ahead = clock.diff(sent);
        let delay = ahead.wrapping_sub(*self.offset.get_or_insert(ahead));
        self.least_delay.add(delay, now);
        let round = &mut self.round;
        round.segments += 1;
        round.least_delay = Some(round.least_delay.map_or(delay, |least| least.min(delay)));
        let round_trip = round_trip.unwrap_or(UNKNOWN);
        let time = now.since(round.began);
        if time >= round_trip.max(LEAST_ROUND) {
            let round = core::mem::take(round);
            self.round.began = now;
            self.end_round(&round, (time, round_trip), now);
        }
    }

    fn end_round(&mut self, round: &Round, (time, round_trip): (Duration, Duration), now: Time) {
        if round.segments < FEW {
            return;
        }
        let delays = (round.least_delay, self.least_delay.get());
        let (Some(delay), Some(least)) = delays else {
            return;
        };
        let waited = u64::try_from(delay.wrapping_sub(least)).unwrap_or(0);
        let waited = Duration::from_millis(waited);
        let allowed = (round_trip / 2).clamp(*QUEUES.start(), *QUEUES.end());
        let rate = f64::from(round.segments) / time.as_secs_f64();
        let fits = |time: Duration| (rate * time.as_secs_f64()) as u32;
        if waited < *QUEUES.start() {
            self.seen_empty = now;
        }
        if let Some(before) = self.emptying.take() {
            (self.size, self.seen_empty) = (before, now);
            return;
        }
        if now.since(self.seen_empty) > LOOK_EVERY {
            self.emptying = Some(self.size);
            self.size = (fits(round_trip) / 2).max(LEAST);
            return;
        }
        let size = if waited > allowed && fits(round_trip + allowed / 2) >= self.size {
            // The whole window is less than what would have to wait. So the path or a clock has changed.
            self.least_delay = WindowedMin::new(MEMORY);
            self.least_delay.add(delay, now);
            self.size
        } else if waited > allowed {
            self.has_filled = true;
            fits(round_trip + 2 * allowed / 3)
        } else if waited > allowed / 3 || fits(round_trip) < self.size / 2 {
            self.size // the path is full, or the peer sends less than it may
        } else if self.has_filled {
            self.size + self.size / 4
        } else {
            self.size * 2
        };
        self.size = size.clamp(LEAST, self.most.max(LEAST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(60);

    /// A peer that fills its window, over a path of `rate` segments a second: the window after each second.
    fn fill(rate: f64, seconds: u64) -> Vec<u32> {
        let mut window = ReceiveWindow::new(16384);
        let (mut sizes, mut free_at, mut at) = (Vec::new(), 0.0_f64, 0.0_f64);
        let clock = |ms: f64| Millis((ms as u32).wrapping_add(u32::MAX - 5000));
        while at < seconds as f64 * 1000.0 {
            // It sends as soon as the window allows: one for each that has arrived.
            let queue = f64::from(window.size()) * 1000.0 / rate - 60.0;
            let waits = if at < 60.0 { 0.0 } else { queue.max(0.0) };
            free_at = at.max(free_at) + 1000.0 / rate.min(f64::from(window.size()) / 0.06);
            at = free_at;
            let now = Time::from_micros((at * 1000.0) as u64);
            let times = (Millis((at - 30.0 - waits) as i64 as u32), clock(at));
            window.note(times, Some(ROUND_TRIP), now);
            if sizes.len() < (at / 1000.0) as usize {
                sizes.push(window.size());
            }
        }
        sizes
    }

    #[test]
    fn a_flood_gets_the_window_that_the_path_fills() {
        // 100 segments fill the path, and 50 more wait for the half of a round trip.
        let sizes = fill(100.0 / 0.06, 60);
        assert!(
            sizes[2..].iter().all(|size| (40..=170).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn a_fast_path_gets_a_large_window_within_two_seconds() {
        let sizes = fill(8000.0 / 0.06, 3);
        assert!(sizes[1] >= 8000, "{sizes:?}");
    }

    #[test]
    fn a_slow_sender_gets_no_larger_window() {
        let mut window = ReceiveWindow::new(16384);
        for n in 0..10_000 {
            let now = Time::from_millis(n * 2);
            window.note(
                (Millis(n as u32 * 2), Millis(n as u32 * 2 + 30)),
                Some(ROUND_TRIP),
                now,
            );
        }
        assert_eq!(window.size(), FIRST);
    }
}
