//! One UDP socket's conversations: who may open one, who has proved an address, who is unknown.
//!
//! The driver's recipe is that of a [`Session`], for all of them at once: after any change call
//! [`Endpoint::poll_transmit`] and [`Endpoint::next_event`] until `None`, then arm a timer for
//! [`Endpoint::next_timeout`].
//!
//! Bounds: [`Limits`].

pub mod embryo;
pub mod replay;
pub mod stray;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use ahash::RandomState;
use slab::Slab;

use crate::crypt::{PacketCrypt, Verdict};
use crate::error::CloseReason;
use crate::kcp::segment::peek_conv;
use crate::session::{Config, Context, Event, Role, Session};
use crate::stats::Stats;
use crate::time::{Duration, Time, earliest};
use embryo::{Embryo, Embryos, Key, MAX_OPENING, is_opening, kcp_bytes};
use replay::ReplayFilter;
use stray::Strays;

/// How much an endpoint may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions at once.
    pub sessions: usize,
    /// Sessions of one source address (without the port).
    pub sessions_per_source: usize,
    /// Sessions that may dial before their source is proved.
    pub early: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sessions: 16384,
            sessions_per_source: 4096,
            early: 16,
        }
    }
}

/// The shortest payload that can mean anything: one segment.
const MIN_PAYLOAD: usize = 24;
/// An unproven source gets at most this many times the bytes it sent.
const AMPLIFICATION: usize = 3;
/// How long an early session may stay unproven.
const UNPROVEN_LIFE: Duration = Duration::from_secs(10);
/// Answers waiting to leave; more are dropped.
const MAX_ANSWERS: usize = 1024;
/// At most one event in this time says that datagrams do not open.
const UNDECRYPTABLE_EVERY: Duration = Duration::from_secs(10);

/// A session's handle; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl SessionId {
    fn index(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }
}

/// What an endpoint has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointEvent {
    /// A peer opened a session.
    Opened(SessionId, SocketAddr),
    /// Something about a session.
    Session(SessionId, Event),
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
    /// Bytes.
    pub len: usize,
    /// Length of each; the last may be shorter.
    pub stride: usize,
}

struct Entry {
    id: SessionId,
    session: Session,
    peer: SocketAddr,
    /// Bytes received and sent while the source is unproven.
    unproven: Option<Unproven>,
    timer: Option<Time>,
    dirty: bool,
}

struct Unproven {
    received: usize,
    sent: usize,
    born: Time,
}

/// The conversations of one UDP socket, of a client (one) or a server (many).
pub struct Endpoint {
    config: Config,
    limits: Limits,
    role: Role,
    crypt: PacketCrypt,
    cx: Context,
    sessions: Slab<Entry>,
    generation: u32,
    by_key: HashMap<Key, usize, RandomState>,
    /// The newest session of an address: parity names no conversation.
    by_peer: HashMap<SocketAddr, usize, RandomState>,
    per_source: HashMap<IpAddr, usize, RandomState>,
    early: usize,
    embryos: Embryos,
    replays: ReplayFilter,
    strays: Strays,
    answers: VecDeque<(SocketAddr, Vec<u8>)>,
    timers: BTreeSet<(Time, usize)>,
    dirty: VecDeque<usize>,
    touched: Vec<usize>,
    events: VecDeque<EndpointEvent>,
    undecryptable_at: Option<Time>,
    verdicts: Vec<Verdict>,
}

impl Endpoint {
    /// An endpoint without sessions. `config` has passed [`Config::check`].
    pub fn new(
        config: Config,
        limits: Limits,
        role: Role,
        crypt: PacketCrypt,
        seed: [u8; 32],
        now: Time,
    ) -> Endpoint {
        let mut cx = Context::new(seed);
        let mut seeds = || [cx.random.next_u64(), cx.random.next_u64()];
        let hasher = |[a, b]: [u64; 2]| RandomState::with_seeds(a, b, 0, 0);
        let (hash, embryos, replays) = (
            hasher(seeds()),
            Embryos::new(seeds()),
            ReplayFilter::new(seeds()),
        );
        Endpoint {
            config,
            limits,
            role,
            crypt,
            cx,
            sessions: Slab::new(),
            generation: 0,
            by_key: HashMap::with_hasher(hash.clone()),
            by_peer: HashMap::with_hasher(hash.clone()),
            per_source: HashMap::with_hasher(hash),
            early: 0,
            embryos,
            replays,
            strays: Strays::new(now),
            answers: VecDeque::new(),
            timers: BTreeSet::new(),
            dirty: VecDeque::new(),
            touched: Vec::new(),
            events: VecDeque::new(),
            undecryptable_at: None,
            verdicts: Vec::new(),
        }
    }

