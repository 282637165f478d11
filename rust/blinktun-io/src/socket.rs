//! Links that carry datagrams, and the sessions on them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::endpoint::{Endpoint, Limits, SessionId, Transmit};
use blinktun_proto::path::FourTuple;
use blinktun_proto::session::{Config, Role};
use blinktun_proto::smux::StreamId;
use blinktun_proto::stats::Stats;
use blinktun_proto::time::{Duration, Time};

use crate::inbox::Inbox;
use crate::link::Link;
use crate::trace_files::TraceFiles;
use crate::udp::{CAN_FORBID_FRAGMENTS, Udp};

/// What a socket and its sessions are made from.
#[derive(Clone)]
pub struct SocketConfig {
    /// The sessions' settings; they have passed `Config::check`.
    pub session: Config,
    /// The packet cipher.
    pub crypt: CryptKind,
    /// The derived key.
    pub pass: [u8; 32],
    /// How long a relay waits, when one end's data is over, before it tells the other end.
    pub close_wait: Duration,
    /// Kernel buffers, in bytes.
    pub buffer: usize,
    /// Differentiated services code point.
    pub dscp: u8,
    /// The folder into which each session writes down what it does, in qlog's form.
    pub trace: Option<PathBuf>,
}

/// Batches received in one turn before others have theirs.
const TURN_BATCHES: usize = 8;

/// For so long a client keeps a socket that it has left: what is under way comes there.
const LINGER: Duration = Duration::from_secs(5);
/// A client has so many sockets at most.
const MOST_LINES: usize = 4;

/// One of the links. Its number is the `socket` of its paths.
pub struct Line {
    /// What carries the datagrams.
    pub link: Link,
    /// What the poller calls it.
    pub token: Option<usize>,
    is_readable: bool,
    born: Time,
}

/// The links, their endpoint, and which of its streams have relays.
pub struct EndpointSocket {
    /// The protocol side.
    pub endpoint: Endpoint,
    /// The relay of a stream.
    pub relays: BTreeMap<(SessionId, StreamId), usize>,
    /// Whether the socket is gone with its last session (a client's).
    pub ends_with_session: bool,
    /// A server has one for each of its ports, a client one and those that it has left or wants to take.
    lines: BTreeMap<u32, Line>,
    next_line: u32,
    /// Those that may have datagrams, each once.
    readable: VecDeque<u32>,
    /// The pause of its relays before they pass an end on.
    pub close_wait: Duration,
    /// Kernel buffers, and the code point, of further sockets.
    buffer: usize,
    dscp: u8,
    traces: Option<TraceFiles>,
    /// Datagrams that the kernel had no room for.
    unsent: Option<(Transmit, Vec<u8>)>,
    /// Datagrams of those that were given up.
    given_up: u64,
    /// What lines that are gone have counted.
    gone: Stats,
}

