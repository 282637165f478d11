//! One UDP socket's conversations: who may open one, who has proved an address, who is unknown.
//!
//! The driver's recipe is that of a [`Session`], for all of them at once: after any change call
//! [`Endpoint::poll_transmit`] and [`Endpoint::next_event`] until `None`, then arm a timer for
//! [`Endpoint::next_timeout`].
//!
//! Bounds: [`Limits`].

mod arrived;
pub mod directory;
mod entry;
mod moves;

pub mod half_open;

mod openings;
mod other_source;
mod outgoing;
mod replays;
mod sessions;
pub mod stateless_reset;
mod traces;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::crypt::{PacketCrypt, Verdict};
use crate::memory::Budget;
use crate::path::FourTuple;
use crate::session::{Config, Context, Event, Role, Session};
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::wire::fec::PacketKind;
use crate::wire::{Malformed, Payload};
use arrived::Arrived;
pub use entry::SessionId;
use half_open::{HalfOpen, opening};
pub use replays::Openings;
use replays::Replays;
use sessions::Sessions;
use stateless_reset::StatelessReset;
use traces::Traces;

/// How much an endpoint may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions at once.
    pub sessions: usize,
    /// Sessions of one source: an IPv4 address, or the first 64 bits of an IPv6 address.
    pub sessions_per_source: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sessions: 16384,
            sessions_per_source: 4096,
        }
    }
}

/// At most one event in this time says that datagrams do not open.
const UNDECRYPTABLE_EVERY: Duration = Duration::from_secs(10);

/// What an endpoint has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointEvent {
    /// A peer opened a session.
    Opened(SessionId, SocketAddr),
    /// Something about a session.
    Session(SessionId, Event),
    /// A session's peer has got another address, and proved it.
    Moved(SessionId, SocketAddr),
    /// Datagrams came whose checksum or tag is wrong: a wrong key or cipher, or noise.
    Undecryptable {
        /// Where the last of them came from.
        from: SocketAddr,
    },
}

/// Datagrams to send, back to back in the caller's buffer, sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// Which of our addresses they must come from; `None` leaves it to the system.
    pub src_ip: Option<IpAddr>,
    /// Which of our sockets they must leave by.
    pub socket: u32,
    /// Bytes.
    pub len: usize,
    /// Length of each; the last may be shorter.
    pub stride: usize,
    /// They must arrive whole or not at all: the system sets the bit that forbids fragments. If it refuses
    /// one because of its length, this session must learn it ([`Endpoint::note_refused`]).
    pub whole: Option<SessionId>,
}

/// The conversations of one UDP socket, of a client (one) or a server (many).
pub struct Endpoint {
    config: Config,
    limits: Limits,
    role: Role,
    crypt: PacketCrypt,
    cx: Context,
    sessions: Sessions,
    half_open: HalfOpen,
    replays: Replays,
    resets: StatelessReset,
    answers: VecDeque<(FourTuple, Vec<u8>)>,
    events: VecDeque<EndpointEvent>,
    undecryptable_at: Option<Time>,
    traces: Traces,
    verdicts: Vec<Verdict>,
}

impl Endpoint {
    /// An endpoint without sessions. `config` has passed [`Config::check`].
    pub fn new(
        mut config: Config,
        limits: Limits,
        role: Role,
        crypt: PacketCrypt,
        seed: [u8; 32],
        now: Time,
    ) -> Endpoint {
        let mut cx = Context::new(seed);
        config.hash_seed = cx.random.next_u64();
        let mut seeds = || [cx.random.next_u64(), cx.random.next_u64()];
        let sessions = Sessions::new(seeds());
        let (kept, openings) = (seeds(), seeds());
        let (mut secret, mut own) = ([0; 32], [0; 16]);
        cx.random.fill(&mut secret);
        cx.random.fill(&mut own);
        Endpoint {
            config,
            limits,
            role,
            crypt,
            cx,
            sessions,
            half_open: HalfOpen::new(secret, kept),
            replays: Replays::new(openings, own),
            resets: StatelessReset::new(now),
            answers: VecDeque::new(),
            events: VecDeque::new(),
            undecryptable_at: None,
            traces: Traces::default(),
            verdicts: Vec::new(),
        }
    }

    /// From now on it may hold so much.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Remember openings together with others that have the same key: what opened a session of one
    /// socket, or of an earlier process, opens none of another.
    pub fn share_openings(&mut self, openings: Openings) {
        self.replays.share(openings);
    }

    /// Take what sessions hold for their peers from this budget, together with other sockets: those that begin
    /// from now on.
    pub fn share_memory(&mut self, memory: Budget) {
        self.cx.memory = memory;
    }

