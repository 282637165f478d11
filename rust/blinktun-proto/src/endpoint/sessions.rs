//! The sessions of an endpoint: how each is found, when each is due, and which wait to be polled.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::ops::{Index, IndexMut};

use slab::Slab;

use super::directory::Directory;
use super::entry::{Entry, SEEN, SessionId};
use crate::path::FourTuple;
use crate::path::candidate::Proof;
use crate::replay::Recent;
use crate::session::Session;
use crate::time::Time;
use crate::wire::kcp::Segments;

/// Addresses of a peer that are remembered when it has left them.
const EARLIER: usize = 2;

/// The sessions. A place is an index into the table; it stays that of its session until
/// [`Sessions::remove`].
pub struct Sessions {
    table: Slab<Entry>,
    /// How many there have been, modulo 2^32.
    generation: u32,
    directory: Directory,
    /// Deadlines and places.
    timers: BTreeSet<(Time, usize)>,
    /// Places of those that wait to be polled; some may be gone.
    dirty: VecDeque<usize>,
    /// Places of those that have got datagrams in this batch; some may be gone.
    touched: Vec<usize>,
}

impl Sessions {
    /// None yet; `seeds` make the hashing unpredictable.
    pub fn new(seeds: [u64; 2]) -> Sessions {
        Sessions {
            table: Slab::new(),
            generation: 0,
            directory: Directory::new(seeds),
            timers: BTreeSet::new(),
            dirty: VecDeque::new(),
            touched: Vec::new(),
        }
    }

    /// Take a session in; it waits to be polled. `seeds` make the hashing of its datagrams unpredictable.
    pub fn insert(&mut self, session: Session, seeds: [u64; 2]) -> SessionId {
        self.generation = self.generation.wrapping_add(1);
        let slot = self.table.vacant_entry();
        let at = slot.key();
        let id = SessionId((u64::from(self.generation) << 32) | at as u64);
        self.directory
            .add(at, (session.path().address, session.conv()));
        slot.insert(Entry {
            id,
            session,
            other_source: None,
            candidate: None,
            earlier: VecDeque::new(),
            seen: Recent::new(SEEN, seeds),
            timer: None,
            dirty: true,
        });
        self.dirty.push_back(at);
        id
    }

    /// Take a session out.
    pub fn remove(&mut self, id: SessionId) -> Option<Entry> {
        let at = self.place(id)?;
        let entry = self.table.remove(at);
        if let Some(due) = entry.timer {
            self.timers.remove(&(due, at));
        }
        let (path, conv) = (entry.session.path().address, entry.session.conv());
        self.directory.remove(at, (path, conv));
        let earlier = entry.earlier.iter().map(|(path, _)| *path);
        for path in earlier.chain(entry.other_source) {
            self.directory.remove_alias(at, (path, conv));
        }
        if let Some(token) = entry.session.token() {
            self.directory.remove_token(conv, token);
        }
        Some(entry)
    }

    // --- to find one ----------------------------------------------------------------------

    /// The place of a session, if it is still there.
    pub fn place(&self, id: SessionId) -> Option<usize> {
        let at = id.index();
        self.table
            .get(at)
            .is_some_and(|entry| entry.id == id)
            .then_some(at)
    }

    /// A session, if it is still there.
    pub fn get(&self, id: SessionId) -> Option<&Entry> {
        self.place(id).map(|at| &self.table[at])
    }

    /// The place of the session of a datagram that came by `path`, which may name a conversation.
    pub fn find(&self, path: FourTuple, conv: Option<u32>) -> Option<usize> {
        self.directory.find(path, conv)
    }

    /// The place of the only session of a conversation, wherever its peer is.
    pub fn find_by_number(&self, conv: u32) -> Option<usize> {
        self.directory.find_by_number(conv)
    }

    /// The place of the session whose token a payload holds.
    pub fn find_named(&self, segments: Segments<'_>) -> Option<usize> {
        let token = segments.into_iter().find_map(|segment| segment.token())?;
        self.directory.find_by_token(segments.conv(), token)
    }

    /// Whether a payload may belong to one of several sessions.
    pub fn is_ambiguous(&self, segments: Segments<'_>) -> bool {
        let conv = segments.conv();
        let is_unknown = self.find_named(segments).is_none();
        is_unknown && self.directory.has_number(conv) && self.find_by_number(conv).is_none()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// How many an IP address has, or the network of an IPv6 address.
    pub fn count(&self, source: IpAddr) -> usize {
        self.directory.count(source)
    }

    /// The handles of all.
    pub fn ids(&self) -> Vec<SessionId> {
        self.table.iter().map(|(_, entry)| entry.id).collect()
    }

    // --- addresses ------------------------------------------------------------------------

    /// The peer of a session is at another address, which has proved itself. Returns the old one, from which what
    /// is under way still comes.
    pub fn migrate(&mut self, at: usize, to: FourTuple, proof: Proof, now: Time) -> FourTuple {
        let entry = &mut self.table[at];
        let (old, conv) = (entry.session.migrate(to, proof, now), entry.session.conv());
        self.directory.remove(at, (old, conv));
        self.forget_earlier(at, to);
        self.directory.add(at, (to, conv));
        let entry = &mut self.table[at];
        entry.earlier.push_back((old, now));
        self.directory.add_alias(at, (old, conv));
        if entry.earlier.len() > EARLIER
            && let Some((oldest, _)) = entry.earlier.pop_front()
        {
            self.directory.remove_alias(at, (oldest, conv));
        }
        old
    }

    /// Nothing comes from this address any more that was under way when the peer left it.
    pub fn forget_earlier(&mut self, at: usize, path: FourTuple) {
        let entry = &mut self.table[at];
        let before = entry.earlier.len();
        entry.earlier.retain(|(known, _)| *known != path);
        if entry.earlier.len() < before {
            self.directory
                .remove_alias(at, (path, entry.session.conv()));
        }
    }

    /// Name a session by a token as well.
    pub fn name(&mut self, at: usize) {
        let session = &mut self.table[at].session;
        if let Some(token) = self.directory.draw_token(at, session.conv()) {
            session.offer_moves(token);
        }
    }

    /// The peer of a session sends from this address as well, and from no other besides its own.
    pub fn set_other_source(&mut self, at: usize, path: FourTuple) {
        let entry = &mut self.table[at];
        let conv = entry.session.conv();
        if let Some(old) = entry.other_source.replace(path) {
            self.directory.remove_alias(at, (old, conv));
        }
        self.directory.add_alias(at, (path, conv));
    }

    // --- whose turn it is -----------------------------------------------------------------

    /// A session changes: it waits to be polled afterwards.
    pub fn wake(&mut self, at: usize) -> &mut Entry {
        let entry = &mut self.table[at];
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push_back(at);
        }
        entry
    }

