//! A session whose peer may have got a new address: NAT boxes forget, networks change.
//!
//! A payload of a known conversation that comes from elsewhere and fits the windows makes its
//! source a candidate. What the session sends goes there, at most three times what came from there,
//! until the candidate echoes a clock that was sent to it; then the session has moved. Any payload
//! from the old address ends the candidacy: a copied datagram diverts nothing for longer than that.

use crate::path::FourTuple;
use crate::time::{Duration, Time};
use crate::wire::Millis;

/// A source that has proved nothing gets at most this many times the bytes it sent (RFC 9000, 8.1).
pub const AMPLIFICATION: usize = 3;
/// How long a candidate may take to prove itself.
const LIFE: Duration = Duration::from_secs(3);

/// Where a session's peer may be now.
#[derive(Debug)]
pub struct PathCandidate {
    /// The new address, or the other one of ours.
    pub address: FourTuple,
    /// Bytes that came from it.
    pub received: usize,
    /// Bytes that went to it.
    pub sent: usize,
    /// Our clock when it appeared: an echo of this or a later one is the proof.
    pub since: Millis,
    born: Time,
}

impl PathCandidate {
    /// The source of a plausible payload.
    pub fn new(address: FourTuple, since: Millis, now: Time) -> PathCandidate {
        PathCandidate {
            address,
            received: 0,
            sent: 0,
            since,
            born: now,
        }
    }

    /// Whether it has had its time.
    pub fn is_stale(&self, now: Time) -> bool {
        now.since(self.born) >= LIFE
    }

    /// Whether the newest echoed clock was sent after it appeared.
    pub fn is_validated_by(&self, echo: Option<Millis>) -> bool {
        echo.is_some_and(|echo| !echo.before(self.since))
    }

    /// Bytes that may still go to it before it is validated.
    pub fn allowance(&self) -> usize {
        (self.received * AMPLIFICATION).saturating_sub(self.sent)
    }
}
