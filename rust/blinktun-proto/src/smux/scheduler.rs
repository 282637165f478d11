//! Whose turn it is to send: first streams not yet opened on the wire, then sparse ones, then the others in
//! turn (as FQ-CoDel does, RFC 8290, 4.2).
//!
//! A stream is sparse until it has sent [`SPARSE`] bytes and more was always there to send. So a small request
//! does not wait for a turn of each download.
//!
//! Only streams that can send something stand in a queue, so an idle stream costs nothing and each
//! frame costs the same however many streams there are.

use super::stream::Stream;
use std::collections::VecDeque;

/// A stream's place in a queue. Void unless the stream still holds the same ticket: a stream that
/// was dropped meanwhile needs no search through the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) id: u32,
    ticket: u32,
}

/// A stream that has sent so many bytes, and had always more to send, stands behind sparse ones.
const SPARSE: u32 = 16 << 10;

/// Streams that open or are sparse may send so many bytes before others have a turn.
const AHEAD: usize = 1 << 20;
/// After that the others send one byte for so many, so that many requests do not stop a download.
const PART: usize = 8;

/// The three queues.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    opening: VecDeque<Turn>,
    sparse: VecDeque<Turn>,
    ready: VecDeque<Turn>,
    /// Bytes that have left before those of `ready`, less [`PART`] times what these have sent.
    ahead: usize,
    /// Turns in all queues that are not void.
    waiting: usize,
    issued: u32,
}

impl Scheduler {
    /// Give the stream a turn, unless it waits for one already.
    pub(super) fn add(&mut self, stream: &mut Stream) {
        self.enter(stream, VecDeque::push_back);
    }

    /// Let the stream go on with its turn, which the end of a segment has cut off.
    pub(super) fn go_on(&mut self, stream: &mut Stream) {
        self.enter(stream, VecDeque::push_front);
    }

    fn enter(&mut self, stream: &mut Stream, push: fn(&mut VecDeque<Turn>, Turn)) {
        if stream.ticket.is_some() {
            return;
        }
        self.waiting += 1;
        self.issued = self.issued.wrapping_add(1);
        stream.ticket = Some(self.issued);
        let queue = if stream.sending.state.is_ready() {
            &mut self.opening
        } else if stream.sending.without_pause < SPARSE {
            &mut self.sparse
        } else {
            &mut self.ready
        };
        let turn = Turn {
            id: stream.id,
            ticket: self.issued,
        };
        push(queue, turn);
    }

    /// The next turn, to be claimed for its stream, and whether that opens or is sparse.
    pub(super) fn next(&mut self) -> Option<(Turn, bool)> {
        if self.ahead >= AHEAD
            && let Some(turn) = self.ready.pop_front()
        {
            return Some((turn, false));
        }
        if let Some(turn) = self.opening.pop_front().or_else(|| self.sparse.pop_front()) {
            return Some((turn, true));
        }
        self.ready.pop_front().map(|turn| (turn, false))
    }

    /// So many bytes have left for a stream in its turn.
    pub(super) fn note_sent(&mut self, bytes: usize, is_urgent: bool) {
        self.ahead = match is_urgent {
            true => (self.ahead + bytes).min(2 * AHEAD),
            false => self.ahead.saturating_sub(PART * bytes),
        };
    }

    /// Use up the turn; `false` when it is void.
    pub(super) fn claim(&mut self, turn: Turn, stream: &mut Stream) -> bool {
        let valid = stream.ticket == Some(turn.ticket);
        if valid {
            self.withdraw(stream);
        }
        valid
    }

    /// The stream waits no longer.
    pub(super) fn withdraw(&mut self, stream: &mut Stream) {
        if stream.ticket.take().is_some() {
            self.waiting -= 1;
        }
        if self.waiting == 0 {
            self.opening.clear();
            self.sparse.clear();
            self.ready.clear();
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}