impl EndpointSocket {
    /// Bind a socket for sessions in `role`.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(
        address: SocketAddr,
        role: Role,
        config: &SocketConfig,
        now: Time,
    ) -> io::Result<EndpointSocket> {
        let udp = Udp::bind(address, config.buffer, config.dscp)?;
        if role == Role::Server {
            udp.receive_local_ip()?;
        }
        EndpointSocket::new(Link::Udp(udp), role, config, now)
    }

    /// Take over a bound socket for sessions that peers open.
    ///
    /// # Errors
    /// What the system says.
    pub fn adopt(socket: OwnedFd, config: &SocketConfig, now: Time) -> io::Result<EndpointSocket> {
        let udp = Udp::adopt(socket.into(), config.buffer, config.dscp)?;
        udp.receive_local_ip()?;
        EndpointSocket::new(Link::Udp(udp), Role::Server, config, now)
    }

    /// Sessions in `role` over a link.
    ///
    /// # Errors
    /// `Other` if the system has no randomness; what it says of the folder of traces.
    pub fn new(
        link: Link,
        role: Role,
        config: &SocketConfig,
        now: Time,
    ) -> io::Result<EndpointSocket> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let crypt = PacketCrypt::new(config.crypt, &config.pass);
        let mut session = config.session.clone();
        session.searches_mtu &= CAN_FORBID_FRAGMENTS;
        let mut endpoint = Endpoint::new(session, Limits::default(), role, crypt, seed, now);
        let traces = match &config.trace {
            None => None,
            Some(folder) => {
                endpoint.begin_traces();
                Some(TraceFiles::new(folder, role.name())?)
            }
        };
        let mut socket = EndpointSocket {
            endpoint,
            relays: BTreeMap::new(),
            ends_with_session: role == Role::Client,
            lines: BTreeMap::new(),
            next_line: 0,
            readable: VecDeque::new(),
            close_wait: config.close_wait,
            buffer: config.buffer,
            dscp: config.dscp,
            traces,
            unsent: None,
            given_up: 0,
            gone: Stats::default(),
        };
        socket.add(link, now);
        Ok(socket)
    }

    // --- the lines ------------------------------------------------------------------------

    /// Listen at one more address.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind_too(&mut self, address: SocketAddr, now: Time) -> io::Result<u32> {
        let udp = Udp::bind(address, self.buffer, self.dscp)?;
        udp.receive_local_ip()?;
        Ok(self.add(Link::Udp(udp), now))
    }

    /// Take over one more bound socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn adopt_too(&mut self, socket: OwnedFd, now: Time) -> io::Result<u32> {
        let udp = Udp::adopt(socket.into(), self.buffer, self.dscp)?;
        udp.receive_local_ip()?;
        Ok(self.add(Link::Udp(udp), now))
    }

    fn add(&mut self, link: Link, now: Time) -> u32 {
        let number = self.next_line;
        self.next_line += 1;
        let line = Line {
            link,
            token: None,
            is_readable: true,
            born: now,
        };
        self.lines.insert(number, line);
        self.readable.push_back(number);
        let (each, lines) = (Limits::default(), self.lines.len());
        self.endpoint.set_limits(Limits {
            sessions: each.sessions * lines,
            sessions_per_source: each.sessions_per_source * lines,
        });
        number
    }

    /// Have a client's session go to another port of its server, by a new socket. Returns false if the server
    /// does not follow; else also which sockets are closed, as they are of no more use.
    ///
    /// # Errors
    /// What the system says of making the socket.
    pub fn hop(&mut self, id: SessionId, to: SocketAddr, now: Time) -> io::Result<Option<Hopped>> {
        let Some(session) = self.endpoint.session(id).filter(|it| it.can_hop()) else {
            return Ok(None);
        };
        let used = session.path().address.socket;
        let mut closed = Vec::new();
        for number in self.lines.keys().copied().collect::<Vec<_>>() {
            let is_old = |line: &Line| now.since(line.born) >= LINGER;
            let has_too_many = self.lines.len() >= MOST_LINES;
            if number != used && (has_too_many || self.lines.get(&number).is_some_and(is_old)) {
                closed.extend(self.take_out(number));
            }
        }
        let udp = Udp::bind(unspecified(to), self.buffer, self.dscp)?;
        let opened = self.add(Link::Udp(udp), now);
        let path = FourTuple {
            socket: opened,
            ..to.into()
        };
        self.endpoint.hop(id, path, now);
        Ok(Some(Hopped { opened, closed }))
    }

    fn take_out(&mut self, number: u32) -> Option<Line> {
        let line = self.lines.remove(&number)?;
        self.gone.in_errs += line.link.dropped();
        self.gone.out_errs += line.link.refused();
        self.readable.retain(|it| *it != number);
        Some(line)
    }

    /// All lines, by their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (u32, &Line)> {
        self.lines.iter().map(|(number, line)| (*number, line))
    }

    /// A line to change.
    pub fn line_mut(&mut self, number: u32) -> Option<&mut Line> {
        self.lines.get_mut(&number)
    }

    /// The link of a client's session as it is now; of a server the first one.
    pub fn link(&self) -> Option<&Link> {
        let ids = self.endpoint.session_ids();
        let session = ids.first().filter(|_| self.ends_with_session);
        let session = session.and_then(|id| self.endpoint.session(*id));
        let used = session.map(|session| session.path().address.socket);
        let line = match used {
            Some(number) => self.lines.get(&number),
            None => self.lines.values().next(),
        };
        line.map(|line| &line.link)
    }

    /// The counters of the endpoint and its links.
    pub fn stats(&self) -> Stats {
        let mut stats = self.endpoint.stats().clone();
        stats.in_errs += self.gone.in_errs;
        stats.out_errs += self.gone.out_errs + self.given_up;
        for line in self.lines.values() {
            stats.in_errs += line.link.dropped();
            stats.out_errs += line.link.refused();
        }
        stats
    }

    /// Note that the kernel has datagrams for a line.
    pub fn note_readable(&mut self, number: u32) {
        if let Some(line) = self.lines.get_mut(&number)
            && !core::mem::replace(&mut line.is_readable, true)
        {
            self.readable.push_back(number);
        }
    }

    /// Whether the kernel may have datagrams.
    pub fn is_readable(&self) -> bool {
        !self.readable.is_empty()
    }

    /// The line whose datagrams wait until the kernel has room for them.
    pub fn full_line(&self) -> Option<u32> {
        self.unsent.as_ref().map(|(transmit, _)| transmit.socket)
    }

    /// The kernel cannot tell when it has room: give up what waits for that. It is sent again like any
    /// datagram that is lost.
    pub fn give_up_unsent(&mut self) {
        if let Some((transmit, bytes)) = self.unsent.take() {
            self.given_up += bytes.len().div_ceil(transmit.stride.max(1)) as u64;
        }
    }

    // --- datagrams ------------------------------------------------------------------------

    /// Receive what is there, and answer each batch at once.
    pub fn receive(&mut self, inbox: &mut Inbox, outbox: &mut [u8], now: Time) {
        for _ in 0..TURN_BATCHES * self.readable.len() {
            let Some(number) = self.readable.pop_front() else {
                return;
            };
            let Some(line) = self.lines.get_mut(&number) else {
                continue;
            };
            line.is_readable = line.link.receive(inbox, now);
            if line.is_readable {
                self.readable.push_back(number);
            }
            let mut runs = 0..;
            while let Some((run, bytes)) = runs.next().and_then(|index| inbox.run(index)) {
                let path = FourTuple {
                    socket: number,
                    ..run.path
                };
                if !bytes.is_empty() {
                    self.endpoint.handle_datagrams(path, bytes, run.stride, now);
                }
            }
            self.endpoint.finish_input(now);
            self.flush(outbox, now);
        }
    }

    /// Send what must leave.
    pub fn flush(&mut self, outbox: &mut [u8], now: Time) {
        self.send_all(outbox, now);
        self.write_traces();
    }

    fn write_traces(&mut self) {
        let Some(traces) = &mut self.traces else {
            return;
        };
        while let Some((id, text)) = self.endpoint.next_trace() {
            if traces.write(id, &text).is_err() {
                self.endpoint.end_trace(id);
            }
        }
    }

    /// Forget a session.
    pub fn remove_session(&mut self, id: SessionId) {
        self.endpoint.remove(id);
        self.write_traces();
        if let Some(traces) = &mut self.traces {
            traces.close(id);
        }
    }

    fn send_all(&mut self, outbox: &mut [u8], now: Time) {
        if let Some((transmit, bytes)) = self.unsent.take()
            && !self.send(transmit, &bytes, now)
        {
            return;
        }
        while let Some(transmit) = self.endpoint.poll_transmit(outbox, now) {
            if !self.send(transmit, &outbox[..transmit.len], now) {
                return;
            }
        }
    }

    /// Send, and keep what the kernel has no room for. Returns whether it had room for all.
    fn send(&mut self, transmit: Transmit, bytes: &[u8], now: Time) -> bool {
        let Some(line) = self.lines.get_mut(&transmit.socket) else {
            self.given_up += bytes.len().div_ceil(transmit.stride.max(1)) as u64;
            return true; // the socket has been closed
        };
        let sent = line.link.send(&transmit, bytes, now);
        if let (Some(id), Some(refused)) = (transmit.whole, sent.too_long) {
            self.endpoint
                .note_refused(id, refused.len, refused.known, now);
        }
        let rest = bytes.get(sent.done..).filter(|rest| !rest.is_empty());
        self.unsent = rest.map(|rest| (transmit, rest.to_vec()));
        self.unsent.is_none()
    }

    /// Relays of a session.
    pub fn relays_of(&self, session: SessionId) -> Vec<usize> {
        let range = (session, StreamId(0))..=(session, StreamId(u32::MAX));
        self.relays.range(range).map(|(_, relay)| *relay).collect()
    }
}

/// A client goes to another port.
pub struct Hopped {
    /// The line of its new socket.
    pub opened: u32,
    /// Lines that are not needed any more.
    pub closed: Vec<Line>,
}

/// Any address and port of the same family.
pub fn unspecified(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0u16; 8], 0)),
    }
}
