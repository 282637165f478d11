//! A link that carries datagrams, and the sessions on it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use blinktun_proto::crypt::{CryptKind, PacketCrypt};
use blinktun_proto::endpoint::{Endpoint, Limits, SessionId, Transmit};
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

/// The link, its endpoint, and which of its streams have relays.
pub struct EndpointSocket {
    /// The protocol side.
    pub endpoint: Endpoint,
    /// The relay of a stream.
    pub relays: BTreeMap<(SessionId, StreamId), usize>,
    /// Whether the socket is gone with its last session (a client's).
    pub ends_with_session: bool,
    /// What carries the datagrams.
    pub link: Link,
    /// The pause of its relays before they pass an end on.
    pub close_wait: Duration,
    readable: bool,
    traces: Option<TraceFiles>,
    /// Datagrams that the kernel had no room for.
    unsent: Option<(Transmit, Vec<u8>)>,
    /// Datagrams of those that were given up.
    given_up: u64,
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
        Ok(EndpointSocket {
            endpoint,
            relays: BTreeMap::new(),
            ends_with_session: role == Role::Client,
            link,
            close_wait: config.close_wait,
            readable: true,
            traces,
            unsent: None,
            given_up: 0,
        })
    }

    /// The counters of the endpoint and its link.
    pub fn stats(&self) -> Stats {
        let mut stats = self.endpoint.stats().clone();
        stats.in_errs += self.link.dropped();
        stats.out_errs += self.link.refused() + self.given_up;
        stats
    }

    /// Note that the kernel has datagrams.
    pub fn note_readable(&mut self) {
        self.readable = true;
    }

    /// Whether the kernel may have datagrams.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether datagrams wait until the kernel has room for them.
    pub fn is_full(&self) -> bool {
        self.unsent.is_some()
    }

    /// The kernel cannot tell when it has room: give up what waits for that. It is sent again like any
    /// datagram that is lost.
    pub fn give_up_unsent(&mut self) {
        if let Some((transmit, bytes)) = self.unsent.take() {
            self.given_up += bytes.len().div_ceil(transmit.stride.max(1)) as u64;
        }
    }

    /// Receive what is there, and answer each batch at once.
    pub fn receive(&mut self, inbox: &mut Inbox, outbox: &mut [u8], now: Time) {
        for _ in 0..TURN_BATCHES {
            if !self.readable {
                return;
            }
            self.readable = self.link.receive(inbox, now);
            let mut runs = 0..;
            while let Some((run, bytes)) = runs.next().and_then(|index| inbox.run(index)) {
                if !bytes.is_empty() {
                    self.endpoint
                        .handle_datagrams(run.path, bytes, run.stride, now);
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
        let sent = self.link.send(&transmit, bytes, now);
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
