//! The sending part of a stream (after RFC 9000, section 3.1): what was written, and how our direction
//! ends.

use super::Version;
use crate::buffer::ByteQueue;
use crate::time::Time;

/// The state of our direction. smux acknowledges nothing, so the direction is over when the FIN has left.
///
/// A reset is no state: the stream leaves the table at once, and [`Closing`](super::closing::Closing)
/// says what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendState {
    /// We have opened the stream; the SYN has yet to leave.
    Ready,
    /// The application has finished before the SYN has left.
    ReadyFinished,
    /// More may be written.
    Send,
    /// The application has finished; the FIN follows when all data has left.
    Finished,
    /// All data has left; since this time the FIN waits for its moment.
    FinHeld(Time),
    /// The FIN has left.
    FinSent,
}

/// What can happen to our direction.
#[derive(Clone, Copy, Debug)]
pub(super) enum SendInput {
    /// The SYN has left.
    SynSent,
    /// The application has finished.
    Finish,
    /// The stream had its turn, and only the FIN was left to send.
    DataSent(Time),
    /// The FIN has left.
    FinSent,
}

impl SendState {
    /// Go on to the next state; returns whether that is another one.
    pub(super) fn take(&mut self, input: SendInput) -> bool {
        let before = core::mem::replace(self, self.after(input));
        before != *self
    }

    fn after(self, input: SendInput) -> SendState {
        use SendInput as Input;
        use SendState as State;
        match (self, input) {
            (State::Ready, Input::SynSent) => State::Send,
            (State::Ready, Input::Finish) => State::ReadyFinished,
            (State::ReadyFinished, Input::SynSent) | (State::Send, Input::Finish) => {
                State::Finished
            }
            (State::Finished, Input::DataSent(now)) => State::FinHeld(now),
            (State::FinHeld(_), Input::FinSent) => State::FinSent,
            (State::Ready, Input::DataSent(_) | Input::FinSent)
            | (State::ReadyFinished, Input::Finish | Input::DataSent(_) | Input::FinSent)
            | (State::Send, Input::SynSent | Input::DataSent(_) | Input::FinSent)
            | (State::Finished, Input::SynSent | Input::Finish | Input::FinSent)
            | (State::FinHeld(_), Input::SynSent | Input::Finish | Input::DataSent(_))
            | (State::FinSent, _) => self,
        }
    }

    /// Whether the peer cannot know of the stream yet.
    pub(super) fn is_ready(self) -> bool {
        matches!(self, SendState::Ready | SendState::ReadyFinished)
    }

    /// Whether the application may write.
    pub(super) fn is_writable(self) -> bool {
        matches!(self, SendState::Ready | SendState::Send)
    }

    /// Whether a FIN follows the data.
    fn fin_is_due(self) -> bool {
        match self {
            SendState::ReadyFinished | SendState::Finished | SendState::FinHeld(_) => true,
            SendState::Ready | SendState::Send | SendState::FinSent => false,
        }
    }
}

/// The sending part of a stream.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) state: SendState,
    /// Written and not yet sent, as it goes on the wire.
    pub(super) unsent: ByteQueue,
    /// A write was cut short, and the application does not know yet that there is room again.
    pub(super) is_blocked: bool,
    /// Bytes sent, modulo 2^32.
    sent: u32,
    /// Bytes sent since there was last nothing left to send.
    pub(super) without_pause: u32,
    /// When the last of them left.
    last_sent: Option<Time>,
    /// Bytes of those that the peer has read, and its window beyond them, by its last update.
    peer_consumed: u32,
    peer_window: u32,
}

impl Sending {
    /// Nothing was sent. The peer's window is `window` until an update says otherwise.
    pub(super) fn new(state: SendState, window: u32) -> Sending {
        Sending {
            state,
            unsent: ByteQueue::new(),
            is_blocked: false,
            sent: 0,
            without_pause: 0,
            last_sent: None,
            peer_consumed: 0,
            peer_window: window,
        }
    }

