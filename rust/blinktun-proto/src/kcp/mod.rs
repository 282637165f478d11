//! KCP: a reliable, ordered byte stream over datagrams (kcptun wire, section 3).
//!
//! [`Kcp`] wires a [`sender`], a [`receiver`] and window probes ([`probe`]) together. The [`Path`] that it
//! works on comes in as an argument. Unlike the Go program it has no flush clock: data leaves as soon as the
//! windows allow, acknowledgements after each batch of input, or when `ack_delay` is over.
//!
//! After any call that changes something, call [`Kcp::emit`] until it returns `None`, then arm a
//! timer for [`Kcp::next_timeout`].

mod ack_delay;
mod care;
mod coded;
mod copies;
mod detection;
mod emit;
mod hold;
mod in_flight;
mod input;
mod overdraft;
mod overtaken;
pub mod pool;
pub mod probe;
mod promise;
mod queue;
mod receive_window;
pub mod receiver;
mod repeats;
pub mod sender;
mod time_threshold;

pub use care::Care;
pub use detection::LossDetection;
pub use hold::Hold;
pub use promise::LEAST as LEAST_WINDOW;
pub use queue::Unnumbered;
pub use sender::outlook::{NextUp, Outlook};

use crate::congestion::InFlight;
use crate::path::Path;
use crate::path::liveness::STALL;
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::timers::{Timer, Timers};
use crate::wire::kcp::{HEADER, Segment, WASK, WINS};
use crate::wire::{Millis, Sn, Token};
use ack_delay::AckDelay;
use pool::Pool;
use probe::Probe;
use receiver::Receiver;
use sender::Sender;

/// The settings of one end of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The conversation.
    pub conv: u32,
    /// The largest payload, in bytes: what is left of the MTU.
    pub block: usize,
    /// Softer backoff after a timeout.
    pub nodelay: bool,
    /// How losses are noticed.
    pub loss_detection: LossDetection,
    /// Send window, in segments.
    pub send_window: u32,
    /// Receive window, in segments.
    pub receive_window: u32,
    /// The receiving half gets its window by [`Kcp::set_room`], and repeats acknowledgements.
    pub tunes_itself: bool,
    /// Acknowledgements for a peer that is no blinktun wait for so long, if no data takes them along.
    pub ack_delay: Duration,
    /// Added to our millisecond clock: it makes `ts` unpredictable, so that echoing it is a proof.
    pub clock_offset: u32,
}

/// One conversation's reliable byte stream.
pub struct Kcp {
    conv: u32,
    block: usize,
    clock_offset: u32,
    born: Time,
    sender: Sender,
    receiver: Receiver,
    ack_delay: AckDelay,
    probe: Probe,
    /// A window report (WINS) is due; it echoes this clock.
    window_report: Option<Millis>,
    /// The peer knows us by this at another address; in our questions and window tells.
    token: Option<Token>,
    /// Our clock when `una` first moved.
    first_una: Option<Millis>,
    forgotten: bool,
    /// We have acknowledged something.
    answered: bool,
    /// A payload was taken since the last [`Kcp::finish_input`].
    has_input: bool,
}

/// A payload that [`Kcp::emit`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// Its length in bytes.
    pub len: usize,
    /// Whether it carries data; acknowledgements alone need no FEC.
    pub has_data: bool,
    /// Whether the pacer counts it.
    pub is_paced: bool,
}

/// A probe of the MTU that [`Kcp::emit_probe`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmittedProbe {
    /// Its length in bytes.
    pub len: usize,
    /// How much of that is not padding.
    pub own: usize,
}

impl Kcp {
    /// A conversation that begins now.
    pub fn new(config: Config, now: Time) -> Kcp {
        let mss = config.block - HEADER;
        let policy = (config.nodelay, config.loss_detection);
        Kcp {
            conv: config.conv,
            block: config.block,
            clock_offset: config.clock_offset,
            born: now,
            sender: Sender::new(mss, config.send_window, policy, now),
            receiver: Receiver::new(config.receive_window, config.tunes_itself),
            ack_delay: AckDelay::new(config.ack_delay, config.block / HEADER),
            probe: Probe::default(),
            window_report: None,
            token: None,
            first_una: None,
            forgotten: false,
            answered: false,
            has_input: false,
        }
    }

    // --- from above -----------------------------------------------------------------------

    /// How many bytes can leave at once.
    pub fn room(&self, path: &Path) -> usize {
        self.sender.room(path)
    }