    /// What the sessions hold for their peers.
    pub fn memory(&self) -> &Budget {
        &self.cx.memory
    }

    /// Have the sessions that begin from now on write down what happens.
    pub fn begin_traces(&mut self) {
        self.traces.begin();
    }

    /// Have a session write down no more.
    pub fn end_trace(&mut self, id: SessionId) {
        if let Some(at) = self.sessions.place(id) {
            self.sessions[at].session.end_trace();
        }
    }

    /// What a session has written down, in qlog's form. The pieces of one belong behind each other.
    pub fn next_trace(&mut self) -> Option<(SessionId, String)> {
        self.traces.next_piece()
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.cx.stats
    }

    /// Begin a conversation with `peer`.
    pub fn dial(&mut self, peer: SocketAddr, now: Time) -> SessionId {
        let (conv, clock) = (self.cx.random.next_u32(), self.cx.random.next_u32());
        self.cx.stats.active_opens += 1;
        let session = Session::new(&self.config, Role::Client, (peer.into(), conv), clock, now);
        self.insert(session, now)
    }

    // --- the sessions ---------------------------------------------------------------------

    fn accept(&mut self, session: Session, now: Time) -> SessionId {
        self.cx.stats.passive_opens += 1;
        let peer = session.path().address;
        let id = self.insert(session, now);
        self.events
            .push_back(EndpointEvent::Opened(id, peer.remote));
        id
    }

    fn insert(&mut self, mut session: Session, now: Time) -> SessionId {
        self.traces.note_begin(&mut session, now);
        session.update_memory(now, &mut self.cx);
        let seeds = [self.cx.random.next_u64(), self.cx.random.next_u64()];
        let id = self.sessions.insert(session, seeds);
        let stats = &mut self.cx.stats;
        stats.curr_estab = self.sessions.len() as u64;
        stats.max_conn = stats.max_conn.max(stats.curr_estab);
        id
    }

    /// Forget a session. Its peer is told nothing: KCP has no close.
    pub fn remove(&mut self, id: SessionId) {
        let Some(mut entry) = self.sessions.remove(id) else {
            return;
        };
        self.traces.collect_last(&mut entry);
        self.cx.stats.curr_estab = self.sessions.len() as u64;
        if self.sessions.len() == 0 {
            self.cx.pool.trim();
        }
    }

