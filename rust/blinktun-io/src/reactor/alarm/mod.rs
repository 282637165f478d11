//! Makes the poller's descriptor readable at a deadline, where the system can (Linux).
//!
//! The owner's event loop then needs no timer of its own, which would be exact to a millisecond
//! only.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod plain;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use plain as system;

use std::io;
use std::time::Duration;

use blinktun_proto::time::Time;
use mio::{Registry, Token};

/// Whether deadlines make the descriptor readable.
pub const WORKS: bool = system::WORKS;

/// A timer in the poller.
pub struct Alarm {
    timer: system::Timer,
    setting: Setting,
}

impl Alarm {
    /// An alarm that is not set. It wakes the poller under `token`, which says nothing that the
    /// clock does not say.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
        Ok(Alarm {
            timer: system::Timer::new(registry, token)?,
            setting: Setting::default(),
        })
    }

    /// Wake the poller at `deadline`, or earlier.
    pub fn set(&mut self, deadline: Option<Time>, now: Time) -> io::Result<()> {
        match self.setting.change(deadline, now) {
            Some(wait) => self.timer.set(wait),
            None => Ok(()),
        }
    }
}

/// When the timer will go off.
#[derive(Debug, Default)]
struct Setting(Option<Time>);

impl Setting {
    /// Returns after which time the timer must go off, if that is a change.
    ///
    /// A deadline that moves away changes nothing: the timer goes off too early then, which costs
    /// one empty turn. Retransmission timers move with every acknowledgement, and a system call
    /// each would cost more.
    fn change(&mut self, deadline: Option<Time>, now: Time) -> Option<Duration> {
        self.0 = self.0.filter(|at| *at > now);
        let deadline = deadline?;
        if self.0.is_some_and(|at| at <= deadline) {
            return None;
        }
        self.0 = Some(deadline);
        Some(deadline.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timer_is_set_when_it_would_go_off_too_late_only() {
        let at = Time::from_micros;
        let wait = |micros| Some(Duration::from_micros(micros));
        let mut setting = Setting::default();
        assert_eq!(setting.change(None, at(0)), None);
        assert_eq!(setting.change(Some(at(100)), at(0)), wait(100));
        assert_eq!(setting.change(Some(at(150)), at(10)), None, "later");
        assert_eq!(setting.change(Some(at(80)), at(20)), wait(60), "earlier");
        assert_eq!(setting.change(None, at(30)), None);
        assert_eq!(setting.change(Some(at(80)), at(40)), None, "still set");
        assert_eq!(setting.change(Some(at(150)), at(80)), wait(70), "gone off");
        assert_eq!(setting.change(Some(at(140)), at(160)), wait(0), "overdue");
    }
}
