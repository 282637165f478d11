//! One end of a session: its state and its public face.

use super::budget::SendBudget;
use super::fin::{ABANDONED, Holds};
use super::forgotten::Forgotten;
use super::frame::Decoder;
use super::keepalive::Keepalive;
use super::scheduler::Scheduler;
use super::stream::{LocalEnd, Stream};
use super::transmit::Farewell;
use super::{
    Config, Error, Event, OpenError, Peer, Role, StreamError, StreamId, Table, Version, hasher,
};
use crate::qpp::StreamPads;
use crate::time::{Time, earliest};
use crate::work;
use std::collections::VecDeque;

/// Farewells that may wait before we stop taking frames: a peer that makes us refuse streams
/// faster than it takes the refusals must not fill our memory.
const FAREWELLS: usize = 1024;

/// One end of a smux session, sans-IO.
///
/// After each call that changes something, drain: [`next_event`](Mux::next_event) until `None`,
/// then [`transmit`](Mux::transmit) while there is room below and
/// [`wants_transmit`](Mux::wants_transmit), then arm a timer for
/// [`next_timeout`](Mux::next_timeout). Call [`receive`](Mux::receive) while
/// [`receive_space`](Mux::receive_space) is not 0.
///
/// Bounds, in bytes: unread data `receive_buffer` plus one delivery (held in chunks of at most
/// twice that, and 128 KiB per stream); unsent data `send_buffer` per stream, and
/// 16 MiB plus 8 KiB per stream together; streams
/// `max_streams` of [`STREAM_BYTES`](super::STREAM_BYTES); 1024 dropped streams and 1024 refusals
/// of some 20 bytes each, the latter plus what one delivery holds. Events are bounded by the bytes
/// delivered since they were last drained.
#[derive(Debug)]
pub struct Mux {
    pub(super) config: Config,
    pub(super) decoder: Decoder,
    pub(super) streams: Table<Stream>,
    pub(super) forgotten: Forgotten,
    pub(super) events: VecDeque<Event>,
    pub(super) keepalive: Keepalive,
    pub(super) peer: Peer,
    /// Unread bytes of all streams.
    pub(super) unread: usize,
    /// Unsent bytes of all streams.
    pub(super) budget: SendBudget,
    /// Bytes that came for unknown streams.
    pub(super) dropped: u64,
    /// The stream of an abort mark that was the very last frame received.
    pub(super) mark: Option<u32>,

    pub(super) hello_due: bool,
    /// Streams whose window update waits to be sent.
    pub(super) updates: VecDeque<u32>,
    /// FINs of streams that we forgot.
    pub(super) farewells: VecDeque<Farewell>,
    pub(super) scheduler: Scheduler,
    pub(super) holds: Holds,
    /// The last id that we opened.
    last_id: u32,
}

impl Mux {
    /// A session without streams; its clocks start at `now`.
    pub fn new(config: Config, now: Time) -> Mux {
        let (version, last_id) = match config.role {
            Role::Client => (config.settings.version.or(Some(Version::V2)), 1),
            Role::Server => (config.settings.version, 0),
        };
        Mux {
            decoder: Decoder::new(version),
            streams: Table::with_hasher(hasher(config.hash_seed)),
            forgotten: Forgotten::new(config.hash_seed),
            events: VecDeque::new(),
            keepalive: Keepalive::new(
                config.settings.keepalive,
                config.settings.keepalive_timeout,
                now,
            ),
            peer: Peer::Unheard,
            unread: 0,
            budget: SendBudget::new(config.settings.send_buffer),
            dropped: 0,
            mark: None,
            hello_due: true,
            updates: VecDeque::new(),
            farewells: VecDeque::new(),
            scheduler: Scheduler::default(),
            holds: Holds::default(),
            last_id,
            config,
        }
    }

