//! A session whose peer may have got a new address: NAT boxes forget, networks change.
//!
//! A payload of a known conversation that comes from elsewhere and fits the windows makes its
//! source a candidate. There are two kinds.
//!
//! - The peer **asks** from there whether it could go on there. It gets an answer with a challenge, and all else goes
//!   on by the old path until it has returned the challenge.
//! - The peer **is** there, as far as one can see. What the session sends goes there, at most three times what came
//!   from there, until the candidate echoes a clock that was sent to it. Any payload from the old address ends
//!   the candidacy: a copied datagram diverts nothing for longer than that.

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
    /// What the session sends goes there already, since our clock was this: an echo of it or of a later one is the
    /// proof.
    diverts_since: Option<(Millis, Time)>,
    /// A question with this random clock went there first at this moment, and nowhere else.
    challenge: Option<(Millis, Time)>,
    born: Time,
}

/// A candidate has shown that it receives what is sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How long its answer took.
    pub round_trip: Duration,
    /// What the session has sent since then went there.
    pub began: Time,
}

impl PathCandidate {
    /// The source of a plausible payload.
    pub fn new(address: FourTuple, now: Time) -> PathCandidate {
        PathCandidate {
            address,
            received: 0,
            sent: 0,
            diverts_since: None,
            challenge: None,
            born: now,
        }
    }

    /// What the session sends goes there from now on, when our clock is `clock`. Returns whether it went elsewhere so
    /// far.
    pub fn divert(&mut self, clock: Millis, now: Time) -> bool {
        let went_elsewhere = !self.diverts();
        self.diverts_since.get_or_insert((clock, now));
        went_elsewhere
    }

    /// Whether what the session sends goes there.
    pub fn diverts(&self) -> bool {
        self.diverts_since.is_some()
    }

    /// The clock of the question that goes there: `fresh`, if none has gone yet.
    pub fn challenge(&mut self, fresh: Millis, now: Time) -> Millis {
        self.challenge.get_or_insert((fresh, now)).0
    }

    /// Whether a window tell with this clock meets the challenge.
    pub fn is_met_by(&self, clock: Millis, now: Time) -> Option<Proof> {
        let (_, sent) = self
            .challenge
            .filter(|(challenge, _)| *challenge == clock)?;
        Some(Proof {
            round_trip: now.since(sent),
            began: self.diverts_since.map_or(now, |(_, at)| at),
        })
    }

    /// Whether the newest echoed clock was sent after what the session sends went there; `age` is how old it is.
    pub fn is_proven_by(&self, echo: Option<Millis>, age: Duration) -> Option<Proof> {
        let (since, began) = self.diverts_since?;
        echo.filter(|echo| !echo.before(since))?;
        Some(Proof {
            round_trip: age,
            began,
        })
    }

    /// Whether it has had its time.
    pub fn is_stale(&self, now: Time) -> bool {
        now.since(self.born) >= LIFE
    }

    /// Bytes that may still go to it before it is validated.
    pub fn allowance(&self) -> usize {
        (self.received * AMPLIFICATION).saturating_sub(self.sent)
    }
}
