//! All timers of a session, by name, in one table.
//!
//! The deadline of each stands with what it belongs to: a segment, a question, a stream. The table is
//! drawn up from these whenever somebody asks what comes next, so no deadline is kept twice.

use crate::time::Time;

/// What a session may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A segment leaves again if nothing is heard of it.
    Retransmission,
    /// Data in flight counts as stalled.
    Stall,
    /// A download counts as paused, or a silent peer is asked again.
    Liveness,
    /// The peer's window is asked for while it is zero.
    WindowProbe,
    /// Acknowledgements have waited for long enough.
    Acknowledgements,
    /// The pacer has a quantum.
    Pacing,
    /// The rate limit has been paid back.
    RateLimit,
    /// A NOP leaves, or it is looked whether the peer is there.
    Keepalive,
    /// A FIN that was held back leaves.
    HeldFin,
    /// A stream that is not read is reset, so that the others go on.
    StuckStream,
    /// It is looked whether there is memory again for what the peer wants to send.
    Memory,
    /// The FEC decoder gives its memory back.
    FecIdle,
    /// A server that has not answered is given up.
    Answer,
    /// The server is asked by another way, or that is given up.
    Hop,
}

impl Timer {
    /// All of them.
    pub const ALL: [Timer; 14] = [
        Timer::Retransmission,
        Timer::Stall,
        Timer::Liveness,
        Timer::WindowProbe,
        Timer::Acknowledgements,
        Timer::Pacing,
        Timer::RateLimit,
        Timer::Keepalive,
        Timer::HeldFin,
        Timer::StuckStream,
        Timer::Memory,
        Timer::FecIdle,
        Timer::Answer,
        Timer::Hop,
    ];

    /// Its name in a trace.
    pub fn name(self) -> &'static str {
        match self {
            Timer::Retransmission => "retransmission",
            Timer::Stall => "stall",
            Timer::Liveness => "liveness",
            Timer::WindowProbe => "window_probe",
            Timer::Acknowledgements => "acknowledgements",
            Timer::Pacing => "pacing",
            Timer::RateLimit => "rate_limit",
            Timer::Keepalive => "keepalive",
            Timer::HeldFin => "held_fin",
            Timer::StuckStream => "stuck_stream",
            Timer::Memory => "memory",
            Timer::FecIdle => "fec_idle",
            Timer::Answer => "answer",
            Timer::Hop => "hop",
        }
    }
}

/// When each of them fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers([Time; Timer::ALL.len()]);

/// The timer does not run.
const NEVER: Time = Time::from_micros(u64::MAX);

impl Default for Timers {
    fn default() -> Timers {
        Timers([NEVER; Timer::ALL.len()])
    }
}

impl Timers {
    /// The table that `fill` draws up.
    pub fn drawn_by(fill: impl FnOnce(&mut Timers)) -> Timers {
        let mut timers = Timers::default();
        fill(&mut timers);
        timers
    }

    /// Set one; `None`: it does not run.
    pub fn set(&mut self, timer: Timer, at: Option<Time>) {
        self.0[timer as usize] = at.unwrap_or(NEVER);
    }

    fn get(&self, timer: Timer) -> Option<Time> {
        Some(self.0[timer as usize]).filter(|at| *at != NEVER)
    }

    /// When the first of them fires.
    pub fn next(&self) -> Option<Time> {
        let first = self.0.into_iter().fold(NEVER, Time::min);
        Some(first).filter(|at| *at != NEVER)
    }

    /// Those that run.
    pub fn running(&self) -> impl Iterator<Item = (Timer, Time)> + '_ {
        let all = Timer::ALL.into_iter();
        all.filter_map(|timer| self.get(timer).map(|at| (timer, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_timer_has_a_place_of_its_own() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        for (index, timer) in Timer::ALL.into_iter().enumerate() {
            timers.set(timer, Some(Time::from_millis(100 - index as u64)));
        }
        let running: Vec<_> = timers.running().map(|(timer, _)| timer).collect();
        assert_eq!(running, Timer::ALL);
        assert_eq!(timers.next(), timers.get(Timer::Hop));
        timers.set(Timer::Hop, None);
        assert_eq!(timers.next(), timers.get(Timer::Answer));
    }
}