    /// Append bytes to the stream; the caller keeps within [`Kcp::room`]. Somebody waits for the first
    /// `urgent` of them.
    pub fn send(&mut self, data: &[u8], urgent: usize, pool: &mut Pool, stats: &mut Stats) {
        stats.bytes_sent += data.len() as u64;
        let (first, rest) = data.split_at(urgent.min(data.len()));
        self.sender.push(first, true, pool);
        self.sender.push(rest, false, pool);
    }

    /// How many independent segments can leave at once, and the most bytes of each.
    pub fn free(&self, path: &Path) -> (usize, usize) {
        (self.sender.free(path), self.sender.mss())
    }

    /// Append an independent segment; the caller keeps within [`Kcp::free`].
    pub fn send_whole(&mut self, data: Vec<u8>, care: Care) {
        self.sender.push_whole(data, care);
    }

    /// Let an independent segment leave next.
    pub fn send_first(&mut self, data: Vec<u8>, care: Care) {
        self.sender.push_first(data, care);
    }

    /// Take an independent segment back that could leave now as a probe of the MTU.
    pub fn take_for_probe(&mut self, path: &mut Path, now: Time) -> Option<Unnumbered> {
        self.sender.prepare(path, now);
        let may_leave = path.may_send(now);
        may_leave
            .then(|| self.sender.take_for_probe(path))
            .flatten()
    }

    /// From now on segments are independent.
    pub fn begin_independent(&mut self) {
        self.sender.begin_independent();
    }

    /// From now on a payload has at most `block` bytes. Returns the independent segments that are too long now.
    #[must_use]
    pub fn set_block(&mut self, block: usize, pool: &mut Pool) -> Vec<Unnumbered> {
        self.block = block;
        self.sender.set_mss(block - HEADER, pool)
    }

    /// Have the independent segments cut that have a number and are too long now.
    pub fn cut_numbered(&mut self, cut: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>) {
        self.sender.cut_numbered(cut);
    }

    /// What was swallowed can pass now: it need not wait for a sign of the peer.
    pub fn note_way_out(&mut self, now: Time) {
        self.sender.note_progress(now);
    }

    /// Whether acknowledgements wait for their time.
    pub fn holds_acknowledgements(&self) -> bool {
        !self.ack_delay.is_over()
    }

    /// Segments not yet acknowledged in order.
    pub fn waiting(&self) -> usize {
        self.sender.waiting()
    }

    /// The peer is blinktun.
    pub fn trust_peer(&mut self) {
        self.receiver.trust_peer();
        self.ack_delay = AckDelay::None;
    }

    /// Our first segment has left before there was a conversation, and has arrived.
    pub fn begin_behind_greeting(&mut self, now: Time) {
        self.sender.begin_behind_greeting();
        self.first_una = Some(self.clock(now));
    }

    /// Ask the peer for its window: a small question, whose answer echoes our clock.
    pub fn ask(&mut self) {
        self.probe.ask();
    }

    /// Whether the peer has forgotten this conversation.
    pub fn forgotten(&self) -> bool {
        self.forgotten
    }

    /// Whether the peer seems gone.
    pub fn is_silent(&self, path: &Path, now: Time) -> bool {
        let is_stalled = self.sender.is_stalled(STALL, now);
        path.liveness.is_silent(is_stalled, now)
    }

    /// Whether the peer has acknowledged anything at all.
    pub fn heard(&self) -> bool {
        self.sender.advanced_ever()
    }

