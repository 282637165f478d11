//! Finds the rate of the path by itself: a model of the path, in the family of BBR
//! (draft-ietf-ccwg-bbr), for paths that lose and delay at random.
//!
//! | module | what it is |
//! | --- | --- |
//! | `bandwidth` | how fast the path delivers |
//! | `queue` | how long a datagram waits, and how long the path takes without a queue |
//! | `own_loss` | what the path loses however little is sent |
//! | `round` | what happened in one round trip |
//! | `startup` | the search for the rate, when the path may carry much more than is sent |
//!
//! Data leaves at the rate at which the path delivers, and as much more as the path loses by itself. Now and
//! then more leaves for one round trip ([`Phase::Up`]), which shows whether the path can carry more, and then
//! less ([`Phase::Down`]), which empties the queue again. While less leaves than the path can carry, each loss
//! is the path's own. So random loss does not slow a session down, and loss that its own rate causes does.

mod bandwidth;
mod own_loss;
mod queue;
mod round;
mod startup;

use super::controller::{Acked, Controller, Metrics, Restraint, Sent};
use crate::time::{Duration, Time};
use bandwidth::Bandwidth;
use own_loss::OwnLoss;
use queue::{Load, Queue};
use round::{Round, Summary};
use startup::{FIRST_FLIGHT, Startup};

/// So many segments at least leave in a round trip.
const LEAST_FLIGHT: u64 = 4;
/// For the sake of [`LEAST_FLIGHT`] no more than this leaves, in bytes a second.
const LEAST_RATE: f64 = 12_500.0;
/// Doubles what is delivered in each round trip: 4 ln 2 (draft-ietf-ccwg-bbr, 4.3.1).
const STARTUP_GAIN: f64 = 2.77;
/// At the start so many times what the path holds may be on its way.
const STARTUP_PIPE: f64 = 2.2;
/// What leaves while a queue is emptied for sure.
const DRAIN_GAIN: f64 = 0.5;
/// How much more leaves to see whether the path can carry more.
const UP_GAIN: f64 = 1.25;
/// The same if the last probe got what it asked for. If this one does too, the rate doubles again as at the start.
const SECOND_UP_GAIN: f64 = 1.9;
/// What leaves after a probe: in the longer round trip it empties what the probe has queued.
const DOWN_GAIN: f64 = 0.8;
/// So many times what the path holds may be on its way.
const PIPE: f64 = 2.0;
/// Round trips between two probes.
const CRUISE_ROUNDS: u32 = 6;
/// Between two probes, if the last ones brought nothing but loss.
const MAX_CRUISE_ROUNDS: u32 = 24;
/// Between two probes, in time.
const MAX_CRUISE: Duration = Duration::from_secs(2);
/// After so many rounds in which less left, a queue that is still there is not ours.
const MAX_DOWN_ROUNDS: u32 = 5;
/// Loss that is so much more than the path's own is caused by our rate.
const EXCESS_LOSS: f64 = 0.1;
/// A share that is taken for the path's own loss even if none was seen, where luck is judged.
const LEAST_LOSS: f64 = 0.02;
/// Luck explains so many standard deviations.
const LUCK: f64 = 2.5;
/// At the start more loss than this in a round is not believed.
const STARTUP_LOSS: f64 = 0.3;
/// Beside a download copies are no more than this share.
const MAX_COPIES: f64 = 0.1;
/// While only requests leave, so much may be copies.
const MOST_COPIES: f64 = 0.75;
/// A path that gives less than this part of what is sent is full.
const FULL: f64 = 0.8;

/// What is tried at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The rate doubles each round trip until the path gives no more.
    Startup,
    /// A queue is emptied; what is left of it is not ours.
    Drain,
    /// The rate is what the path delivers.
    Cruise,
    /// Is there more?
    Up,
    /// Less leaves, until the answer is known and its queue is gone.
    Down,
}

