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
//! `send_buffer` unsent bytes a stream in smux, four groups in the FEC decoder.

mod compression;
mod config;
pub mod pace;
mod protection;
mod transmit;
mod upward;

use std::collections::VecDeque;

use crate::error::CloseReason;
use crate::fec::{self, PacketKind};
use crate::kcp::Kcp;
use crate::kcp::pool::Pool;
use crate::random::Random;
use crate::smux::{self, Mux, OpenError, StreamError, StreamId};
use crate::stats::Stats;
use crate::time::{Duration, Time, earliest};
use crate::wire::{SeqId, Sn, u16_at};

pub use crate::smux::Role;
use compression::Compression;
pub use config::{Config, ConfigError, MAX_MTU, Smux};
use pace::Pace;
pub use protection::PeerShards;
use protection::Survey;
use upward::Upward;
pub use upward::{UNPROVEN_BYTES, UNPROVEN_SEGMENTS, UNPROVEN_STREAMS};

/// The most datagrams that one batch holds: what the kernel's segmentation offload takes.
pub const MAX_BATCH: usize = 64;
/// So long after the last FEC packet the decoder's memory is given back.
const FEC_IDLE: Duration = Duration::from_secs(2);

/// What all sessions of an endpoint share: counters, randomness, buffers.
pub struct Context {
    /// The counters.
    pub stats: Stats,
    /// Randomness from the endpoint's seed.
    pub random: Random,
    /// Free segment buffers.
    pub pool: Pool,
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
}

/// One conversation.
pub struct Session {
    kcp: Kcp,
    mux: Mux,
    compression: Option<Compression>,
    encoder: Option<fec::Encoder>,
    decoder: Option<fec::Decoder>,
    /// When what the decoder stores is of no use any more.
    decoder_stale_at: Option<Time>,
    shards: Option<(usize, usize)>,
    /// Data leaves with FEC; decided before each datagram.
    protected: bool,
    survey: Survey,
    conv: u32,
    role: Role,
    head: usize,
    tail: usize,
    /// A datagram longer than the batch it came up in; the next batch begins with it.
    carry: Vec<u8>,
    pace: Option<Pace>,
    /// Our first data has left.
    opened: bool,
    /// The peer is unproven: what goes beyond the bounds for such waits in KCP.
    restrained: bool,
    silent: bool,
    closed: Option<CloseReason>,
    events: VecDeque<Event>,
}

impl Session {
    /// Conversation `conv`, beginning now. `clock_offset` should be unpredictable.
    pub fn new(config: &Config, role: Role, conv: u32, clock_offset: u32, now: Time) -> Session {
        let fec_header = if config.shards.is_some() {
            fec::HEADER
        } else {
            0
        };
        let block = config.mtu - config.head - config.tail - fec_header;
        Session {
            kcp: Kcp::new(config.kcp(role, conv, block, clock_offset), now),
            mux: Mux::new(config.mux(role, clock_offset), now),
            compression: config.compress.then(Compression::new),
            encoder: None,
            decoder: None,
            decoder_stale_at: None,
            shards: config.shards,
            protected: false,
            survey: Survey::default(),
            conv,
            role,
            head: config.head,
            tail: config.tail,
            carry: Vec::new(),
            pace: config.pace(now),
            opened: false,
            restrained: role == Role::Server,
            silent: false,
            closed: None,
            events: VecDeque::new(),
        }
    }

    // --- from the wire --------------------------------------------------------------------

    /// Take one payload that passed the crypt layer. After a batch of them call
    /// [`Session::finish_input`].
    pub fn handle_payload(&mut self, payload: &[u8], now: Time, cx: &mut Context) {
        if self.closed.is_some() {
            return;
        }
        match fec::classify(payload) {
            PacketKind::Plain => {
                self.survey.plain = self.survey.plain.saturating_add(1);
                self.handle_kcp(payload, true, now, cx);
            }
            PacketKind::Data => {
                let Some(kcp) = fec_data(payload) else {
                    cx.stats.kcp_in_errors += 1;
                    return;
                };
                self.handle_kcp(kcp, true, now, cx);
                self.handle_fec(payload, now, cx);
            }
            PacketKind::Parity => {
                cx.stats.fec_parity_shards += 1;
                self.handle_fec(payload, now, cx);
            }
            PacketKind::OutOfBand => cx.stats.oob_packets += 1,
        }
    }