    /// Whether anything has ever come from the peer.
    pub fn answered_ever(&self, path: &Path) -> bool {
        self.heard() || path.liveness.has_had_news()
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

    /// What is on its way.
    pub fn in_flight(&self) -> InFlight {
        self.sender.in_flight()
    }

    /// The peer's window, in segments.
    pub fn remote_window(&self) -> u32 {
        self.sender.remote_window()
    }

    // --- parity ---------------------------------------------------------------------------

    /// What decides whether parity pays. `None` if nothing may leave, or if losses are not found by time.
    pub fn outlook(&mut self, path: &Path, now: Time) -> Option<Outlook> {
        self.sender.outlook(path, now)
    }

    /// What leaves from now on belongs to this group of FEC; `None`: it leaves without.
    pub fn set_group(&mut self, group: Option<u32>) {
        self.sender.set_group(group);
    }

    /// All data of the group has left.
    pub fn note_full_group(&mut self, now: Time) {
        self.sender.note_full_group(now);
    }

    /// So many bytes of parity leave.
    pub fn note_parity(&mut self, bytes: usize) {
        self.sender.note_parity(bytes);
    }

    // --- time -----------------------------------------------------------------------------

    /// When [`Kcp::handle_timeout`] has something to do.
    pub fn next_timeout(&self, path: &Path) -> Option<Time> {
        Timers::drawn_by(|timers| self.timers(path, timers)).next()
    }

    /// Enter the timers of this conversation.
    pub fn timers(&self, path: &Path, timers: &mut Timers) {
        let stall = self.sender.silence_due();
        timers.set(Timer::Stall, stall.filter(|_| !path.liveness.knows_stall()));
        timers.set(Timer::Retransmission, self.sender.next_timeout(&path.rtt));
        timers.set(Timer::Liveness, path.liveness.next_timeout());
        timers.set(Timer::WindowProbe, self.probe.next_timeout());
        timers.set(Timer::Acknowledgements, self.ack_delay.next_timeout());
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, path: &mut Path, now: Time) {
        self.ack_delay.handle_timeout(now);
        self.look(path, now);
        self.sender.handle_timeout(path, now);
    }

    /// Ask for what there is to ask.
    fn look(&mut self, path: &mut Path, now: Time) {
        self.probe.update(self.sender.remote_window(), now);
        path.liveness.set_urgent(path.is_doubtful());
        if path.liveness.update(self.sender.silent_since(now), now) {
            self.ask_whether_alive();
        }
    }

    /// A peer that has never answered may not know the conversation: only its first segment tells.
    fn ask_whether_alive(&mut self) {
        match self.sender.advanced_ever() {
            true => self.probe.ask(),
            false => self.sender.repeat_first(),
        }
    }

    /// From now on our questions and window tells name the session by this.
    pub fn set_token(&mut self, token: Token) {
        self.token = Some(token);
    }

    /// The path is another: what waits for an acknowledgement gets the time that it takes there, and asks at once.
    pub fn begin_path(&mut self, path: &mut Path, now: Time) {
        self.sender.forget_reordering();
        self.sender.retime(&path.rtt);
        self.sender.note_progress(now);
        self.sender.resume(path, now);
        self.sender.repeat_first();
    }

    /// A question by another way, in a payload of its own.
    pub fn question(&mut self, now: Time) -> [u8; HEADER] {
        let mut payload = [0; HEADER];
        Segment {
            cmd: WASK,
            ts: self.clock(now),
            sn: self.token_number(),
            ..self.template()
        }
        .write(&mut payload);
        payload
    }

    /// The answer to a question that came by another way, which echoes its clock, and a question with the clock
    /// `challenge`.
    pub fn answer_and_challenge(&mut self, asked: Millis, challenge: Millis) -> [u8; 2 * HEADER] {
        let mut payload = [0; 2 * HEADER];
        let template = self.template();
        for ((cmd, ts), place) in [(WINS, asked), (WASK, challenge)]
            .into_iter()
            .zip(payload.chunks_exact_mut(HEADER))
        {
            Segment {
                cmd,
                ts,
                ..template
            }
            .write(place);
        }
        payload
    }

    fn token_number(&self) -> Sn {
        Sn(self.token.map_or(0, Token::get))
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

    /// Set the gauges of what this conversation's queues hold.
    pub fn gauge(&self, now: Time, stats: &mut Stats) {
        let unnumbered = self.sender.queued();
        stats.ring_buffer_snd_queue = unnumbered as u64;
        stats.ring_buffer_rcv_queue = self.receiver.waiting() as u64;
        stats.ring_buffer_snd_buffer = (self.sender.waiting() - unnumbered) as u64;
        stats.flushed_at = now;
    }

    /// Bytes of data that may be in flight.
    pub fn window(&self, path: &Path) -> u64 {
        self.sender.window(path)
    }

    /// What keeps new data from leaving, or would if there was more.
    pub fn hold(&self) -> Hold {
        self.sender.hold()
    }

    /// Our own send window, in segments.
    pub fn send_window(&self) -> u32 {
        self.sender.send_window()
    }

    /// Segments that wait to leave for the first time.
    pub fn queued(&self) -> usize {
        self.sender.queued()
    }

    /// Bytes that the peer has acknowledged.
    pub fn delivered(&self) -> u64 {
        self.sender.delivered()
    }

    /// The receive window as it was set, in segments; `None` while a smaller one is found here.
    pub fn own_window(&self) -> Option<u32> {
        self.receiver.whole_window()
    }

    /// What has come and waits for what is missing, or for room above.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// From now on there is memory for so many segments from the first that is missing, if that is for us to
    /// say. A closed window that opens is told the peer.
    pub fn set_room(&mut self, segments: u32) {
        if self.receiver.set_room(segments) {
            self.window_report.get_or_insert(Millis(0));
        }
    }
}
