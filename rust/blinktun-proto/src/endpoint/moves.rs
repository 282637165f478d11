//! Clients at another address, or at another port of ours.

use super::arrived::Arrived;
use super::{Endpoint, EndpointEvent, SessionId};
use crate::path::FourTuple;
use crate::path::candidate::{PathCandidate, Proof};
use crate::session::Role;
use crate::time::{Duration, Time};
use crate::wire::Millis;
use crate::wire::kcp::{Segments, WASK, WINS};

/// For so long what comes from an address that the client has just left was under way, beside a round trip.
const UNDER_WAY: Duration = Duration::from_millis(100);
/// A question from elsewhere that is so much older than what the client has shown is a copy.
const LATEST: Duration = Duration::from_secs(2);

impl Endpoint {
    /// This machine has another network, or has slept: each session asks its server at once, and begins again as on
    /// a path that it does not know. For clients.
    pub fn renew_paths(&mut self, now: Time) {
        for id in self.sessions.ids() {
            if let Some(at) = self.sessions.place(id) {
                self.sessions.wake(at).session.renew_path(now);
            }
        }
    }

    /// Let a client's session go to another port of the server, or by another socket of ours, as soon as its
    /// question there is answered. Returns false if the server does not follow.
    pub fn hop(&mut self, id: SessionId, to: FourTuple, now: Time) -> bool {
        let at = self.sessions.place(id);
        at.is_some_and(|at| self.sessions.wake(at).session.hop(to, now))
    }

    /// The place of the session that a payload from elsewhere belongs to: that of its token, or the only one of its
    /// conversation, unless another one begins.
    pub(super) fn find_elsewhere(
        &self,
        from: FourTuple,
        segments: Segments<'_>,
        now: Time,
    ) -> Option<usize> {
        let named = self.sessions.find_named(segments);
        named.or_else(|| {
            let numbered = self.sessions.find_by_number(segments.conv())?;
            let key = (from, segments.conv());
            let begins =
                self.role == Role::Server && self.half_open.is_beginning(&key, segments, now);
            (!begins).then_some(numbered)
        })
    }

    /// A payload for a server's session; returns whether it is one.
    pub(super) fn handle_clients(
        &mut self,
        index: usize,
        arrived: &Arrived<'_>,
        now: Time,
    ) -> bool {
        let from = arrived.key.0;
        let entry = &mut self.sessions[index];
        if entry.session.path().address == from {
            entry.candidate.take_if(|candidate| candidate.diverts());
            self.feed(index, arrived.payload, now);
            return true;
        }
        if entry.session.kcp().check(arrived.segments).is_err() {
            return entry.left(from).is_some();
        }
        if let Some(proof) = self.met_challenge(index, arrived, now) {
            self.migrate(index, from, proof, now);
            self.feed(index, arrived.payload, now);
        } else if let Some(asked) = self.question(index, arrived) {
            self.answer_question(index, arrived, asked, now);
        } else if self.was_under_way(index, arrived, now) {
            self.feed(index, arrived.payload, now);
        } else {
            self.divert(index, arrived, now);
        }
        true
    }

    /// Whether a client's answer from elsewhere proves that it is there.
    fn met_challenge(&self, index: usize, arrived: &Arrived<'_>, now: Time) -> Option<Proof> {
        let candidate = self.sessions[index].candidate.as_ref()?;
        // The first alone: a datagram is one guess.
        let mut segments = arrived.segments.into_iter();
        let tell = segments.find(|segment| segment.cmd == WINS)?;
        (candidate.address == arrived.key.0).then_some(())?;
        candidate.is_met_by(tell.ts, now)
    }

    /// The clock of a client's question whether it can go on elsewhere, if a payload holds nothing else.
    fn question(&self, index: usize, arrived: &Arrived<'_>) -> Option<Millis> {
        let segments = arrived.segments;
        let asks = |segments: Segments<'_>| segments.into_iter().all(|it| it.cmd == WASK);
        let is_named = self.sessions.find_named(segments) == Some(index);
        (is_named && asks(segments)).then_some(())?;
        segments.into_iter().next().map(|segment| segment.ts)
    }

