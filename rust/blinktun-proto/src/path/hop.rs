//! A client that changes its port: it asks the server by the new way first, and leaves the old one when the answer
//! has come.

use std::collections::VecDeque;

use crate::path::FourTuple;
use crate::time::{Duration, Time};
use crate::wire::Millis;

/// How often the server is asked by the new way.
const GAP: Duration = Duration::from_millis(250);
/// How many times, in all. A way that lets nothing through is given up then.
const QUESTIONS: usize = 8;

/// The new way, and what was asked there.
#[derive(Clone, Debug)]
pub struct Hop {
    to: FourTuple,
    asked: VecDeque<(Millis, Time)>,
    next: Time,
}

impl Hop {
    /// The first question is due at once.
    pub fn new(to: FourTuple, now: Time) -> Hop {
        Hop {
            to,
            asked: VecDeque::with_capacity(QUESTIONS),
            next: now,
        }
    }

    /// Where it leads.
    pub fn to(&self) -> FourTuple {
        self.to
    }

    /// Whether a question must leave now, which is noted then with its clock.
    pub fn ask(&mut self, clock: Millis, now: Time) -> bool {
        let is_due = self.next <= now && self.asked.len() < QUESTIONS;
        if is_due {
            self.asked.push_back((clock, now));
            self.next = now + GAP;
        }
        is_due
    }

    /// Whether all questions were in vain.
    pub fn is_over(&self, now: Time) -> bool {
        self.next <= now && self.asked.len() == QUESTIONS
    }

    /// How long ago the question left that a window tell with this clock answers.
    pub fn is_answered_by(&self, clock: Millis, now: Time) -> Option<Duration> {
        let (_, at) = self.asked.iter().find(|(asked, _)| *asked == clock)?;
        Some(now.since(*at))
    }

    /// When [`Hop::ask`] or [`Hop::is_over`] says yes.
    pub fn next_timeout(&self) -> Time {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn it_asks_now_and_then_and_gives_up() {
        let to = SocketAddr::from(([192, 0, 2, 1], 7)).into();
        let (mut hop, mut now, mut count) = (Hop::new(to, Time::ZERO), Time::ZERO, 0);
        while !hop.is_over(now) {
            assert!(hop.ask(Millis(count), now) && !hop.ask(Millis(count), now));
            assert_eq!(hop.is_answered_by(Millis(count), now), Some(Duration::ZERO));
            (count, now) = (count + 1, hop.next_timeout());
        }
        assert!(!hop.ask(Millis(9), now) && count as usize == QUESTIONS);
        assert_eq!(hop.is_answered_by(Millis(count), now), None);
        assert_eq!(
            hop.is_answered_by(Millis(0), now),
            Some(GAP * QUESTIONS as u32)
        );
    }
}
