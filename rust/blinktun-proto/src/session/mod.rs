//! One conversation: FEC, KCP, compression and smux, wired together.
//!
//! A session works on payloads: what is left of a datagram when the crypt layer has opened it, and
//! what that layer will seal. The driver's recipe, for any change (input, stream calls, timeout):
//!
//! 1. [`Session::poll_transmit`] until it returns `None`;
//! 2. [`Session::next_event`] until it returns `None`;
//! 3. arm a timer for [`Session::next_timeout`], then call [`Session::handle_timeout`].
//!
//! A session with a rate limit writes nothing while its [`pace`] owes something; the timeout covers
//! the wait.
//!
//! Bounds: `sndwnd` + `rcvwnd` segments of the MTU in KCP, `smuxbuf` unread bytes and
//! `send_buffer` unsent bytes a stream in smux, four groups in the FEC decoder. If it tunes itself, what it
//! receives and what is unread share its part of the budget.

mod compression;
mod config;
mod datagrams;
mod fec_layer;
mod first_answer;
mod greeting;
mod held_over;
mod incoming;
mod ingest;
mod layout;
mod limit;
mod limits;
mod memory;
mod moving;
pub mod pace;
mod packing;
mod parts;
mod repair;
mod stats;
mod streams;
mod transmit;

use std::collections::VecDeque;

use crate::error::CloseReason;
use crate::kcp::Kcp;
use crate::kcp::pool::Pool;
use crate::memory::Budget;
use crate::path::hop::Hop;
use crate::path::mtu_search::Reason;
use crate::path::{FourTuple, Path};
use crate::random::Random;
use crate::smux::{self, Mux};
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::timers::{Timer, Timers};
use crate::trace::{self, Trace};
use crate::wire::kcp::HEADER;
use crate::wire::{Millis, SeqId, Sn};

pub use crate::smux::Role;
use compression::Compression;
pub use config::{Config, ConfigError, DEFAULT_MTU, DEFAULT_OVERHEAD, MAX_MTU};
use fec_layer::FecLayer;
pub use fec_layer::PeerShards;
use first_answer::FirstAnswer;
pub use greeting::Greeting;
use held_over::HeldOver;
use layout::Layout;
pub use limit::{Limit, LimitKind};
use limits::{Limits, Progress};
use memory::ReceiveMemory;
use pace::Pace;
use packing::Packing;
use parts::Parts;
pub use stats::{Counts, SessionStats};

/// The most datagrams that one batch holds: what the kernel's segmentation offload takes.
pub const MAX_BATCH: usize = 64;

/// What all sessions of an endpoint share: counters, randomness, buffers.
pub struct Context {
    /// The counters.
    pub stats: Stats,
    /// Randomness from the endpoint's seed.
    pub random: Random,
    /// Free segment buffers.
    pub pool: Pool,
    /// What the sessions hold for their peers comes from here.
    pub memory: Budget,
    frames: Vec<u8>,
    packed: Vec<u8>,
}

impl Context {
    /// A context with randomness from `seed`.
    pub fn new(seed: [u8; 32]) -> Context {
        Context {
            stats: Stats::default(),
            random: Random::from_seed(seed),
            pool: Pool::default(),
            memory: Budget::default(),
            frames: Vec::new(),
            packed: Vec::new(),
        }
    }
}

/// What a session has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something about a stream.
    Stream(smux::Event),
    /// Data in flight has made no progress for a second. `heard` is false if nothing was ever
    /// heard from the peer.
    Silent {
        /// Whether the peer has ever acknowledged anything.
        heard: bool,
    },
    /// The peer answers again.
    Recovered,
    /// The peer's FEC is not ours and might be corrupted by it: we send without. Told once.
    FecMismatch(PeerShards),
    /// Something has held the session, or what its peer sends, back for seconds. Told once for each kind.
    Limited(LimitKind),
    /// The session is over; all its streams are broken.
    Closed(CloseReason),
}

/// Datagrams that [`Session::poll_transmit`] wrote back to back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Bytes written.
    pub len: usize,
    /// Length of each datagram; the last may be shorter.
    pub stride: usize,
    /// They must arrive whole or not at all: nobody may cut them into fragments.
    pub is_whole: bool,
}

