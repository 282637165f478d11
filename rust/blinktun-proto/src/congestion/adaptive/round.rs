//! What happened in one round trip.

use crate::congestion::{Acked, Sent};
use crate::time::{Duration, Time};

/// A round counts so much in what is smoothed.
const SMOOTHING: f64 = 0.2;

/// A round has so many segments at least: one more or less of a few would look like another rate.
const LEAST_SEGMENTS: u32 = 10;

/// The current round: it ends when something that left in it is acknowledged, and enough segments are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    began: Option<Time>,
    /// The round ends when what left after so many delivered bytes is acknowledged.
    ends_after: u64,
    segments: u32,
    delivered: u64,
    lost: u64,
    /// Bytes that have left, and those of copies and parity among them.
    sent: u64,
    copied: u64,
    coded: u64,
    copies: f64,
    parity: f64,
    least_rtt: Option<Duration>,
    is_app_limited: bool,
    is_blocked: bool,
    /// The loss of the round before; `None` in the first.
    last_loss: Option<f64>,
}

/// A round trip that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    /// Bytes a second that were delivered.
    pub(super) rate: u64,
    /// Bytes that were delivered or lost.
    pub(super) bytes: u64,
    /// The share of these that was lost.
    pub(super) loss: f64,
    /// The shortest round trip, if any was measured.
    pub(super) least_rtt: Option<Duration>,
    /// There was not always data to send.
    pub(super) is_app_limited: bool,
    /// A window kept data from filling the path.
    pub(super) is_blocked: bool,
}

impl Round {
    /// Take what was acknowledged. Returns the round if it has ended; another one begins then.
    pub(super) fn note_acked(&mut self, acked: &Acked, now: Time) -> Option<Summary> {
        self.delivered += acked.bytes;
        self.segments += acked.segments;
        if let Some(rtt) = acked.rtt {
            self.least_rtt = Some(self.least_rtt.map_or(rtt, |least| least.min(rtt)));
        }
        let sample = acked.delivered?;
        self.is_app_limited |= sample.is_app_limited;
        self.is_blocked |= sample.is_blocked;
        let is_short = self.began.is_some() && self.segments < LEAST_SEGMENTS;
        if sample.before < self.ends_after || is_short {
            return None;
        }
        let summary = self.began.map(|began| self.summary(now.since(began)));
        *self = Round {
            began: Some(now),
            ends_after: sample.before + sample.bytes,
            last_loss: summary.map(|summary| summary.loss),
            copies: self.smoothed(self.copies, self.copied),
            parity: self.smoothed(self.parity, self.coded),
            ..Round::default()
        };
        summary
    }

    /// A segment leaves.
    pub(super) fn note_sent(&mut self, sent: &Sent) {
        self.sent += sent.bytes;
        if sent.is_copy {
            self.copied += sent.bytes;
        }
    }

    /// The share of what leaves that is a copy, smoothed.
    pub(super) fn copies(&self) -> f64 {
        self.copies
    }

    /// Parity of so many bytes leaves.
    pub(super) fn note_parity(&mut self, bytes: u64) {
        self.sent += bytes;
        self.coded += bytes;
    }

    /// The share of what leaves that is parity, smoothed.
    pub(super) fn parity(&self) -> f64 {
        self.parity
    }

    /// So many bytes are lost.
    pub(super) fn note_lost(&mut self, bytes: u64) {
        self.lost += bytes;
    }

    /// So many bytes were not lost after all.
    pub(super) fn note_arrived_late(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_sub(bytes);
    }

    /// Whether no round has ended yet.
    pub(super) fn is_first(&self) -> bool {
        self.last_loss.is_none()
    }

    /// The share that was lost in the last round.
    pub(super) fn last_loss(&self) -> f64 {
        self.last_loss.unwrap_or(0.0)
    }

    /// A share after a round in which so many bytes of what left belong to it.
    fn smoothed(&self, share: f64, bytes: u64) -> f64 {
        share + SMOOTHING * (bytes as f64 / self.sent.max(1) as f64 - share)
    }

    fn summary(&self, time: Duration) -> Summary {
        let bytes = self.delivered + self.lost;
        Summary {
            rate: (self.delivered as f64 / time.as_secs_f64().max(1e-6)) as u64,
            bytes,
            loss: self.lost as f64 / bytes.max(1) as f64,
            least_rtt: self.least_rtt,
            is_app_limited: self.is_app_limited,
            is_blocked: self.is_blocked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::InFlight;
    use crate::recovery::delivery::Delivered;

    /// Acknowledge 1000 bytes that left after `before` delivered ones.
    fn acked(before: u64, bytes: u64) -> Acked {
        Acked {
            bytes: 1000,
            segments: 1,
            delivered: Some(Delivered {
                bytes,
                before,
                interval: Duration::from_millis(100),
                is_app_limited: false,
                is_blocked: false,
            }),
            rtt: None,
            has_advanced: true,
            in_flight: InFlight::default(),
            peer_window: 1000,
        }
    }

    #[test]
    fn a_round_is_a_round_trip_although_much_was_delivered_before_the_path_began() {
        // The session has moved: 100 MB were delivered over another path. 20 segments are in flight.
        let (old, mut round, mut rounds) = (100_000_000, Round::default(), 0);
        for n in 1..=200_u64 {
            let before = old + 1000 * n.saturating_sub(20);
            let delivered = old + 1000 * n - before;
            let now = Time::from_millis(5 * n);
            rounds += u32::from(round.note_acked(&acked(before, delivered), now).is_some());
        }
        assert!((8..=10).contains(&rounds), "{rounds}");
    }
}
