//! One end of a session: its state and its public face.

use super::budget::SendBudget;
use super::control::ControlFrames;
use super::credit::{Credit, floor};
use super::fin::ABANDONED;
use super::flow::{Class, FlowId};
use super::flows::{DatagramCounts, Flows};
use super::forgotten::Forgotten;
use super::holds::Holds;
use super::keepalive::Keepalive;
use super::opened::OpenedIds;
use super::peer::{Peer, PeerKind, Support};
use super::receive_buffer::ReceiveBuffer;
use super::scheduler::Scheduler;
use super::sending::{SendInput, SendState};
use super::stream::Stream;
use super::table::{Table, hasher};
use super::{
    Config, Error, Event, FlowError, INITIAL_WINDOW, OpenError, Role, StreamClass, StreamError,
    StreamId, Version,
};
use crate::qpp::StreamPads;
use crate::time::{Duration, Time};
use crate::timers::{Timer, Timers};
use crate::wire::Token;
use crate::work;
use std::collections::VecDeque;

/// How frames are carried to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As smux's, in one ordered stream of bytes.
    Ordered,
    /// Whole, in segments of which each stands for itself.
    Independent,
}

/// One end of a smux session, sans-IO.
///
/// After each call that changes something, drain: [`next_event`](Mux::next_event) until `None`,
/// then [`transmit`](Mux::transmit) while there is room below and
/// [`wants_transmit`](Mux::wants_transmit), then arm a timer for
/// [`next_timeout`](Mux::next_timeout). Call [`receive`](Mux::receive) while
/// [`receive_space`](Mux::receive_space) is not 0.
///
/// Bounds, in bytes: unread data `receive_buffer` and 28 MiB plus one delivery (held in chunks of at most
/// twice that, and 128 KiB per stream), and as much ahead of missing bytes; unsent data `send_buffer` per stream, and
/// 16 MiB plus 8 KiB per stream together; streams
/// `max_streams` of [`STREAM_BYTES`](super::STREAM_BYTES); `max_flows` flows of datagrams of 1 KiB each, with 4 MiB each way and, of reliable flows, one
/// unsent datagram each; 1024 dropped streams and 1024 refusals
/// of some 20 bytes each, the latter plus what one delivery holds. Events are bounded by the bytes
/// delivered since they were last drained.
#[derive(Debug)]
pub struct Mux {
    pub(super) config: Config,
    pub(super) peer: Peer,
    pub(super) streams: Table<Stream>,
    pub(super) forgotten: Forgotten,
    pub(super) events: VecDeque<Event>,
    pub(super) keepalive: Keepalive,
    /// Unread bytes of all streams.
    pub(super) receive_buffer: ReceiveBuffer,
    /// The windows of all streams.
    pub(super) credit: Credit,
    /// Unsent bytes of all streams.
    pub(super) budget: SendBudget,
    pub(super) control: ControlFrames,
    pub(super) scheduler: Scheduler,
    pub(super) holds: Holds,
    /// How our frames leave.
    pub(super) form: Form,
    /// The peer's streams that have come.
    pub(super) opened: OpenedIds,
    /// Datagrams beside the streams.
    pub(super) flows: Flows,
    /// By this we follow the peer to another address.
    pub(super) token: Option<Token>,
    /// The last id that we opened.
    last_id: u32,
    /// Since when datagrams wait for the word of a peer that said hello.
    asked_since: Option<Time>,
}

/// A blinktun that speaks, and has not said for so long that it takes datagrams, takes none.
const ANSWER: Duration = Duration::from_secs(3);

