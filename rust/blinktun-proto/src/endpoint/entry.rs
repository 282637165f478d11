//! One session of an endpoint: where its peer is, and how much may be sent there.

use std::collections::VecDeque;

use super::SessionId;
use super::four_tuple::FourTuple;
use super::moving::Candidate;
use crate::replay::Recent;
use crate::session::Session;
use crate::time::{Duration, Time};

/// Datagrams of a session that are known when they come again, up to 32 KiB.
pub const SEEN: u32 = 2048;

/// A source that has proved nothing gets at most this many times the bytes it sent.
pub const AMPLIFICATION: usize = 3;
/// How long a session may stay unproven: two keepalives of an idle client, whose bytes let us ask
/// once more if losses have used up what may be sent.
const UNPROVEN_LIFE: Duration = Duration::from_secs(25);

/// A session and its peer's address.
pub struct Entry {
    /// Its handle.
    pub id: SessionId,
    /// The conversation.
    pub session: Session,
    /// Where its peer is, and which of our addresses it uses.
    pub peer: FourTuple,
    /// Another address of a client's server, which it answers from.
    pub other_source: Option<FourTuple>,
    /// Set while the peer has not proved that it receives what we send.
    pub unproven: Option<Unproven>,
    /// Where the peer may have moved to.
    pub candidate: Option<Candidate>,
    /// Its latest datagrams. What is older changes nothing: its numbers were taken already, and its
    /// window is that of an old `una`.
    pub seen: Recent,
    /// The deadline it has in the endpoint's timers.
    pub timer: Option<Time>,
    /// Whether it waits to be polled.
    pub dirty: bool,
}

/// What an unproven source sent and got.
#[derive(Debug)]
pub struct Unproven {
    received: usize,
    sent: usize,
    born: Time,
}

impl Unproven {
    /// A source that appears now.
    pub fn new(now: Time) -> Unproven {
        Unproven {
            received: 0,
            sent: 0,
            born: now,
        }
    }

    /// When it has had its time.
    pub fn deadline(&self) -> Time {
        self.born + UNPROVEN_LIFE
    }
}

/// The sessions that may be served before their source is proved: few, however fast they end.
///
/// One that ends unproven keeps its slot until its time is over. Else a source that breaks each of
/// its sessions at once would make us dial without bound.
#[derive(Debug, Default)]
pub struct EarlySlots(VecDeque<Time>);

impl EarlySlots {
    /// How many are taken.
    pub fn taken(&mut self, now: Time) -> usize {
        while self.0.front().is_some_and(|until| *until <= now) {
            self.0.pop_front();
        }
        self.0.len()
    }

    /// Take one for a source that appears now.
    pub fn take(&mut self, source: &Unproven) {
        self.0.push_back(source.deadline());
    }

    /// The source has proved itself: others may have its slot.
    pub fn give(&mut self, source: &Unproven) {
        if let Some(slot) = self.0.iter().position(|until| *until == source.deadline()) {
            self.0.remove(slot);
        }
    }
}

impl Entry {
    /// Count bytes that came from the peer's address.
    pub fn note_received(&mut self, size: usize) {
        if let Some(unproven) = &mut self.unproven {
            unproven.received += size;
        }
    }

    /// Where to send now, and how many bytes at most.
    pub fn destination(&mut self, now: Time) -> (FourTuple, usize) {
        if self.candidate.as_ref().is_some_and(|c| c.is_stale(now)) {
            self.candidate = None;
        }
        if let Some(candidate) = &self.candidate {
            let limit = candidate.received * AMPLIFICATION;
            return (candidate.address, limit.saturating_sub(candidate.sent));
        }
        let limit = self.unproven.as_ref().map_or(usize::MAX, |unproven| {
            (unproven.received * AMPLIFICATION).saturating_sub(unproven.sent)
        });
        (self.peer, limit)
    }

    /// Count bytes that went to the destination.
    pub fn note_sent(&mut self, size: usize) {
        if let Some(candidate) = &mut self.candidate {
            candidate.sent += size;
        } else if let Some(unproven) = &mut self.unproven {
            unproven.sent += size;
        }
    }
}
