//! Numbered segments until `una` passes them, and what acknowledgements said of them.

use crate::recovery::delivery::Snapshot;
use crate::recovery::rtt::Rtt;
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::wire::Millis;

/// The longest wait of any segment.
const MAX_SEGMENT_RTO: Duration = Duration::from_secs(5);

/// One numbered segment, until `una` passes it.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) data: Vec<u8>,
    /// When it last left.
    pub(super) sent: Time,
    /// The clock it last left with, as on the wire.
    pub(super) ts: Millis,
    /// The clock it first left with.
    pub(super) first_ts: Millis,
    /// When to send it again if nothing is heard.
    pub(super) due: Time,
    pub(super) rto: Duration,
    /// Which transmission of this conversation its last one was.
    pub(super) order: u64,
    /// What was delivered when that left.
    pub(super) snapshot: Snapshot,
    pub(super) transmissions: u32,
    pub(super) acked: bool,
    /// It waits to leave again, for this reason.
    pub(super) queued: Option<Again>,
    /// `due` was moved forward because a later segment arrived (early retransmission).
    pub(super) early: bool,
}

/// Why a segment leaves again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Enough later segments were acknowledged.
    Fast,
    /// A later one was, and nothing new is there to send.
    Early,
    /// Nothing was heard in time.
    Timeout,
}

impl Again {
    /// Count a segment that leaves.
    pub(super) fn count(self, stats: &mut Stats) {
        stats.retrans_segs += 1;
        match self {
            Again::Fast => stats.fast_retrans_segs += 1,
            Again::Early => stats.early_retrans_segs += 1,
            Again::Timeout => stats.lost_segs += 1,
        }
    }
}

/// The clock of an acknowledgement, seen against the segment it names.
#[derive(Clone, Copy, Debug)]
pub struct Echo {
    /// The exact round trip, if its last transmission left with this clock.
    pub exact: Option<Duration>,
    /// Whether the clock lies between its first and its last transmission.
    pub genuine: bool,
}

/// What the acknowledgements of one input batch said.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) segments: u32,
    pub(super) bytes: u64,
    /// The exact round trip of the transmission that left last, and when it left.
    pub(super) exact: Option<(Time, Duration)>,
    pub(super) advanced: bool,
}

impl Outgoing {
    pub(super) fn new(data: Vec<u8>, rto: Duration, now: Time) -> Outgoing {
        Outgoing {
            data,
            sent: now,
            ts: Millis(0),
            first_ts: Millis(0),
            due: now,
            rto,
            order: 0,
            snapshot: Snapshot::default(),
            transmissions: 0,
            acked: false,
            queued: None,
            early: false,
        }
    }
}

impl Outgoing {
    /// Whether `ts` lies between the clocks of its first and its last transmission.
    pub(super) fn echoes(&self, ts: Millis) -> bool {
        !ts.before(self.first_ts) && !self.ts.before(ts)
    }

    /// Wait longer after a timeout; an early repetition says nothing about the path's time.
    pub(super) fn back_off(&mut self, nodelay: bool, rtt: &Rtt) {
        if self.early {
            return;
        }
        let step = if nodelay { rtt.rto() / 2 } else { rtt.rto() };
        self.rto = (self.rto + step).min(MAX_SEGMENT_RTO);
    }
}

impl Batch {
    pub(super) fn note(&mut self, segment: &Outgoing) {
        self.segments += 1;
        self.bytes += segment.data.len() as u64;
    }

    pub(super) fn note_exact(&mut self, sent: Time, rtt: Duration) {
        if self.exact.is_none_or(|(newest, _)| newest <= sent) {
            self.exact = Some((sent, rtt));
        }
    }
}