    /// Answer it there, and ask whether it is the client who asks. All else goes on as before.
    fn answer_question(&mut self, index: usize, arrived: &Arrived<'_>, asked: Millis, now: Time) {
        let entry = &mut self.sessions[index];
        if !entry.session.path().validation.is_recent(asked, LATEST) {
            self.cx.stats.strays += 1;
            return;
        }
        let candidate = candidate_at(&mut entry.candidate, arrived.key.0, now);
        candidate.received += arrived.size;
        let challenge = candidate.challenge(Millis(self.cx.random.next_u32()), now);
        let payload = entry.session.answer_elsewhere(asked, challenge);
        let size = self.crypt.head() + payload.len() + self.crypt.tail();
        if size > candidate.allowance() {
            return;
        }
        candidate.sent += size;
        self.cx.stats.out_segs += 2;
        self.answer(arrived.key.0, &payload);
    }

    /// Whether it comes from where the client was, and left before the client did, as far as one can see.
    fn was_under_way(&self, index: usize, arrived: &Arrived<'_>, now: Time) -> bool {
        let entry = &self.sessions[index];
        let session = &entry.session;
        entry.left(arrived.key.0).is_some_and(|left| {
            let is_recent = now.since(left) <= UNDER_WAY + session.path().rtt.smoothed();
            is_recent || !session.kcp().is_news(arrived.segments, session.path())
        })
    }

    /// The client seems to be elsewhere: what is sent goes there, as far as that is no harm.
    fn divert(&mut self, index: usize, arrived: &Arrived<'_>, now: Time) {
        let from = arrived.key.0;
        let entry = &mut self.sessions[index];
        let kcp = entry.session.kcp();
        let is_candidate = entry
            .candidate
            .as_ref()
            .is_some_and(|it| it.address == from);
        if !is_candidate && !kcp.is_news(arrived.segments, entry.session.path()) {
            self.cx.stats.strays += 1;
            return; // a copy of an old datagram diverts nothing
        }
        let clock = kcp.clock(now);
        let candidate = candidate_at(&mut entry.candidate, from, now);
        candidate.received += arrived.size;
        if candidate.divert(clock, now) {
            entry.session.ping(); // something that a true peer will acknowledge
        }
        self.feed(index, arrived.payload, now);
        self.migrate_if_proven(index, now);
    }

    fn migrate_if_proven(&mut self, index: usize, now: Time) {
        let entry = &mut self.sessions[index];
        let session = &entry.session;
        let echo = session.path().validation.echoed();
        let clock = session.kcp().clock(now);
        let age = echo.map_or(0, |echo| u64::try_from(clock.diff(echo)).unwrap_or(0));
        let proven = entry.candidate.as_ref().and_then(|candidate| {
            let proof = candidate.is_proven_by(echo, Duration::from_millis(age))?;
            Some((candidate.address, proof))
        });
        if let Some((address, proof)) = proven {
            self.migrate(index, address, proof, now);
        }
    }

    fn migrate(&mut self, index: usize, to: FourTuple, proof: Proof, now: Time) {
        let entry = &mut self.sessions[index];
        let id = entry.id;
        entry.candidate = None;
        let old = self.sessions.migrate(index, to, proof, now);
        if (to.remote, to.socket) != (old.remote, old.socket) {
            self.cx.stats.moves += 1;
        }
        if to.remote != old.remote {
            self.events.push_back(EndpointEvent::Moved(id, to.remote));
        }
    }
}

/// The candidate at this address, which takes the place of any other.
fn candidate_at(
    candidate: &mut Option<PathCandidate>,
    address: FourTuple,
    now: Time,
) -> &mut PathCandidate {
    candidate.take_if(|it| it.address != address || it.is_stale(now));
    candidate.get_or_insert_with(|| PathCandidate::new(address, now))
}