impl Phase {
    fn load(self) -> Load {
        match self {
            Phase::Startup | Phase::Up => Load::More,
            Phase::Cruise => Load::Steady,
            Phase::Drain | Phase::Down => Load::Less,
        }
    }
}

/// A controller that needs no setting.
#[derive(Clone, Debug)]
pub struct Adaptive {
    mss: u64,
    phase: Phase,
    phase_began: Time,
    /// Rounds since the phase began.
    age: u32,
    /// How many rounds [`Phase::Cruise`] or [`Phase::Drain`] lasts.
    lasts: u32,
    cruise_rounds: u32,
    /// The last probe got what it asked for.
    is_second_probe: bool,
    /// How much of what the path delivers leaves now, and in the round before.
    gain: f64,
    gain_before: f64,
    /// What the last probe, or loss or a queue behind it, has shown.
    restraint: Restraint,
    /// In [`Phase::Down`]: whether what left in the probe was acknowledged.
    is_judged: bool,
    startup: Startup,
    bandwidth: Bandwidth,
    queue: Queue,
    own_loss: OwnLoss,
    round: Round,
}

impl Adaptive {
    /// Nothing is known of the path; segments have at most `segment` bytes.
    pub fn new(segment: usize) -> Adaptive {
        Adaptive {
            mss: segment as u64,
            phase: Phase::Startup,
            phase_began: Time::ZERO,
            age: 0,
            lasts: 0,
            cruise_rounds: CRUISE_ROUNDS,
            is_second_probe: false,
            gain: STARTUP_GAIN,
            gain_before: STARTUP_GAIN,
            restraint: Restraint::Searching,
            is_judged: true,
            startup: Startup::new(0, 0),
            bandwidth: Bandwidth::default(),
            queue: Queue::default(),
            own_loss: OwnLoss::default(),
            round: Round::default(),
        }
    }

    // --- the phases -----------------------------------------------------------------------

    fn enter(&mut self, phase: Phase, now: Time) {
        match phase.load() {
            Load::Less => self.own_loss.begin(now),
            Load::Steady | Load::More => self.own_loss.end(now),
        }
        if self.phase == Phase::Startup {
            let (bytes, lost) = self.startup.totals();
            self.own_loss.add(bytes, lost);
        }
        self.lasts = match phase {
            Phase::Drain => self.queue.rounds_to_empty(1.0 - DRAIN_GAIN),
            _ => self.cruise_rounds,
        };
        if phase == Phase::Startup {
            let rate = self.bandwidth.get();
            let window = self.product(rate) as u64;
            self.startup = Startup::new(window, rate);
        }
        self.queue.begin_phase();
        (self.phase, self.phase_began, self.age) = (phase, now, 0);
    }

    fn gain_of_phase(&self) -> f64 {
        match self.phase {
            Phase::Startup => STARTUP_GAIN,
            Phase::Drain => DRAIN_GAIN,
            Phase::Up if self.is_second_probe => SECOND_UP_GAIN,
            Phase::Up => UP_GAIN,
            Phase::Down => DOWN_GAIN,
            Phase::Cruise => self.queue.gain().max(DOWN_GAIN),
        }
    }

