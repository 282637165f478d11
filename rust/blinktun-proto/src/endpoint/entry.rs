//! One session of an endpoint: where its peer is, and how much may be sent there.

use std::collections::VecDeque;

use crate::path::FourTuple;
use crate::path::candidate::PathCandidate;
use crate::replay::Recent;
use crate::session::Session;
use crate::time::Time;

/// Datagrams of a session that are known when they come again, up to 32 KiB.
pub const SEEN: u32 = 2048;

/// A session's handle; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl SessionId {
    /// Its place in the endpoint's table.
    pub(super) fn index(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }
}

/// A session and its peer's address.
pub struct Entry {
    /// Its handle.
    pub id: SessionId,
    /// The conversation.
    pub session: Session,
    /// Another address of a client's server, which it answers from.
    pub other_source: Option<FourTuple>,
    /// Where the peer may have moved to.
    pub candidate: Option<PathCandidate>,
    /// Where it was before, the latest last, and when it left: what is still under way comes from there.
    pub earlier: VecDeque<(FourTuple, Time)>,
    /// Its latest datagrams. What is older changes nothing: its numbers were taken already, and its
    /// window is that of an old `una`.
    pub seen: Recent,
    /// The deadline it has in the endpoint's timers.
    pub timer: Option<Time>,
    /// Whether it waits to be polled.
    pub dirty: bool,
}

impl Entry {
    /// Where to send now, and how many bytes at most.
    pub fn destination(&mut self, now: Time) -> (FourTuple, usize) {
        self.candidate.take_if(|candidate| candidate.is_stale(now));
        match self.candidate.as_ref().filter(|it| it.diverts()) {
            None => (self.session.path().address, usize::MAX),
            Some(candidate) => (candidate.address, candidate.allowance()),
        }
    }

    /// Count bytes that went to the destination.
    pub fn note_sent(&mut self, size: usize) {
        if let Some(candidate) = self.candidate.as_mut().filter(|it| it.diverts()) {
            candidate.sent += size;
        }
    }

    /// When the peer left this address, if it was there before.
    pub fn left(&self, address: FourTuple) -> Option<Time> {
        let mut earlier = self.earlier.iter();
        let found = earlier.find(|(known, _)| *known == address);
        found.map(|(_, at)| *at)
    }
}