    fn handle_kcp(&mut self, payload: &[u8], regular: bool, now: Time, cx: &mut Context) {
        if self.closed.is_some() {
            return; // the first payload of a datagram may have closed it
        }
        let mut sink = Upward::new(
            (&mut self.mux, self.restrained && !self.kcp.proven()),
            self.compression.as_mut(),
            &mut cx.packed,
            now,
        );
        let into = (&mut sink, &mut cx.pool, &mut cx.stats);
        let result = self.kcp.input(payload, regular, now, into);
        let (received, failed) = (sink.received, sink.failed);
        cx.stats.bytes_received += received;
        match (result, regular) {
            (Ok(()), true) => {}
            (Ok(()), false) => cx.stats.fec_recovered += 1,
            (Err(_), true) => cx.stats.kcp_in_errors += 1,
            (Err(_), false) => cx.stats.fec_errs += 1,
        }
        if let Some(reason) = failed {
            self.close(reason);
        }
    }

    fn handle_fec(&mut self, packet: &[u8], now: Time, cx: &mut Context) {
        self.survey.coded = self.survey.coded.saturating_add(1);
        let (data, parity) = self.shards.unwrap_or((1, 1));
        let mut decoder = self
            .decoder
            .take()
            .unwrap_or_else(|| fec::Decoder::new(data, parity));
        let (full, errors) = (decoder.stats.full_groups, decoder.stats.errors);
        let conv = self.conv;
        decoder.receive(packet, conv, &mut |payload| {
            self.handle_kcp(payload, false, now, cx)
        });
        cx.stats.fec_full_shards += decoder.stats.full_groups - full;
        cx.stats.fec_errs += decoder.stats.errors - errors;
        gauge_decoder(&decoder, now, cx);
        self.decoder = Some(decoder);
        self.decoder_stale_at = Some(now + FEC_IDLE);
    }

    /// An idle session stores no FEC packets: what is missing was sent again long ago.
    fn release_decoder(&mut self, now: Time, cx: &mut Context) {
        if let Some(decoder) = &mut self.decoder
            && self.decoder_stale_at.is_some_and(|at| at <= now)
        {
            decoder.release();
            gauge_decoder(decoder, now, cx);
            self.decoder_stale_at = None;
        }
    }

    /// After a batch of payloads: find losses, notice a restarted peer.
    pub fn finish_input(&mut self, now: Time, cx: &mut Context) {
        self.kcp.finish_input(now);
        if self.restrained && self.kcp.proven() {
            self.restrained = false;
            self.drain(now, cx);
        }
        self.update_silence(now);
        self.report_mismatch();
        if self.kcp.forgotten() {
            self.close(CloseReason::PeerRestarted);
        }
    }

    // --- time and events ------------------------------------------------------------------

