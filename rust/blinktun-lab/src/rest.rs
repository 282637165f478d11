//! How long the thread may sleep.
//!
//! Between two packets of a fast flow there are fewer microseconds than waking up takes. So while packets
//! come, the thread looks every [`QUANTUM`] for all that has come or is due, and does not let each packet
//! wake it. When nothing has come for [`CALM`] it waits for the next one, or until something is due.

use blinktun_proto::time::{Duration, Time};

use crate::cables::Left;

/// A packet is carried on this much too late at most, while many come.
const QUANTUM: Duration = Duration::from_micros(100);
/// So long without a packet, and the next one wakes the thread by itself.
const CALM: Duration = Duration::from_millis(1);

/// What to do until the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// There is more to do.
    None,
    /// Sleep, whatever comes.
    Sleep(Duration),
    /// Wait for a packet, but not longer than this.
    Wait(Option<Duration>),
}

/// Remembers when something came.
#[derive(Debug, Default)]
pub struct Rhythm {
    busy_until: Time,
}

impl Rhythm {
    /// What to do after a turn at `now` that left this to do, if the next packet arrives at `next`.
    pub fn rest(&mut self, left: Left, next: Option<Time>, now: Time) -> Rest {
        match left {
            Left::More => return Rest::None,
            Left::Taken => self.busy_until = now + CALM,
            Left::Idle => {}
        }
        match now < self.busy_until {
            true => Rest::Sleep(QUANTUM),
            false => Rest::Wait(next.map(|at| at.since(now))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_rest() {
        let at = Time::from_micros;
        let mut rhythm = Rhythm::default();
        assert_eq!(rhythm.rest(Left::Idle, None, at(0)), Rest::Wait(None));
        let wait = Rest::Wait(Some(Duration::from_micros(70)));
        assert_eq!(rhythm.rest(Left::Idle, Some(at(80)), at(10)), wait);
        assert_eq!(rhythm.rest(Left::More, Some(at(80)), at(10)), Rest::None);
        let sleep = Rest::Sleep(QUANTUM);
        assert_eq!(rhythm.rest(Left::Taken, Some(at(21)), at(20)), sleep);
        assert_eq!(rhythm.rest(Left::Idle, Some(at(999)), at(1019)), sleep);
        let wait = Rest::Wait(Some(Duration::ZERO));
        assert_eq!(rhythm.rest(Left::Idle, Some(at(999)), at(1020)), wait);
    }
}
