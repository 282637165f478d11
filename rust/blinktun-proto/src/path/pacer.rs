//! Pacing: what leaves is spread over time at the rate of the controller.
//!
//! A sender that fills its window at once makes a queue in front of the narrowest link, and loses what that
//! queue cannot hold. A paced one sends a [quantum](QUANTUM) at a time: large enough for one call to the
//! system, and small enough for any queue.

use crate::bucket::Bucket;
use crate::time::{Duration, Time};

/// What leaves at once is what the rate brings in this time.
const QUANTUM: Duration = Duration::from_millis(1);
/// After a late timer what the rate brings in this time may leave at once, and no more.
const LATENESS: Duration = Duration::from_millis(4);
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
    bucket: Bucket,
    /// All was spent; nothing leaves until there is a quantum again.
    refused: bool,
}

impl Pacer {
    /// Whether data may leave now, at `rate` bytes a second (`None`: unpaced) in datagrams of at most `mtu`
    /// bytes. If not, [`Pacer::next_timeout`] says when.
    pub fn may_send(&mut self, rate: Option<u64>, mtu: usize, now: Time) -> bool {
        let Some(rate) = rate else {
            self.paced = None;
            return true;
        };
        let paced = self.paced.get_or_insert_with(|| Paced {
            rate,
            mtu,
            bucket: Bucket::new(rate, burst(rate, mtu), now),
            refused: false,
        });
        if (paced.rate, paced.mtu) != (rate, mtu) {
            (paced.rate, paced.mtu) = (rate, mtu);
            paced.bucket.change(rate, burst(rate, mtu), now);
        }
        let least = if paced.refused { quantum(rate, mtu) } else { 0 };
        let available = paced.bucket.available(now);
        paced.refused = available.is_none_or(|available| available < least);
        !paced.refused
    }

    /// Time has passed: there may be a quantum, whether anything still waits for it or not.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Some(paced) = &mut self.paced
            && paced.bucket.reaches(quantum(paced.rate, paced.mtu)) <= now
        {
            paced.refused = false;
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
        Some(paced.bucket.reaches(quantum(paced.rate, paced.mtu)))
    }
}

/// Bytes that leave at once: one datagram at least.
pub fn quantum(rate: u64, mtu: usize) -> u64 {
    brought(rate, QUANTUM).min(MAX_QUANTUM).max(mtu as u64)
}

/// Bytes that may leave at once after a pause.
fn burst(rate: u64, mtu: usize) -> u64 {
    brought(rate, LATENESS).max(2 * mtu as u64)
}

fn brought(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate) * time.as_micros() / 1_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: usize = 1350;

    /// Send full datagrams for a second, with timers that fire `late`; bytes and wake-ups.
    fn pour(rate: u64, late: Duration) -> (u64, u32) {
        let (mut pacer, mut now) = (Pacer::default(), Time::ZERO);
        let (mut sent, mut wakeups) = (0, 0);
        while now < Time::from_millis(1000) {
            while pacer.may_send(Some(rate), MTU, now) {
                pacer.note_sent(MTU);
                sent += MTU as u64;
                let bound = burst(rate, MTU) + brought(rate, now.since(Time::ZERO)) + MTU as u64;
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
                let (sent, wakeups) = pour(rate, late);
                let due = rate + burst(rate, MTU);
                assert!(sent + sent / 50 >= rate && sent <= due + MTU as u64);
                assert!(wakeups <= 2100, "{wakeups} wake-ups at {rate}");
            }
        }
    }

    #[test]
    fn a_pause_earns_no_more_than_a_burst() {
        let mut pacer = Pacer::default();
        let mut sent = 0;
        while pacer.may_send(Some(12_500_000), MTU, Time::from_millis(60_000)) {
            pacer.note_sent(MTU);
            sent += MTU;
        }
        assert!(sent <= 50_000 + MTU, "{sent}");
    }

    #[test]
    fn nobody_waits_for_a_timer_that_has_fired() {
        let (mut pacer, now) = (Pacer::default(), Time::from_millis(1));
        while pacer.may_send(Some(1_000_000), MTU, now) {
            pacer.note_sent(MTU);
        }
        let at = pacer.next_timeout().expect("refused");
        pacer.handle_timeout(now);
        assert_eq!(pacer.next_timeout(), Some(at));
        pacer.handle_timeout(at);
        assert_eq!(pacer.next_timeout(), None);
        assert!(pacer.may_send(Some(1_000_000), MTU, at));
    }

    #[test]
    fn a_new_rate_holds_at_once() {
        let (mut pacer, now) = (Pacer::default(), Time::from_millis(1));
        while pacer.may_send(Some(1_000_000), MTU, now) {
            pacer.note_sent(MTU);
        }
        let slow = pacer.next_timeout().expect("refused");
        assert!(!pacer.may_send(Some(100_000_000), MTU, now));
        assert!(pacer.next_timeout().expect("refused") < slow);
        assert!(pacer.may_send(None, MTU, now) && pacer.next_timeout().is_none());
    }
}
