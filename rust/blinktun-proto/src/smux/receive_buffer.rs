//! The unread bytes of all streams of a session: how many may wait, and when that many waited.

use super::credit::SPILL;
use super::independent::MAX_SEGMENT;
use crate::time::Time;

/// So many pieces of streams may wait for what is missing.
const MOST_PIECES: usize = 16_384;

/// The buffer in which all streams of a session keep what was not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveBuffer {
    /// `smuxbuf`.
    size: usize,
    /// What there is memory for, and how much of that is for what has not come yet.
    room: usize,
    reserved: usize,
    unread: usize,
    /// Bytes that wait for missing ones before them, in so many pieces.
    ahead: usize,
    pieces: usize,
    /// Bytes that were read since the session began.
    read: u64,
    /// How often it became full; a stream that is read remembers it.
    fillings: u32,
    /// When streams are reset, if the buffer stays full.
    deadline: Option<Time>,
}

impl ReceiveBuffer {
    /// An empty one.
    pub(super) fn new(size: usize) -> ReceiveBuffer {
        ReceiveBuffer {
            size,
            room: usize::MAX,
            reserved: 0,
            unread: 0,
            ahead: 0,
            pieces: 0,
            read: 0,
            fillings: 0,
            deadline: None,
        }
    }

    /// There is memory for so many unread bytes.
    pub(super) fn set_room(&mut self, room: usize) {
        self.room = room;
    }

    /// So many of them are for bytes that have not come yet.
    pub(super) fn reserve(&mut self, reserved: usize) {
        self.reserved = reserved;
    }

    /// Unread bytes at which we stop taking frames, with so many `streams`: `smuxbuf`, and more as long
    /// as other streams would have to wait for one that is not read; what there is memory for, if that is less.
    pub(super) fn bound(&self, streams: usize) -> usize {
        let spill = if streams > 1 { SPILL } else { 0 };
        let most = self.size.saturating_add(spill);
        most.min(self.room.saturating_sub(self.reserved))
    }

    /// Unread bytes of all streams.
    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    /// Bytes that may still come before that bound.
    pub(super) fn space(&self, streams: usize) -> usize {
        self.bound(streams).saturating_sub(self.unread)
    }

    /// Whether something may be taken that has overtaken what is missing, if there is memory for `most` bytes of
    /// that kind. What waits for missing bytes is no reason to refuse these.
    pub(super) fn has_room_ahead(&self, streams: usize, most: usize) -> bool {
        self.pieces < MOST_PIECES && self.ahead <= most && self.space(streams) > self.ahead
    }

    /// Whether more waits for missing bytes than any honest peer has sent.
    pub(super) fn is_overrun(&self, streams: usize) -> bool {
        let spill = if streams > 1 { SPILL } else { 0 };
        self.pieces > 4 * MOST_PIECES || self.ahead > self.size.saturating_add(spill) + MAX_SEGMENT
    }

    /// What waits on a stream for missing bytes was `before` and is `now`: bytes, and pieces.
    pub(super) fn note_ahead(&mut self, before: (usize, usize), now: (usize, usize)) {
        self.ahead = self.ahead + now.0 - before.0;
        self.pieces = self.pieces + now.1 - before.1;
    }

    /// Bytes of all streams that wait for missing ones. They do not count as unread.
    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    /// `count` bytes came.
    pub(super) fn note_received(&mut self, count: usize) {
        self.unread += count;
    }

    /// `count` bytes were dropped with their stream.
    pub(super) fn note_gone(&mut self, count: usize) {
        self.unread -= count;
    }

    /// `count` bytes were read.
    pub(super) fn note_consumed(&mut self, count: usize) {
        self.unread -= count;
        self.read += count as u64;
    }

    /// Bytes that were read since the session began.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// All that came was taken. If the buffer has become full by that, it may stay so until `deadline`.
    pub(super) fn note_taken(&mut self, streams: usize, deadline: Time) {
        if self.space(streams) == 0 && self.deadline.is_none() {
            self.fillings = self.fillings.wrapping_add(1);
            self.deadline = Some(deadline);
        }
    }

    /// A stream was read. With an eighth of the buffer free it is full no longer.
    pub(super) fn note_read(&mut self, streams: usize) {
        let bound = self.bound(streams);
        if self.unread <= bound - bound / 8 {
            self.deadline = None;
        }
    }

    /// How often the buffer became full.
    pub(super) fn fillings(&self) -> u32 {
        self.fillings
    }

    /// When it has been full for too long.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Whether it has been full for too long by now. That is said once.
    pub(super) fn is_stuck(&mut self, now: Time) -> bool {
        self.deadline.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Time = Time::from_millis(5_000);
    const SECOND: Time = Time::from_millis(9_000);

    /// A buffer of 800 bytes that is full until `deadline`, or not full, and holds `unread` bytes.
    fn buffer(deadline: Option<Time>, unread: usize) -> ReceiveBuffer {
        ReceiveBuffer {
            unread,
            deadline,
            ..ReceiveBuffer::new(800)
        }
    }

    #[test]
    fn every_state_takes_every_input() {
        let full = Some(FIRST);
        // The unread bytes, the deadline before; the one after more was taken, after a stream was read.
        let table = [
            (700, None, None, None),
            (701, None, None, None),
            (799, None, None, None),
            (800, None, Some(SECOND), None),
            (700, full, full, None),
            (701, full, full, full),
            (799, full, full, full),
            (800, full, full, full),
        ];
        for (unread, before, taken, read) in table {
            let mut one = buffer(before, unread);
            one.note_taken(1, SECOND);
            assert_eq!(one.deadline(), taken, "{unread} {before:?}");
            assert_eq!(one.fillings(), u32::from(before != taken));
            let mut one = buffer(before, unread);
            one.note_read(1);
            assert_eq!(one.deadline(), read, "{unread} {before:?}");
            let mut one = buffer(before, unread);
            assert!(!one.is_stuck(Time::from_millis(4_999)));
            assert_eq!(one.is_stuck(FIRST), before.is_some());
            assert!(!one.is_stuck(SECOND), "that is said once");
        }
    }

    #[test]
    fn what_there_is_memory_for_is_less_by_what_is_to_come() {
        let mut buffer = buffer(None, 300);
        buffer.set_room(700);
        assert_eq!((buffer.space(1), buffer.space(2)), (400, 400));
        buffer.reserve(100);
        assert_eq!(buffer.space(1), 300);
        buffer.reserve(1000);
        assert_eq!(buffer.space(1), 0);
        buffer.set_room(usize::MAX);
        buffer.reserve(0);
        assert_eq!(buffer.space(1), 500, "smuxbuf");
    }

    #[test]
    fn several_streams_have_more_room_than_one() {
        let buffer = buffer(None, 900);
        assert_eq!((buffer.space(1), buffer.space(2)), (0, SPILL - 100));
    }
}
