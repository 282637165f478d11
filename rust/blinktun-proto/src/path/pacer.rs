//! Pacing: what leaves is spread over time at the rate of the controller.
//!
//! A sender that fills its window at once makes a queue in front of the narrowest link, and loses what that
//! queue cannot hold. A paced one sends a [quantum](QUANTUM) at a time: large enough for one call to the
//! system, and small enough for any queue.
//!
//! On a machine that is busy, timers fire late: with a thousand sessions each has its turn after tens of
//! milliseconds. Then each takes in its turn what has become due since, so that it has fewer turns, and the
//! machine moves more. That is at most a part of what the path holds ([`LATE_PART`]).

use crate::bucket::Bucket;
use crate::time::{Duration, Time};

/// What leaves at once is what the rate brings in this time.
const QUANTUM: Duration = Duration::from_millis(1);
/// After a late timer what the rate brings in this time may leave at once, and no more.
const LATENESS: Duration = Duration::from_millis(4);
/// If timers are late again and again, what the rate brings in that time may leave at once, and at most this
/// part of what leaves in a round trip.
const LATE_PART: u32 = 4;
/// One timer of so many counts in their mean lateness.
const LATE_WEIGHT: u32 = 4;
/// A quantum has at most so many bytes: what the kernel takes in one call.
const MAX_QUANTUM: u64 = 64 << 10;

/// Says when data may leave.
#[derive(Clone, Debug, Default)]
pub struct Pacer {
    paced: Option<Paced>,
}

#[derive(Clone, Debug)]
struct Paced {
    rate: u64,
    mtu: usize,
    /// Bytes that leave at once: one datagram at least.
    quantum: u64,
    /// How late its timers are, smoothed.
    late: Duration,
    bucket: Bucket,
    /// All was spent; nothing leaves until there is a quantum again.
    refused: bool,
}

impl Pacer {
    /// From now on `rate` bytes a second leave (`None`: unpaced), in datagrams of at most `mtu` bytes, on a path
    /// with this round trip.
    pub fn set_rate(&mut self, rate: Option<u64>, mtu: usize, round_trip: Duration, now: Time) {
        let Some(rate) = rate else {
            self.paced = None;
            return;
        };
        self.handle_timeout(now); // at the rate that held until now
        let late = self.paced.as_ref().map_or(Duration::ZERO, |it| it.late);
        let late = late.min(round_trip / LATE_PART);
        let quantum = brought(rate, QUANTUM.max(late)).min(MAX_QUANTUM);
        let quantum = quantum.max(mtu as u64);
        // What may leave at once after a pause.
        let burst = brought(rate, LATENESS + 2 * late).max(2 * mtu as u64);
        let paced = self.paced.get_or_insert_with(|| Paced {
            rate,
            mtu,
            quantum,
            late,
            bucket: Bucket::new(rate, burst, now),
            refused: false,
        });
        if (paced.rate, paced.mtu, paced.quantum) != (rate, mtu, quantum) {
            (paced.rate, paced.mtu, paced.quantum) = (rate, mtu, quantum);
            paced.bucket.change(rate, burst, now);
        }
    }

    /// Bytes that leave at once; `None`: unpaced.
    pub fn quantum(&self) -> Option<u64> {
        self.paced.as_ref().map(|paced| paced.quantum)
    }

    /// Whether data may leave now. If not, [`Pacer::next_timeout`] says when.
    pub fn may_send(&mut self, now: Time) -> bool {
        self.paced.as_mut().is_none_or(|paced| paced.may_send(now))
    }

    /// Time has passed: there may be a quantum, whether anything still waits for it or not.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Some(paced) = &mut self.paced
            && paced.refused
        {
            paced.go_on(now);
        }
    }

    /// So many bytes leave.
    pub fn note_sent(&mut self, bytes: usize) {
        if let Some(paced) = &mut self.paced {
            paced.bucket.take(bytes as u64);
        }
    }

    /// When data may leave again, if it had to wait.
    pub fn next_timeout(&self) -> Option<Time> {
        let paced = self.paced.as_ref().filter(|paced| paced.refused)?;
        Some(paced.bucket.reaches(paced.quantum))
    }
}

impl Paced {
    fn may_send(&mut self, now: Time) -> bool {
        if self.refused {
            self.go_on(now);
        }
        if self.bucket.available(now).is_none() {
            self.refused = true;
        }
        !self.refused
    }

    /// Refuse no longer, if there is a quantum.
    fn go_on(&mut self, now: Time) {
        let due = self.bucket.reaches(self.quantum);
        if due <= now {
            self.refused = false;
            self.late = (self.late * (LATE_WEIGHT - 1) + now.since(due)) / LATE_WEIGHT;
        }
    }
}

