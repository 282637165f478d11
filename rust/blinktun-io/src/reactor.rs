//! The poller: whoever is ready has its turn.

use std::collections::{BTreeMap, VecDeque, btree_map};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use blinktun_proto::endpoint::{EndpointEvent, SessionId};
use blinktun_proto::error::CloseReason;
use blinktun_proto::session::{self, Context, Role, Session};
use blinktun_proto::smux::{self, StreamId};
use blinktun_proto::stats::Stats;
use blinktun_proto::time::{Time, earliest};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::event::{EndpointId, Event, RelayEnd, SessionKey, StreamKey};
use crate::relay::{Progress, Relay};
use crate::socket::{EndpointSocket, SocketConfig};
use crate::udp::{BUFFER, Inbox};

/// Rounds of one turn; what is left then waits for the next turn.
const ROUNDS: usize = 16;
/// What one read of a TCP connection takes at most.
const SCRATCH: usize = 64 << 10;

/// All sockets and relays of a process, driven by [`Reactor::turn`].
///
/// Bounds: per socket those of `Endpoint`; per relay nothing beside the stream's own buffers; the
/// event queue holds what one turn produced, and the owner empties it after each turn.
pub struct Reactor {
    poll: Poll,
    ready: Events,
    start: Instant,
    sockets: BTreeMap<EndpointId, EndpointSocket>,
    next_socket: u64,
    relays: Slab<Relay>,
    /// Relays that may be able to move bytes, each once.
    active: VecDeque<usize>,
    is_active: Vec<bool>,
    events: VecDeque<Event>,
    retired: Stats,
    inbox: Inbox,
    outbox: Vec<u8>,
    scratch: Vec<u8>,
    more: bool,
}

