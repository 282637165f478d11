//! NOPs at a fixed pace, and noticing that the peer is silent (kcptun wire, 5.6).

use super::Error;
use crate::time::{Duration, Time};

/// The shortest time between two NOPs.
const SHORTEST: Duration = Duration::from_secs(1);

/// The two clocks of a session.
#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Duration,
    /// How often it is checked that any frame arrived.
    check: Duration,
    next_nop: Time,
    next_check: Time,
    /// A frame has come since the last check.
    heard: bool,
    /// A NOP waits to be sent.
    pub(super) nop_due: bool,
}

impl Keepalive {
    pub(super) fn new(interval: Duration, check: Duration, now: Time) -> Keepalive {
        let interval = interval.max(SHORTEST);
        let (next_nop, next_check) = (now + interval, now + check);
        Keepalive {
            interval,
            check,
            next_nop,
            next_check,
            heard: false,
            nop_due: false,
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

    /// Act on what is due. `choked`: we stopped taking frames ourselves, so silence means nothing.
    pub(super) fn handle_timeout(&mut self, now: Time, choked: bool) -> Result<(), Error> {
        if now >= self.next_nop {
            self.next_nop = now + self.interval;
            self.nop_due = true;
        }
        if now >= self.next_check {
            self.next_check = now + self.check;
            let alive = core::mem::take(&mut self.heard) || choked;
            return if alive {
                Ok(())
            } else {
                Err(Error::KeepaliveTimeout)
            };
        }
        Ok(())
    }
}
