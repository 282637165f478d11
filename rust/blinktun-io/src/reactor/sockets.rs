//! The sockets of a reactor: those that have something to do now, and when the others will have.
//!
//! Other modules change a socket through [`Sockets::get_mut`], which puts it on the ready list. They
//! have no other way, so no socket can be forgotten. A round visits the ready sockets
//! only, and afterwards each has its next deadline in the timers.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsRawFd;

use blinktun_proto::endpoint::{EndpointEvent, SessionId};
use blinktun_proto::time::Time;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use slab::Slab;

use super::timers::Timers;
use super::tokens::line_token;
use crate::event::EndpointId;
use crate::inbox::Inbox;
use crate::socket::{EndpointSocket, Hopped, Line};

/// All sockets, the ready list and the timers.
pub struct Sockets {
    table: BTreeMap<EndpointId, Entry>,
    /// Which line of which socket the poller means.
    lines: Slab<(EndpointId, u32)>,
    next_id: u64,
    /// Those that may have something to do, each once. One that has been closed may still be here.
    ready: VecDeque<EndpointId>,
    /// The deadlines, as the last visits left them.
    timers: Timers<EndpointId>,
    events: VecDeque<(EndpointId, EndpointEvent)>,
    /// The sum of `Entry::sessions`.
    sessions: u64,
    most_sessions: u64,
    /// Which sockets were visited, for the tests that count work.
    #[cfg(test)]
    pub visited: Vec<EndpointId>,
}

struct Entry {
    socket: EndpointSocket,
    is_ready: bool,
    /// The line for which the poller tells when the kernel has room for datagrams.
    awaits_room: Option<u32>,
    /// The sessions that it had when they were counted last.
    sessions: u64,
}

impl Sockets {
    pub fn new() -> Sockets {
        Sockets {
            table: BTreeMap::new(),
            lines: Slab::new(),
            next_id: 0,
            ready: VecDeque::new(),
            timers: Timers::new(),
            events: VecDeque::new(),
            sessions: 0,
            most_sessions: 0,
            #[cfg(test)]
            visited: Vec::new(),
        }
    }

    // --- the table ------------------------------------------------------------------------

    /// Take a socket in, and have the poller watch it. It is ready.
    pub fn insert(
        &mut self,
        socket: EndpointSocket,
        registry: &Registry,
    ) -> io::Result<EndpointId> {
        let id = EndpointId(self.next_id);
        self.next_id += 1;
        let mut entry = Entry {
            socket,
            is_ready: true,
            awaits_room: None,
            sessions: 0,
        };
        entry.count_sessions(&mut self.sessions);
        self.most_sessions = self.most_sessions.max(self.sessions);
        self.ready.push_back(id);
        self.table.insert(id, entry);
        self.watch_line(id, 0, registry)
            .inspect_err(|_| drop(self.remove(id, registry)))?;
        Ok(id)
    }

