//! How much may be in flight: a small trait, and the two controllers of kcptun's `nc`.

use crate::time::{Duration, Time};

/// What one input taught about the path.
#[derive(Clone, Copy, Debug)]
pub struct Acked {
    /// Segments that became acknowledged.
    pub segments: u32,
    /// Their bytes.
    pub bytes: u64,
    /// All bytes acknowledged since the conversation began.
    pub delivered: u64,
    /// The exact round trip of the newest of them, if it was sent once.
    pub rtt: Option<Duration>,
    /// Whether `una` moved.
    pub advanced: bool,
    /// Segments still in flight.
    pub in_flight: u32,
}

/// How a loss was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Later segments were acknowledged.
    Fast,
    /// Nothing was heard in time.
    Timeout,
}

/// Decides how many segments may be in flight. Told of every sending, acknowledgement and loss.
pub trait Controller: Send + Sync {
    /// The congestion window, in segments. The smaller of it and both windows holds.
    fn window(&self) -> u32;
    /// Segments left for the first time or again.
    fn on_sent(&mut self, _segments: u32, _now: Time) {}
    /// Segments were acknowledged.
    fn on_acked(&mut self, _acked: &Acked, _remote_window: u32, _now: Time) {}
    /// Segments were found lost, with `in_flight` still out.
    fn on_lost(&mut self, _loss: Loss, _in_flight: u32, _now: Time) {}
}

/// `nc=1`: the configured windows are the only limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl Controller for Fixed {
    fn window(&self) -> u32 {
        u32::MAX
    }
}

/// `nc=0`: the Reno-like window of kcp-go (kcptun wire, section 3.8).
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
    fn window(&self) -> u32 {
        self.window
    }

    fn on_acked(&mut self, acked: &Acked, remote_window: u32, _now: Time) {
        if !acked.advanced || self.window >= remote_window {
            return;
        }
        self.grow();
        if self.window > remote_window {
            self.window = remote_window;
            self.grown_bytes = remote_window.saturating_mul(self.mss);
        }
    }

    fn on_lost(&mut self, loss: Loss, in_flight: u32, _now: Time) {
        match loss {
            Loss::Fast => {
                self.ssthresh = (in_flight / 2).max(SSTHRESH_MIN);
                self.window = self.ssthresh + self.resend;
            }
            Loss::Timeout => {
                self.ssthresh = (self.window / 2).max(SSTHRESH_MIN);
                self.window = 1;
            }
        }
        self.grown_bytes = self.window * self.mss;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acked() -> Acked {
        Acked {
            segments: 1,
            bytes: 100,
            delivered: 0,
            rtt: None,
            advanced: true,
            in_flight: 1,
        }
    }

    #[test]
    fn reno_grows_slowly_past_the_threshold_and_stops_at_the_remote_window() {
        let mut reno = Reno::new(1000, 2);
        for _ in 0..2000 {
            reno.on_acked(&acked(), 16, Time::ZERO);
        }
        assert_eq!(reno.window(), 16);
    }

    #[test]
    fn reno_halves_on_fast_loss_and_restarts_on_timeout() {
        let mut reno = Reno::new(1000, 2);
        reno.on_lost(Loss::Fast, 40, Time::ZERO);
        assert_eq!(reno.window(), 22);
        reno.on_lost(Loss::Timeout, 40, Time::ZERO);
        assert_eq!(reno.window(), 1);
    }
}
