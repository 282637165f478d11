//! The table of sessions: who comes in, who leaves, who is looked at.

use std::net::SocketAddr;

use super::entry::{Entry, SEEN};
use super::{Endpoint, EndpointEvent, SessionId};
use crate::replay::Recent;
use crate::session::{Context, Session};
use crate::time::Time;

impl Endpoint {
    pub(super) fn accept(&mut self, session: Session, now: Time) -> SessionId {
        self.cx.stats.passive_opens += 1;
        let peer = session.path().address;
        let id = self.insert(session, now);
        self.events
            .push_back(EndpointEvent::Opened(id, peer.remote));
        id
    }

    pub(super) fn insert(&mut self, mut session: Session, now: Time) -> SessionId {
        if self.is_traced {
            session.begin_trace(now);
        }
        self.generation = self.generation.wrapping_add(1);
        let seeds = [self.cx.random.next_u64(), self.cx.random.next_u64()];
        let slot = self.sessions.vacant_entry();
        let index = slot.key();
        let id = SessionId((u64::from(self.generation) << 32) | index as u64);
        self.directory
            .add(index, (session.path().address, session.conv()));
        slot.insert(Entry {
            id,
            session,
            other_source: None,
            candidate: None,
            seen: Recent::new(SEEN, seeds),
            timer: None,
            dirty: true,
        });
        self.dirty.push_back(index);
        let stats = &mut self.cx.stats;
        stats.curr_estab = self.sessions.len() as u64;
        stats.max_conn = stats.max_conn.max(stats.curr_estab);
        id
    }

    /// Forget a session. Its peer is told nothing: KCP has no close.
    pub fn remove(&mut self, id: SessionId) {
        let Some(index) = self.index(id) else { return };
        let mut entry = self.sessions.remove(index);
        if let Some(text) = entry.session.take_trace() {
            self.traces.push_back((id, text));
        }
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, index));
        }
        for path in [Some(entry.session.path().address), entry.other_source]
            .into_iter()
            .flatten()
        {
            self.directory.remove(index, (path, entry.session.conv()));
        }
        self.cx.stats.curr_estab = self.sessions.len() as u64;
        if self.sessions.is_empty() {
            self.cx.pool.trim();
        }
    }

    fn index(&self, id: SessionId) -> Option<usize> {
        self.sessions
            .get(id.index())
            .filter(|entry| entry.id == id)
            .map(|_| id.index())
    }

    /// A session to look at.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions
            .get(id.index())
            .filter(|entry| entry.id == id)
            .map(|entry| &entry.session)
    }

    /// A session to change, with what its calls need. It is polled afterwards.
    pub fn session_mut(&mut self, id: SessionId) -> Option<(&mut Session, &mut Context)> {
        let index = self.index(id)?;
        let entry = &mut self.sessions[index];
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push_back(index);
        }
        Some((&mut entry.session, &mut self.cx))
    }

    /// Where a session's peer is.
    pub fn peer(&self, id: SessionId) -> Option<SocketAddr> {
        self.sessions
            .get(id.index())
            .filter(|entry| entry.id == id)
            .map(|entry| entry.session.path().address.remote)
    }

    /// The handles of all sessions.
    pub fn session_ids(&self) -> Vec<SessionId> {
        self.sessions.iter().map(|(_, entry)| entry.id).collect()
    }
}
