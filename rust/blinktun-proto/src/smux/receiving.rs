//! The receiving part of a stream (after RFC 9000, section 3.2): what came, how much more may come, and how
//! the peer's direction ends.

use super::ahead::Ahead;
use super::credit::{Credit, SHOWN};
use super::peer::PeerKind;
use super::report::Report;
use crate::buffer::ByteQueue;
use crate::time::Time;

/// The state of the peer's direction. Bytes come in order, so nothing is missing once the FIN has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiveState {
    /// More may come.
    Receive,
    /// The FIN has come; bytes before it have yet to be read.
    DataReceived,
    /// The FIN has come, and all bytes were read.
    DataRead,
}

/// What can happen to the peer's direction.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReceiveInput {
    /// The FIN came.
    Fin,
    /// All that has come is read.
    AllRead,
}

impl ReceiveState {
    /// Go on to the next state; returns whether that is another one.
    fn take(&mut self, input: ReceiveInput) -> bool {
        let before = core::mem::replace(self, self.after(input));
        before != *self
    }

    fn after(self, input: ReceiveInput) -> ReceiveState {
        use ReceiveInput as Input;
        use ReceiveState as State;
        match (self, input) {
            (State::Receive, Input::Fin) => State::DataReceived,
            (State::DataReceived, Input::AllRead) => State::DataRead,
            (State::Receive, Input::AllRead)
            | (State::DataReceived, Input::Fin)
            | (State::DataRead, Input::Fin | Input::AllRead) => self,
        }
    }
}

/// The receiving part of a stream.
#[derive(Debug)]
pub(super) struct Receiving {
    state: ReceiveState,
    /// Received and not yet consumed, plain.
    pub(super) unread: ByteQueue,
    /// What has come ahead of missing bytes, and where the stream ends.
    pub(super) ahead: Option<Box<Ahead>>,
    /// What has come, and what the peer was told of it.
    pub(super) report: Report,
    /// When the last byte came.
    last_received: Option<Time>,
    /// The window that the peer had before any update, and the one it has now.
    pub(super) floor: u32,
    pub(super) window: u32,
    /// How often the session's buffer had become full when the stream was read last; kept by
    /// [`super::stuck`].
    pub(super) last_read: Option<u32>,
    /// A `Readable` event waits to be taken.
    pub(super) readable_queued: bool,
}

impl Receiving {
    /// Nothing has come. The peer has the window `floor` until an update says otherwise.
    pub(super) fn new(floor: u32) -> Receiving {
        Receiving {
            state: ReceiveState::Receive,
            unread: ByteQueue::new(),
            ahead: None,
            report: Report::default(),
            last_received: None,
            floor,
            window: floor,
            last_read: None,
            readable_queued: false,
        }
    }

    /// The state of the peer's direction.
    pub(super) fn state(&self) -> ReceiveState {
        self.state
    }

    /// Whether the FIN has yet to come.
    pub(super) fn is_open(&self) -> bool {
        self.state == ReceiveState::Receive
    }

    /// What waits for missing bytes: bytes, and pieces.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let waiting = self.ahead.as_ref();
        waiting.map_or((0, 0), |ahead| (ahead.bytes(), ahead.pieces()))
    }

    /// Heap memory of the data, in bytes.
    pub(super) fn allocated(&self) -> usize {
        self.unread.allocated() + self.ahead.as_ref().map_or(0, |ahead| ahead.allocated())
    }

    /// Count `n` bytes that were queued.
    pub(super) fn note_received(&mut self, n: usize, now: Time) {
        self.report.note_received(n);
        self.last_received = Some(now);
    }

    /// When the last byte came.
    pub(super) fn last_received(&self) -> Option<Time> {
        self.last_received
    }

    /// The FIN came; returns whether it is the first one.
    pub(super) fn take_fin(&mut self) -> bool {
        self.state.take(ReceiveInput::Fin)
    }

    /// Bytes were read, or the FIN came; returns whether the direction is over by that.
    pub(super) fn ends(&mut self) -> bool {
        self.unread.is_empty() && self.state.take(ReceiveInput::AllRead)
    }

    fn consumed(&self) -> u32 {
        self.report.consumed(self.unread.len())
    }

    /// Queue an update if the peer should hear how much was consumed: at the first received byte, which
    /// saves a round trip, then at each quarter of the window. Not once it has finished. Returns whether
    /// the caller must do so.
    pub(super) fn queue_update_if_due(&mut self) -> bool {
        let quarter = (self.window / 4).max(1);
        let is_useful = self.is_open() && self.report.is_begun();
        let is_due = is_useful && self.report.is_due(self.consumed(), quarter);
        self.report.queue_if(is_due)
    }

    /// Queue an update before anything has come, if the window can be `first` and that is worth it. Returns
    /// whether the caller must do so.
    pub(super) fn queue_first_update(&mut self, first: usize) -> bool {
        let is_worth = first >= 2 * self.floor as usize && self.is_open();
        self.report.queue_if(is_worth && !self.report.is_begun())
    }

    /// The bytes to report as consumed in the update that was queued, and the window beyond; `None` if
    /// the peer has finished meanwhile and waits for no window any more.
    pub(super) fn take_update(
        &mut self,
        peer: PeerKind,
        credit: &mut Credit,
    ) -> Option<(u32, u32)> {
        let consumed = self.consumed();
        let taken = self.report.tell(consumed);
        if !self.is_open() {
            return None;
        }
        let wants = match peer {
            PeerKind::Blinktun => SHOWN.saturating_mul(consumed as usize).max(credit.first()),
            PeerKind::Unheard | PeerKind::Plain => usize::MAX,
        };
        self.window = credit.grant(self.floor, self.window, wants, taken);
        Some((consumed, self.window))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const STATES: [ReceiveState; 3] = [
        ReceiveState::Receive,
        ReceiveState::DataReceived,
        ReceiveState::DataRead,
    ];

    #[test]
    fn every_state_takes_every_input() {
        use ReceiveState::{DataRead, DataReceived, Receive};
        let inputs = [ReceiveInput::Fin, ReceiveInput::AllRead];
        let table = [
            [DataReceived, Receive],
            [DataReceived, DataRead],
            [DataRead, DataRead],
        ];
        for (from, row) in STATES.into_iter().zip(table) {
            for (input, to) in inputs.into_iter().zip(row) {
                let mut state = from;
                let is_changed = state.take(input);
                assert_eq!((state, is_changed), (to, to != from), "{from:?} {input:?}");
            }
        }
    }

    #[test]
    fn the_direction_ends_once_and_behind_its_last_byte() {
        let mut receiving = Receiving::new(100);
        assert!(!receiving.ends(), "nothing to read is no end");
        receiving.unread.push(b"x");
        assert!(receiving.take_fin() && !receiving.take_fin());
        assert!(!receiving.ends(), "a byte is unread");
        receiving.unread.consume(1);
        assert!(receiving.ends() && !receiving.ends());
    }
}