    /// The place of the session that has waited longest to be polled.
    pub fn first_dirty(&mut self) -> Option<usize> {
        while let Some(&at) = self.dirty.front() {
            if self.table.contains(at) {
                return Some(at);
            }
            self.dirty.pop_front();
        }
        None
    }

    /// The session at [`Sessions::first_dirty`] has nothing more to send: it waits for its timeout.
    pub fn settle_first(&mut self) {
        let Some(at) = self.dirty.pop_front() else {
            return;
        };
        let Some(entry) = self.table.get_mut(at) else {
            return;
        };
        entry.dirty = false;
        let next = entry.session.next_timeout();
        if next != entry.timer {
            if let Some(due) = entry.timer {
                self.timers.remove(&(due, at));
            }
            if let Some(due) = next {
                self.timers.insert((due, at));
            }
            entry.timer = next;
        }
    }

    /// When [`Sessions::take_due`] has one.
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// A session whose deadline has passed, taken off the timers. It waits to be polled.
    pub fn take_due(&mut self, now: Time) -> Option<&mut Session> {
        let &(_, at) = self.timers.first().filter(|(due, _)| *due <= now)?;
        self.timers.pop_first();
        let entry = self.wake(at);
        entry.timer = None;
        Some(&mut entry.session)
    }

    /// A session gets a datagram: it waits to be polled, and for the end of the batch.
    pub fn touch(&mut self, at: usize) -> &mut Session {
        if self.touched.last() != Some(&at) {
            self.touched.push(at);
        }
        &mut self.wake(at).session
    }

    /// After a batch of datagrams: `finish` each session that has got some.
    pub fn finish_touched(&mut self, mut finish: impl FnMut(&mut Session)) {
        for at in self.touched.drain(..) {
            if let Some(entry) = self.table.get_mut(at) {
                finish(&mut entry.session);
            }
        }
    }
}

impl Index<usize> for Sessions {
    type Output = Entry;

    fn index(&self, at: usize) -> &Entry {
        &self.table[at]
    }
}

impl IndexMut<usize> for Sessions {
    fn index_mut(&mut self, at: usize) -> &mut Entry {
        &mut self.table[at]
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::crypt::{CryptKind, PacketCrypt};
    use crate::session::{Config, Role};

    fn path(port: u16) -> FourTuple {
        SocketAddr::from(([192, 0, 2, 1], port)).into()
    }

    fn session(port: u16) -> Session {
        let config = Config::new(&PacketCrypt::new(CryptKind::Null, &[0; 32]));
        Session::new(&config, Role::Client, (path(port), 7), 0, Time::ZERO)
    }

    #[test]
    fn the_handle_of_one_that_is_gone_names_no_other() {
        let mut sessions = Sessions::new([1, 2]);
        let old = sessions.insert(session(1), [3, 4]);
        sessions.set_other_source(old.index(), path(2));
        assert_eq!(sessions.find(path(2), Some(7)), Some(old.index()));
        assert!(sessions.remove(old).is_some());
        assert_eq!(sessions.find(path(2), Some(7)), None);
        assert_eq!(sessions.first_dirty(), None);
        let new = sessions.insert(session(1), [3, 4]);
        assert_eq!(new.index(), old.index());
        assert!(sessions.get(old).is_none() && sessions.get(new).is_some());
        assert!(sessions.remove(old).is_none());
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn each_waits_once_in_the_order_of_the_changes() {
        let mut sessions = Sessions::new([1, 2]);
        let ids = [1, 2, 3].map(|port| sessions.insert(session(port), [3, 4]).index());
        for _ in ids {
            sessions.settle_first();
        }
        assert_eq!(sessions.first_dirty(), None);
        for at in [2, 0, 2] {
            sessions.touch(ids[at]);
        }
        sessions.wake(ids[0]);
        assert_eq!(sessions.first_dirty(), Some(ids[2]));
        sessions.settle_first();
        assert_eq!(sessions.first_dirty(), Some(ids[0]));
        sessions.settle_first();
        assert_eq!(sessions.first_dirty(), None);
    }

    #[test]
    fn one_is_due_at_its_deadline_and_then_waits() {
        let mut sessions = Sessions::new([1, 2]);
        let id = sessions.insert(session(1), [3, 4]);
        sessions.settle_first();
        let due = sessions.next_timeout().expect("smux looks for keepalives");
        let before = Time::from_micros(due.as_micros() - 1);
        assert!(sessions.take_due(before).is_none());
        assert!(sessions.take_due(due).is_some());
        assert!(sessions.take_due(due).is_none());
        assert_eq!(sessions.next_timeout(), None);
        assert_eq!(sessions.first_dirty(), Some(id.index()));
    }
}
