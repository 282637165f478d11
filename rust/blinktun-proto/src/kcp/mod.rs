//! KCP: a reliable, ordered byte stream over datagrams (kcptun wire, section 3).
//!
//! [`Kcp`] wires a [`sender`], a [`receiver`], a round-trip estimator ([`rtt`]), window probes
//! ([`probe`]) and a [`control`]ler together. Unlike the Go program it has no flush clock:
//! acknowledgements leave after each batch of input, data as soon as the windows allow.
//!
//! After any call that changes something, call [`Kcp::emit`] until it returns `None`, then arm a
//! timer for [`Kcp::next_timeout`].

pub mod control;
pub mod hush;
pub mod pool;
pub mod probe;
pub mod receiver;
pub mod rtt;
pub mod segment;
pub mod sender;

use std::collections::VecDeque;

use crate::stats::Stats;
use crate::time::{Time, earliest};
use crate::wire::{Millis, Sn};
use control::{Controller, Fixed, Reno};
use hush::Hush;
use pool::Pool;
use probe::Probe;
use receiver::{Arrival, Receiver, Sink};
use rtt::Rtt;
use segment::{ACK, HEADER, Malformed, PUSH, Segment, Segments, WASK, WINS};
use sender::Sender;

/// The settings of one end of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The conversation.
    pub conv: u32,
    /// The largest payload, in bytes: what is left of the MTU.
    pub block: usize,
    /// Lower RTO floor and softer backoff.
    pub nodelay: bool,
    /// Milliseconds; a term of the RTO.
    pub interval_ms: u32,
    /// Acknowledgements past a segment before it is sent again; 0 is never.
    pub resend: u32,
    /// No congestion window: only the windows below count (`nc=1`).
    pub no_congestion: bool,
    /// Send window, in segments.
    pub send_window: u32,
    /// Receive window, in segments.
    pub receive_window: u32,
    /// Nothing counts as acknowledged before the peer has echoed a clock of ours: `una` alone can be
    /// guessed. So something stays in flight until its acknowledgement brings the proof.
    pub demand_proof: bool,
    /// Ask a peer that has stopped sending whether it is still there. For clients: a server whose
    /// client is gone loses nothing by waiting for keepalive.
    pub asks_after_data: bool,
    /// Added to our millisecond clock: it makes `ts` unpredictable, so that echoing it is a proof.
    pub clock_offset: u32,
}

/// Questions whose answers are recognised: those of two seconds of silence.
const MAX_ASKED: usize = 8;

/// More than a keepalive, compressed or not: what is longer is somebody's data.
const KEEPALIVE: usize = 32;

/// One conversation's reliable byte stream.
pub struct Kcp {
    conv: u32,
    block: usize,
    clock_offset: u32,
    demand_proof: bool,
    asks_after_data: bool,
    hush: Hush,
    born: Time,
    sender: Sender,
    receiver: Receiver,
    rtt: Rtt,
    probe: Probe,
    /// The clocks of our last questions, at most [`MAX_ASKED`].
    asked: VecDeque<Millis>,
    /// A window tell is due, echoing this clock.
    tell: Option<Millis>,
    /// Our clock when `una` first moved.
    first_una: Option<Millis>,
    /// The newest clock of ours that the peer has echoed.
    echoed: Option<Millis>,
    forgotten: bool,
}

/// A payload that [`Kcp::emit`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// Its length in bytes.
    pub len: usize,
    /// Whether it carries data; acknowledgements alone need no FEC.
    pub has_data: bool,
}

impl Kcp {
    /// A conversation that begins now.
    pub fn new(config: Config, now: Time) -> Kcp {
        let mss = config.block - HEADER;
        let controller: Box<dyn Controller> = match config.no_congestion {
            true => Box::new(Fixed),
            false => Box::new(Reno::new(mss, config.resend)),
        };
        let policy = (config.nodelay, config.resend);
        Kcp {
            conv: config.conv,
            block: config.block,
            clock_offset: config.clock_offset,
            demand_proof: config.demand_proof,
            asks_after_data: config.asks_after_data,
            hush: Hush::default(),
            born: now,
            sender: Sender::new(mss, config.send_window, policy, controller, now),
            receiver: Receiver::new(config.receive_window),
            rtt: Rtt::new(config.nodelay, config.interval_ms),
            probe: Probe::default(),
            asked: VecDeque::new(),
            tell: None,
            first_una: None,
            echoed: None,
            forgotten: false,
        }
    }

