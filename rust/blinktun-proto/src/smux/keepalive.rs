//! NOPs at a fixed pace, and giving a silent peer up (kcptun wire, 5.6).

use super::{Error, Settings};
use crate::time::{Duration, Time};

/// The shortest time between two NOPs.
const SHORTEST: Duration = Duration::from_secs(1);

/// The two clocks of a session.
#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Duration,
    /// How often it is checked that any frame arrived.
    check: Duration,
    /// The longest silence that is waited for.
    outage: Duration,
    next_nop: Time,
    next_check: Time,
    /// A frame has come since the last check.
    heard: bool,
    /// The last check that found one.
    heard_at: Time,
}

impl Keepalive {
    pub(super) fn new(settings: &Settings, now: Time) -> Keepalive {
        let interval = settings.keepalive.max(SHORTEST);
        let check = settings.keepalive_timeout;
        let (next_nop, next_check) = (now + interval, now + check);
        Keepalive {
            interval,
            check,
            outage: settings.outage,
            next_nop,
            next_check,
            heard: false,
            heard_at: now,
        }
    }

    /// A frame has come.
    pub(super) fn heard(&mut self) {
        self.heard = true;
    }

    /// The earlier of the two clocks.
    pub(super) fn next_timeout(&self) -> Time {
        self.next_nop.min(self.next_check)
    }

    /// Whether the time of a NOP has come; the next one is due an interval later.
    pub(super) fn nop_is_due(&mut self, now: Time) -> bool {
        let is_due = now >= self.next_nop;
        if is_due {
            self.next_nop = now + self.interval;
        }
        is_due
    }

    /// Give the peer up if it has been silent for too long. `choked`: we stopped taking frames ourselves,
    /// so silence means nothing. If the session `is_worth_waiting` for, it may be silent for as long as an
    /// outage lasts.
    pub(super) fn check(
        &mut self,
        now: Time,
        choked: bool,
        is_worth_waiting: bool,
    ) -> Result<(), Error> {
        if now >= self.next_check {
            self.next_check = now + self.check;
            if core::mem::take(&mut self.heard) || choked {
                self.heard_at = now;
            } else if !is_worth_waiting || now.since(self.heard_at) >= self.outage {
                return Err(Error::KeepaliveTimeout);
            }
        }
        Ok(())
    }
}
