//! What the clocks in a peer's segments prove (kcptun wire, 3.1: an acknowledgement echoes our clock).
//!
//! A peer that echoes a clock of ours has got what we sent: it is where it says to be. A peer whose own
//! clock has gone on has made its segment after all that was taken so far: that is no copy.

use std::collections::VecDeque;

use crate::time::Duration;
use crate::wire::Millis;

/// Questions whose answers are recognised: those of some seconds of silence.
const MAX_ASKED: usize = 8;

/// Our clocks that have come back, and the peer's own.
#[derive(Debug, Default)]
pub struct Validation {
    /// The clocks of our last questions.
    asked: VecDeque<Millis>,
    /// The newest clock of ours that has come back.
    echoed: Option<Millis>,
    /// The payload that is taken now has echoed a clock that is not ours.
    has_guessed: bool,
    /// The newest clock that the peer has shown.
    peer_clock: Option<Millis>,
}

impl Validation {
    /// The newest clock of ours that the peer has echoed.
    pub fn echoed(&self) -> Option<Millis> {
        self.echoed
    }

    /// A question leaves with this clock.
    pub fn note_asked(&mut self, clock: Millis) {
        if self.asked.len() == MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back(clock);
    }

    /// Whether a question with this clock of the peer is no more than `most` older than what it has shown.
    pub fn is_recent(&self, ts: Millis, most: Duration) -> bool {
        let age = self.peer_clock.map_or(0, |newest| newest.diff(ts));
        u128::try_from(age).unwrap_or(0) <= most.as_millis()
    }

    /// Whether a question left with this clock.
    pub fn has_asked(&self, clock: Millis) -> bool {
        self.asked.contains(&clock)
    }

    /// A payload is taken.
    pub fn begin_payload(&mut self) {
        self.has_guessed = false;
    }

    /// Take `ts` for a proof, if it `is_ours`. A datagram holds dozens of segments but is one guess: the
    /// first wrong one ends what it can prove. An honest peer's are all right, but for the window of
    /// another program, which it tells behind its acknowledgements.
    pub fn note_echo(&mut self, ts: Millis, is_ours: bool) {
        self.has_guessed |= !is_ours;
        if self.has_guessed {
            return;
        }
        if self.echoed.is_none_or(|newest| newest.before(ts)) {
            self.echoed = Some(ts);
        }
    }

    /// The peer has shown its clock.
    pub fn note_peer_clock(&mut self, ts: Millis) {
        if self.is_younger(ts) {
            self.peer_clock = Some(ts);
        }
    }

    /// Whether a clock of the peer's has gone on since all that was taken so far.
    pub fn is_younger(&self, ts: Millis) -> bool {
        self.peer_clock.is_none_or(|newest| newest.before(ts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_one_guess() {
        let mut validation = Validation::default();
        validation.begin_payload();
        validation.note_echo(Millis(1), false);
        validation.note_echo(Millis(2), true);
        assert_eq!(validation.echoed(), None);
        validation.begin_payload();
        validation.note_echo(Millis(2), true);
        validation.note_echo(Millis(1), true);
        assert_eq!(validation.echoed(), Some(Millis(2)), "the newest counts");
    }

    #[test]
    fn questions_are_remembered_as_long_as_an_answer_may_come() {
        let mut validation = Validation::default();
        for clock in 0..=MAX_ASKED as u32 {
            validation.note_asked(Millis(clock));
        }
        assert!(!validation.has_asked(Millis(0)) && validation.has_asked(Millis(1)));
    }

    #[test]
    fn a_clock_that_has_not_gone_on_is_a_copy() {
        let mut validation = Validation::default();
        assert!(validation.is_younger(Millis(5)));
        validation.note_peer_clock(Millis(5));
        validation.note_peer_clock(Millis(4));
        assert!(!validation.is_younger(Millis(5)) && validation.is_younger(Millis(6)));
        validation.note_peer_clock(Millis(u32::MAX));
        validation.note_peer_clock(Millis(6));
        assert!(validation.is_younger(Millis(7)), "clocks wrap");
    }
}