/// What a session's owner has been told of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It answers, or has not been asked for long.
    Connected,
    /// It does not answer.
    Silent,
    /// The session is over.
    Closed(CloseReason),
}

/// One conversation.
pub struct Session {
    path: Path,
    kcp: Kcp,
    mux: Mux,
    compression: Option<Compression>,
    packing: Packing,
    fec: FecLayer,
    conv: u32,
    role: Role,
    layout: Layout,
    /// A datagram that did not fit into the batch it came up in; the next batch begins with it.
    held_over: HeldOver,
    pace: Option<Pace>,
    /// A way that it wants to take.
    hop: Option<Hop>,
    /// Windows depend on what there is in the budget.
    tunes_itself: bool,
    memory: Option<ReceiveMemory>,
    first_answer: FirstAnswer,
    counts: Counts,
    limits: Limits,
    state: State,
    events: VecDeque<Event>,
}

impl Session {
    /// Conversation `conv` with `peer`, beginning now. `clock_offset` should be unpredictable. An endpoint's
    /// server begins by [`Session::greeted`].
    pub fn new(
        config: &Config,
        role: Role,
        (peer, conv): (FourTuple, u32),
        clock_offset: u32,
        now: Time,
    ) -> Session {
        let layout = config.layout();
        let answer = (role == Role::Client).then_some(config.answer_within);
        let mtu = config.first_mtu();
        let block = layout.block(mtu);
        let kcp = Kcp::new(config.kcp(conv, block, clock_offset), now);
        let counts = Counts::default();
        Session {
            path: Path::new(config.path(role), peer, (mtu, block - HEADER)),
            limits: Limits::new(Progress::of(&kcp, &counts), now),
            kcp,
            mux: Mux::new(config.mux(role), now),
            compression: config.compress.then(Compression::new),
            packing: Packing::new(config.compress),
            fec: FecLayer::new(config.groups()),
            conv,
            role,
            layout,
            held_over: HeldOver::default(),
            pace: config.pace(now),
            hop: None,
            tunes_itself: config.tunes_itself,
            memory: None,
            first_answer: FirstAnswer::Idle(answer),
            counts,
            state: State::Connected,
            events: VecDeque::new(),
        }
    }

    /// A server's end of a conversation with this peer and number. Its greeting was sent with `clock` before
    /// there was a session, and the peer has got it.
    pub fn greeted(
        config: &Config,
        key: (FourTuple, u32),
        (greeting, clock): (Greeting, Millis),
        now: Time,
    ) -> Session {
        // When it left is not known; our clock goes on behind it.
        let offset = clock.plus(1).0.wrapping_sub(now.as_millis() as u32);
        let mut session = Session::new(config, Role::Server, key, offset, now);
        session.kcp.begin_behind_greeting(now);
        match (greeting, &mut session.compression) {
            (Greeting::Hello(version), _) => session.mux.begin_behind_hello(version),
            (Greeting::Identifier, Some(compression)) => compression.identify(&mut Vec::new()),
            (Greeting::Identifier, None) => {}
        }
        session
    }

    // --- time and events ------------------------------------------------------------------

