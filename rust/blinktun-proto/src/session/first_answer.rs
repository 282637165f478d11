//! How long a client waits for the first answer of its server.

use crate::time::{Duration, Time};

/// A server that has never answered is given up some time after our first data has left.
#[derive(Clone, Copy, Debug)]
pub(super) enum FirstAnswer {
    /// No data has left yet; the wait will be so long. `None`: a server does not wait.
    Idle(Option<Duration>),
    /// It must have come by then.
    Due(Time),
    /// It has come, or this end does not wait for it.
    Settled,
}

impl FirstAnswer {
    /// Data leaves.
    pub fn note_sent(&mut self, now: Time) {
        if let FirstAnswer::Idle(wait) = *self {
            *self = wait.map_or(FirstAnswer::Settled, |wait| FirstAnswer::Due(now + wait));
        }
    }

    /// The peer has answered.
    pub fn note_answer(&mut self) {
        if matches!(self, FirstAnswer::Due(_)) {
            *self = FirstAnswer::Settled;
        }
    }

    /// When it is given up.
    pub fn deadline(&self) -> Option<Time> {
        match self {
            FirstAnswer::Due(by) => Some(*by),
            FirstAnswer::Idle(_) | FirstAnswer::Settled => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(9);

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn every_state_takes_every_input() {
        let states = [
            FirstAnswer::Idle(Some(WAIT)),
            FirstAnswer::Idle(None),
            FirstAnswer::Due(at(50)),
            FirstAnswer::Settled,
        ];
        let sent = [Some(at(10_000)), None, Some(at(50)), None];
        for (mut state, deadline) in states.into_iter().zip(sent) {
            state.note_sent(at(1000));
            assert_eq!(state.deadline(), deadline, "{state:?}");
        }
        for mut state in states {
            state.note_answer();
            assert_eq!(state.deadline(), None, "{state:?}");
        }
    }

    #[test]
    fn an_answer_before_any_data_changes_nothing() {
        let mut state = FirstAnswer::Idle(Some(WAIT));
        state.note_answer();
        state.note_sent(at(0));
        assert_eq!(state.deadline(), Some(at(9000)));
    }
}
