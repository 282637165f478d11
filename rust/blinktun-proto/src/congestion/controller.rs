//! What a controller is, and what it is told.

use crate::recovery::delivery::Delivered;
use crate::time::{Duration, Time};

/// What is on its way: sent, and not acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Bytes of data.
    pub bytes: u64,
    /// The number of segments.
    pub segments: u32,
}

impl InFlight {
    /// Add one segment.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.segments += 1;
    }

    /// Remove one segment that was added.
    pub fn remove(&mut self, bytes: usize) {
        self.bytes -= bytes as u64;
        self.segments -= 1;
    }

    /// A segment that was added has become so many bytes shorter.
    pub fn shrink(&mut self, bytes: usize) {
        self.bytes -= bytes as u64;
    }
}

/// A segment that leaves, for the first time or again.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Its bytes.
    pub bytes: u64,
    /// What was on its way before.
    pub in_flight: InFlight,
    /// It is a copy of one that is on its way.
    pub is_copy: bool,
}

/// What the acknowledgements of one input tell.
#[derive(Clone, Copy, Debug)]
pub struct Acked {
    /// Bytes that were not acknowledged before.
    pub bytes: u64,
    /// The number of segments.
    pub segments: u32,
    /// How fast the path delivers, if that is known.
    pub delivered: Option<Delivered>,
    /// The exact round trip of the one that left last, if it is known which transmission arrived.
    pub rtt: Option<Duration>,
    /// `una` has moved.
    pub has_advanced: bool,
    /// What is still on its way.
    pub in_flight: InFlight,
    /// The receive window of the peer, in segments.
    pub peer_window: u32,
}

/// How a loss was noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossKind {
    /// Enough later transmissions were acknowledged.
    #[default]
    PacketThreshold,
    /// Nothing was heard in time.
    Timeout,
}

/// Segments that were found lost at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lost {
    /// Bytes.
    pub bytes: u64,
    /// The number of segments.
    pub segments: u32,
    /// How the worst of them was noticed.
    pub kind: LossKind,
    /// When the newest of them had left.
    pub newest_sent: Time,
    /// What is on its way, the lost included.
    pub in_flight: InFlight,
}

impl Lost {
    /// Add a segment of so many bytes that left last at `sent`.
    pub fn add(&mut self, bytes: usize, sent: Time, kind: LossKind) {
        self.bytes += bytes as u64;
        self.segments += 1;
        self.newest_sent = self.newest_sent.max(sent);
        if self.kind != LossKind::Timeout {
            self.kind = kind;
        }
    }
}

/// Why a controller lets no more leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restraint {
    /// It does not know yet how much the path carries.
    Searching,
    /// The path carries no more.
    Rate,
    /// More loses more: a policer, or a queue that is full.
    Loss,
    /// A queue has grown.
    Queue,
    /// Its window shrinks at each loss.
    Backoff,
}

/// What a controller shows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Bytes that may be in flight; `None`: as many as the windows allow.
    pub window: Option<u64>,
    /// Bytes at which a window stops growing fast.
    pub slow_start_threshold: Option<u64>,
    /// Bytes of data a second; `None`: not paced.
    pub pacing_rate: Option<u64>,
    /// Bytes of data a second that the path delivers, if that is known.
    pub delivery_rate: Option<u64>,
}

/// Decides how many bytes may be in flight, and how fast they leave.
pub trait Controller: Send + Sync {
    /// The congestion window, in bytes. The smaller of it and both windows holds.
    fn window(&self) -> u64;

    /// Bytes of data a second; `None`: not paced.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }

    /// With so many bytes that are neither acknowledged nor found lost no new data may leave.
    fn most_on_way(&self) -> u64 {
        u64::MAX
    }

    /// A segment leaves.
    fn on_sent(&mut self, _sent: &Sent, _now: Time) {}

    /// Segments were acknowledged.
    fn on_acked(&mut self, _acked: &Acked, _now: Time) {}

    /// A transmission of so many bytes that left at `sent` was found lost. [`Controller::on_lost`] follows
    /// with all of one moment.
    fn on_transmission_lost(&mut self, _bytes: u64, _sent: Time) {}

    /// Segments were found lost.
    fn on_lost(&mut self, _lost: &Lost, _now: Time) {}

    /// A segment was sent again, and an earlier transmission had arrived. It may have been reported lost.
    fn on_spurious(&mut self, _bytes: u64, _now: Time) {}

    /// Parity of so many bytes leaves.
    fn on_parity_sent(&mut self, _bytes: u64) {}

    /// From now on a segment has at most so many bytes.
    fn on_mtu(&mut self, _segment: usize) {}

    /// Why no more may leave; `None`: only windows and a given rate say so.
    fn restraint(&self) -> Option<Restraint> {
        None
    }

    /// What it shows of itself.
    fn metrics(&self) -> Metrics;
}