    // --- from the wire --------------------------------------------------------------------

    /// Take one payload; `regular` is false if FEC rebuilt it. In-order data goes to `sink`.
    ///
    /// All or nothing: the payload is checked whole before any of it takes effect.
    ///
    /// # Errors
    /// [`Malformed`] if it is not a sequence of segments that this conversation's peer can have
    /// sent; nothing has changed then.
    pub fn input<S: Sink + ?Sized>(
        &mut self,
        payload: &[u8],
        regular: bool,
        now: Time,
        (sink, pool, stats): (&mut S, &mut Pool, &mut Stats),
    ) -> Result<(), Malformed> {
        self.check(payload)?;
        let mut last_ack = None;
        let mut data = false;
        for segment in Segments::new(payload, self.conv).flatten() {
            stats.in_segs += 1;
            // What `una` covers is gone: the acknowledgement must find its segment before.
            if segment.cmd == ACK {
                last_ack = self.handle_ack(&segment, now, stats).or(last_ack);
            }
            self.handle_una(&segment, regular, now, pool);
            match segment.cmd {
                ACK => {}
                PUSH => {
                    data |= segment.data.len() > KEEPALIVE;
                    let arrival = Arrival {
                        sn: segment.sn,
                        ts: segment.ts,
                        regular,
                    };
                    self.receiver
                        .push(arrival, segment.data, sink, pool)
                        .count(regular, stats);
                }
                WASK => self.tell = Some(segment.ts),
                _ => self.handle_tell(&segment, now),
            }
        }
        if let Some((sample, exact)) = last_ack.filter(|_| regular) {
            let first = self.rtt.min().is_none();
            self.rtt.sample(sample, exact);
            if first {
                self.sender.retime(&self.rtt);
            }
        }
        if self.asks_after_data {
            self.hear(data, now);
        }
        Ok(())
    }

    fn hear(&mut self, data: bool, now: Time) {
        match data {
            true => self.hush.note_data(now),
            false => self.hush.note_sign(),
        }
    }

    /// Whether the payload can come from this conversation's peer, without any effect.
    ///
    /// # Errors
    /// [`Malformed`] says why not.
    pub fn check(&self, payload: &[u8]) -> Result<(), Malformed> {
        if payload.is_empty() {
            return Err(Malformed::Length);
        }
        for segment in Segments::new(payload, self.conv) {
            let segment = segment?;
            let numbers = match segment.cmd {
                ACK => self.sender.plausible_ack(segment.sn),
                PUSH => self.receiver.plausible(segment.sn),
                _ => true,
            };
            if !numbers || !self.sender.plausible_una(segment.una) {
                return Err(Malformed::Window);
            }
        }
        Ok(())
    }

    fn handle_una(&mut self, segment: &Segment<'_>, regular: bool, now: Time, pool: &mut Pool) {
        if segment.una.before(self.sender.una()) {
            return; // an old segment: its window is old as well
        }
        if regular {
            self.sender.set_remote_window(segment.wnd);
        }
        if self.demand_proof && !self.proven() {
            return;
        }
        self.sender.handle_una(segment.una, pool, now);
        if self.first_una.is_none() && self.sender.advanced_ever() {
            self.first_una = Some(self.clock(now));
        }
    }

    /// Returns the round trip in milliseconds, and exactly where that is known. There is none if
    /// nothing new was acknowledged: a segment that comes twice, rebuilt by FEC perhaps, is
    /// acknowledged with a clock that may be long past.
    fn handle_ack(
        &mut self,
        segment: &Segment<'_>,
        now: Time,
        stats: &mut Stats,
    ) -> Option<(u32, Option<crate::time::Duration>)> {
        self.notice_restart(segment, now);
        let echo = self.sender.handle_ack(segment.sn, segment.ts, now, stats)?;
        let age_ms = u32::try_from(self.clock(now).diff(segment.ts)).ok()?;
        let lifetime_ms = now.since(self.born).as_millis() + 1;
        if u128::from(age_ms) > lifetime_ms {
            return None; // not a clock of ours
        }
        // Only a clock that its segment left with proves anything: a guess is one in millions.
        if echo.genuine {
            self.note_echo(segment.ts);
        }
        Some((age_ms, echo.exact))
    }