    /// The client speaks `version`, and our hello has left already.
    pub(crate) fn begin_behind_hello(&mut self, version: Version) {
        self.decoder = Decoder::new(Some(version));
        self.hello_due = false;
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if let Some(Event::Readable(id)) = event
            && let Some(stream) = self.streams.get_mut(&id.0)
        {
            stream.readable_queued = false;
        }
        event
    }

    /// When [`handle_timeout`](Mux::handle_timeout) must be called next.
    pub fn next_timeout(&self) -> Option<Time> {
        earliest(Some(self.keepalive.next_timeout()), self.holds.next())
    }

    /// Act on the clocks: keepalive, silence of the peer, FINs that were held.
    ///
    /// # Errors
    /// [`Error::KeepaliveTimeout`]: the session must die.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        let choked = self.unread >= self.config.settings.receive_buffer;
        self.keepalive.handle_timeout(now, choked)?;
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
        if self.streams.len() >= self.config.settings.max_streams {
            return Err(OpenError::TooMany);
        }
        let mut id = self.last_id.checked_add(2).ok_or(OpenError::Exhausted)?;
        while self.streams.contains_key(&id) {
            id = id.checked_add(2).ok_or(OpenError::Exhausted)?;
        }
        self.last_id = id;
        let pads = self.fresh_pads();
        let stream = self
            .streams
            .entry(id)
            .insert_entry(Stream::new(id, true, pads))
            .into_mut();
        self.scheduler.add(stream);
        Ok(StreamId(id))
    }

    /// Send a NOP, which the peer's KCP acknowledges.
    pub fn ping(&mut self) {
        self.keepalive.nop_due = true;
    }

    /// How many bytes [`write`](Mux::write) takes now. At none, an [`Event::Writable`] follows when
    /// half of the buffer is free. An unknown or finished stream takes none, ever.
    pub fn write_room(&mut self, id: StreamId) -> usize {
        let Some(stream) = self.streams.get_mut(&id.0) else {
            return 0;
        };
        let room = self.budget.room(stream.unsent.len());
        stream.write_blocked |= room == 0;
        room
    }

    /// Queue bytes to be sent; returns how many were taken, as far as the stream's send buffer has
    /// room. After fewer than all, a [`Event::Writable`] follows when half of it is free.
    ///
    /// # Errors
    /// The stream is unknown, or finished by us.
    pub fn write(&mut self, id: StreamId, bytes: &[u8]) -> Result<usize, StreamError> {
        let stream = self.streams.get_mut(&id.0).ok_or(StreamError::Unknown)?;
        if stream.local_end != LocalEnd::Open {
            return Err(StreamError::Finished);
        }
        let room = self.budget.room(stream.unsent.len());
        let taken = room.min(bytes.len());
        stream.take_written(&bytes[..taken]);
        self.budget.note_taken(taken);
        stream.write_blocked |= taken < bytes.len();
        self.give_turn(id.0);
        Ok(taken)
    }

    /// End our direction once everything written has left; when exactly the FIN follows depends on
    /// the peer. Unknown and finished streams stay as they are.
    pub fn finish(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id.0)
            && stream.local_end == LocalEnd::Open
        {
            stream.local_end = LocalEnd::Wanted;
            self.give_turn(id.0);
        }
    }

    /// Abort both directions at once: unsent and unread data are gone, [`Event::Closed`] follows.
    /// A blinktun peer sees [`Event::Reset`]; to others it looks like a clean end.
    pub fn reset(&mut self, id: StreamId) {
        let Some(stream) = self.remove(id.0) else {
            return;
        };
        if !stream.syn_due {
            self.bid_farewell(&stream);
        }
        self.events.push_back(Event::Closed(id));
    }

    /// The first contiguous unread bytes of a stream; empty when there are none.
    pub fn read_front(&self, id: StreamId) -> &[u8] {
        self.streams
            .get(&id.0)
            .map_or(&[], |stream| stream.unread.front())
    }

    /// Drop the first `n` unread bytes of a stream: they were taken. Opens the peer's window.
    pub fn consume(&mut self, id: StreamId, n: usize) {
        let Some(stream) = self.streams.get_mut(&id.0) else {
            return;
        };
        let taken = n.min(stream.unread.len());
        if taken == 0 {
            return;
        }
        stream.unread.consume(taken);
        self.unread -= taken;
        if stream.is_read_out() {
            self.events.push_back(Event::Finished(id));
        }
        self.queue_update_if_due(id.0);
        self.close_if_over(id.0);
    }

    /// Whether the stream is open in any direction; forgotten ones are not.
    pub fn contains(&self, id: StreamId) -> bool {
        self.streams.contains_key(&id.0)
    }

    /// Whether the peer ended the stream cleanly and everything was consumed; `false` for unknown
    /// streams, whose end was told by events.
    pub fn is_finished(&self, id: StreamId) -> bool {
        self.streams.get(&id.0).is_some_and(Stream::is_read_out)
    }

    /// Unread bytes of a stream.
    pub fn unread(&self, id: StreamId) -> usize {
        self.streams
            .get(&id.0)
            .map_or(0, |stream| stream.unread.len())
    }

    /// Unread bytes of all streams.
    pub fn unread_in_all(&self) -> usize {
        self.unread
    }

    /// Bytes of a stream that were written and have not left yet.
    pub fn unsent(&self, id: StreamId) -> usize {
        self.streams
            .get(&id.0)
            .map_or(0, |stream| stream.unsent.len())
    }

    /// Unread bytes that may still come before delivery should stop; 0: do not deliver.
    pub fn receive_space(&self) -> usize {
        match self.farewells.len() {
            FAREWELLS.. => 0,
            _ => self
                .config
                .settings
                .receive_buffer
                .saturating_sub(self.unread),
        }
    }

    /// The version spoken; `None` on a server before the first frame.
    pub fn version(&self) -> Option<Version> {
        self.decoder.version()
    }

    /// Whether the peer said hello.
    pub fn peer_is_blinktun(&self) -> bool {
        self.peer == Peer::Blinktun
    }

    /// Whether the peer has spoken and said no hello: another implementation.
    pub fn peer_is_other(&self) -> bool {
        self.peer == Peer::Plain
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
        self.dropped
    }

    /// Heap memory held by the streams' data, in bytes. Looks at every stream.
    pub fn allocated(&self) -> usize {
        let held = |stream: &Stream| stream.unread.allocated() + stream.unsent.allocated();
        self.streams.values().map(held).sum()
    }

    /// The pads of a new stream, at their beginning.
    pub(super) fn fresh_pads(&self) -> Option<StreamPads> {
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
        if !stream.may_be_abandoned(self.peer, version) {
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
        if stream.may_be_abandoned(self.peer, version) {
            self.holds.arm(stream, now + ABANDONED);
        } else if !stream.end_is_next() {
            self.holds.disarm(stream);
        }
    }

    /// Queue a window update if one is due (version 2).
    pub(super) fn queue_update_if_due(&mut self, id: u32) {
        let quarter = self.quarter_window();
        if self.version() == Some(Version::V2)
            && let Some(stream) = self.streams.get_mut(&id)
            && stream.update_is_due(quarter)
        {
            stream.update_queued = true;
            self.updates.push_back(id);
        }
    }

    /// The window that we offer per stream.
    pub(super) fn window(&self) -> u32 {
        self.config.settings.stream_buffer.min(i32::MAX as usize) as u32
    }

    /// How much must be consumed to be worth an update.
    pub(super) fn quarter_window(&self) -> u32 {
        (self.window() / 4).max(1)
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
        self.budget.note_gone(stream.unsent.len());
        self.unread -= stream.unread.len();
        self.holds.disarm(&mut stream);
        self.scheduler.withdraw(&mut stream);
        Some(stream)
    }
}
