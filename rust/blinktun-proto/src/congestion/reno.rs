//! `nc=0`: the Reno-like window of kcp-go (kcptun wire, section 3.8).

use super::controller::{Acked, Controller, LossKind, Lost, Metrics, Restraint};
use crate::time::Time;

/// Grows with each acknowledgement, and shrinks with each loss. It counts in segments, as kcp-go does.
#[derive(Clone, Debug)]
pub struct Reno {
    window: u32,
    ssthresh: u32,
    grown_bytes: u32,
    mss: u32,
    resend: u32,
}

const SSTHRESH_MIN: u32 = 2;

impl Reno {
    /// A window for segments of `mss` bytes; `resend` is the fast retransmission threshold.
    pub fn new(mss: usize, resend: u32) -> Reno {
        Reno {
            window: 1,
            ssthresh: SSTHRESH_MIN,
            grown_bytes: 0,
            mss: mss as u32,
            resend,
        }
    }

    fn grow(&mut self) {
        let mss = self.mss;
        if self.window < self.ssthresh {
            self.window += 1;
            self.grown_bytes += mss;
            return;
        }
        self.grown_bytes = self.grown_bytes.max(mss);
        self.grown_bytes += (mss * mss) / self.grown_bytes + mss / 16;
        if (self.window + 1).saturating_mul(mss) <= self.grown_bytes {
            self.window = self.grown_bytes.div_ceil(mss.max(1));
        }
    }
}

impl Controller for Reno {
    fn window(&self) -> u64 {
        u64::from(self.window) * u64::from(self.mss)
    }

    fn on_acked(&mut self, acked: &Acked, _now: Time) {
        if !acked.has_advanced || self.window >= acked.peer_window {
            return;
        }
        self.grow();
        if self.window > acked.peer_window {
            self.window = acked.peer_window;
            self.grown_bytes = acked.peer_window.saturating_mul(self.mss);
        }
    }

    fn on_lost(&mut self, lost: &Lost, _now: Time) {
        match lost.kind {
            LossKind::PacketThreshold => {
                self.ssthresh = (lost.in_flight.segments / 2).max(SSTHRESH_MIN);
                self.window = self.ssthresh + self.resend;
            }
            LossKind::Timeout => {
                self.ssthresh = (self.window / 2).max(SSTHRESH_MIN);
                self.window = 1;
            }
        }
        self.grown_bytes = self.window * self.mss;
    }

    fn on_mtu(&mut self, segment: usize) {
        self.mss = segment as u32;
        self.grown_bytes = self.window.saturating_mul(self.mss);
    }

    fn restraint(&self) -> Option<Restraint> {
        Some(Restraint::Backoff)
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            window: Some(self.window()),
            slow_start_threshold: Some(u64::from(self.ssthresh) * u64::from(self.mss)),
            ..Metrics::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::InFlight;
    use super::*;

    const IN_FLIGHT: InFlight = InFlight {
        bytes: 40_000,
        segments: 40,
    };

    fn acked(peer_window: u32) -> Acked {
        Acked {
            segments: 1,
            bytes: 100,
            delivered: None,
            rtt: None,
            has_advanced: true,
            in_flight: IN_FLIGHT,
            peer_window,
        }
    }

    fn lost(kind: LossKind) -> Lost {
        Lost {
            bytes: 1000,
            segments: 1,
            kind,
            newest_sent: Time::ZERO,
            in_flight: IN_FLIGHT,
        }
    }

    #[test]
    fn reno_grows_slowly_past_the_threshold_and_stops_at_the_peers_window() {
        let mut reno = Reno::new(1000, 2);
        for _ in 0..2000 {
            reno.on_acked(&acked(16), Time::ZERO);
        }
        assert_eq!(reno.window(), 16_000);
    }

    #[test]
    fn reno_halves_on_the_packet_threshold_and_restarts_on_timeout() {
        let mut reno = Reno::new(1000, 2);
        reno.on_lost(&lost(LossKind::PacketThreshold), Time::ZERO);
        assert_eq!(reno.window(), 22_000);
        reno.on_lost(&lost(LossKind::Timeout), Time::ZERO);
        assert_eq!(reno.window(), 1000);
        assert_eq!(reno.metrics().slow_start_threshold, Some(11_000));
    }
}
