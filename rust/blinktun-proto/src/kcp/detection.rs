//! Which transmissions are lost.

use super::overtaken::{Overtaken, Transmission};
use super::time_threshold::TimeThreshold;
use crate::recovery::rtt::Rtt;
use crate::time::Time;

/// How an end notices that a transmission is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossDetection {
    /// As kcp-go: by so many later acknowledgements (0: never), or by a timer of each segment.
    Packets(u32),
    /// By the time that reordering takes on this path, or by one timer for all that is in flight.
    Time,
}

/// What is out, by one of both ways.
#[derive(Debug)]
pub(super) enum Detection {
    Packets(Overtaken),
    Time(TimeThreshold),
}

impl Detection {
    /// Nothing is out.
    pub(super) fn new(how: LossDetection) -> Detection {
        match how {
            LossDetection::Packets(resend) => Detection::Packets(Overtaken::new(resend)),
            LossDetection::Time => Detection::Time(TimeThreshold::new()),
        }
    }

    /// A segment leaves.
    pub(super) fn note_sent(&mut self, transmission: Transmission) {
        match self {
            Detection::Packets(overtaken) => overtaken.note_sent(transmission),
            Detection::Time(threshold) => threshold.note_sent(transmission),
        }
    }

    /// A transmission was acknowledged. `is_exact` says that its own acknowledgement has come.
    pub(super) fn note_acked(&mut self, order: u64, is_exact: bool, rtt: &Rtt, now: Time) {
        match self {
            Detection::Packets(overtaken) => overtaken.note_acked(order),
            Detection::Time(threshold) => {
                threshold.note_acked(order, is_exact, rtt.smoothed(), now);
            }
        }
    }
}
