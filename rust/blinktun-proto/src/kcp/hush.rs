//! Noticing that a peer which was sending has fallen silent, with nothing of ours in flight.
//!
//! A download leaves nothing unacknowledged on the receiving side, so a sender that died looks like
//! one that pauses, until keepalive says otherwise after half a minute or more. So when data stops,
//! one window probe asks; if there is no answer, it is asked again until there is one.

use super::sender::SILENCE;
use crate::time::{Duration, Time};

/// How often an unanswered question is repeated.
const EVERY: Duration = Duration::from_millis(300);

/// When to ask a peer that has stopped sending whether it is still there.
#[derive(Clone, Copy, Debug, Default)]
pub enum Hush {
    /// Nothing was received since the last answer: nothing to ask.
    #[default]
    Settled,
    /// Data came last at the first moment. The second is a timer: it is not moved with every
    /// datagram, but looks at the first when it fires.
    Listening(Time, Time),
    /// Asked since the first moment; the next question is due at the second.
    Asking(Time, Time),
}

impl Hush {
    /// Data came.
    pub fn note_data(&mut self, now: Time) {
        *self = match *self {
            Hush::Listening(_, at) => Hush::Listening(now, at),
            _ => Hush::Listening(now, now + SILENCE),
        };
    }

    /// Something without data came: an answer, if there was a question.
    pub fn note_sign(&mut self) {
        if matches!(self, Hush::Asking(..)) {
            *self = Hush::Settled;
        }
    }

    /// Whether a question is to be asked now.
    pub fn handle_timeout(&mut self, now: Time) -> bool {
        match *self {
            Hush::Listening(last, at) if at <= now => {
                if now < last + SILENCE {
                    *self = Hush::Listening(last, last + SILENCE);
                    return false;
                }
                *self = Hush::Asking(now, now + EVERY);
            }
            Hush::Asking(since, at) if at <= now => *self = Hush::Asking(since, now + EVERY),
            _ => return false,
        }
        true
    }

    /// When [`Hush::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        match *self {
            Hush::Settled => None,
            Hush::Listening(_, at) | Hush::Asking(_, at) => Some(at),
        }
    }

    /// Whether a question waits for its answer.
    pub fn is_asking(&self) -> bool {
        matches!(self, Hush::Asking(..))
    }

    /// Whether questions have gone unanswered for [`SILENCE`].
    pub fn is_silent(&self, now: Time) -> bool {
        matches!(*self, Hush::Asking(since, _) if now.since(since) >= SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn asks_once_if_answered_and_again_if_not() {
        let mut hush = Hush::default();
        assert!(hush.next_timeout().is_none() && !hush.handle_timeout(at(5000)));
        hush.note_data(at(0));
        hush.note_sign();
        assert!(!hush.handle_timeout(at(999)));
        hush.note_data(at(500));
        assert!(!hush.handle_timeout(at(1000)) && hush.next_timeout() == Some(at(1500)));
        hush = Hush::Listening(at(0), at(1000));
        assert!(hush.handle_timeout(at(1000)) && hush.is_asking());
        assert!(!hush.handle_timeout(at(1299)) && hush.handle_timeout(at(1300)));
        assert!(!hush.is_silent(at(1999)) && hush.is_silent(at(2000)));
        hush.note_sign();
        assert!(hush.next_timeout().is_none() && !hush.is_asking());
    }
}