    /// A window tell echoes the clock of the question, if the peer is blinktun.
    fn handle_tell(&mut self, segment: &Segment<'_>, now: Time) {
        self.notice_restart(segment, now);
        if self.asked.contains(&segment.ts) {
            self.note_echo(segment.ts);
        }
    }

    fn note_echo(&mut self, ts: Millis) {
        if self.echoed.is_none_or(|newest| newest.before(ts)) {
            self.echoed = Some(ts);
        }
    }

    /// A peer that once had `una` above 0 and now says 0 has lost the conversation, unless the
    /// segment is an old one that the network held back. It is not old if it echoes a clock that
    /// we sent after `una` had moved, or answers the probe of a silent peer.
    fn notice_restart(&mut self, segment: &Segment<'_>, now: Time) {
        let Some(first_una) = self.first_una else {
            return;
        };
        if segment.una.0 != 0 || !segment.una.before(self.sender.una()) || self.sender.has_wrapped()
        {
            return;
        }
        let fresh = segment.ts.diff(first_una) > 0 && self.clock(now).diff(segment.ts) >= 0;
        let waiting = self.sender.is_silent(now) || self.hush.is_asking();
        let answer = segment.cmd == WINS && waiting;
        self.forgotten |= fresh || answer;
    }

    /// After a batch of payloads: look for losses.
    pub fn finish_input(&mut self, now: Time, stats: &mut Stats) {
        self.sender.finish_input(&self.rtt, now, stats);
        self.probe
            .update(self.sender.remote_window(), self.sender.is_silent(now), now);
    }

    /// Deliver data that waited for room in the sink.
    pub fn drain<S: Sink + ?Sized>(&mut self, sink: &mut S, pool: &mut Pool) {
        if self.receiver.drain(sink, pool) {
            self.tell.get_or_insert(Millis(0));
        }
    }

    /// Whether data in order waits for room in the sink.
    pub fn has_waiting(&self) -> bool {
        self.receiver.has_waiting()
    }

    // --- from above -----------------------------------------------------------------------

    /// How many bytes can leave at once.
    pub fn room(&self) -> usize {
        self.sender.room()
    }

    /// Append bytes to the stream; the caller keeps within [`Kcp::room`].
    pub fn send(&mut self, data: &[u8], pool: &mut Pool, stats: &mut Stats) {
        stats.bytes_sent += data.len() as u64;
        self.sender.push(data, pool);
    }

    /// Segments not yet acknowledged in order.
    pub fn waiting(&self) -> usize {
        self.sender.waiting()
    }

    /// Whether the peer has echoed a clock of ours: it receives what we send to its address.
    pub fn proven(&self) -> bool {
        self.echoed.is_some()
    }

    /// The newest clock of ours that the peer has echoed.
    pub fn echoed(&self) -> Option<Millis> {
        self.echoed
    }

    /// Ask the peer for its window: a small question, whose answer echoes our clock.
    pub fn ask(&mut self) {
        self.probe.ask();
    }

    /// Whether the peer has forgotten this conversation.
    pub fn forgotten(&self) -> bool {
        self.forgotten
    }

    /// Whether data is in flight that makes no progress.
    pub fn is_silent(&self, now: Time) -> bool {
        self.sender.is_silent(now) || self.hush.is_silent(now)
    }

    /// Whether the peer has acknowledged anything at all.
    pub fn heard(&self) -> bool {
        self.sender.advanced_ever()
    }

    /// The number up to which the peer has acknowledged everything.
    pub fn una(&self) -> Sn {
        self.sender.una()
    }

    /// The number that the next new segment will get.
    pub fn send_next(&self) -> Sn {
        self.sender.next()
    }

    /// The number up to which everything has arrived here.
    pub fn receive_next(&self) -> Sn {
        self.receiver.next()
    }

    /// The peer's window, in segments.
    pub fn remote_window(&self) -> u32 {
        self.sender.remote_window()
    }

    /// The round-trip estimator.
    pub fn rtt(&self) -> &Rtt {
        &self.rtt
    }

    // --- to the wire ----------------------------------------------------------------------