    /// Begin a conversation with `peer`.
    pub fn dial(&mut self, peer: SocketAddr, now: Time) -> SessionId {
        let (conv, clock) = (self.cx.random.next_u32(), self.cx.random.next_u32());
        self.cx.stats.active_opens += 1;
        let session = Session::new(&self.config, Role::Client, conv, clock, now);
        self.insert(session, peer, None)
    }

    // --- from the wire --------------------------------------------------------------------

    /// Take datagrams that lie back to back, each `stride` bytes long, the last maybe shorter.
    /// They are opened in place. After all batches at hand call [`Endpoint::finish_input`].
    pub fn handle_datagrams(
        &mut self,
        from: SocketAddr,
        datagrams: &mut [u8],
        stride: usize,
        now: Time,
    ) {
        if stride == 0 {
            return;
        }
        let mut verdicts = core::mem::take(&mut self.verdicts);
        verdicts.clear();
        self.crypt.open(datagrams, stride, &mut verdicts);
        for (datagram, verdict) in datagrams.chunks(stride).zip(&verdicts) {
            match verdict {
                Verdict::Ok => self.handle_opened(from, datagram, now),
                Verdict::TooShort => {}
                Verdict::BadChecksum => self.note_undecryptable(from, now),
            }
        }
        self.verdicts = verdicts;
    }

    fn handle_opened(&mut self, from: SocketAddr, datagram: &[u8], now: Time) {
        let end = datagram.len() - self.crypt.tail();
        let payload = &datagram[self.crypt.head()..end];
        if payload.len() < MIN_PAYLOAD {
            return;
        }
        if self
            .crypt
            .nonce(datagram)
            .is_some_and(|nonce| !self.replays.is_new(nonce))
        {
            self.cx.stats.replays += 1;
            return;
        }
        let conv = kcp_bytes(payload).and_then(peek_conv);
        let known = match conv {
            Some(conv) => self.by_key.get(&(from, conv)),
            None => self.by_peer.get(&from),
        };
        match (known, conv) {
            (Some(&index), _) => self.feed(index, payload, datagram.len(), now),
            (None, Some(conv)) if self.role == Role::Server => {
                self.handle_unknown((from, conv), payload, datagram.len(), now);
            }
            _ => self.cx.stats.in_errs += 1,
        }
    }

