//! Which transmissions are lost: found as kcp-go finds it, or by time.

use super::coded::Coded;
use super::copies::Copies;
use super::overtaken::Overtaken;
use super::time_threshold::TimeThreshold;
use crate::recovery::loss::{Fate, Loss};
use crate::recovery::overhead::Overhead;
use crate::recovery::rtt::Rtt;
use crate::time::{Duration, Time};

/// A probe waits at most so many times twice as long as the one before.
const MAX_DOUBLINGS: u32 = 6;

/// A group that takes this part of a round trip until it is full is a slow one.
const SLOW_GROUP: u32 = 16;

/// How an end notices that a transmission is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossDetection {
    /// As kcp-go: by so many later acknowledgements (0: never), or by a timer of each segment.
    Packets(u32),
    /// By the time that reordering takes on this path, or by one timer for all that is in flight. What may be
    /// lost is made good in advance, with bytes of up to this share of the payload.
    Time(f64),
}

/// One of both ways, and what it remembers.
#[derive(Debug)]
pub(super) enum Detection {
    Packets(ByPackets),
    Time(Box<ByTime>),
}

/// Later acknowledgements, and the timers of segments.
#[derive(Debug)]
pub(super) struct ByPackets {
    pub(super) overtaken: Overtaken,
    /// No segment is due before this; may be early, never late.
    pub(super) next_due: Option<Time>,
    /// All segments are looked at for one that is due, so not before this.
    pub(super) next_look: Time,
    /// Segments that are due wait for a sign that the path carries anything.
    pub(super) held_back: bool,
    /// There was such a sign.
    pub(super) resumes: bool,
}

/// The time that reordering takes, one timer for all that is in flight, and copies of what somebody waits for.
#[derive(Debug)]
pub(super) struct ByTime {
    pub(super) threshold: TimeThreshold,
    pub(super) copies: Copies,
    pub(super) coded: Coded,
    /// What the path loses.
    pub(super) loss: Loss,
    /// What copies and parity may cost.
    pub(super) overhead: Overhead,
    /// Probes that have left because nothing was heard since.
    probes: u32,
}

impl Detection {
    /// Nothing is out.
    pub(super) fn new(how: LossDetection, now: Time) -> Detection {
        match how {
            LossDetection::Packets(resend) => Detection::Packets(ByPackets {
                overtaken: Overtaken::new(resend),
                next_due: None,
                next_look: now,
                held_back: false,
                resumes: false,
            }),
            LossDetection::Time(overhead) => Detection::Time(Box::new(ByTime {
                threshold: TimeThreshold::new(),
                copies: Copies::default(),
                coded: Coded::default(),
                loss: Loss::default(),
                overhead: Overhead::new(overhead),
                probes: 0,
            })),
        }
    }

    /// A transmission was acknowledged. `is_exact` says that its own acknowledgement has come.
    pub(super) fn note_acked(&mut self, order: u64, is_exact: bool, rtt: &Rtt, now: Time) {
        match self {
            Detection::Packets(by) => by.overtaken.note_acked(order),
            Detection::Time(by) => {
                by.threshold
                    .note_acked(order, is_exact, rtt.smoothed(), now);
            }
        }
    }

    /// Whether parity brings a segment back so late that this must not be taken for reordering.
    pub(super) fn has_slow_groups(&self, rtt: &Rtt) -> bool {
        match self {
            Detection::Packets(_) => false,
            Detection::Time(by) => by.coded.fill() > rtt.smoothed() / SLOW_GROUP,
        }
    }

    /// It is known what became of a transmission.
    pub(super) fn note_fate(&mut self, fate: Fate) {
        if let Detection::Time(by) = self {
            by.note_fate(fate);
        }
    }

    /// Something was acknowledged.
    pub(super) fn note_progress(&mut self) {
        match self {
            Detection::Packets(by) => by.resumes |= core::mem::take(&mut by.held_back),
            Detection::Time(by) => by.probes = 0,
        }
    }
}

impl ByTime {
    /// How long after the last acknowledgement a probe leaves: the time of an acknowledgement, and twice as
    /// long after each probe.
    pub(super) fn probe_after(&self, rtt: &Rtt) -> Duration {
        rtt.rto() * (1 << self.probes.min(MAX_DOUBLINGS))
    }

    /// It is known what became of a transmission.
    pub(super) fn note_fate(&mut self, fate: Fate) {
        self.loss.note(fate);
        if fate != Fate::Arrived {
            self.copies.note_loss();
        }
    }

    /// A probe leaves.
    pub(super) fn note_probe(&mut self) {
        self.probes += 1;
    }
}