    /// A session to look at.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id).map(|entry| &entry.session)
    }

    /// A session to change, with what its calls need. It is polled afterwards.
    pub fn session_mut(&mut self, id: SessionId) -> Option<(&mut Session, &mut Context)> {
        let index = self.sessions.place(id)?;
        Some((&mut self.sessions.wake(index).session, &mut self.cx))
    }

    /// Where a session's peer is.
    pub fn peer(&self, id: SessionId) -> Option<SocketAddr> {
        self.session(id)
            .map(|session| session.path().address.remote)
    }

    /// The handles of all sessions.
    pub fn session_ids(&self) -> Vec<SessionId> {
        self.sessions.ids()
    }

    // --- from the wire --------------------------------------------------------------------

    /// Take datagrams of one path that lie back to back, each `stride` bytes long, the last maybe shorter.
    /// They are opened in place. After all batches at hand call [`Endpoint::finish_input`].
    pub fn handle_datagrams(
        &mut self,
        path: impl Into<FourTuple>,
        datagrams: &mut [u8],
        stride: usize,
        now: Time,
    ) {
        let path = path.into();
        if stride == 0 {
            return;
        }
        let mut verdicts = core::mem::take(&mut self.verdicts);
        verdicts.clear();
        self.crypt.open(datagrams, stride, &mut verdicts);
        for (datagram, verdict) in datagrams.chunks(stride).zip(&verdicts) {
            match verdict {
                Verdict::Ok => self.handle_opened(path, datagram, now),
                Verdict::TooShort => {}
                Verdict::BadChecksum => self.note_undecryptable(path.remote, now),
            }
        }
        self.verdicts = verdicts;
    }

    fn handle_opened(&mut self, path: FourTuple, datagram: &[u8], now: Time) {
        let (size, end) = (datagram.len(), datagram.len() - self.crypt.tail());
        let bytes = &datagram[self.crypt.head()..end];
        let payload = match Payload::parse(bytes) {
            Ok(payload) => payload,
            Err(error) => return self.note_malformed(bytes, error),
        };
        let known = self.sessions.find(path, payload.conv());
        let elsewhere = match payload.segments() {
            Some(segments) if known.is_none() => self.find_elsewhere(path, segments, now),
            _ => None,
        };
        if let Some(nonce) = self.crypt.nonce(datagram)
            && self.is_replay(nonce, known.or(elsewhere), &payload)
        {
            self.cx.stats.replays += 1;
            return;
        }
        self.note_taken(bytes);
        let Some(segments) = payload.segments() else {
            return match known {
                Some(index) => self.feed(index, payload, now),
                None => self.note_nameless(),
            };
        };
        let arrived = Arrived {
            key: (path, segments.conv()),
            payload,
            segments,
            bytes,
            size,
        };
        match (known.or(elsewhere), self.role) {
            (Some(index), Role::Client) => self.handle_servers(index, &arrived, now),
            (None, Role::Client) => self.cx.stats.in_errs += 1,
            (Some(index), Role::Server) if self.handle_clients(index, &arrived, now) => {}
            (_, Role::Server) => self.handle_unknown(&arrived, now),
        }
    }

    /// Whether a datagram comes a second time, or was sent here. KCP has no directions: what we sent
    /// must not come back to us as the peer's.
    fn is_replay(&mut self, nonce: u64, session: Option<usize>, payload: &Payload<'_>) -> bool {
        if self.replays.is_own(nonce) {
            return true;
        }
        // Where datagrams need no key, anyone could fill the memory.
        let may_open = self.role == Role::Server
            && self.crypt.is_keyed()
            && payload.segments().and_then(opening).is_some();
        if may_open && !self.replays.remember_opening(nonce) {
            return true;
        }
        session.is_some_and(|index| !self.sessions[index].seen.insert(nonce))
    }

    fn feed(&mut self, index: usize, payload: Payload<'_>, now: Time) {
        let session = self.sessions.touch(index);
        session.handle_payload(payload, now, &mut self.cx);
    }

    /// After all datagrams at hand: find losses.
    pub fn finish_input(&mut self, now: Time) {
        self.sessions
            .finish_touched(|session| session.finish_input(now));
    }

    /// Parity of a source without a session: an honest client sends it before the server has one.
    fn note_nameless(&mut self) {
        match self.role {
            Role::Server => self.cx.stats.strays += 1,
            Role::Client => self.cx.stats.in_errs += 1,
        }
    }

    fn note_taken(&mut self, payload: &[u8]) {
        self.cx.stats.in_pkts += 1;
        self.cx.stats.in_bytes += payload.len() as u64;
    }

    /// As in Go, too short a payload does not count as a packet.
    fn note_malformed(&mut self, payload: &[u8], error: Malformed) {
        let counter = match error {
            Malformed::Short(PacketKind::Plain) => &mut self.cx.stats.kcp_in_errors,
            Malformed::Short(_) => &mut self.cx.stats.in_errs,
            Malformed::Size | Malformed::Kcp(_) => {
                self.note_taken(payload);
                &mut self.cx.stats.kcp_in_errors
            }
        };
        *counter += 1;
    }

    fn note_undecryptable(&mut self, from: SocketAddr, now: Time) {
        self.cx.stats.in_csum_errors += 1;
        if self.undecryptable_at.is_none_or(|at| now >= at) {
            self.undecryptable_at = Some(now + UNDECRYPTABLE_EVERY);
            self.events.push_back(EndpointEvent::Undecryptable { from });
        }
    }

    /// The system has refused to send a datagram of `len` bytes for a session, because it is too long. It
    /// knows that `known` bytes may pass, perhaps.
    pub fn note_refused(&mut self, id: SessionId, len: usize, known: Option<usize>, now: Time) {
        if let Some(at) = self.sessions.place(id) {
            let entry = self.sessions.wake(at);
            entry.session.note_refused(len, known, now);
        }
    }

    // --- time and events ------------------------------------------------------------------

    /// When [`Endpoint::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.sessions.next_timeout()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(session) = self.sessions.take_due(now) {
            session.handle_timeout(now, &mut self.cx);
        }
    }

    /// The next thing to tell the driver. A session that reports `Closed` stays until
    /// [`Endpoint::remove`].
    pub fn next_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypt::CryptKind;

    #[test]
    fn the_hash_of_stream_tables_is_no_clock_of_the_wire() {
        let seeds = [1, 2].map(|seed| {
            let crypt = PacketCrypt::new(CryptKind::Null, &[0; 32]);
            let (config, limits) = (Config::new(&crypt), Limits::default());
            Endpoint::new(config, limits, Role::Server, crypt, [seed; 32], Time::ZERO)
                .config
                .hash_seed
        });
        assert_ne!(seeds[0], seeds[1]);
        assert!(seeds.iter().all(|seed| *seed > u64::from(u32::MAX)));
    }
}