impl Mux {
    /// A session without streams; its clocks start at `now`.
    pub fn new(config: Config, now: Time) -> Mux {
        let (version, last_id) = match config.role {
            Role::Client => (config.settings.version.or(Some(Version::V2)), 1),
            Role::Server => (config.settings.version, 0),
        };
        Mux {
            peer: Peer::new(version),
            streams: Table::with_hasher(hasher(config.hash_seed)),
            forgotten: Forgotten::new(config.hash_seed, config.settings.window()),
            events: VecDeque::new(),
            keepalive: Keepalive::new(&config.settings, now),
            receive_buffer: ReceiveBuffer::new(config.settings.receive_buffer),
            credit: Credit::new(
                config.settings.stream_buffer,
                config.settings.receive_buffer,
            ),
            budget: SendBudget::new(config.settings.send_buffer),
            control: ControlFrames::new(),
            scheduler: Scheduler::default(),
            holds: Holds::default(),
            form: Form::Ordered,
            opened: OpenedIds::new(config.role),
            flows: Flows::new(config.role, config.settings.max_flows, config.hash_seed),
            token: None,
            last_id,
            asked_since: None,
            config,
        }
    }

    /// The client speaks `version`, and our hello has left already.
    pub(crate) fn begin_behind_hello(&mut self, version: Version) {
        self.peer = Peer::new(Some(version));
        self.control.skip_hello();
    }

    /// By this we follow the peer to another address.
    pub fn token(&self) -> Option<Token> {
        self.token
    }

    /// Offer a client to follow it to another address, by this token. Nothing has come from it yet.
    pub(crate) fn offer_moves(&mut self, token: Token) {
        self.token = Some(token);
    }

    /// The token by which the server follows us to another address, if it does.
    pub fn peer_token(&self) -> Option<Token> {
        self.peer.token()
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if let Some(Event::Readable(id)) = event
            && let Some(stream) = self.streams.get_mut(&id.0)
        {
            stream.receiving.readable_queued = false;
        }
        if let Some(Event::DatagramsReadable(id)) = event {
            self.flows.note_announced(id);
        }
        event
    }

    /// When [`handle_timeout`](Mux::handle_timeout) must be called next.
    pub fn next_timeout(&self) -> Option<Time> {
        Timers::drawn_by(|timers| self.timers(timers)).next()
    }

    /// Enter the timers of this session.
    pub fn timers(&self, timers: &mut Timers) {
        timers.set(Timer::Keepalive, Some(self.keepalive.next_timeout()));
        timers.set(Timer::HeldFin, self.holds.next());
        timers.set(Timer::StuckStream, self.receive_buffer.deadline());
    }

