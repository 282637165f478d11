//! Streams that are not read, once they have filled the session's buffer.
//!
//! Between two blinktun windows keep that from happening. A peer with version 1 has none, and Go's
//! first window of version 2 is large: there, what a stream brings is kept as far as it fits, and when
//! all is full for a while the streams that were not read in that time are reset, the fullest first.

use super::credit::SPILL;
use super::{Event, Mux, StreamId};
use crate::time::{Duration, Time};

/// How long the session's buffer may stay full before streams that were not read meanwhile are reset.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Mux {
    /// Unread bytes at which we stop taking frames: `smuxbuf`, and more as long as other streams would
    /// have to wait for one that is not read.
    pub(super) fn unread_bound(&self) -> usize {
        let spill = if self.streams.len() > 1 { SPILL } else { 0 };
        self.config.settings.receive_buffer.saturating_add(spill)
    }

    /// Frames were taken: the buffer may be full now.
    pub(super) fn note_filled(&mut self, now: Time) {
        if self.unread >= self.unread_bound() && self.fullness.until.is_none() {
            self.fullness.times = self.fullness.times.wrapping_add(1);
            self.fullness.until = Some(now + PATIENCE);
        }
    }

    /// A stream was read: it is not stuck, and there may be room again.
    pub(super) fn note_read(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.receiving.last_read = Some(self.fullness.times);
        }
        let bound = self.unread_bound();
        if self.unread <= bound - bound / 8 {
            self.fullness.until = None;
        }
    }

    /// Reset the streams that were not read while all was full, until half of the buffer is free.
    pub(super) fn reset_stuck(&mut self, now: Time) {
        if self.fullness.until.take_if(|at| *at <= now).is_none() {
            return;
        }
        let times = self.fullness.times;
        let parts = self.streams.values().map(|it| (it.id, &it.receiving));
        let stuck = parts.filter(|(_, it)| it.last_read != Some(times) && !it.unread.is_empty());
        let mut stuck: Vec<_> = stuck.map(|(id, it)| (it.unread.len(), id)).collect();
        stuck.sort_unstable();
        while self.streams.len() > 1
            && self.unread > self.unread_bound() / 2
            && let Some((_, id)) = stuck.pop()
        {
            self.events.push_back(Event::Reset(StreamId(id)));
            self.reset(StreamId(id));
        }
        self.note_filled(now);
    }
}
