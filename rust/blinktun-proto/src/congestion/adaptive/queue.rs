//! How long a datagram waits on the path, and how long the path takes without our queue.

use crate::time::{Duration, Time};

/// A queue this long keeps the path busy, and nobody notices it.
const TARGET: Duration = Duration::from_millis(4);
/// The target is at most this part of a short round trip.
const TARGET_PART: u32 = 25;
/// The shortest round trip is looked for again if it was not seen for so long.
const MEMORY: Duration = Duration::from_secs(10);
/// A queue that does not get short in so many rounds may not be ours.
const PATIENCE: u32 = 6;
/// Round trips may differ by this part of the shortest, or by so much, without a reason: other programs
/// acknowledge with a clock.
const NOISE_PART: u32 = 20;
const MOST_NOISE: Duration = Duration::from_millis(5);
/// A round trip that is longer by this part is as short as the shortest.
const SAME_PART: u32 = 64;
/// A queue is emptied in so many rounds at most.
const MAX_ROUNDS: u32 = 5;

/// So many round trips at least, and all of this part of the shortest, are a run: the shortest of them is no accident.
const RUN: u32 = 16;
const RUN_PART: u32 = 8;

/// How much leaves, beside what the path delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    Less,
    Steady,
    More,
}

/// The shortest of the latest round trips.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    /// That of the last run, and of the one before the last round ended.
    last: Option<Duration>,
    before: Option<Duration>,
    /// The run so far: when it began, how many round trips it has, and the shortest.
    run: Option<(Time, u32, Duration)>,
}

impl Recent {
    fn note(&mut self, rtt: Duration, base: Duration, now: Time) {
        let (began, count, least) = self.run.unwrap_or((now, 0, rtt));
        let (count, least) = (count + 1, least.min(rtt));
        self.run = Some((began, count, least));
        if count >= RUN && now.since(began) >= base / RUN_PART {
            (self.last, self.run) = (Some(least), None);
        }
    }
}

/// Round trips, and what they tell of the queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    /// The shortest round trip, without a queue of ours.
    base: Option<Duration>,
    /// When a round trip as short was last seen.
    seen: Time,
    /// By how much the shortest round trip of the last round was longer.
    standing: Duration,
    /// How much the shortest round trips of two rounds differ, smoothed.
    noise: Duration,
    least_before: Option<Duration>,
    /// The shortest round trip of the last round of this phase.
    last_least: Option<Duration>,
    recent: Recent,
    /// Rounds since the queue was last short, those of probes left out.
    long_for: u32,
}

impl Queue {
    /// The shortest round trip; `None` before the first.
    pub(super) fn base(&self) -> Option<Duration> {
        self.base
    }

    /// How much round trips differ by themselves.
    pub(super) fn noise(&self) -> Duration {
        self.noise
    }

    /// Take a round trip.
    pub(super) fn note_rtt(&mut self, rtt: Duration, now: Time) {
        let base = self.base.map_or(rtt, |base| base.min(rtt));
        self.base = Some(base);
        if rtt <= base + base / SAME_PART {
            self.seen = now;
        }
        self.recent.note(rtt, base, now);
    }

    /// Whether the queue has grown by much since the last round.
    pub(super) fn is_growing(&self) -> bool {
        let most = (4 * self.target()).max(self.base.unwrap_or_default() / 4);
        let before = self.recent.before.or(self.base);
        let seen = self.recent.last.zip(before);
        seen.is_some_and(|(last, before)| last > before + most)
    }

    /// Whether the queue is as short as it may be.
    pub(super) fn is_short(&self) -> bool {
        let most = self.base.unwrap_or_default() + 2 * self.target();
        self.recent.last.is_some_and(|last| last <= most)
    }

    /// Another phase begins.
    pub(super) fn begin_phase(&mut self) {
        self.last_least = None;
        (self.recent.last, self.recent.run) = (None, None);
    }

    /// Nothing was left to send: no queue stands that is ours.
    pub(super) fn note_idle(&mut self, now: Time) {
        self.seen = now;
    }

