//! How fast the path delivers (draft-cheng-iccrg-delivery-rate-estimation).
//!
//! Each transmission notes how much had been delivered when it left. Its acknowledgement tells how much
//! was delivered since. The interval is the longer of two: the time to send these bytes, and the time to
//! acknowledge them. So a burst does not look like a fast path.

use crate::time::{Duration, Time};

/// What a transmission notes when it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes delivered before.
    delivered: u64,
    /// When the last of these was acknowledged.
    delivered_at: Time,
    /// When the transmission left that had been acknowledged last; or the first after a pause.
    first_sent: Time,
    /// The sender had no more data, so the rate may be below the path's.
    is_app_limited: bool,
    /// A window kept it from filling the path.
    is_blocked: bool,
}

/// How much was delivered in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Bytes.
    pub bytes: u64,
    /// Bytes that had been delivered when the newest of them left.
    pub before: u64,
    /// In this time.
    pub interval: Duration,
    /// The sender had no more data, so the rate may be below the path's.
    pub is_app_limited: bool,
    /// A window kept it from filling the path, so the rate may be below the path's. Losses and queues are the
    /// path's all the same.
    pub is_blocked: bool,
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
    /// The same for windows.
    blocked_until: Option<u64>,
    /// The path was dark: what leaves next begins an interval.
    restarts: bool,
    /// The newest transmission that was acknowledged since the last sample, and when it left.
    newest: Option<(Snapshot, Time)>,
}

impl Delivery {
    /// Nothing is in flight.
    pub fn new(now: Time) -> Delivery {
        Delivery {
            delivered: 0,
            delivered_at: now,
            first_sent: now,
            app_limited_until: None,
            blocked_until: None,
            restarts: false,
            newest: None,
        }
    }

    /// Bytes delivered since the conversation began.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Something leaves, with `in_flight` bytes on their way before.
    pub fn note_sent(&mut self, in_flight: u64, now: Time) -> Snapshot {
        if in_flight == 0 || core::mem::take(&mut self.restarts) {
            (self.first_sent, self.delivered_at) = (now, now);
        }
        Snapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            is_app_limited: self.app_limited_until.is_some(),
            is_blocked: self.blocked_until.is_some(),
        }
    }

    /// Nothing more is there to send, though the windows allow more. `in_flight` bytes are on their way.
    pub fn note_app_limited(&mut self, in_flight: u64) {
        self.app_limited_until = Some(self.delivered + in_flight);
    }

    /// Nothing more may leave, though the path is not full. `in_flight` bytes are on their way.
    pub fn note_blocked(&mut self, in_flight: u64) {
        self.blocked_until = Some(self.delivered + in_flight);
    }

    /// Nothing comes back, and only questions leave: these say nothing of the path's rate.
    pub fn note_dark(&mut self, in_flight: u64) {
        self.note_app_limited(in_flight);
        self.restarts = true;
    }

    /// Bytes were acknowledged that had not been. `transmission` is when they left and what was noted
    /// then, if it is known which of several has arrived.
    pub fn note_acked(&mut self, bytes: u64, transmission: Option<(Snapshot, Time)>, now: Time) {
        self.delivered += bytes;
        self.delivered_at = now;
        for until in [&mut self.app_limited_until, &mut self.blocked_until] {
            until.take_if(|until| self.delivered > *until);
        }
        let Some((snapshot, sent)) = transmission else {
            return;
        };
        let is_newer = self
            .newest
            .is_none_or(|(newest, at)| (newest.delivered, at) < (snapshot.delivered, sent));
        if is_newer {
            self.newest = transmission;
            self.first_sent = sent;
        }
    }

    /// After a batch of acknowledgements: what they tell. `None` if it is not known which transmission
    /// arrived, or if less time has passed than the shortest round trip takes.
    pub fn take_sample(&mut self, least_rtt: Option<Duration>) -> Option<Delivered> {
        let (newest, sent) = self.newest.take()?;
        let sending = sent.since(newest.first_sent);
        let interval = sending.max(self.delivered_at.since(newest.delivered_at));
        let is_sound = least_rtt.is_none_or(|least| interval >= least);
        is_sound.then_some(Delivered {
            bytes: self.delivered - newest.delivered,
            before: newest.delivered,
            interval,
            is_app_limited: newest.is_app_limited,
            is_blocked: newest.is_blocked,
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
                flight.push_back((free.next_multiple_of(lump), (snapshot, at(now))));
            }
            while flight.front().is_some_and(|(arrives, _)| *arrives <= now) {
                let (_, transmission) = flight.pop_front().expect("one");
                delivery.note_acked(SIZE, Some(transmission), at(now));
            }
            rates.extend(delivery.take_sample(None).and_then(|sample| sample.rate()));
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
        delivery.note_acked(SIZE, Some((first, at(0))), at(100));
        assert!(
            delivery
                .take_sample(None)
                .is_some_and(|it| !it.is_app_limited)
        );
        delivery.note_acked(SIZE, Some((second, at(10))), at(110));
        assert!(
            delivery
                .take_sample(None)
                .is_some_and(|it| it.is_app_limited)
        );
        let third = delivery.note_sent(0, at(200));
        delivery.note_acked(SIZE, Some((third, at(200))), at(300));
        assert!(
            delivery
                .take_sample(None)
                .is_some_and(|it| !it.is_app_limited)
        );
        assert_eq!(delivery.delivered(), 3 * SIZE);
    }

    #[test]
    fn a_pause_is_no_slow_path() {
        let mut delivery = Delivery::new(at(0));
        let first = delivery.note_sent(0, at(0));
        delivery.note_acked(SIZE, Some((first, at(0))), at(100));
        delivery.take_sample(None);
        let second = delivery.note_sent(0, at(60_000));
        delivery.note_acked(SIZE, Some((second, at(60_000))), at(60_100));
        let sample = delivery.take_sample(None).expect("a sample");
        assert_eq!(sample.interval, Duration::from_millis(100));
        assert_eq!(sample.rate(), Some(10 * SIZE));
    }

    #[test]
    fn an_ambiguous_acknowledgement_counts_bytes_and_gives_no_sample() {
        let mut delivery = Delivery::new(at(0));
        delivery.note_sent(0, at(0));
        delivery.note_acked(SIZE, None, at(100));
        assert_eq!(delivery.take_sample(None), None);
        assert_eq!(delivery.delivered(), SIZE);
    }

    #[test]
    fn darkness_is_no_slow_path() {
        let mut delivery = Delivery::new(at(0));
        delivery.note_sent(0, at(0));
        delivery.note_dark(10 * SIZE);
        let question = delivery.note_sent(10 * SIZE, at(30_000));
        delivery.note_acked(SIZE, Some((question, at(30_000))), at(30_100));
        let sample = delivery.take_sample(None).expect("a sample");
        assert_eq!(sample.interval, Duration::from_millis(100));
        assert!(sample.is_app_limited);
    }

    #[test]
    fn less_time_than_a_round_trip_gives_no_sample() {
        let mut delivery = Delivery::new(at(0));
        let first = delivery.note_sent(0, at(0));
        delivery.note_acked(SIZE, Some((first, at(0))), at(3));
        assert_eq!(delivery.take_sample(Some(Duration::from_millis(4))), None);
    }
}