    /// When [`Session::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers().next()
    }

    /// All that it waits for; nothing once it is closed.
    pub fn timers(&self) -> Timers {
        Timers::drawn_by(|timers| {
            if self.is_closed() {
                return;
            }
            self.kcp.timers(&self.path, timers);
            self.mux.timers(timers);
            let rate_limit = self.pace.as_ref().and_then(Pace::next_timeout);
            timers.set(Timer::RateLimit, rate_limit);
            timers.set(Timer::Pacing, self.path.next_timeout());
            let memory = self.memory.as_ref();
            timers.set(Timer::Memory, memory.and_then(ReceiveMemory::next_timeout));
            timers.set(Timer::FecIdle, self.fec.next_timeout());
            timers.set(Timer::Answer, self.first_answer.deadline());
            timers.set(Timer::Hop, self.hop.as_ref().map(Hop::next_timeout));
        })
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time, cx: &mut Context) {
        if self.is_closed() {
            return;
        }
        self.trace_timers(now);
        self.path.handle_timeout(now);
        self.kcp.handle_timeout(&mut self.path, now);
        self.fec.handle_timeout(now, &mut cx.stats);
        self.give_up_hop(now);
        self.update_silence(now);
        if self.first_answer.deadline().is_some_and(|by| by <= now) {
            self.close(CloseReason::NoAnswer);
        }
        if let Err(error) = self.mux.handle_timeout(now) {
            self.close(error.into());
        }
    }

    fn update_silence(&mut self, now: Time) {
        let is_silent = self.kcp.is_silent(&self.path, now);
        let (state, name, event) = match (self.state, is_silent) {
            (State::Connected, true) => {
                let heard = self.kcp.heard();
                (State::Silent, "silent", Event::Silent { heard })
            }
            (State::Silent, false) => (State::Connected, "connected", Event::Recovered),
            (State::Connected, false) | (State::Silent, true) | (State::Closed(_), _) => return,
        };
        self.state = state;
        self.path.note(trace::Event::State(name, ""), now);
        self.events.push_back(event);
    }

    /// The next thing to tell the driver.
    pub fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        match self.state {
            State::Connected | State::Silent => self.mux.next_event().map(Event::Stream),
            State::Closed(_) => None,
        }
    }

    /// End the session: nothing more is sent or received.
    pub fn close(&mut self, reason: CloseReason) {
        if !self.is_closed() {
            self.state = State::Closed(reason);
            if let Some(trace) = self.path.trace_mut() {
                trace.note_at_once(trace::Event::State("closed", &format!("{reason:?}")));
            }
            self.events.push_back(Event::Closed(reason));
        }
    }

    // --- the trace ------------------------------------------------------------------------

    /// Write down what happens from now on; [`Session::take_trace`] takes it.
    pub fn begin_trace(&mut self, now: Time) {
        let trace = Trace::new(self.role.name(), self.conv, now);
        self.path.set_trace(trace);
    }

    /// What was written down since the last call, in qlog's form; `None` if there is nothing.
    pub fn take_trace(&mut self) -> Option<String> {
        let trace = self.path.trace_mut().filter(|trace| !trace.is_empty())?;
        Some(trace.take())
    }

    /// Write down no more.
    pub fn end_trace(&mut self) {
        self.path.end_trace();
    }

    fn trace_timers(&mut self, now: Time) {
        if self.path.trace_mut().is_none() {
            return;
        }
        for (timer, _) in self.timers().running().filter(|(_, at)| *at <= now) {
            self.path.note(trace::Event::Expired(timer), now);
        }
    }

    fn trace_metrics(&mut self, now: Time) {
        if self.path.trace_mut().is_none() {
            return;
        }
        let controller = self.path.controller.metrics();
        let metrics = trace::Metrics {
            smoothed_rtt: self.path.rtt.smoothed(),
            min_rtt: self.path.rtt.min(),
            latest_rtt: self.path.rtt.latest(),
            rto: self.path.rtt.rto(),
            window: controller.window,
            pacing_rate: controller.pacing_rate,
            in_flight: self.kcp.in_flight(),
            peer_window: self.kcp.remote_window(),
        };
        self.path.note(trace::Event::Metrics(metrics), now);
    }

    // --- to look at -----------------------------------------------------------------------

    /// How it stands now.
    pub fn stats(&self, now: Time) -> SessionStats {
        let rtt = &self.path.rtt;
        let parts = self.parts();
        let known = |value: Duration| rtt.is_known().then_some(value);
        SessionStats {
            counts: self.counts,
            rtt: known(rtt.smoothed()),
            min_rtt: rtt.min(),
            latest_rtt: known(rtt.latest()),
            window: self.kcp.window(&self.path),
            rate: self.path.controller.pacing_rate(),
            in_flight: self.kcp.in_flight().bytes,
            mtu: self.path.mtu(),
            peer_window: self.kcp.remote_window(),
            streams: self.mux.stream_count(),
            flows: self.mux.flow_count(),
            datagrams: self.mux.datagram_counts(),
            smux_version: self.mux.version(),
            peer_is_blinktun: self.mux.peer_is_blinktun(),
            limit: parts.limit(&self.limits, now),
            receiving_limit: parts.receiving_limit(&self.limits, now),
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            kcp: &self.kcp,
            path: &self.path,
            mux: &self.mux,
            pace: self.pace.as_ref(),
            counts: &self.counts,
            memory: self.memory.as_ref(),
        }
    }

    /// Nothing more may leave: note what holds it back.
    fn note_limit(&mut self, now: Time) {
        self.limits.note_window(self.kcp.remote_window());
        let kind = self.parts().holding(&self.limits);
        if self.limits.note(kind, now) {
            let mut limits = self.limits;
            let told = self.parts().end_span(&mut limits, now);
            self.limits = limits;
            let told = told.into_iter().flatten().map(Event::Limited);
            self.events.extend(told);
        }
    }

    /// The smux session: its streams' state.
    pub fn mux(&self) -> &Mux {
        &self.mux
    }

    /// The network path to the peer.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path carries datagrams of at most `mtu` bytes, as far as the settings can be met: a smaller one
    /// counts as the least that works, a larger one as [`MAX_MTU`].
    ///
    /// New segments fit from now on, and so do independent ones that have left. Of others one that has left
    /// keeps its length, because the peer may have it. It leaves again in a datagram that is too long; the
    /// driver must allow the network to fragment that one.
    pub fn set_mtu(&mut self, mtu: usize, now: Time, cx: &mut Context) {
        self.change_mtu(mtu, "given", now, cx);
    }

    fn change_mtu(&mut self, mtu: usize, reason: &str, now: Time, cx: &mut Context) {
        let mtu = mtu.clamp(*self.layout.mtus.start(), *self.layout.mtus.end());
        if mtu == self.path.mtu() {
            return;
        }
        let block = self.layout.block(mtu);
        self.path.set_mtu(mtu, block - HEADER);
        self.path.note(trace::Event::Mtu(mtu, reason), now);
        let most = block - HEADER;
        let (pool, plain) = (&mut cx.pool, &mut cx.packed);
        for segment in self.kcp.set_block(block, pool) {
            for part in packing::cut_again(segment.data, most, pool, plain) {
                self.kcp.send_whole(part, segment.care);
            }
        }
        self.kcp
            .cut_numbered(|segment| packing::cut_again(segment, most, pool, plain));
        self.fec.abandon_group(); // its parity would be as long as its longest packet
    }

    /// The system has refused to send a datagram of `len` bytes, because it is too long. It knows that
    /// `known` bytes may pass, perhaps.
    pub fn note_refused(&mut self, len: usize, known: Option<usize>, now: Time) {
        self.path.note(trace::Event::Refused(len, known), now);
        self.path.note_refused(len, known, now);
    }

    /// Do what the search for the MTU has found out.
    fn follow_mtu_search(&mut self, now: Time, cx: &mut Context) {
        if let Some((mtu, reason)) = self.path.found_mtu() {
            self.change_mtu(mtu, reason.name(), now, cx);
            if reason == Reason::BlackHole {
                self.kcp.note_way_out(now);
            }
        }
    }

    /// The KCP conversation.
    pub fn kcp(&self) -> &Kcp {
        &self.kcp
    }

    /// The conversation's number.
    pub fn conv(&self) -> u32 {
        self.conv
    }

    /// Why the session ended, if it has.
    pub fn closed(&self) -> Option<CloseReason> {
        match self.state {
            State::Connected | State::Silent => None,
            State::Closed(reason) => Some(reason),
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether everything written has left and been acknowledged, and so has all that came.
    pub fn is_drained(&self) -> bool {
        self.kcp.waiting() == 0 && !self.mux.wants_transmit() && !self.kcp.holds_acknowledgements()
    }

    /// Whether data leaves with FEC now.
    pub fn is_protected(&self) -> bool {
        self.fec.is_allowed(self.mux.peer_is_blinktun())
    }

    /// Bytes of heap memory that the FEC decoder holds.
    pub fn fec_memory(&self) -> usize {
        self.fec.memory()
    }

    /// Set the first number of both directions and of our FEC packets, for tests of wrapping.
    pub fn start_at(&mut self, sn: Sn, seqid: SeqId) {
        self.kcp.start_at(sn);
        self.fec.start_at(seqid);
    }
}

impl From<smux::Error> for CloseReason {
    fn from(error: smux::Error) -> CloseReason {
        match error {
            smux::Error::KeepaliveTimeout => CloseReason::KeepaliveTimeout,
            _ => CloseReason::SmuxViolation,
        }
    }
}