impl Reactor {
    /// A reactor without sockets.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Reactor> {
        Ok(Reactor {
            poll: Poll::new()?,
            ready: Events::with_capacity(1024),
            start: Instant::now(),
            sockets: BTreeMap::new(),
            next_socket: 0,
            relays: Slab::new(),
            active: VecDeque::new(),
            is_active: Vec::new(),
            events: VecDeque::new(),
            retired: Stats::default(),
            inbox: Inbox::default(),
            outbox: vec![0; BUFFER],
            scratch: vec![0; SCRATCH],
            more: false,
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
    /// What the system says of polling; nothing else fails here.
    pub fn turn(&mut self) -> io::Result<()> {
        for _ in 0..ROUNDS {
            self.poll_ready()?;
            let unread = self.receive();
            self.expire();
            self.dispatch();
            self.pump();
            self.flush();
            self.dispatch();
            self.more = unread || !self.active.is_empty();
            if !self.more {
                break;
            }
        }
        Ok(())
    }

    /// How long [`Reactor::turn`] may wait; `None` is until the descriptor is readable.
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.more || !self.active.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = self.sockets.iter().fold(None, |next, (_, socket)| {
            earliest(next, socket.endpoint.next_timeout())
        });
        next.map(|at| at.since(self.now()))
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
            let index = event.token().0 >> 1;
            let id = EndpointId(index as u64);
            if event.token() == socket_token(id) {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.note_readable();
                }
            } else if let Some(relay) = self.relays.get_mut(index) {
                relay.note_ready(event);
                activate(&mut self.active, &mut self.is_active, index);
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> bool {
        let now = self.now();
        let mut unread = false;
        for socket in self.sockets.values_mut() {
            unread |= socket.receive(&mut self.inbox, &mut self.outbox, now);
        }
        unread
    }

    fn expire(&mut self) {
        let now = self.now();
        for socket in self.sockets.values_mut() {
            if socket.endpoint.next_timeout().is_some_and(|at| at <= now) {
                socket.endpoint.handle_timeout(now);
            }
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
            let socket = self.sockets.get_mut(&key.endpoint);
            let session = socket.and_then(|socket| socket.endpoint.session_mut(key.session));
            let progress = match session {
                Some(session) => relay.pump(session, &mut self.scratch, now),
                None => Progress::Finished(RelayEnd::SessionLost(CloseReason::Local)),
            };
            match progress {
                Progress::Waiting => {}
                Progress::More => activate(&mut self.active, &mut self.is_active, index),
                Progress::Finished(end) => self.end_relay(index, end),
            }
        }
    }

    fn flush(&mut self) {
        let now = self.now();
        for socket in self.sockets.values_mut() {
            socket.flush(&mut self.outbox, now);
        }
    }

    // --- events ---------------------------------------------------------------------------

    fn dispatch(&mut self) {
        let mut from = EndpointId(0);
        while let Some((&id, socket)) = self.sockets.range_mut(from..).next() {
            match socket.next_event() {
                Some(event) => self.handle_event(id, event),
                None => from = EndpointId(id.0 + 1),
            }
        }
    }

    fn handle_event(&mut self, endpoint: EndpointId, event: EndpointEvent) {
        let key = |session| SessionKey { endpoint, session };
        match event {
            EndpointEvent::Opened(session, peer) => {
                self.events
                    .push_back(Event::SessionOpened(key(session), peer));
            }
            EndpointEvent::Moved(session, to) => {
                self.events.push_back(Event::SessionMoved(key(session), to));
            }
            EndpointEvent::Undecryptable { from } => {
                self.events.push_back(Event::Undecryptable(endpoint, from));
            }
            EndpointEvent::Session(session, event) => match event {
                session::Event::Silent { heard } => {
                    self.events
                        .push_back(Event::SessionSilent(key(session), heard));
                }
                session::Event::Recovered => {
                    self.events.push_back(Event::SessionRecovered(key(session)));
                }
                session::Event::Closed(reason) => self.end_session(key(session), reason),
                session::Event::Stream(event) => self.handle_stream_event(key(session), event),
            },
        }
    }

    fn handle_stream_event(&mut self, session: SessionKey, event: smux::Event) {
        let id = match event {
            smux::Event::Opened(id)
            | smux::Event::Readable(id)
            | smux::Event::Writable(id)
            | smux::Event::Finished(id)
            | smux::Event::Reset(id)
            | smux::Event::Closed(id) => id,
            smux::Event::PeerHello => return,
        };
        let key = StreamKey {
            session,
            stream: id,
        };
        let Some(relay) = self.relay_of(key) else {
            return self.events.extend(match event {
                smux::Event::Opened(_) => Some(Event::StreamOpened(key)),
                smux::Event::Readable(_) => Some(Event::StreamReadable(key)),
                smux::Event::Finished(_) => Some(Event::StreamFinished(key)),
                smux::Event::Writable(_) => Some(Event::StreamWritable(key)),
                smux::Event::Reset(_) => Some(Event::StreamReset(key)),
                smux::Event::Closed(_) | smux::Event::PeerHello => None,
            });
        };
        match event {
            smux::Event::Reset(_) => return self.end_relay(relay, RelayEnd::PeerReset),
            smux::Event::Finished(_) => self.relays[relay].note_finished(),
            _ => {}
        }
        activate(&mut self.active, &mut self.is_active, relay);
    }

    fn end_session(&mut self, key: SessionKey, reason: CloseReason) {
        let Some(socket) = self.sockets.get_mut(&key.endpoint) else {
            return;
        };
        socket.endpoint.remove(key.session);
        let (relays, ends) = (socket.relays_of(key.session), socket.ends_with_session);
        for relay in relays {
            self.end_relay(relay, RelayEnd::SessionLost(reason));
        }
        if ends {
            self.close_endpoint(key.endpoint);
        }
        self.events.push_back(Event::SessionClosed(key, reason));
    }

    fn end_relay(&mut self, index: usize, end: RelayEnd) {
        let Some(relay) = self.relays.try_remove(index) else {
            return;
        };
        let (token, key) = (relay.token, relay.key);
        let (sent, received, connected) = (relay.sent, relay.received, relay.connected);
        // Closing the descriptor deregisters it; failing to do so before changes nothing.
        let _ = self
            .poll
            .registry()
            .deregister(&mut SourceFd(&relay.as_raw_fd()));
        if end != RelayEnd::Clean {
            relay.abort();
        }
        if let Some(socket) = self.sockets.get_mut(&key.session.endpoint) {
            socket.relays.remove(&(key.session.session, key.stream));
        }
        self.events.push_back(Event::RelayFinished {
            token,
            sent,
            received,
            connected,
            end,
        });
    }

    // --- sockets and sessions -------------------------------------------------------------

    /// Listen for sessions.
    ///
    /// # Errors
    /// What the system says of binding the address.
    pub fn listen(&mut self, at: SocketAddr, config: &SocketConfig) -> io::Result<EndpointId> {
        self.add_socket(EndpointSocket::bind(at, Role::Server, config, self.now())?)
    }

    /// Listen for sessions on a UDP socket that is bound already.
    ///
    /// # Errors
    /// What the system says of the socket, which is closed then.
    pub fn adopt(&mut self, socket: OwnedFd, config: &SocketConfig) -> io::Result<EndpointId> {
        self.add_socket(EndpointSocket::adopt(socket, config, self.now())?)
    }

    /// Begin a session with the server at `to`, from a socket of its own.
    ///
    /// # Errors
    /// What the system says of making the socket. That nobody answers is no error here.
    pub fn dial(&mut self, to: SocketAddr, config: &SocketConfig) -> io::Result<SessionKey> {
        let local = match to {
            SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
            SocketAddr::V6(_) => SocketAddr::from(([0u16; 8], 0)),
        };
        let now = self.now();
        let mut socket = EndpointSocket::bind(local, Role::Client, config, now)?;
        let session = socket.endpoint.dial(to, now);
        let endpoint = self.add_socket(socket)?;
        Ok(SessionKey { endpoint, session })
    }

    fn add_socket(&mut self, socket: EndpointSocket) -> io::Result<EndpointId> {
        let descriptor = socket.udp().as_raw_fd();
        let id = EndpointId(self.next_socket);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let mut source = SourceFd(&descriptor);
        self.poll
            .registry()
            .register(&mut source, socket_token(id), interest)?;
        self.next_socket += 1;
        self.sockets.insert(id, socket);
        self.more = true;
        Ok(id)
    }

    /// The address a socket is bound to.
    ///
    /// # Errors
    /// `NotFound` for an unknown socket.
    pub fn local_addr(&self, endpoint: EndpointId) -> io::Result<SocketAddr> {
        self.sockets
            .get(&endpoint)
            .ok_or_else(not_found)?
            .udp()
            .local_addr()
    }

    /// Close a socket and all its sessions; their relays are aborted. [`Event::SessionClosed`]
    /// follows for each.
    pub fn close_endpoint(&mut self, endpoint: EndpointId) {
        let Some(socket) = self.sockets.get(&endpoint) else {
            return;
        };
        let relays: Vec<usize> = socket.relays.values().copied().collect();
        for relay in relays {
            self.end_relay(relay, RelayEnd::SessionLost(CloseReason::Local));
        }
        let Some(socket) = self.sockets.remove(&endpoint) else {
            return;
        };
        let _ = self
            .poll
            .registry()
            .deregister(&mut SourceFd(&socket.udp().as_raw_fd()));
        for session in socket.endpoint.session_ids() {
            let key = SessionKey { endpoint, session };
            self.events
                .push_back(Event::SessionClosed(key, CloseReason::Local));
        }
        self.retired.add(socket.endpoint.stats());
        self.retired.curr_estab = 0;
    }

    /// End a session; its relays are aborted.
    pub fn close_session(&mut self, key: SessionKey) {
        if let Some((session, _)) = self.session_mut(key) {
            session.close(CloseReason::Local);
            self.more = true;
        }
    }

    /// A session to look at.
    pub fn session(&self, key: SessionKey) -> Option<&Session> {
        self.sockets
            .get(&key.endpoint)?
            .endpoint
            .session(key.session)
    }

    fn session_mut(&mut self, key: SessionKey) -> Option<(&mut Session, &mut Context)> {
        self.sockets
            .get_mut(&key.endpoint)?
            .endpoint
            .session_mut(key.session)
    }

    /// The counters of all sockets, past ones included.
    pub fn stats(&self) -> Stats {
        let mut total = self.retired.clone();
        for socket in self.sockets.values() {
            total.add(socket.endpoint.stats());
        }
        total
    }

    /// Openings that wait for proof, over all sockets.
    pub fn embryos(&self) -> usize {
        self.sockets
            .values()
            .map(|socket| socket.endpoint.embryos())
            .sum()
    }

    // --- streams --------------------------------------------------------------------------

    /// Open a stream.
    ///
    /// # Errors
    /// `NotConnected` if the session is gone; `Other` if it can open no more.
    pub fn open_stream(&mut self, key: SessionKey) -> io::Result<StreamKey> {
        let (session, _) = self.session_mut(key).ok_or_else(gone)?;
        let stream = session
            .open_stream()
            .map_err(|_| io::Error::other("too many streams"))?;
        self.more = true;
        Ok(StreamKey {
            session: key,
            stream,
        })
    }

    /// Join a stream and a connected stream socket. [`Event::RelayFinished`] reports the end,
    /// under `token`.
    ///
    /// # Errors
    /// `NotConnected` if the session or the stream is gone, `AlreadyExists` if it has a relay, or
    /// what the system says of the descriptor. The connection is reset then: its application must
    /// not take it for a clean end.
    pub fn relay(&mut self, key: StreamKey, connection: OwnedFd, token: u64) -> io::Result<()> {
        let mut relay = Relay::new(token, key, connection)?;
        match self.join(&mut relay) {
            Ok(index) => {
                self.relays.insert(relay);
                activate(&mut self.active, &mut self.is_active, index);
                Ok(())
            }
            Err(error) => {
                relay.abort();
                Err(error)
            }
        }
    }

    /// Enter a relay in all tables but `relays`; returns its place there.
    fn join(&mut self, relay: &mut Relay) -> io::Result<usize> {
        let StreamKey { session, stream } = relay.key;
        let socket = self.sockets.get_mut(&session.endpoint).ok_or_else(gone)?;
        let mux = socket.endpoint.session(session.session).ok_or_else(gone)?;
        let mux = mux.mux();
        if !mux.contains(stream) {
            return Err(gone());
        }
        if mux.is_finished(stream) {
            relay.note_finished(); // it ended before anyone could be told
        }
        let btree_map::Entry::Vacant(place) = socket.relays.entry((session.session, stream)) else {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        };
        let index = self.relays.vacant_key();
        self.poll.registry().register(
            &mut SourceFd(&relay.as_raw_fd()),
            relay_token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        place.insert(index);
        Ok(index)
    }

    /// Break off the relay of a stream, both ways.
    pub fn abort_relay(&mut self, key: StreamKey) {
        if let Some(relay) = self.relay_of(key) {
            self.reset(key);
            self.end_relay(relay, RelayEnd::Aborted);
        }
    }

    /// Bytes that a stream's relay has moved so far, to and from the stream.
    pub fn relayed(&self, key: StreamKey) -> Option<(u64, u64)> {
        let relay = self.relays.get(self.relay_of(key)?)?;
        Some((relay.sent, relay.received))
    }

    fn relay_of(&self, key: StreamKey) -> Option<usize> {
        let socket = self.sockets.get(&key.session.endpoint)?;
        socket
            .relays
            .get(&(key.session.session, key.stream))
            .copied()
    }

    /// Queue bytes on a stream; returns how many were taken. If not all,
    /// [`Event::StreamWritable`] follows.
    ///
    /// # Errors
    /// `NotConnected` or `BrokenPipe` if the stream or its write side is over.
    pub fn write(&mut self, key: StreamKey, data: &[u8]) -> io::Result<usize> {
        let (session, _) = self.session_mut(key.session).ok_or_else(gone)?;
        let taken = session
            .write(key.stream, data)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.more = true;
        Ok(taken)
    }

    /// Take up to `max` bytes that have arrived.
    ///
    /// # Errors
    /// `NotConnected` if the session is gone.
    pub fn read(&mut self, key: StreamKey, max: usize) -> io::Result<Vec<u8>> {
        let now = self.now();
        let (session, cx) = self.session_mut(key.session).ok_or_else(gone)?;
        let mut out = Vec::new();
        while out.len() < max {
            let front = session.read_front(key.stream);
            let count = front.len().min(max - out.len());
            if count == 0 {
                break;
            }
            out.extend_from_slice(&front[..count]);
            session.consume(key.stream, count, now, cx);
        }
        self.more = true;
        Ok(out)
    }

    /// Whether everything written to the session has left and been acknowledged.
    pub fn is_drained(&self, key: SessionKey) -> bool {
        self.session(key).is_none_or(Session::is_drained)
    }

    /// No more will be written to a stream.
    pub fn finish(&mut self, key: StreamKey) {
        if let Some((session, _)) = self.session_mut(key.session) {
            session.finish(key.stream);
            self.more = true;
        }
    }

    /// Break a stream off in both directions.
    pub fn reset(&mut self, key: StreamKey) {
        if let Some((session, _)) = self.session_mut(key.session) {
            session.reset(key.stream);
            self.more = true;
        }
    }

    /// The streams of a session.
    pub fn stream_ids(&self, key: SessionKey) -> Vec<StreamId> {
        self.session(key)
            .map(|s| s.mux().stream_ids().collect())
            .unwrap_or_default()
    }

    /// The sessions of a socket.
    pub fn session_ids(&self, endpoint: EndpointId) -> Vec<SessionId> {
        self.sockets
            .get(&endpoint)
            .map(|s| s.endpoint.session_ids())
            .unwrap_or_default()
    }
}

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

fn socket_token(id: EndpointId) -> Token {
    Token((id.0 as usize) << 1)
}

fn relay_token(index: usize) -> Token {
    Token((index << 1) | 1)
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
