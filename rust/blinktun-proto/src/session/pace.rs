//! So many bytes a second: the `ratelimit` of kcptun (kcptun wire, 8.6).

use crate::bucket::Bucket;
use crate::crypt::MAX_DATAGRAM;
use crate::time::Time;

/// What may leave at once after a pause, in bytes.
pub const BURST: u64 = 96_000;
/// The largest rate, in bytes a second: what the options take.
pub const MAX_RATE: u64 = i32::MAX as u64;

/// The bytes that may leave.
///
/// Whoever owes nothing may send; the datagram that empties the bucket may owe the rest of itself,
/// which is paid back before the next. So any datagram leaves, however slow the rate; and what
/// leaves in any time `t` is never more than [`BURST`] and `rate * t` bytes.
#[derive(Clone, Debug)]
pub struct Pace {
    bucket: Bucket,
    rate: u64,
    /// What the rate brings in a millisecond. A pause ends only when there is so much, so that a fast
    /// session does not wake up for each datagram.
    quantum: u64,
    refused: bool,
}

impl Pace {
    /// `rate` bytes a second, at least 1 and at most [`MAX_RATE`], in datagrams of at most [`MAX_DATAGRAM`]
    /// bytes: the MTU of the path may change.
    pub fn new(rate: u64, now: Time) -> Pace {
        let burst = BURST - MAX_DATAGRAM as u64;
        Pace {
            bucket: Bucket::new(rate, burst, now),
            rate,
            quantum: rate / 1000,
            refused: false,
        }
    }

    /// The bytes that may leave now; `None` if something is owed. Then there is a
    /// [`Pace::next_timeout`] until the next call.
    pub fn allowance(&mut self, now: Time) -> Option<usize> {
        let available = self.bucket.available(now);
        self.refused = available.is_none();
        let whole = usize::try_from(available?).unwrap_or(usize::MAX);
        Some(whole.max(MAX_DATAGRAM))
    }

    /// So many bytes leave, no more than were allowed.
    pub fn spend(&mut self, bytes: usize) {
        self.bucket.take(bytes as u64);
    }

    /// Bytes a second.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// Whether the last [`Pace::allowance`] was none.
    pub fn is_refusing(&self) -> bool {
        self.refused
    }

    /// When a refused sender may go on: nothing is owed any more, and there is a quantum.
    pub fn next_timeout(&self) -> Option<Time> {
        self.refused.then(|| self.bucket.reaches(self.quantum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATAGRAM: usize = MAX_DATAGRAM;

    /// Send datagrams of `size` as soon as possible until `end`; what left, and when the last did.
    fn pour(rate: u64, size: usize, end: Time) -> (u64, Time) {
        let (mut pace, mut now) = (Pace::new(rate, Time::ZERO), Time::ZERO);
        let (mut sent, mut last) = (0, now);
        while now <= end {
            match pace.allowance(now) {
                Some(allowed) => {
                    assert!(allowed >= size);
                    pace.spend(size);
                    (sent, last) = (sent + size as u64, now);
                    let bound = u128::from(BURST)
                        + u128::from(rate) * now.since(Time::ZERO).as_micros() / 1_000_000;
                    assert!(u128::from(sent) <= bound, "{sent} bytes at {now:?}");
                }
                None => {
                    let next = pace.next_timeout().expect("refused");
                    assert!(next > now);
                    now = next;
                }
            }
        }
        (sent, last)
    }

    #[test]
    fn the_rate_is_kept_to_the_byte_and_never_exceeded() {
        for rate in [1, 7, 999, 1000, 123_456, 10_000_000, MAX_RATE] {
            for size in [24, 1349, DATAGRAM] {
                let micros = 3_000_000_000_000 / rate;
                let (sent, _) = pour(rate, size, Time::from_micros(micros));
                let due = BURST + rate * micros / 1_000_000;
                let least = DATAGRAM as u64 + 1 + rate / 1000;
                assert!(due - sent <= least, "{sent} of {due}");
            }
        }
    }

    #[test]
    fn a_rate_below_a_datagram_a_second_still_sends() {
        let (sent, last) = pour(10, DATAGRAM, Time::from_millis(3_600_000));
        assert!(sent > BURST + 33_000, "{sent}");
        assert!(last > Time::from_millis(3_400_000), "{last:?}");
    }

    #[test]
    fn a_pause_of_years_earns_one_burst() {
        let mut pace = Pace::new(MAX_RATE, Time::ZERO);
        pace.allowance(Time::ZERO);
        pace.spend(BURST as usize);
        assert_eq!(pace.allowance(Time::ZERO), None);
        assert!(pace.next_timeout().is_some());
        let later = pace.allowance(Time::from_micros(u64::MAX));
        assert_eq!(later, Some(BURST as usize - DATAGRAM));
        assert_eq!(pace.next_timeout(), None);
    }
}
