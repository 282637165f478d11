//! The poller: whoever is ready has its turn.

mod alarm;
mod datagrams;
mod dispatch;
mod raw_tcp;
mod sockets;
mod streams;
mod timers;
mod tokens;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use blinktun_proto::endpoint::Openings;
use blinktun_proto::error::CloseReason;
use blinktun_proto::memory::Budget;
use blinktun_proto::session::{self, Context, Role, Session, SessionStats};
use blinktun_proto::stats::Stats;
use blinktun_proto::time::{Time, earliest};
use mio::{Events, Poll};
use slab::Slab;

use crate::event::{EndpointId, Event, FlowKey, PortId, RelayEnd, SessionKey};
use crate::inbox::Inbox;
use crate::link::Link;
use crate::port::Port;
use crate::relay::{Progress, Relay};
use crate::socket::{EndpointSocket, SocketConfig, unspecified};
use crate::udp::LONGEST_RUN;
use alarm::Alarm;
use sockets::Sockets;
use timers::Timers;
use tokens::{ALARM, Watched, watched};

/// Rounds of one turn; what is left then waits for the next turn.
const ROUNDS: usize = 16;
/// What one read of a TCP connection takes at most.
const SCRATCH: usize = 64 << 10;

/// All sockets and relays of a process, driven by [`Reactor::turn`].
///
/// Bounds: what sessions that tune themselves hold for their peers by [`Reactor::memory`]; per socket those of
/// `Endpoint`; per relay nothing beside the stream's own buffers; the
/// event queue holds what one turn produced, and the owner empties it after each turn.
pub struct Reactor {
    poll: Poll,
    ready: Events,
    alarm: Alarm,
    start: Instant,
    sockets: Sockets,
    relays: Slab<Relay>,
    /// Relays that may be able to move bytes, each once.
    active: VecDeque<usize>,
    is_active: Vec<bool>,
    /// When relays pass on the ends that they hold back (`closewait`).
    relay_timers: Timers<usize>,
    ports: HashMap<PortId, Port>,
    next_port: u64,
    /// Ports that may be able to move datagrams.
    active_ports: VecDeque<PortId>,
    /// The port of each flow that has one.
    flow_ports: HashMap<FlowKey, PortId>,
    events: VecDeque<Event>,
    retired: Stats,
    memory: Budget,
    inbox: Inbox,
    outbox: Vec<u8>,
    scratch: Vec<u8>,
}