    fn end_round(&mut self, mut summary: Summary, now: Time) {
        self.age += 1;
        self.own_loss.end_round();
        self.queue.end_round(summary.least_rtt, self.phase.load());
        // A window holds data back like an application, unless there is a queue: then the path is full.
        summary.is_app_limited |= summary.is_blocked && !self.queue.is_long();
        if summary.is_app_limited {
            self.queue.note_idle(now);
        }
        let rate = summary.rate;
        let luck = self.luck(&summary);
        let is_lossy = self.is_lossy(&summary, luck);
        let is_limited = summary.is_app_limited;
        if self.phase == Phase::Startup {
            if self.startup.end_round(&summary, self.bandwidth.get(), luck) {
                self.note_restraint(is_lossy, false);
                self.enter(Phase::Drain, now);
            }
        } else {
            let known = self.bandwidth.get();
            let is_full = (rate as f64) < FULL * self.gain_before * known as f64;
            let is_queued = self.queue.is_long();
            let is_restrained = is_limited || summary.is_blocked || self.gain_before < 1.0;
            let has_grown = self.bandwidth.add(rate, is_restrained);
            let is_congested = is_lossy || (is_queued && is_full && !is_limited);
            match self.phase {
                Phase::Startup => {}
                Phase::Drain if self.age >= self.lasts => {
                    self.queue.rebase(now);
                    self.enter(Phase::Cruise, now);
                }
                Phase::Cruise if self.queue.is_doubtful(now) => self.enter(Phase::Drain, now),
                Phase::Cruise if self.age > 1 && is_congested => {
                    self.note_restraint(is_lossy, true);
                    self.bandwidth.set(rate.max(known / 2));
                    self.is_judged = true;
                    self.enter(Phase::Down, now);
                }
                Phase::Cruise if self.is_time_for_a_probe(now) => self.enter(Phase::Up, now),
                Phase::Up => {
                    self.is_judged = false;
                    self.enter(Phase::Down, now);
                }
                Phase::Down if !self.is_judged => {
                    self.is_judged = true;
                    self.judge_probe(has_grown, is_lossy, now);
                }
                Phase::Down if (is_queued || is_lossy) && self.age < MAX_DOWN_ROUNDS => {
                    if is_congested && is_full {
                        self.note_restraint(is_lossy, true);
                        self.bandwidth.set(rate.max(known / 2));
                    }
                }
                Phase::Down => self.enter(Phase::Cruise, now),
                Phase::Drain | Phase::Cruise => {}
            }
        }
        self.gain_before = self.gain;
        self.gain = self.gain_of_phase();
    }

    fn note_restraint(&mut self, is_lossy: bool, is_queued: bool) {
        self.restraint = match (is_lossy, is_queued) {
            (true, _) => Restraint::Loss,
            (false, true) => Restraint::Queue,
            (false, false) => Restraint::Rate,
        };
    }

    /// What left in the probe was acknowledged.
    fn judge_probe(&mut self, has_grown: bool, is_lossy: bool, now: Time) {
        if has_grown && !self.queue.is_long() && !is_lossy {
            self.restraint = Restraint::Searching;
            let is_second = core::mem::replace(&mut self.is_second_probe, true);
            return self.enter(if is_second { Phase::Startup } else { Phase::Up }, now);
        }
        self.is_second_probe = false;
        self.note_restraint(is_lossy, self.queue.is_very_long());
        self.cruise_rounds = match is_lossy {
            true => (2 * self.cruise_rounds).min(MAX_CRUISE_ROUNDS),
            false => CRUISE_ROUNDS,
        };
        if !is_lossy && !self.queue.is_very_long() {
            self.enter(Phase::Cruise, now);
        }
    }

    /// A queue that comes up at the start, or is gone again, is noticed before the round ends.
    fn follow_queue(&mut self, now: Time) {
        match self.phase {
            Phase::Startup if self.queue.is_growing() => {
                self.note_restraint(false, false);
                self.enter(Phase::Drain, now);
            }
            Phase::Drain if self.queue.is_short() && !self.queue.is_doubtful(now) => {
                self.enter(Phase::Cruise, now);
            }
            _ => return,
        }
        self.gain = self.gain_of_phase();
    }

    fn is_time_for_a_probe(&self, now: Time) -> bool {
        let is_long = now.since(self.phase_began) >= MAX_CRUISE;
        self.age >= self.lasts || (self.age >= CRUISE_ROUNDS && is_long)
    }

    /// A share of a round that luck loses.
    fn luck(&self, summary: &Summary) -> f64 {
        let segments = (summary.bytes / self.mss.max(1)).max(1) as f64;
        LUCK * (self.own_loss.share().max(LEAST_LOSS) / segments).sqrt()
    }