    /// When [`Session::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        if self.closed.is_some() {
            return None;
        }
        let timers = earliest(self.kcp.next_timeout(), self.mux.next_timeout());
        let pace = self.pace.as_ref().and_then(Pace::next_timeout);
        earliest(earliest(timers, pace), self.decoder_stale_at)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time, cx: &mut Context) {
        if self.closed.is_some() {
            return;
        }
        self.kcp.handle_timeout(now);
        self.release_decoder(now, cx);
        self.update_silence(now);
        if let Err(error) = self.mux.handle_timeout(now) {
            self.close(error.into());
        }
    }

    fn update_silence(&mut self, now: Time) {
        let silent = self.kcp.is_silent(now);
        if silent != self.silent {
            self.silent = silent;
            let heard = self.kcp.heard();
            self.events.push_back(if silent {
                Event::Silent { heard }
            } else {
                Event::Recovered
            });
        }
    }

    /// The next thing to tell the driver.
    pub fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        match self.closed {
            None => self.mux.next_event().map(Event::Stream),
            Some(_) => None,
        }
    }

    /// End the session: nothing more is sent or received.
    pub fn close(&mut self, reason: CloseReason) {
        if self.closed.is_none() {
            self.closed = Some(reason);
            self.events.push_back(Event::Closed(reason));
        }
    }

    // --- streams --------------------------------------------------------------------------

    /// Open a stream.
    ///
    /// # Errors
    /// [`OpenError`] if this session can open no more.
    pub fn open_stream(&mut self) -> Result<StreamId, OpenError> {
        self.mux.open()
    }

    /// Queue bytes; returns how many were taken. Fewer than given: an event
    /// [`smux::Event::Writable`] follows.
    ///
    /// # Errors
    /// [`StreamError`] if the stream is unknown or its write side is over.
    pub fn write(&mut self, stream: StreamId, data: &[u8]) -> Result<usize, StreamError> {
        self.mux.write(stream, data)
    }

    /// How many bytes [`Session::write`] takes now. At none, an event [`smux::Event::Writable`]
    /// follows.
    pub fn write_room(&mut self, stream: StreamId) -> usize {
        self.mux.write_room(stream)
    }

    /// The first contiguous piece of what has arrived on a stream.
    pub fn read_front(&self, stream: StreamId) -> &[u8] {
        self.mux.read_front(stream)
    }

    /// `count` bytes of [`Session::read_front`] have been taken.
    pub fn consume(&mut self, stream: StreamId, count: usize, now: Time, cx: &mut Context) {
        self.mux.consume(stream, count);
        self.drain(now, cx);
    }

    /// Deliver what waited for room in the streams. There may be room again because bytes were
    /// consumed, a stream was reset, or refusals have left.
    fn drain(&mut self, now: Time, cx: &mut Context) {
        if self.closed.is_some() || !self.kcp.has_waiting() || self.mux.receive_space() == 0 {
            return;
        }
        let mut sink = Upward::new(
            (&mut self.mux, self.restrained),
            self.compression.as_mut(),
            &mut cx.packed,
            now,
        );
        self.kcp.drain(&mut sink, &mut cx.pool);
        cx.stats.bytes_received += sink.received;
        if let Some(reason) = sink.failed {
            self.close(reason);
        }
    }

    /// No more will be written: the peer reads the end after the data.
    pub fn finish(&mut self, stream: StreamId) {
        self.mux.finish(stream);
    }

    /// Send something that the peer answers with an echo of our clock, even if there is no data: a
    /// question for its window, small enough for any limit, and a NOP for those who answer without.
    pub fn ping(&mut self) {
        self.kcp.ask();
        self.mux.ping();
    }

    /// Break a stream off in both directions.
    pub fn reset(&mut self, stream: StreamId) {
        self.mux.reset(stream);
    }

    /// The smux session: its streams' state.
    pub fn mux(&self) -> &Mux {
        &self.mux
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
        self.closed
    }

    /// Whether everything written has left and been acknowledged.
    pub fn is_drained(&self) -> bool {
        self.kcp.waiting() == 0 && !self.mux.wants_transmit()
    }

    /// Bytes of heap memory that the FEC decoder holds.
    pub fn fec_memory(&self) -> usize {
        self.decoder.as_ref().map_or(0, fec::Decoder::memory)
    }

    /// Set the first number of both directions and of our FEC packets, for tests of wrapping.
    pub fn start_at(&mut self, sn: Sn, seqid: SeqId) {
        self.kcp.start_at(sn);
        self.encoder =
            transmit::new_encoder(self.shards).map(|encoder| encoder.with_first_seqid(seqid));
    }
}

/// What a FEC data packet carries; `None` if its size field tells another length.
fn fec_data(payload: &[u8]) -> Option<&[u8]> {
    let data = payload.get(fec::HEADER..)?;
    let size = u16_at(payload, fec::PARITY_HEADER) as usize;
    (size == payload.len() - fec::PARITY_HEADER).then_some(data)
}

fn gauge_decoder(decoder: &fec::Decoder, now: Time, cx: &mut Context) {
    cx.stats.fec_shard_set = decoder.stored() as u64;
    if let Some(newest) = decoder.newest() {
        cx.stats.fec_shard_min = newest.into();
    }
    cx.stats.coded_at = now;
}

impl From<smux::Error> for CloseReason {
    fn from(error: smux::Error) -> CloseReason {
        match error {
            smux::Error::KeepaliveTimeout => CloseReason::KeepaliveTimeout,
            _ => CloseReason::SmuxViolation,
        }
    }
}