impl Reactor {
    /// A reactor without sockets.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        Ok(Reactor {
            poll,
            alarm,
            ready: Events::with_capacity(1024),
            start: Instant::now(),
            sockets: Sockets::new(),
            relays: Slab::new(),
            active: VecDeque::new(),
            is_active: Vec::new(),
            relay_timers: Timers::new(),
            ports: HashMap::new(),
            next_port: 0,
            active_ports: VecDeque::new(),
            flow_ports: HashMap::new(),
            events: VecDeque::new(),
            retired: Stats::default(),
            memory: Budget::default(),
            inbox: Inbox::default(),
            outbox: vec![0; LONGEST_RUN],
            scratch: vec![0; SCRATCH],
        })
    }

    fn now(&self) -> Time {
        Time::from_micros(self.start.elapsed().as_micros() as u64)
    }

    // --- driving --------------------------------------------------------------------------

    /// Do what is to be done now. Afterwards take all events, then wait for the descriptor or
    /// [`Reactor::next_timeout`].
    ///
    /// # Errors
    /// What the system says of polling or of its timer; nothing else fails here.
    pub fn turn(&mut self) -> io::Result<()> {
        for _ in 0..ROUNDS {
            self.poll_ready()?;
            self.receive();
            self.dispatch();
            self.pump();
            self.pump_ports();
            self.flush();
            self.dispatch();
            if !self.has_more() {
                return self.alarm.set(self.next_deadline(), self.now());
            }
        }
        Ok(())
    }

    /// How long [`Reactor::turn`] may wait; `None` is until the descriptor is readable. On Linux
    /// the descriptor becomes readable at each deadline, so there is only zero or `None`.
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.has_more() {
            return Some(Duration::ZERO);
        }
        let watched = self.next_deadline().filter(|_| !alarm::WORKS);
        watched.map(|at| at.since(self.now()))
    }

    fn next_deadline(&self) -> Option<Time> {
        earliest(self.sockets.next_timeout(), self.relay_timers.next())
    }

    /// Whether a socket, a relay or a port waits for its turn.
    fn has_more(&self) -> bool {
        self.sockets.is_any_ready() || !self.active.is_empty() || !self.active_ports.is_empty()
    }

    /// What happened, oldest first.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_ready(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.ready, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.ready {
            if event.token() == ALARM {
                continue; // what is due is found by the clock
            }
            match watched(event.token()) {
                Watched::Line(place) => self.sockets.note_ready(place),
                Watched::Relay(index) => {
                    if let Some(relay) = self.relays.get_mut(index) {
                        relay.note_ready(event);
                        activate(&mut self.active, &mut self.is_active, index);
                    }
                }
                Watched::Port(id) => {
                    if let Some(port) = self.ports.get_mut(&id) {
                        port.note_ready();
                        self.active_ports.push_back(id);
                    }
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self) {
        let now = self.now();
        self.sockets.receive(&mut self.inbox, &mut self.outbox, now);
        while let Some(relay) = self.relay_timers.pop(now) {
            activate(&mut self.active, &mut self.is_active, relay);
        }
    }

    fn pump(&mut self) {
        let now = self.now();
        for _ in 0..self.active.len() {
            let Some(index) = self.active.pop_front() else {
                break;
            };
            self.is_active[index] = false;
            let Some(relay) = self.relays.get_mut(index) else {
                continue;
            };
            let key = relay.key.session;
            let socket = self.sockets.get_mut(key.endpoint);
            let session = socket.and_then(|socket| socket.endpoint.session_mut(key.session));
            let progress = match session {
                Some(session) => relay.pump(session, &mut self.scratch, now),
                None => Progress::Finished(RelayEnd::SessionLost(CloseReason::Local)),
            };
            self.relay_timers.set(index, relay.next_timeout());
            match progress {
                Progress::Waiting => {}
                Progress::More => activate(&mut self.active, &mut self.is_active, index),
                Progress::Finished(end) => self.end_relay(index, end),
            }
        }
    }

    fn flush(&mut self) {
        let (now, registry) = (self.now(), self.poll.registry());
        self.sockets.flush(registry, &mut self.outbox, now);
    }

    // --- sockets and sessions -------------------------------------------------------------

    /// Listen for sessions.
    ///
    /// # Errors
    /// What the system says of binding the address.
    pub fn listen(&mut self, at: SocketAddr, config: &SocketConfig) -> io::Result<EndpointId> {
        let socket = EndpointSocket::bind(at, Role::Server, config, self.now())?;
        self.add_socket(socket)
    }

    /// Listen for sessions on a UDP socket that is bound already.
    ///
    /// # Errors
    /// What the system says of the socket, which is closed then.
    pub fn adopt(&mut self, socket: OwnedFd, config: &SocketConfig) -> io::Result<EndpointId> {
        let socket = EndpointSocket::adopt(socket, config, self.now())?;
        self.add_socket(socket)
    }

    /// Have the sessions of `endpoint` at one more address. They go on when their peers change from one to another.
    ///
    /// # Errors
    /// What the system says of binding the address; `NotFound` for an unknown socket.
    pub fn listen_too(&mut self, endpoint: EndpointId, at: SocketAddr) -> io::Result<()> {
        let now = self.now();
        let socket = self.sockets.get_mut(endpoint).ok_or_else(not_found)?;
        let line = socket.bind_too(at, now)?;
        self.sockets
            .watch_line(endpoint, line, self.poll.registry())
    }

    /// The same on a UDP socket that is bound already.
    ///
    /// # Errors
    /// What the system says of the socket, which is closed then; `NotFound` for an unknown socket.
    pub fn adopt_too(&mut self, endpoint: EndpointId, bound: OwnedFd) -> io::Result<()> {
        let now = self.now();
        let socket = self.sockets.get_mut(endpoint).ok_or_else(not_found)?;
        let line = socket.adopt_too(bound, now)?;
        self.sockets
            .watch_line(endpoint, line, self.poll.registry())
    }

    /// Have a client's session go to another port of its server, by a new socket, as soon as that has answered
    /// there. Returns false if the server does not follow.
    ///
    /// # Errors
    /// What the system says of making the socket; `NotFound` for an unknown session.
    pub fn hop(&mut self, key: SessionKey, to: SocketAddr) -> io::Result<bool> {
        let now = self.now();
        let socket = self.sockets.get_mut(key.endpoint).ok_or_else(not_found)?;
        let Some(hopped) = socket.hop(key.session, to, now)? else {
            return Ok(false);
        };
        self.sockets
            .follow_hop(key.endpoint, &hopped, self.poll.registry())?;
        Ok(true)
    }

    /// This machine has another network, or has slept: the session that has this socket asks its server at once.
    pub fn renew_paths(&mut self, endpoint: EndpointId) {
        let now = self.now();
        if let Some(socket) = self.sockets.get_mut(endpoint) {
            socket.endpoint.renew_paths(now);
        }
    }

    /// Begin a session with the server at `to`, from a socket of its own.
    ///
    /// # Errors
    /// What the system says of making the socket. That nobody answers is no error here.
    pub fn dial(&mut self, to: SocketAddr, config: &SocketConfig) -> io::Result<SessionKey> {
        let now = self.now();
        let socket = EndpointSocket::bind(unspecified(to), Role::Client, config, now)?;
        self.begin(socket, to, now)
    }

    fn begin(
        &mut self,
        socket: EndpointSocket,
        to: SocketAddr,
        now: Time,
    ) -> io::Result<SessionKey> {
        let endpoint = self.add_socket(socket)?;
        let socket = self.sockets.get_mut(endpoint).ok_or_else(not_found)?;
        let session = socket.endpoint.dial(to, now);
        Ok(SessionKey { endpoint, session })
    }

    /// Have a socket remember openings together with others.
    pub fn share_openings(&mut self, endpoint: EndpointId, openings: Openings) {
        if let Some(socket) = self.sockets.get_mut(endpoint) {
            socket.endpoint.share_openings(openings);
        }
    }

    /// What all sessions hold for their peers.
    pub fn memory(&self) -> &Budget {
        &self.memory
    }

    fn add_socket(&mut self, mut socket: EndpointSocket) -> io::Result<EndpointId> {
        socket.endpoint.share_memory(self.memory.clone());
        self.sockets.insert(socket, self.poll.registry())
    }

    /// What carries a socket's datagrams.
    ///
    /// # Errors
    /// `NotFound` for an unknown socket.
    pub fn link(&self, endpoint: EndpointId) -> io::Result<&Link> {
        let socket = self.sockets.get(endpoint).ok_or_else(not_found)?;
        socket.link().ok_or_else(not_found)
    }

    /// The addresses that a socket is bound to.
    ///
    /// # Errors
    /// `NotFound` for an unknown socket, or what the system says.
    pub fn local_addresses(&self, endpoint: EndpointId) -> io::Result<Vec<SocketAddr>> {
        let socket = self.sockets.get(endpoint).ok_or_else(not_found)?;
        let lines = socket.lines();
        lines.map(|(_, line)| line.link.local_addr()).collect()
    }

    /// Close a socket and all its sessions; their relays are aborted. `Closed` follows for each.
    pub fn close_endpoint(&mut self, endpoint: EndpointId) {
        let Some(socket) = self.sockets.get(endpoint) else {
            return;
        };
        let relays: Vec<usize> = socket.relays.values().copied().collect();
        for relay in relays {
            self.end_relay(relay, RelayEnd::SessionLost(CloseReason::Local));
        }
        let Some(mut socket) = self.sockets.remove(endpoint, self.poll.registry()) else {
            return;
        };
        for session in socket.endpoint.session_ids() {
            socket.remove_session(session);
            let key = SessionKey { endpoint, session };
            self.leave_ports(key);
            let event = session::Event::Closed(CloseReason::Local);
            self.events.push_back(Event::Session(key, event));
        }
        self.retired.add(&socket.stats());
        self.retired.curr_estab = 0;
    }

    /// End a session; its relays are aborted.
    pub fn close_session(&mut self, key: SessionKey) {
        if let Some((session, _)) = self.session_mut(key) {
            session.close(CloseReason::Local);
        }
    }

    /// A session to look at.
    pub fn session(&self, key: SessionKey) -> Option<&Session> {
        self.sockets
            .get(key.endpoint)?
            .endpoint
            .session(key.session)
    }

    /// How a session stands now.
    pub fn session_stats(&self, key: SessionKey) -> Option<SessionStats> {
        self.session(key).map(|session| session.stats(self.now()))
    }

    fn session_mut(&mut self, key: SessionKey) -> Option<(&mut Session, &mut Context)> {
        self.sockets
            .get_mut(key.endpoint)?
            .endpoint
            .session_mut(key.session)
    }

    /// The counters of all sockets, past ones included.
    pub fn stats(&self) -> Stats {
        let mut total = self.retired.clone();
        for socket in self.sockets.iter() {
            total.add(&socket.stats());
        }
        total.max_conn = self.sockets.most_sessions();
        total
    }
}

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

fn activate(active: &mut VecDeque<usize>, is_active: &mut Vec<bool>, index: usize) {
    if is_active.len() <= index {
        is_active.resize(index + 1, false);
    }
    if !is_active[index] {
        is_active[index] = true;
        active.push_back(index);
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the session is gone")
}

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests;