    /// Act on the clocks: keepalive, silence of the peer, FINs that were held.
    ///
    /// # Errors
    /// [`Error::KeepaliveTimeout`]: the session must die.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        let choked = self.receive_buffer.space(self.streams.len()) == 0;
        self.reset_stuck(now);
        self.flows.handle_timeout(now);
        // Other programs give the session up themselves, soon.
        let is_used = !self.streams.is_empty() || self.flows.len() > 0;
        let is_worth_waiting = self.peer_is_blinktun() && is_used;
        if self.keepalive.nop_is_due(now) {
            self.control.queue_nop();
        }
        self.keepalive.check(now, choked, is_worth_waiting)?;
        while self.holds.next().is_some_and(|deadline| deadline <= now) {
            self.release_first_hold();
        }
        Ok(())
    }

    /// Open a stream. Its SYN leaves with the first data if that is written before the next
    /// transmit, else alone.
    ///
    /// # Errors
    /// Too many streams are open, or all ids are used.
    pub fn open(&mut self) -> Result<StreamId, OpenError> {
        self.open_as(StreamClass::Learned)
    }

    /// Open a stream of this class, as [`open`](Mux::open) does. The peer hears the class if it is a blinktun.
    ///
    /// # Errors
    /// Too many streams are open, or all ids are used.
    pub fn open_as(&mut self, class: StreamClass) -> Result<StreamId, OpenError> {
        if self.streams.len() >= self.config.settings.max_streams {
            return Err(OpenError::TooMany);
        }
        let mut id = self.last_id.checked_add(2).ok_or(OpenError::Exhausted)?;
        while self.streams.contains_key(&id) {
            id = id.checked_add(2).ok_or(OpenError::Exhausted)?;
        }
        self.last_id = id;
        let mut stream = self.fresh_stream(id, SendState::Ready);
        stream.set_class(class, self.tells_classes());
        let stream = self.streams.entry(id).insert_entry(stream).into_mut();
        self.scheduler.add(stream);
        Ok(StreamId(id))
    }

    /// Say how soon a stream has its turns, from its next one on. The peer hears it if it is a blinktun. Unknown
    /// streams stay unknown.
    pub fn set_class(&mut self, id: StreamId, class: StreamClass) {
        let listens = self.tells_classes();
        if let Some(stream) = self.streams.get_mut(&id.0) {
            stream.set_class(class, listens);
            self.give_turn(id.0);
        }
    }

    /// The class of a stream: what either end has said last.
    pub fn class(&self, id: StreamId) -> Option<StreamClass> {
        self.streams.get(&id.0).map(|stream| stream.told.class())
    }

    fn tells_classes(&self) -> bool {
        self.form == Form::Independent && self.peer.takes_classes()
    }

    /// Now that the form allows it, tell the classes of the streams that are open.
    pub(super) fn begin_telling_classes(&mut self) {
        if !self.tells_classes() {
            return;
        }
        for stream in self.streams.values_mut() {
            work::count(1);
            stream.told.begin();
            if stream.told.due().is_some() {
                self.scheduler.add(stream);
            }
        }
    }

    /// Send a NOP, which the peer's KCP acknowledges.
    pub fn ping(&mut self) {
        self.control.queue_nop();
    }

    /// How many bytes [`write`](Mux::write) takes now. At none, an [`Event::Writable`] follows when
    /// half of the buffer is free. An unknown or finished stream takes none, ever.
    pub fn write_room(&mut self, id: StreamId) -> usize {
        let Some(stream) = self.streams.get_mut(&id.0) else {
            return 0;
        };
        let room = self.budget.room(stream.sending.unsent.len());
        stream.sending.is_blocked |= room == 0;
        room
    }

    /// Queue bytes to be sent; returns how many were taken, as far as the stream's send buffer has
    /// room. After fewer than all, a [`Event::Writable`] follows when half of it is free.
    ///
    /// # Errors
    /// The stream is unknown, or finished by us.
    pub fn write(&mut self, id: StreamId, bytes: &[u8]) -> Result<usize, StreamError> {
        let stream = self.streams.get_mut(&id.0).ok_or(StreamError::Unknown)?;
        if !stream.sending.state.is_writable() {
            return Err(StreamError::Finished);
        }
        let room = self.budget.room(stream.sending.unsent.len());
        let taken = room.min(bytes.len());
        stream.take_written(&bytes[..taken]);
        self.budget.note_taken(taken);
        stream.sending.is_blocked |= taken < bytes.len();
        self.give_turn(id.0);
        Ok(taken)
    }

    /// End our direction once everything written has left; when exactly the FIN follows depends on
    /// the peer. Unknown and finished streams stay as they are.
    pub fn finish(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id.0)
            && stream.sending.state.take(SendInput::Finish)
        {
            self.give_turn(id.0);
        }
    }

    /// Abort both directions at once: unsent and unread data are gone, [`Event::Closed`] follows.
    /// A blinktun peer sees [`Event::Reset`]; to others it looks like a clean end.
    pub fn reset(&mut self, id: StreamId) {
        let Some(stream) = self.remove(id.0) else {
            return;
        };
        self.queue_closing(&stream);
        self.events.push_back(Event::Closed(id));
    }

    // --- datagrams ------------------------------------------------------------------------

    /// Whether datagrams can be sent.
    pub fn datagram_support(&self) -> Support {
        match self.config.settings.independent && self.config.settings.max_flows > 0 {
            true => self.peer.datagrams(),
            false => Support::No,
        }
    }

    /// Open a flow of datagrams. `label`, [`MAX_LABEL`](super::MAX_LABEL) bytes at most, goes with each of ours, so that the
    /// peer knows what the flow is for with whichever arrives first.
    ///
    /// # Errors
    /// [`FlowError`]: the peer takes no datagrams, or this session can open no more.
    pub fn open_flow(&mut self, label: &[u8], class: Class) -> Result<FlowId, FlowError> {
        match self.datagram_support() {
            Support::No => Err(FlowError::Unsupported),
            Support::Yes | Support::Unknown => self.flows.open(label, class),
        }
    }

    /// Queue a datagram. If there is no room, the oldest that waits on its flow gives way to it; a reliable one is
    /// not taken instead, and an [`Event::DatagramsWritable`] follows. Returns whether it was taken.
    ///
    /// One that is not reliable leaves within a second, or not at all.
    ///
    /// # Errors
    /// [`FlowError`]: the flow is unknown, the datagram too long, or the peer takes none.
    pub fn send_datagram(&mut self, id: FlowId, data: &[u8], now: Time) -> Result<bool, FlowError> {
        if self.datagram_support() == Support::No {
            return Err(FlowError::Unsupported);
        }
        let taken = self.flows.send(id, data, now)?;
        self.look_after_flows(now);
        Ok(taken)
    }

    /// Datagrams wait until both ends have said what they take: say it, though there is nothing else to say. If
    /// the peer takes none, end the flows.
    pub(super) fn look_after_flows(&mut self, now: Time) {
        let support = self.datagram_support();
        if support == Support::No {
            return self.flows.abandon(&mut self.events);
        }
        if self.form == Form::Independent || !self.flows.is_waiting() {
            return;
        }
        let mut has_asked = self.asked_since.is_some();
        if self.peer_is_blinktun() {
            self.asked_since.get_or_insert(now);
        } else {
            has_asked = false;
        }
        if support == Support::Yes || self.control.begins() || !has_asked {
            self.control.queue_nop();
        }
    }

    /// The peer has spoken. If it was asked long ago whether it takes datagrams, it does not know the question.
    pub(super) fn note_unanswered(&mut self, now: Time) {
        let is_late = |since: Time| now.since(since) >= ANSWER;
        if self.datagram_support() == Support::Unknown && self.asked_since.is_some_and(is_late) {
            self.peer.take_for_refusal();
        }
    }

    /// The oldest datagram that has arrived on a flow.
    pub fn first_datagram(&self, id: FlowId) -> Option<&[u8]> {
        self.flows.first(id)
    }

    /// Take the oldest datagram that has arrived on a flow.
    pub fn take_datagram(&mut self, id: FlowId) -> Option<Vec<u8>> {
        self.flows.take(id)
    }

    /// End a flow: what waits is given up, and the peer sees [`Event::FlowEnded`].
    pub fn end_flow(&mut self, id: FlowId) {
        self.flows.end(id);
        if self.form == Form::Ordered && self.flows.is_waiting() {
            self.control.queue_nop(); // the word leaves behind the switch
        }
    }

    /// What its opener says of a flow; `None` if there is no such flow.
    pub fn flow_label(&self, id: FlowId) -> Option<&[u8]> {
        self.flows.label(id)
    }

    /// The class of what we send on a flow: the one that it was opened with.
    pub fn flow_class(&self, id: FlowId) -> Option<Class> {
        self.flows.class(id)
    }

    /// The flows that are open, in no order.
    pub fn flow_ids(&self) -> impl Iterator<Item = FlowId> {
        self.flows.ids()
    }

    /// How many flows are open.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// Bytes of datagrams that wait, to leave or to be taken.
    pub fn datagrams_held(&self) -> usize {
        self.flows.held()
    }

    /// What became of datagrams since the session began.
    pub fn datagram_counts(&self) -> DatagramCounts {
        self.flows.counts
    }

    /// Whether the stream is open in any direction; forgotten ones are not.
    pub fn contains(&self, id: StreamId) -> bool {
        self.streams.contains_key(&id.0)
    }

    /// Bytes of a stream that were written and have not left yet.
    pub fn unsent(&self, id: StreamId) -> usize {
        self.streams
            .get(&id.0)
            .map_or(0, |stream| stream.sending.unsent.len())
    }

    /// Bytes of all streams that were written and have not left yet.
    pub fn all_unsent(&self) -> usize {
        self.budget.held()
    }

    /// The windows, in bytes together, that the peer gives to the streams with something left to send. Looks
    /// at every stream.
    pub fn windows_in_use(&self) -> u64 {
        let sending = self.streams.values().map(|stream| &stream.sending);
        let in_use = sending.filter(|sending| !sending.unsent.is_empty());
        in_use.map(|sending| u64::from(sending.peer_window())).sum()
    }

    /// The version that we speak now; `None` on a server before the first frame.
    pub fn version(&self) -> Option<Version> {
        self.peer.version()
    }

    /// Whether the peer said hello.
    pub fn peer_is_blinktun(&self) -> bool {
        self.peer.kind() == PeerKind::Blinktun
    }

    /// Whether the peer has spoken and said no hello: another implementation.
    pub fn peer_is_other(&self) -> bool {
        self.peer.kind() == PeerKind::Plain
    }

    /// Streams that are open in any direction.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// The ids of those streams, in no order.
    pub fn stream_ids(&self) -> impl Iterator<Item = StreamId> {
        self.streams.keys().copied().map(StreamId)
    }

    /// Bytes that came for unknown streams and were dropped.
    pub fn dropped_bytes(&self) -> u64 {
        self.forgotten.dropped()
    }

    /// Heap memory held by the streams' data, in bytes. Looks at every stream.
    pub fn allocated(&self) -> usize {
        let held =
            |stream: &Stream| stream.receiving.allocated() + stream.sending.unsent.allocated();
        self.streams.values().map(held).sum()
    }

    /// A new stream, that we open (`Ready`) or that the peer opened (`Send`).
    pub(super) fn fresh_stream(&self, id: u32, state: SendState) -> Stream {
        let floor = match self.peer.kind() {
            PeerKind::Blinktun => floor(self.streams.len() + 1),
            PeerKind::Unheard | PeerKind::Plain => INITIAL_WINDOW,
        };
        Stream::new(id, state, floor, self.fresh_pads())
    }

    /// The pads of a new stream, at their beginning.
    fn fresh_pads(&self) -> Option<StreamPads> {
        self.config.pads.as_ref().map(StreamPads::new)
    }

    /// Let the stream stand in line if it has something to send.
    pub(super) fn give_turn(&mut self, id: u32) {
        // Without a version nothing can leave, and version 1 is the one without limits.
        let version = self.version().unwrap_or(Version::V1);
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.wants_turn(version)
        {
            self.scheduler.add(stream);
        }
    }

    /// Let the held FIN of the earliest deadline be looked at again, or give its stream up.
    pub(super) fn release_first_hold(&mut self) {
        let version = self.version().unwrap_or(Version::V1);
        let Some(id) = self.holds.pop() else { return };
        work::count(1);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.deadline = None;
        if !stream.may_be_abandoned(self.peer.kind(), version) {
            return self.scheduler.add(stream);
        }
        self.events.push_back(Event::Reset(StreamId(id)));
        self.reset(StreamId(id));
    }

    /// Give the stream up in a while if its peer may have dropped it, not if it has opened its window.
    pub(super) fn watch_window(&mut self, id: u32, version: Version, now: Time) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.may_be_abandoned(self.peer.kind(), version) {
            self.holds.arm(stream, now + ABANDONED);
        } else if !stream.sending.fin_is_next() {
            self.holds.disarm(stream);
        }
    }

    /// Forget the stream if nothing more can happen on it.
    pub(super) fn close_if_over(&mut self, id: u32) {
        if self.streams.get(&id).is_some_and(Stream::is_over) {
            self.remove(id);
            self.events.push_back(Event::Closed(StreamId(id)));
        }
    }

    /// Take the stream out of all tables.
    pub(super) fn remove(&mut self, id: u32) -> Option<Stream> {
        let mut stream = self.streams.remove(&id)?;
        let receiving = &stream.receiving;
        self.budget.note_gone(stream.sending.unsent.len());
        self.receive_buffer.note_gone(receiving.unread.len());
        self.receive_buffer.note_ahead(receiving.waiting(), (0, 0));
        self.credit.give_back(receiving.floor, receiving.window);
        self.holds.disarm(&mut stream);
        self.scheduler.withdraw(&mut stream);
        Some(stream)
    }
}