    /// Write the next payload that must leave to `out`, as far as it fits.
    pub fn emit(&mut self, out: &mut [u8], now: Time, stats: &mut Stats) -> Option<Emitted> {
        self.sender.number(now);
        let block = self.block.min(out.len());
        let mut at = 0;
        let control = self.control_len();
        let next = self.sender.peek();
        // Acknowledgements share a datagram with data where both fit; else data goes first, so
        // that a bulk transfer leaves as one run of equal datagrams.
        if control > 0 && next.is_none_or(|len| control + HEADER + len <= block) {
            at = self.write_control(&mut out[..block], now, stats);
        }
        let has_data = self.write_data(&mut out[..block], &mut at, now, stats);
        if at == 0 && control > 0 {
            // There is too little room for the next data: an unproven source's is limited.
            at = self.write_control(&mut out[..block], now, stats);
        }
        (at > 0).then_some(Emitted { len: at, has_data })
    }

    fn control_len(&mut self) -> usize {
        let asks = usize::from(self.probe.is_due()) + usize::from(self.tell.is_some());
        (self.receiver.owed_acks().len() + asks) * HEADER
    }

    fn write_control(&mut self, out: &mut [u8], now: Time, stats: &mut Stats) -> usize {
        let clock = self.clock(now);
        let template = self.template();
        let acks = self.receiver.owed_acks();
        let fitting = acks.len().min(out.len() / HEADER);
        let mut at = 0;
        for ack in acks.drain(..fitting) {
            at += Segment {
                cmd: ACK,
                ts: ack.ts,
                sn: ack.sn,
                ..template
            }
            .write(&mut out[at..]);
        }
        if at + 2 * HEADER <= out.len() {
            if self.probe.take() {
                if self.asked.len() == MAX_ASKED {
                    self.asked.pop_front();
                }
                self.asked.push_back(clock);
                at += Segment {
                    cmd: WASK,
                    ts: clock,
                    ..template
                }
                .write(&mut out[at..]);
            }
            if let Some(ts) = self.tell.take() {
                at += Segment {
                    cmd: WINS,
                    ts,
                    ..template
                }
                .write(&mut out[at..]);
            }
        }
        stats.out_segs += (at / HEADER) as u64;
        at
    }

    fn write_data(&mut self, out: &mut [u8], at: &mut usize, now: Time, stats: &mut Stats) -> bool {
        let ts = self.clock(now);
        let template = Segment {
            cmd: PUSH,
            ts,
            ..self.template()
        };
        let mut any = false;
        while let Some(len) = self.sender.peek()
            && *at + HEADER + len <= out.len()
            && let Some((sn, data)) = self.sender.take(&self.rtt, ts, now)
        {
            *at += Segment {
                sn,
                data,
                ..template
            }
            .write(&mut out[*at..]);
            stats.out_segs += 1;
            any = true;
        }
        any
    }

    fn template(&self) -> Segment<'static> {
        Segment {
            conv: self.conv,
            cmd: WINS,
            wnd: self.receiver.window(),
            ts: Millis(0),
            sn: Sn(0),
            una: self.receiver.next(),
            data: &[],
        }
    }

    // --- time -----------------------------------------------------------------------------

    /// When [`Kcp::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let silence = match self.probe.next_timeout() {
            Some(at) => Some(at),
            None => self.sender.silence_due(),
        };
        let own = earliest(self.sender.next_timeout(), self.hush.next_timeout());
        earliest(own, silence)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time, stats: &mut Stats) {
        self.probe
            .update(self.sender.remote_window(), self.sender.is_silent(now), now);
        if self.hush.handle_timeout(now) {
            self.probe.ask();
        }
        self.sender.handle_timeout(&self.rtt, now, stats);
    }

    /// Our clock as it stands on the wire.
    pub fn clock(&self, now: Time) -> Millis {
        Millis((now.as_millis() as u32).wrapping_add(self.clock_offset))
    }

    /// Start the numbers of both directions at `sn`, for tests of wrapping.
    pub fn start_at(&mut self, sn: Sn) {
        self.sender.start_at(sn);
        self.receiver.start_at(sn);
    }

    /// Segments held for the receiver: what this conversation costs beside what it sends.
    pub fn held(&self) -> usize {
        self.receiver.held()
    }
}
