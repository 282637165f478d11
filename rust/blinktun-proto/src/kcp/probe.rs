//! Asking for the peer's window: because it was zero, or because somebody wants an answer.

use crate::time::{Duration, Time};

/// First wait while the remote window is zero (kcptun wire, section 3.2).
const START: Duration = Duration::from_millis(500);
/// Longest wait while the remote window is zero.
const LIMIT: Duration = Duration::from_secs(120);

/// When the next window probe (WASK) leaves.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    closed: Option<(Time, Duration)>,
    due: bool,
}

impl Probe {
    /// Note what is known now.
    pub fn update(&mut self, remote_window: u32, now: Time) {
        self.closed = match (remote_window, self.closed) {
            (0, None) => Some((now + START, START)),
            (0, Some((at, wait))) if at <= now => {
                self.due = true;
                let wait = (wait + wait / 2).min(LIMIT);
                Some((now + wait, wait))
            }
            (0, waiting) => waiting,
            _ => None,
        };
    }

    /// Let a probe leave now.
    pub fn ask(&mut self) {
        self.due = true;
    }

    /// Whether a probe must leave; asking clears it.
    pub fn take(&mut self) -> bool {
        core::mem::take(&mut self.due)
    }

    /// Whether a probe must leave.
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// When [`Probe::update`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.closed.map(|(at, _)| at)
    }
}
