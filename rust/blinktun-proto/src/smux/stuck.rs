//! Streams that are not read, once they have filled the session's buffer.
//!
//! Between two blinktun windows keep that from happening. A peer with version 1 has none, and Go's
//! first window of version 2 is large: there, what a stream brings is kept as far as it fits, and when
//! all is full for a while the streams that were not read in that time are reset, the fullest first.

use super::{Event, Mux, StreamId};
use crate::time::{Duration, Time};

/// How long the session's buffer may stay full before streams that were not read meanwhile are reset.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Mux {
    /// Frames were taken: the buffer may be full now.
    pub(super) fn note_taken(&mut self, now: Time) {
        let streams = self.streams.len();
        self.receive_buffer.note_taken(streams, now + PATIENCE);
    }

    /// A stream was read: it is not stuck, and there may be room again.
    pub(super) fn note_read(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.receiving.last_read = Some(self.receive_buffer.fillings());
        }
        self.receive_buffer.note_read(self.streams.len());
    }

    /// Reset the streams that were not read while all was full, until half of the buffer is free.
    pub(super) fn reset_stuck(&mut self, now: Time) {
        if !self.receive_buffer.is_stuck(now) {
            return;
        }
        let last = Some(self.receive_buffer.fillings());
        let parts = self.streams.values().map(|it| (it.id, &it.receiving));
        let stuck = parts.filter(|(_, it)| it.last_read != last && !it.unread.is_empty());
        let mut stuck: Vec<_> = stuck.map(|(id, it)| (it.unread.len(), id)).collect();
        stuck.sort_unstable();
        while self.streams.len() > 1
            && self.receive_buffer.unread() > self.receive_buffer.bound(self.streams.len()) / 2
            && let Some((_, id)) = stuck.pop()
        {
            self.events.push_back(Event::Reset(StreamId(id)));
            self.reset(StreamId(id));
        }
        self.note_taken(now);
    }
}