    /// Bytes that the peer's window lets us send (kcptun wire, 5.5).
    pub(super) fn window(&self, version: Version) -> usize {
        match version {
            Version::V1 => usize::MAX,
            Version::V2 => (self.peer_window as usize).saturating_sub(self.in_flight() as usize),
        }
    }

    /// The peer's window as it was told last.
    pub(super) fn peer_window(&self) -> u32 {
        self.peer_window
    }

    /// Whether there is something that a turn would move: a SYN, data, or the FIN.
    pub(super) fn wants_turn(&self, version: Version) -> bool {
        let can_send = !self.unsent.is_empty() && self.window(version) > 0;
        self.state.is_ready() || can_send || self.fin_is_next()
    }

    /// Whether only our FIN is left to send.
    pub(super) fn fin_is_next(&self) -> bool {
        self.unsent.is_empty() && self.state.fin_is_due()
    }

    /// Whether data or a FIN is left that the peer's window holds back.
    pub(super) fn is_shut(&self, version: Version) -> bool {
        let is_over = self.state == SendState::FinSent;
        !is_over && !self.fin_is_next() && self.window(version) == 0
    }

    /// Note that a data frame of `n` bytes left.
    pub(super) fn note_sent(&mut self, n: usize, now: Time) {
        self.sent = self.sent.wrapping_add(n as u32);
        self.last_sent = Some(now);
        self.without_pause = match self.unsent.is_empty() {
            true => 0,
            false => self.without_pause.saturating_add(n as u32),
        };
    }

    /// Bytes of turns of `size` bytes that are left in this one.
    pub(super) fn left_of_turn(&self, size: usize) -> usize {
        size - self.sent as usize % size
    }

    /// Bytes sent, modulo 2^32.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// When the last data frame left.
    pub(super) fn last_sent(&self) -> Option<Time> {
        self.last_sent
    }

    /// Take the peer's window update; `false` when it claims to have read what we never sent.
    pub(super) fn apply_update(&mut self, consumed: u32, window: u32) -> bool {
        self.peer_consumed = consumed;
        // What is in flight must fit a signed 32-bit number.
        self.peer_window = window.min(i32::MAX as u32);
        self.in_flight() as i32 >= 0
    }

    /// Whether an update that says so is older than the last one.
    pub(super) fn is_old(&self, consumed: u32) -> bool {
        (consumed.wrapping_sub(self.peer_consumed) as i32) < 0
    }

    /// Whether the peer has read all that was sent, by its last update.
    pub(super) fn is_all_read(&self) -> bool {
        self.in_flight() == 0
    }

    fn in_flight(&self) -> u32 {
        self.sent.wrapping_sub(self.peer_consumed)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const BEFORE: Time = Time::from_millis(1);
    const NOW: Time = Time::from_millis(2);

    pub(in super::super) const STATES: [SendState; 6] = [
        SendState::Ready,
        SendState::ReadyFinished,
        SendState::Send,
        SendState::Finished,
        SendState::FinHeld(BEFORE),
        SendState::FinSent,
    ];

    #[test]
    fn every_state_takes_every_input() {
        use SendState::{FinHeld, FinSent, Finished, Ready, ReadyFinished, Send};
        let inputs = [
            SendInput::SynSent,
            SendInput::Finish,
            SendInput::DataSent(NOW),
            SendInput::FinSent,
        ];
        let held = FinHeld(BEFORE);
        let table = [
            [Send, ReadyFinished, Ready, Ready],
            [Finished, ReadyFinished, ReadyFinished, ReadyFinished],
            [Send, Finished, Send, Send],
            [Finished, Finished, FinHeld(NOW), Finished],
            [held, held, held, FinSent],
            [FinSent, FinSent, FinSent, FinSent],
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
    fn every_state_says_what_is_due() {
        let due = STATES.map(|it| (it.is_ready(), it.is_writable(), it.fin_is_due()));
        let expected = [
            (true, true, false),
            (true, false, true),
            (false, true, false),
            (false, false, true),
            (false, false, true),
            (false, false, false),
        ];
        assert_eq!(due, expected);
    }
}
