//! Copies of segments that somebody waits for, before anybody knows that they are lost.
//!
//! On a path that loses, a lost segment costs a round trip; a copy a few milliseconds later costs only its
//! bytes. The last segments of a request are copied. If all streams share one order, so is what is sent again while
//! a request waits behind it.
//!
//! Beside a download copies are paid from the session's [`Overhead`]. While only requests leave they are free.
//! There are as many as the path's loss asks for; beside a download in one order there is one.

use std::collections::VecDeque;

use super::care::Care;
use super::in_flight::{Again, Outgoing};
use super::overtaken::Transmission;
use crate::recovery::overhead::Overhead;
use crate::time::{Duration, Time};
use crate::wire::Sn;

/// If so many copies in a row were in vain, the path is taken for one that does not lose.
const IN_VAIN: u32 = 100;
/// Requests leave alone if no other data has left for so long.
const ALONE: Duration = Duration::from_secs(1);
/// A request that leaves alone is lost with all its copies at most so often.
const RESIDUAL: f64 = 0.005;
/// So are protected datagrams; and so many copies of them in vain tell that less is lost anyway.
const RESIDUAL_PROTECTED: f64 = 0.000_5;
const IN_VAIN_PROTECTED: u32 = 2000;
/// It has at most so many copies.
const MOST: usize = 3;
/// A segment that leaves so often, or more often, may be copied on credit.
const REPEATED: u32 = 3;
/// A copy leaves so much later: most bursts of losses are over by then.
const GAPS: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(2)..=Duration::from_millis(10);

/// What is to be copied, unless it is acknowledged before.
#[derive(Debug, Default)]
pub(super) struct Copies {
    waiting: VecDeque<(Time, Transmission)>,
    /// Copies of requests since the last loss, and of protected datagrams.
    in_vain: u32,
    in_vain_protected: u32,
    /// The newest segment that somebody waits for, and when it left.
    urgent: Option<(Sn, Time)>,
    /// When data of no request left last.
    last_bulk: Option<Time>,
    /// Segments are independent: a request does not wait for one that left before its own.
    is_independent: bool,
}

/// What decides how often a segment is copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    /// The share of transmissions that the path loses.
    pub(super) loss: f64,
    /// The round trip.
    pub(super) smoothed: Duration,
}

impl Copies {
    /// A transmission is lost, even if a copy or parity has replaced it.
    pub(super) fn note_loss(&mut self) {
        (self.in_vain, self.in_vain_protected) = (0, 0);
    }

    /// From now on segments are independent.
    pub(super) fn begin_independent(&mut self) {
        self.is_independent = true;
    }

    /// Whether parity may do for requests what copies do: segments are independent, and other data leaves too.
    pub(super) fn may_be_parity(&self, now: Time) -> bool {
        self.is_independent && !self.is_alone(now)
    }

    /// Whether somebody waits for what left behind `sn`, and for `sn` because of that.
    pub(super) fn is_awaited(&self, sn: Sn) -> bool {
        !self.is_independent && self.urgent.is_some_and(|(urgent, _)| !urgent.before(sn))
    }

    /// Whether a segment that somebody waits for has left within this time.
    pub(super) fn asked_within(&self, time: Duration, now: Time) -> bool {
        self.urgent.is_some_and(|(_, at)| now.since(at) < time)
    }

    /// Whether only requests leave.
    pub(super) fn is_alone(&self, now: Time) -> bool {
        self.last_bulk.is_none_or(|at| now.since(at) >= ALONE)
    }

    /// A segment leaves, for the first time or again.
    pub(super) fn note_sent(
        &mut self,
        sn: Sn,
        segment: &Outgoing,
        again: Option<Again>,
        conditions: Conditions,
        overhead: &mut Overhead,
        now: Time,
    ) {
        match again {
            None if segment.care == Care::Urgent => self.urgent = Some((sn, now)),
            None => self.last_bulk = Some(now),
            Some(Again::Copy) => {
                let in_vain = match segment.care {
                    Care::Protected => &mut self.in_vain_protected,
                    _ => &mut self.in_vain,
                };
                *in_vain = in_vain.saturating_add(1);
            }
            Some(_) => {}
        }
        let order = segment.last.order;
        let transmission = Transmission { order, sn };
        if segment.care == Care::Protected {
            // Its owner has asked for copies, whatever they cost.
            let sent = segment.earlier.len();
            let is_wanted = matches!(again, None | Some(Again::Copy));
            let most = copies(conditions.loss, RESIDUAL_PROTECTED);
            if is_wanted && sent < most && self.in_vain_protected < IN_VAIN_PROTECTED {
                self.add(transmission, conditions.smoothed, now);
            }
            return;
        }
        let (is_alone, is_awaited) = (self.is_alone(now), segment.care.is_awaited());
        let is_wanted = match again {
            // If each segment stands for itself, parity of its group does the same for less.
            None => is_awaited && (is_alone || !self.is_independent || segment.group.is_none()),
            Some(Again::Copy) => {
                let may_follow = is_alone || (self.is_independent && is_awaited);
                may_follow && segment.earlier.len() < copies(conditions.loss, RESIDUAL)
            }
            Some(_) if self.is_independent => is_awaited,
            Some(_) => self.is_awaited(sn) && segment.group.is_none(),
        };
        let is_paid = is_alone || overhead.allows_copy(segment.transmissions >= REPEATED);
        if !is_wanted || !is_paid || !overhead.is_wanted() || self.in_vain >= IN_VAIN {
            return;
        }
        if !is_alone {
            overhead.spend_on_copy(segment.data.len());
        }
        self.add(transmission, conditions.smoothed, now);
    }

    /// Copy a transmission that leaves now, whatever it costs.
    pub(super) fn add(&mut self, transmission: Transmission, smoothed: Duration, now: Time) {
        let at = now + (smoothed / 16).clamp(*GAPS.start(), *GAPS.end());
        self.waiting.push_back((at, transmission));
    }

    /// The next transmission that is to be copied now.
    pub(super) fn next(&mut self, now: Time) -> Option<Transmission> {
        let (_, transmission) = *self.waiting.front().filter(|(at, _)| *at <= now)?;
        self.waiting.pop_front();
        Some(transmission)
    }

    /// When the next one is to be copied.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.waiting.front().map(|(at, _)| *at)
    }
}

/// How often a segment is copied so that it is lost with all its copies at most this often.
fn copies(loss: f64, residual: f64) -> usize {
    let lost_after = |copies: &usize| loss.powi(*copies as i32 + 1) <= residual;
    (1..MOST).find(lost_after).unwrap_or(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_copied_as_often_as_the_loss_asks_for() {
        let cases = [(0.0, 1), (0.05, 1), (0.1, 2), (0.2, 3), (0.5, 3), (1.0, 3)];
        for (loss, wanted) in cases {
            assert_eq!(copies(loss, RESIDUAL), wanted, "{loss}");
        }
    }
}