    /// A round has ended in which `load` left.
    pub(super) fn end_round(&mut self, least: Option<Duration>, load: Load) {
        let Some(least) = least else { return };
        self.recent.before = self.recent.last.or(self.recent.before);
        self.standing = least.saturating_sub(self.base.unwrap_or(least));
        if let Some(before) = self.least_before.replace(least)
            && load == Load::Steady
        {
            let base = self.base.unwrap_or(least);
            let most = (base / NOISE_PART).max(MOST_NOISE);
            self.noise = ((7 * self.noise + least.abs_diff(before)) / 8).min(most);
        }
        self.last_least = Some(least);
        if self.standing <= 2 * self.target() {
            self.long_for = 0;
        } else if load != Load::More {
            self.long_for += 1;
        }
    }

    /// The queue is empty, as far as it was ours: the path takes what the last round took.
    pub(super) fn rebase(&mut self, now: Time) {
        self.base = self.last_least.or(self.base);
        (self.seen, self.standing, self.long_for) = (now, Duration::ZERO, 0);
    }

    /// Whether only an empty queue can tell how long the path takes.
    pub(super) fn is_doubtful(&self, now: Time) -> bool {
        now.since(self.seen) > MEMORY || self.long_for >= PATIENCE
    }

    /// Rounds after which the queue is empty if so much less leaves than the path can carry.
    pub(super) fn rounds_to_empty(&self, less: f64) -> u32 {
        let rounds = self.ratio(self.standing) / less;
        2 + (rounds.ceil() as u32).min(MAX_ROUNDS - 2)
    }

    /// How much of what the path delivers may leave, so that the queue gets its target length in a round.
    pub(super) fn gain(&self) -> f64 {
        1.0 - self.ratio(self.standing.saturating_sub(self.target()))
    }

    /// Whether the queue is longer than a probe makes it.
    pub(super) fn is_long(&self) -> bool {
        self.standing > (4 * self.target()).max(self.base.unwrap_or_default() / 8)
    }

    /// Whether the queue takes as long as half a round trip.
    pub(super) fn is_very_long(&self) -> bool {
        self.ratio(self.standing) > 0.5
    }

    fn target(&self) -> Duration {
        let base = self.base.unwrap_or_default();
        let short = (base / TARGET_PART).clamp(TARGET / 4, TARGET);
        short.max(self.noise + self.noise / 2)
    }

    /// A time in round trips.
    fn ratio(&self, time: Duration) -> f64 {
        let base = self.base.unwrap_or_default().as_secs_f64().max(1e-3);
        time.as_secs_f64() / base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 round trips of so many ms within 40 ms, from the millisecond `from` on.
    fn note(queue: &mut Queue, from: u64, rtt: impl Fn(u64) -> u64) {
        for n in 0..40 {
            let rtt = Duration::from_millis(rtt(n));
            queue.note_rtt(rtt, Time::from_millis(from + n));
        }
    }

    #[test]
    fn a_queue_that_comes_up_is_seen_within_the_round() {
        let mut queue = Queue::default();
        note(&mut queue, 0, |_| 100);
        queue.end_round(Some(Duration::from_millis(100)), Load::More);
        assert!(!queue.is_growing());
        note(&mut queue, 100, |_| 120);
        assert!(!queue.is_growing(), "20 ms are no proof");
        note(&mut queue, 140, |_| 130);
        assert!(queue.is_growing());
        assert!(!queue.is_short());
        note(&mut queue, 180, |_| 104);
        assert!(queue.is_short());
    }

    #[test]
    fn a_path_that_always_jitters_does_not_look_like_a_queue() {
        let mut queue = Queue::default();
        for round in 0..10 {
            note(&mut queue, 100 * round, |n| 100 + 7 * (n % 10) + 2 * round);
            assert!(!queue.is_growing(), "round {round}");
            queue.end_round(Some(Duration::from_millis(100 + 2 * round)), Load::More);
        }
    }
}