    /// Whether more was lost than the path loses by itself, and than luck explains. Requests alone do not
    /// tell.
    fn is_lossy(&mut self, summary: &Summary, luck: f64) -> bool {
        if summary.is_app_limited {
            return false;
        }
        let own = self.own_loss.share();
        self.own_loss.limit(summary.loss + luck);
        summary.loss > own + EXCESS_LOSS + luck
    }

    /// Bytes that the path holds without a queue if it delivers `rate` bytes a second.
    fn product(&self, rate: u64) -> f64 {
        let base = self.queue.base().unwrap_or_default();
        rate as f64 * (base + self.queue.noise()).as_secs_f64()
    }

    /// Of the segments that leave, this share brings something new.
    fn arriving(&self) -> f64 {
        let loss = match self.phase {
            Phase::Startup => self.round.last_loss().min(STARTUP_LOSS),
            _ => self.own_loss.share(),
        };
        let copies = self.round.copies().min(MAX_COPIES);
        (1.0 - loss) * (1.0 - copies)
    }
}

impl Controller for Adaptive {
    fn window(&self) -> u64 {
        u64::MAX
    }

    fn most_on_way(&self) -> u64 {
        if self.queue.base().is_none() {
            return FIRST_FLIGHT;
        }
        let (gain, least) = match self.phase {
            Phase::Startup => (STARTUP_PIPE, self.startup.window()),
            _ => (PIPE, FIRST_FLIGHT),
        };
        let most = gain * self.product(self.bandwidth.get()) / self.arriving();
        (most as u64).max(least)
    }

    fn pacing_rate(&self) -> Option<u64> {
        let base = self.queue.base()?.max(Duration::from_micros(100));
        let bandwidth = match self.round.is_first() {
            true => (FIRST_FLIGHT as f64 / base.as_secs_f64()) as u64,
            false => self.bandwidth.get(),
        };
        let share = self.arriving() * (1.0 - self.round.parity());
        let rate = self.gain * bandwidth as f64 / share;
        let slowest = (LEAST_FLIGHT * self.mss) as f64 / (base + self.queue.noise()).as_secs_f64();
        // Copies of requests that leave alone must not hold up the next request.
        let slowest = slowest.min(LEAST_RATE) / (1.0 - self.round.copies().min(MOST_COPIES));
        Some(rate.max(slowest) as u64)
    }

    fn on_sent(&mut self, sent: &Sent, _now: Time) {
        self.own_loss.note_sent(sent.bytes);
        self.round.note_sent(sent);
    }

    fn on_acked(&mut self, acked: &Acked, now: Time) {
        if let Some(rtt) = acked.rtt {
            self.queue.note_rtt(rtt, now);
            self.follow_queue(now);
        }
        if self.phase == Phase::Startup {
            self.startup.note_acked(acked.bytes);
            if let Some(rate) = acked.delivered.and_then(|sample| sample.rate()) {
                self.bandwidth.raise(rate);
            }
        }
        if let Some(summary) = self.round.note_acked(acked, now) {
            self.end_round(summary, now);
        }
    }

    fn on_transmission_lost(&mut self, bytes: u64, sent: Time) {
        self.round.note_lost(bytes);
        self.own_loss.note_lost(bytes, sent);
    }

    fn on_parity_sent(&mut self, bytes: u64) {
        self.round.note_parity(bytes);
    }

    fn on_spurious(&mut self, bytes: u64, _now: Time) {
        self.round.note_arrived_late(bytes);
    }

    fn on_mtu(&mut self, segment: usize) {
        self.mss = segment as u64;
    }

    fn restraint(&self) -> Option<Restraint> {
        Some(self.restraint)
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            pacing_rate: self.pacing_rate(),
            delivery_rate: Some(self.bandwidth.get()).filter(|rate| *rate > 0),
            ..Metrics::default()
        }
    }
}
