//! Asking for the peer's window: because it was zero, or because the peer has gone silent.

use crate::time::{Duration, Time, earliest};

/// First wait while the remote window is zero (kcptun wire, section 3.2).
const START: Duration = Duration::from_millis(500);
/// Longest wait while the remote window is zero.
const LIMIT: Duration = Duration::from_secs(120);
/// How often a silent peer is asked.
const SILENT_EVERY: Duration = Duration::from_millis(300);
/// How often after it has been silent for long.
const SILENT_SLOW: Duration = Duration::from_millis(500);
const SILENT_LONG: Duration = Duration::from_secs(30);

/// When the next window probe (WASK) leaves.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    closed: Option<(Time, Duration)>,
    silent: Option<(Time, Time)>,
    due: bool,
}

impl Probe {
    /// Note what is known now; `silent` says whether data in flight makes no progress.
    pub fn update(&mut self, remote_window: u32, silent: bool, now: Time) {
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
        self.silent = match (silent, self.silent) {
            (true, None) => {
                self.due = true;
                Some((now, now + SILENT_EVERY))
            }
            (true, Some((since, at))) if at <= now => {
                self.due = true;
                let long = now.since(since) >= SILENT_LONG;
                Some((since, now + if long { SILENT_SLOW } else { SILENT_EVERY }))
            }
            (true, waiting) => waiting,
            (false, _) => None,
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
        earliest(self.closed.map(|(at, _)| at), self.silent.map(|(_, at)| at))
    }
}