    /// Have the poller watch a line of a socket.
    pub fn watch_line(
        &mut self,
        id: EndpointId,
        number: u32,
        registry: &Registry,
    ) -> io::Result<()> {
        let Some(line) = self.get_mut(id).and_then(|it| it.line_mut(number)) else {
            return Ok(());
        };
        let descriptor = line.link.as_raw_fd();
        let place = self.lines.insert((id, number));
        let token = line_token(place);
        let watched = registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE);
        if watched.is_err() {
            self.lines.remove(place);
        } else if let Some(line) = self.get_mut(id).and_then(|it| it.line_mut(number)) {
            line.token = Some(place);
        }
        watched
    }

    /// The poller watches a line no more.
    fn forget_line(&mut self, line: &Line, registry: &Registry) {
        if let Some(place) = line.token {
            self.lines.try_remove(place);
            let _ = registry.deregister(&mut SourceFd(&line.link.as_raw_fd()));
        }
    }

    /// Go on by what a client's hop has opened and closed.
    pub fn follow_hop(
        &mut self,
        id: EndpointId,
        hopped: &Hopped,
        registry: &Registry,
    ) -> io::Result<()> {
        for line in &hopped.closed {
            self.forget_line(line, registry);
        }
        self.watch_line(id, hopped.opened, registry)
    }

    /// How many lines the poller watches.
    #[cfg(test)]
    pub fn lines_watched(&self) -> usize {
        self.lines.len()
    }

    /// The poller has something to say of a line: whether there are datagrams is looked up.
    pub fn note_ready(&mut self, place: usize) {
        if let Some(&(id, number)) = self.lines.get(place)
            && let Some(socket) = self.get_mut(id)
        {
            socket.note_readable(number);
        }
    }

    /// Take a socket out.
    pub fn remove(&mut self, id: EndpointId, registry: &Registry) -> Option<EndpointSocket> {
        let entry = self.table.remove(&id)?;
        for (_, line) in entry.socket.lines() {
            self.forget_line(line, registry);
        }
        self.timers.set(id, None);
        self.sessions -= entry.sessions;
        Some(entry.socket)
    }

    /// A socket to look at.
    pub fn get(&self, id: EndpointId) -> Option<&EndpointSocket> {
        self.table.get(&id).map(|entry| &entry.socket)
    }

    /// A socket to change, which is ready from now on.
    pub fn get_mut(&mut self, id: EndpointId) -> Option<&mut EndpointSocket> {
        let entry = self.table.get_mut(&id)?;
        if !entry.is_ready {
            entry.is_ready = true;
            self.ready.push_back(id);
        }
        Some(&mut entry.socket)
    }

    /// Forget a session; returns the socket that it was on.
    pub fn remove_session(
        &mut self,
        id: EndpointId,
        session: SessionId,
    ) -> Option<&mut EndpointSocket> {
        self.get_mut(id)?; // it is ready from now on
        let entry = self.table.get_mut(&id)?;
        entry.socket.remove_session(session);
        entry.count_sessions(&mut self.sessions);
        Some(&mut entry.socket)
    }

    /// All sockets, to look at.
    pub fn iter(&self) -> impl Iterator<Item = &EndpointSocket> {
        self.table.values().map(|entry| &entry.socket)
    }

    /// The most sessions that there were at once, over all sockets.
    pub fn most_sessions(&self) -> u64 {
        self.most_sessions
    }

    // --- a round --------------------------------------------------------------------------

    /// Whether a socket must have its turn at once.
    pub fn is_any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the first socket must have its turn although nothing happens, if none is ready.
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The first half of a round: what has arrived, and what is due. Their events wait in
    /// [`Sockets::next_event`].
    pub fn receive(&mut self, inbox: &mut Inbox, outbox: &mut [u8], now: Time) {
        while let Some(id) = self.timers.pop(now) {
            self.get_mut(id);
        }
        for index in 0..self.ready.len() {
            let id = self.ready[index];
            let Some(entry) = self.table.get_mut(&id) else {
                continue;
            };
            entry.socket.receive(inbox, outbox, now);
            let due = entry.socket.endpoint.next_timeout();
            if due.is_some_and(|at| at <= now) {
                entry.socket.endpoint.handle_timeout(now);
            }
            entry.collect_events(id, &mut self.events);
            entry.count_sessions(&mut self.sessions);
            #[cfg(test)]
            self.visited.push(id);
        }
        // Sessions have come, and none has been taken away since.
        self.most_sessions = self.most_sessions.max(self.sessions);
    }

    /// The second half: what must leave. Afterwards only those sockets are ready that have more to
    /// receive.
    pub fn flush(&mut self, registry: &Registry, outbox: &mut [u8], now: Time) {
        for _ in 0..self.ready.len() {
            let Some(id) = self.ready.pop_front() else {
                break;
            };
            let Some(entry) = self.table.get_mut(&id) else {
                continue;
            };
            entry.socket.flush(outbox, now);
            entry.collect_events(id, &mut self.events);
            self.timers.set(id, entry.socket.endpoint.next_timeout());
            entry.is_ready = entry.socket.is_readable();
            if entry.is_ready {
                self.ready.push_back(id);
            }
            entry.watch(registry);
            #[cfg(test)]
            self.visited.push(id);
        }
    }

    /// The next thing that a socket has to say. Nothing is heard of one that has been closed.
    pub fn next_event(&mut self) -> Option<(EndpointId, EndpointEvent)> {
        loop {
            let (id, event) = self.events.pop_front()?;
            if self.table.contains_key(&id) {
                return Some((id, event));
            }
        }
    }
}

impl Entry {
    fn collect_events(
        &mut self,
        id: EndpointId,
        events: &mut VecDeque<(EndpointId, EndpointEvent)>,
    ) {
        while let Some(event) = self.socket.endpoint.next_event() {
            events.push_back((id, event));
        }
    }

    /// Hear of room in the kernel only while datagrams wait for it: otherwise the poller would wake
    /// for each datagram that has left.
    ///
    /// If the system refuses, datagrams that wait are given up, and too many wake-ups are borne until
    /// the next try: one socket must not end the others.
    fn watch(&mut self, registry: &Registry) {
        let wanted = self.socket.full_line();
        if self.awaits_room == wanted {
            return;
        }
        for (number, interest) in [
            (self.awaits_room, Interest::READABLE),
            (wanted, Interest::READABLE | Interest::WRITABLE),
        ] {
            let Some(line) = number.and_then(|number| self.socket.line_mut(number)) else {
                continue; // it may have been closed
            };
            let (descriptor, token) = (line.link.as_raw_fd(), line.token.map(line_token));
            let watched = token.map_or(Ok(()), |token| {
                registry.reregister(&mut SourceFd(&descriptor), token, interest)
            });
            if watched.is_err() {
                self.socket.give_up_unsent();
                return;
            }
        }
        self.awaits_room = wanted;
    }

    /// Bring the sum of all sessions up to date.
    fn count_sessions(&mut self, sum: &mut u64) {
        let now = self.socket.endpoint.stats().curr_estab;
        *sum = *sum - self.sessions + now;
        self.sessions = now;
    }
}