fn brought(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate) * time.as_micros() / 1_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: usize = 1350;
    const ROUND_TRIP: Duration = Duration::from_millis(20);

    fn burst(rate: u64, round_trip: Duration) -> u64 {
        brought(rate, LATENESS + round_trip / 2) + 3 * MTU as u64
    }

    /// Send full datagrams for a second, with timers that fire `late`; bytes and wake-ups.
    fn pour(rate: u64, round_trip: Duration, late: Duration) -> (u64, u32) {
        let (mut pacer, mut now) = (Pacer::default(), Time::ZERO);
        let (mut sent, mut wakeups) = (0, 0);
        while now < Time::from_millis(1000) {
            pacer.set_rate(Some(rate), MTU, round_trip, now);
            while pacer.may_send(now) {
                pacer.note_sent(MTU);
                sent += MTU as u64;
                let bound = burst(rate, round_trip) + brought(rate, now.since(Time::ZERO));
                assert!(sent <= bound, "{sent} bytes at {now:?}");
            }
            let next = pacer.next_timeout().expect("refused");
            assert!(next > now);
            (now, wakeups) = (next + late, wakeups + 1);
        }
        (sent, wakeups)
    }

    #[test]
    fn the_rate_is_held_with_late_timers_too_in_quanta() {
        for rate in [50_000, 250_000, 2_500_000, 12_500_000, 125_000_000] {
            for late in [0, 100, 1000, 2500].map(Duration::from_micros) {
                for round_trip in [1, 8, 100].map(Duration::from_millis) {
                    let (sent, wakeups) = pour(rate, round_trip, late);
                    let due = rate + burst(rate, round_trip);
                    assert!(sent + sent / 50 >= rate && sent <= due);
                    assert!(wakeups <= 2100, "{wakeups} wake-ups at {rate}");
                }
            }
        }
    }

    #[test]
    fn a_busy_machine_has_fewer_turns_with_more_in_each() {
        let (rate, late) = (500_000, Duration::from_millis(20));
        let (sent, wakeups) = pour(rate, Duration::from_millis(100), late);
        assert!(
            sent + sent / 10 >= rate && wakeups <= 30,
            "{sent} {wakeups}"
        );
        // On a short path a queue of so much would be long.
        let (sent, _) = pour(rate, Duration::from_millis(4), late);
        assert!(sent < rate / 3, "{sent}");
        // A timer that is late once does not count.
        let mut pacer = Pacer::default();
        let mut now = Time::ZERO;
        for late in [0, 0, 0, 20, 0, 0] {
            pacer.set_rate(Some(rate), MTU, Duration::from_millis(4), now);
            while pacer.may_send(now) {
                pacer.note_sent(MTU);
            }
            now = pacer.next_timeout().expect("refused") + Duration::from_millis(late);
            assert_eq!(pacer.quantum(), Some(MTU as u64));
        }
    }

    #[test]
    fn a_pause_earns_no_more_than_a_burst() {
        let (mut pacer, now) = (Pacer::default(), Time::from_millis(60_000));
        pacer.set_rate(Some(12_500_000), MTU, ROUND_TRIP, Time::ZERO);
        let mut sent = 0;
        while pacer.may_send(now) {
            pacer.note_sent(MTU);
            sent += MTU;
        }
        assert!(sent <= 50_000 + MTU, "{sent}");
    }

    /// A pacer that refuses.
    fn spent(now: Time) -> Pacer {
        let mut pacer = Pacer::default();
        pacer.set_rate(Some(1_000_000), MTU, ROUND_TRIP, now);
        while pacer.may_send(now) {
            pacer.note_sent(MTU);
        }
        pacer
    }

    #[test]
    fn nobody_waits_for_a_timer_that_has_fired() {
        let now = Time::from_millis(1);
        let mut pacer = spent(now);
        let at = pacer.next_timeout().expect("refused");
        pacer.handle_timeout(now);
        assert_eq!(pacer.next_timeout(), Some(at));
        pacer.handle_timeout(at);
        assert_eq!(pacer.next_timeout(), None);
        assert!(pacer.may_send(at));
    }

    #[test]
    fn a_new_rate_holds_at_once() {
        let now = Time::from_millis(1);
        let mut pacer = spent(now);
        let slow = pacer.next_timeout().expect("refused");
        pacer.set_rate(Some(100_000_000), MTU, ROUND_TRIP, now);
        assert!(!pacer.may_send(now));
        assert!(pacer.next_timeout().expect("refused") < slow);
        pacer.set_rate(None, MTU, ROUND_TRIP, now);
        assert!(pacer.may_send(now) && pacer.next_timeout().is_none());
    }
}
