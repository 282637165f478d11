//! When acknowledgements leave if no data takes them along: at once, or after a delay.
//!
//! A Go sender computes its timeout from recent round trips. If we acknowledge at once, its timeout is short. Then
//! it repeats segments that are not lost while its queue grows. So we acknowledge as late as a Go receiver
//! does, unless `acknodelay` is set.

use crate::time::{Duration, Time};

/// When acknowledgements must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckDelay {
    /// At once.
    None,
    /// So long after the first segment that they are for, or when so many have come.
    Some {
        delay: Duration,
        enough: u32,
        waiting: Waiting,
    },
}

/// Acknowledgements that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// There are none.
    Nothing,
    /// Until then. So many segments have come.
    Until(Time, u32),
    /// They must leave.
    Over,
}

impl AckDelay {
    /// Acknowledgements wait for `delay`, and for `enough` segments at most. With no delay they do not wait.
    pub(super) fn new(delay: Duration, enough: usize) -> AckDelay {
        match delay.is_zero() {
            true => AckDelay::None,
            false => AckDelay::Some {
                delay,
                enough: u32::try_from(enough).unwrap_or(u32::MAX),
                waiting: Waiting::Nothing,
            },
        }
    }

    /// A segment has come that must be acknowledged.
    pub(super) fn note_segment(&mut self, now: Time) {
        if let AckDelay::Some {
            delay,
            enough,
            waiting,
        } = self
        {
            *waiting = match *waiting {
                Waiting::Nothing => Waiting::Until(now + *delay, 1),
                Waiting::Until(due, count) if count + 1 < *enough => Waiting::Until(due, count + 1),
                Waiting::Until(..) | Waiting::Over => Waiting::Over,
            };
        }
    }

    /// All acknowledgements have left.
    pub(super) fn note_left(&mut self) {
        if let AckDelay::Some { waiting, .. } = self {
            *waiting = Waiting::Nothing;
        }
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        if self.next_timeout().is_some_and(|due| due <= now)
            && let AckDelay::Some { waiting, .. } = self
        {
            *waiting = Waiting::Over;
        }
    }

    /// Whether acknowledgements that are owed must leave.
    pub(super) fn is_over(&self) -> bool {
        self.next_timeout().is_none()
    }

    /// When they must leave; `None` if they need not wait any more, or if there are none.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        match self {
            AckDelay::Some {
                waiting: Waiting::Until(due, _),
                ..
            } => Some(*due),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(30);

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn without_a_delay_nothing_waits() {
        let mut delay = AckDelay::new(Duration::ZERO, 3);
        delay.note_segment(at(0));
        assert!(delay.is_over());
    }

    /// What waits after `count` segments, a millisecond apart, and after a time.
    fn after(count: u32, ms: u64) -> AckDelay {
        let mut delay = AckDelay::new(DELAY, 3);
        for n in 0..count {
            delay.note_segment(at(u64::from(n)));
        }
        delay.handle_timeout(at(ms));
        delay
    }

    #[test]
    fn the_first_segment_begins_the_delay_and_enough_of_them_end_it() {
        for (count, ms, due) in [
            (0, 100, None),
            (1, 29, Some(at(30))),
            (2, 29, Some(at(30))),
            (2, 30, None),
            (3, 2, None),
            (4, 2, None),
        ] {
            let mut delay = after(count, ms);
            assert_eq!(delay.next_timeout(), due, "{count}, {ms}");
            assert_eq!(delay.is_over(), due.is_none(), "{count}, {ms}");
            delay.note_left();
            assert_eq!(delay, AckDelay::new(DELAY, 3));
        }
    }
}
