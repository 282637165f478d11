//! How fast the path delivers (draft-cheng-iccrg-delivery-rate-estimation).
//!
//! Each transmission notes how much had been delivered when it left. Its acknowledgement then tells how
//! much was delivered meanwhile, and in which time: the longer of the time in which that was sent and of
//! the time in which it was acknowledged, so that neither a burst of one nor of the other is taken for
//! the path's rate.

use crate::time::{Duration, Time};

/// What a transmission notes when it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes delivered before.
    delivered: u64,
    /// When the last of these was acknowledged.
    delivered_at: Time,
    /// When the first of the bytes left that were in flight.
    first_sent: Time,
    /// When it left itself.
    sent: Time,
    /// The sender had nothing more to send, so that the rate is its own and not the path's.
    is_app_limited: bool,
}

/// How much was delivered in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Bytes.
    pub bytes: u64,
    /// In this time.
    pub interval: Duration,
    /// The sender could have sent more slowly than the path delivers, for want of data.
    pub is_app_limited: bool,
}

impl Delivered {
    /// Bytes a second; `None` if no time has passed.
    pub fn rate(&self) -> Option<u64> {
        let nanos = self.interval.as_nanos();
        let rate = (u128::from(self.bytes) * 1_000_000_000).checked_div(nanos)?;
        u64::try_from(rate).ok()
    }
}

/// The account of one sender.
#[derive(Clone, Debug)]
pub struct Delivery {
    delivered: u64,
    delivered_at: Time,
    first_sent: Time,
    /// Transmissions are limited by the application until this much is delivered.
    app_limited_until: Option<u64>,
    /// The newest transmission that was acknowledged since the last sample.
    newest: Option<Snapshot>,
}

impl Delivery {
    /// Nothing is in flight.
    pub fn new(now: Time) -> Delivery {
        Delivery {
            delivered: 0,
            delivered_at: now,
            first_sent: now,
            app_limited_until: None,
            newest: None,
        }
    }

    /// Bytes delivered since the conversation began.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Something leaves, with `in_flight` bytes on their way before.
    pub fn note_sent(&mut self, in_flight: u64, now: Time) -> Snapshot {
        if in_flight == 0 {
            (self.first_sent, self.delivered_at) = (now, now);
        }
        Snapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            sent: now,
            is_app_limited: self.app_limited_until.is_some(),
        }
    }

    /// There is nothing more to send though more might be in flight than these bytes.
    pub fn note_app_limited(&mut self, in_flight: u64) {
        // A bubble: it lasts until all that is in flight now, and one byte, is delivered.
        self.app_limited_until = Some(self.delivered + in_flight.max(1));
    }

    /// Bytes were acknowledged that had not been. `snapshot` is that of their transmission, if it is
    /// known which of several has arrived.
    pub fn note_acked(&mut self, bytes: u64, snapshot: Option<&Snapshot>, now: Time) {
        self.delivered += bytes;
        self.delivered_at = now;
        if self
            .app_limited_until
            .is_some_and(|until| self.delivered > until)
        {
            self.app_limited_until = None;
        }
        let is_newer = |snapshot: &&Snapshot| {
            let newest = self.newest.as_ref();
            newest.is_none_or(|it| (it.delivered, it.sent) < (snapshot.delivered, snapshot.sent))
        };
        if let Some(snapshot) = snapshot.filter(is_newer) {
            self.newest = Some(*snapshot);
            self.first_sent = snapshot.sent;
        }
    }

    /// After a batch of acknowledgements: what they tell, if it is known when anything of it left.
    pub fn take_sample(&mut self) -> Option<Delivered> {
        let newest = self.newest.take()?;
        let sending = newest.sent.since(newest.first_sent);
        let acking = self.delivered_at.since(newest.delivered_at);
        Some(Delivered {
            bytes: self.delivered - newest.delivered,
            interval: sending.max(acking),
            is_app_limited: newest.is_app_limited,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const SIZE: u64 = 1000;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// A window of packets over a path of 100 ms that delivers one each `gap` ms; the rates measured.
    fn rates(window: u64, gap: u64, lump: u64, millis: u64) -> Vec<u64> {
        let mut delivery = Delivery::new(at(0));
        let (mut flight, mut rates) = (VecDeque::new(), Vec::new());
        let mut free = 0;
        for now in 0..millis {
            while (flight.len() as u64) < window {
                let snapshot = delivery.note_sent(flight.len() as u64 * SIZE, at(now));
                free = (now + 100).max(free + gap);
                flight.push_back((free.next_multiple_of(lump), snapshot));
            }
            while flight.front().is_some_and(|(arrives, _)| *arrives <= now) {
                let (_, snapshot) = flight.pop_front().expect("one");
                delivery.note_acked(SIZE, Some(&snapshot), at(now));
            }
            rates.extend(delivery.take_sample().and_then(|sample| sample.rate()));
        }
        rates
    }

    #[test]
    fn a_full_path_shows_its_rate() {
        for (gap, lump) in [(1, 1), (2, 1), (5, 1), (2, 20), (1, 40)] {
            let measured = rates(400, gap, lump, 3000);
            let path = SIZE * 1000 / gap;
            let late = &measured[measured.len() / 2..];
            assert!(
                late.iter().all(|rate| *rate <= path + path / 50),
                "{late:?}"
            );
            assert!(
                late.iter().any(|rate| *rate >= path - path / 50),
                "{late:?}"
            );
        }
    }

    #[test]
    fn a_small_window_shows_its_own_rate() {
        let measured = rates(10, 1, 1, 3000);
        let own = 10 * SIZE * 10;
        let late = &measured[measured.len() / 2..];
        assert!(
            late.iter().all(|rate| rate.abs_diff(own) <= own / 5),
            "{late:?}"
        );
    }

    #[test]
    fn what_leaves_for_want_of_data_is_marked_until_it_is_delivered() {
        let mut delivery = Delivery::new(at(0));
        let first = delivery.note_sent(0, at(0));
        delivery.note_app_limited(SIZE);
        let second = delivery.note_sent(SIZE, at(10));
        delivery.note_acked(SIZE, Some(&first), at(100));
        assert!(delivery.take_sample().is_some_and(|it| !it.is_app_limited));
        delivery.note_acked(SIZE, Some(&second), at(110));
        assert!(delivery.take_sample().is_some_and(|it| it.is_app_limited));
        let third = delivery.note_sent(0, at(200));
        delivery.note_acked(SIZE, Some(&third), at(300));
        assert!(delivery.take_sample().is_some_and(|it| !it.is_app_limited));
        assert_eq!(delivery.delivered(), 3 * SIZE);
    }

    #[test]
    fn a_pause_is_no_slow_path() {
        let mut delivery = Delivery::new(at(0));
        let first = delivery.note_sent(0, at(0));
        delivery.note_acked(SIZE, Some(&first), at(100));
        delivery.take_sample();
        let second = delivery.note_sent(0, at(60_000));
        delivery.note_acked(SIZE, Some(&second), at(60_100));
        let sample = delivery.take_sample().expect("a sample");
        assert_eq!(sample.interval, Duration::from_millis(100));
        assert_eq!(sample.rate(), Some(10 * SIZE));
    }

    #[test]
    fn an_ambiguous_acknowledgement_counts_bytes_and_gives_no_sample() {
        let mut delivery = Delivery::new(at(0));
        delivery.note_sent(0, at(0));
        delivery.note_acked(SIZE, None, at(100));
        assert_eq!((delivery.take_sample(), delivery.delivered()), (None, SIZE));
    }
}
