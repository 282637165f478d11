//! What has arrived, as the application reads it, and what reading tells the peer.

use super::receiving::ReceiveState;
use super::{Event, Mux, StreamId, Version};

impl Mux {
    /// The first contiguous unread bytes of a stream; empty when there are none.
    pub fn read_front(&self, id: StreamId) -> &[u8] {
        self.streams
            .get(&id.0)
            .map_or(&[], |stream| stream.receiving.unread.front())
    }

    /// Drop the first `n` unread bytes of a stream: they were taken. Opens the peer's window.
    pub fn consume(&mut self, id: StreamId, n: usize) {
        let Some(stream) = self.streams.get_mut(&id.0) else {
            return;
        };
        let receiving = &mut stream.receiving;
        let taken = n.min(receiving.unread.len());
        if taken == 0 {
            return;
        }
        receiving.unread.consume(taken);
        self.receive_buffer.note_consumed(taken);
        let ends = receiving.ends();
        self.note_read(id.0);
        if ends {
            self.events.push_back(Event::Finished(id));
        }
        self.queue_update_if_due(id.0);
        self.close_if_over(id.0);
    }

    /// Whether the peer ended the stream cleanly and everything was consumed; `false` for unknown
    /// streams, whose end was told by events.
    pub fn is_finished(&self, id: StreamId) -> bool {
        self.streams
            .get(&id.0)
            .is_some_and(|stream| stream.receiving.state() == ReceiveState::DataRead)
    }

    /// Unread bytes of a stream.
    pub fn unread(&self, id: StreamId) -> usize {
        self.streams
            .get(&id.0)
            .map_or(0, |stream| stream.receiving.unread.len())
    }

    /// Unread bytes of all streams.
    pub fn unread_in_all(&self) -> usize {
        self.receive_buffer.unread()
    }

    /// Bytes that were read since the session began.
    pub fn read_in_all(&self) -> u64 {
        self.receive_buffer.read()
    }

    /// There is memory for `room` unread bytes.
    pub(crate) fn set_room(&mut self, room: usize) {
        self.receive_buffer.set_room(room);
    }

    /// The session could have memory for `could_have` bytes. It needs `needed` of them, and its streams read `read`
    /// in a round trip.
    pub(crate) fn set_needs(&mut self, could_have: usize, needed: usize, read: usize) {
        let first = read / self.streams.len().max(1);
        self.credit.set_needs(could_have, needed, first);
    }

    /// So much of that room is for bytes that may still come.
    pub(crate) fn reserve(&mut self, reserved: usize) {
        self.receive_buffer.reserve(reserved);
    }

    /// Unread bytes that may still come before delivery should stop; 0: do not deliver.
    pub fn receive_space(&self) -> usize {
        match self.control.is_full() {
            true => 0,
            false => self.receive_buffer.space(self.streams.len()),
        }
    }

    /// Bytes of all streams that have come and wait for missing ones; they do not count as unread.
    pub fn ahead_in_all(&self) -> usize {
        self.receive_buffer.ahead()
    }

    /// Whether an independent segment may be taken that has overtaken others, if there is memory for `most` bytes of
    /// that kind.
    pub(crate) fn has_room_ahead(&self, most: usize) -> bool {
        let streams = self.streams.len();
        !self.control.is_full() && self.receive_buffer.has_room_ahead(streams, most)
    }

    /// Queue a window update if one is due (version 2).
    pub(super) fn queue_update_if_due(&mut self, id: u32) {
        if self.version() == Some(Version::V2)
            && let Some(stream) = self.streams.get_mut(&id)
            && stream.receiving.queue_update_if_due()
        {
            self.control.queue_update(id);
        }
    }
}