    fn feed(&mut self, index: usize, payload: &[u8], size: usize, now: Time) {
        let entry = &mut self.sessions[index];
        if let Some(unproven) = &mut entry.unproven {
            unproven.received += size;
        }
        entry.session.handle_payload(payload, now, &mut self.cx);
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push_back(index);
        }
        if self.touched.last() != Some(&index) {
            self.touched.push(index);
        }
    }

    /// After all datagrams at hand: find losses, see who has proved an address.
    pub fn finish_input(&mut self, now: Time) {
        let mut touched = core::mem::take(&mut self.touched);
        for index in touched.drain(..) {
            let Some(entry) = self.sessions.get_mut(index) else {
                continue;
            };
            entry.session.finish_input(now, &mut self.cx);
            if entry.unproven.is_some() && entry.session.kcp().proven() {
                entry.unproven = None;
                self.early -= 1;
            }
        }
        self.touched = touched;
    }

    fn note_undecryptable(&mut self, from: SocketAddr, now: Time) {
        self.cx.stats.in_csum_errors += 1;
        if self.undecryptable_at.is_none_or(|at| now >= at) {
            self.undecryptable_at = Some(now + UNDECRYPTABLE_EVERY);
            self.events.push_back(EndpointEvent::Undecryptable { from });
        }
    }

    // --- openings -------------------------------------------------------------------------

    fn handle_unknown(&mut self, key: Key, payload: &[u8], size: usize, now: Time) {
        if let Some(embryo) = self.embryos.prove(&key, payload) {
            return self.hatch(key, &embryo, payload, size, now);
        }
        if self.embryos.contains(&key) {
            return; // one answer an opening: the next one waits for its expiry
        }
        if !is_opening(payload, key.1) {
            self.cx.stats.strays += 1;
            if let Some(answer) = self.strays.answer(payload, key.1, now) {
                self.answer(key.0, &answer);
            }
            return;
        }
        if !self.may_open(&key) {
            self.cx.stats.embryos_dropped += 1;
        } else if self.early < self.limits.early && self.embryos.len() < self.limits.early {
            let clock = self.cx.random.next_u32();
            let session = Session::new(&self.config, Role::Server, key.1, clock, now);
            self.early += 1;
            let unproven = Unproven {
                received: 0,
                sent: 0,
                born: now,
            };
            let id = self.accept(session, key.0, Some(unproven));
            self.feed(id.index(), payload, size, now);
        } else {
            self.keep(key, payload, size, now);
        }
    }

    fn may_open(&self, key: &Key) -> bool {
        let here = self.per_source.get(&key.0.ip()).copied().unwrap_or(0);
        self.sessions.len() < self.limits.sessions && here < self.limits.sessions_per_source
    }

    /// Keep an opening as an embryo and answer it once. The session that would answer is made and
    /// thrown away: it can be made again, exactly, from the opening and the clock.
    fn keep(&mut self, key: Key, payload: &[u8], size: usize, now: Time) {
        if payload.len() > MAX_OPENING {
            self.cx.stats.embryos_dropped += 1;
            return;
        }
        let embryo = Embryo {
            opening: payload.into(),
            clock_offset: self.cx.random.next_u32(),
            born: now,
        };
        let mut out = [0; MAX_OPENING];
        let (_, answer) = self.replay_opening(key, &embryo, &mut out, size * AMPLIFICATION);
        let Some(len) = answer else {
            self.cx.stats.embryos_dropped += 1;
            return;
        };
        let (head, tail) = (self.crypt.head(), self.crypt.tail());
        self.answer(key.0, &out[head..len - tail]);
        self.cx.stats.embryos_dropped += self.embryos.insert(key, embryo);
    }

    /// The session that `embryo` stands for, and the length of its first datagram.
    fn replay_opening(
        &mut self,
        key: Key,
        embryo: &Embryo,
        out: &mut [u8],
        limit: usize,
    ) -> (Session, Option<usize>) {
        let (clock, born) = (embryo.clock_offset, embryo.born);
        let mut session = Session::new(&self.config, Role::Server, key.1, clock, born);
        session.handle_payload(&embryo.opening, born, &mut self.cx);
        session.finish_input(born, &mut self.cx);
        let batch = session.poll_transmit(out, limit, born, &mut self.cx);
        (session, batch.map(|batch| batch.stride))
    }

    fn hatch(&mut self, key: Key, embryo: &Embryo, proof: &[u8], size: usize, now: Time) {
        if !self.may_open(&key) {
            self.cx.stats.embryos_dropped += 1;
            return;
        }
        let mut out = [0; MAX_OPENING];
        let (session, _) = self.replay_opening(key, embryo, &mut out, MAX_OPENING);
        let id = self.accept(session, key.0, None);
        self.feed(id.index(), proof, size, now);
    }

    fn answer(&mut self, to: SocketAddr, payload: &[u8]) {
        if self.answers.len() >= MAX_ANSWERS {
            return;
        }
        let mut datagram = vec![0; self.crypt.head() + payload.len() + self.crypt.tail()];
        datagram[self.crypt.head()..][..payload.len()].copy_from_slice(payload);
        self.answers.push_back((to, datagram));
    }

    // --- the table of sessions ------------------------------------------------------------

    fn accept(
        &mut self,
        session: Session,
        peer: SocketAddr,
        unproven: Option<Unproven>,
    ) -> SessionId {
        self.cx.stats.passive_opens += 1;
        let id = self.insert(session, peer, unproven);
        self.events.push_back(EndpointEvent::Opened(id, peer));
        id
    }

    fn insert(
        &mut self,
        session: Session,
        peer: SocketAddr,
        unproven: Option<Unproven>,
    ) -> SessionId {
        self.generation = self.generation.wrapping_add(1);
        let slot = self.sessions.vacant_entry();
        let index = slot.key();
        let id = SessionId((u64::from(self.generation) << 32) | index as u64);
        self.by_key.insert((peer, session.conv()), index);
        self.by_peer.insert(peer, index);
        *self.per_source.entry(peer.ip()).or_insert(0) += 1;
        slot.insert(Entry {
            id,
            session,
            peer,
            unproven,
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
        let entry = self.sessions.remove(index);
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, index));
        }
        if entry.unproven.is_some() {
            self.early -= 1;
        }
        self.by_key.remove(&(entry.peer, entry.session.conv()));
        if self.by_peer.get(&entry.peer) == Some(&index) {
            self.by_peer.remove(&entry.peer);
        }
        if let Some(count) = self.per_source.get_mut(&entry.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&entry.peer.ip());
            }
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
            .map(|entry| entry.peer)
    }

    /// The handles of all sessions.
    pub fn session_ids(&self) -> Vec<SessionId> {
        self.sessions.iter().map(|(_, entry)| entry.id).collect()
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.cx.stats
    }

    /// Openings that wait for proof.
    pub fn embryos(&self) -> usize {
        self.embryos.len()
    }

    // --- to the wire ----------------------------------------------------------------------

    /// Write the next datagrams, all for one destination, sealed, to `out`.
    pub fn poll_transmit(&mut self, out: &mut [u8], now: Time) -> Option<Transmit> {
        if let Some((to, datagram)) = self.answers.pop_front() {
            let len = datagram.len();
            out[..len].copy_from_slice(&datagram);
            return Some(self.seal(
                out,
                Transmit {
                    to,
                    len,
                    stride: len,
                },
            ));
        }
        while let Some(&index) = self.dirty.front() {
            let Some(entry) = self.sessions.get_mut(index) else {
                self.dirty.pop_front();
                continue;
            };
            let limit = entry.unproven.as_ref().map_or(usize::MAX, |unproven| {
                (unproven.received * AMPLIFICATION).saturating_sub(unproven.sent)
            });
            if let Some(batch) = entry.session.poll_transmit(out, limit, now, &mut self.cx) {
                if let Some(unproven) = &mut entry.unproven {
                    unproven.sent += batch.len;
                }
                let (to, len, stride) = (entry.peer, batch.len, batch.stride);
                return Some(self.seal(out, Transmit { to, len, stride }));
            }
            self.dirty.pop_front();
            self.settle(index);
        }
        None
    }

    fn seal(&mut self, out: &mut [u8], transmit: Transmit) -> Transmit {
        let Transmit { len, stride, .. } = transmit;
        self.crypt
            .seal(&mut out[..len], stride, &mut self.cx.random);
        self.cx.stats.out_pkts += len.div_ceil(stride) as u64;
        self.cx.stats.out_bytes += len as u64;
        transmit
    }

    /// A session has nothing more to send: collect its events, set its timer.
    fn settle(&mut self, index: usize) {
        let entry = &mut self.sessions[index];
        entry.dirty = false;
        while let Some(event) = entry.session.next_event() {
            self.events
                .push_back(EndpointEvent::Session(entry.id, event));
        }
        let unproven = entry
            .unproven
            .as_ref()
            .map(|unproven| unproven.born + UNPROVEN_LIFE);
        let next = match entry.session.closed() {
            Some(_) => None,
            None => earliest(entry.session.next_timeout(), unproven),
        };
        if next != entry.timer {
            if let Some(at) = entry.timer {
                self.timers.remove(&(at, index));
            }
            if let Some(at) = next {
                self.timers.insert((at, index));
            }
            entry.timer = next;
        }
    }

    // --- time and events ------------------------------------------------------------------

    /// When [`Endpoint::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let first = self.timers.first().map(|(at, _)| *at);
        earliest(first, self.embryos.next_timeout())
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.cx.stats.embryos_dropped += self.embryos.expire(now);
        while let Some(&(at, index)) = self.timers.first()
            && at <= now
        {
            self.timers.remove(&(at, index));
            let entry = &mut self.sessions[index];
            entry.timer = None;
            entry.session.handle_timeout(now, &mut self.cx);
            if entry
                .unproven
                .as_ref()
                .is_some_and(|u| now.since(u.born) >= UNPROVEN_LIFE)
            {
                entry.session.close(CloseReason::Unproven);
                self.cx.stats.embryos_dropped += 1;
            }
            if !entry.dirty {
                entry.dirty = true;
                self.dirty.push_back(index);
            }
        }
    }

    /// The next thing to tell the driver. A session that reports `Closed` stays until
    /// [`Endpoint::remove`].
    pub fn next_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }
}
