//! Numbered segments until `una` passes them, and what acknowledgements said of them.

use super::care::{Care, HUSK};
use super::queue::Unnumbered;
use crate::congestion::InFlight;
use crate::path::mtu_search::Length;
use crate::recovery::delivery::Snapshot;
use crate::recovery::loss::Fate;
use crate::recovery::rtt::Rtt;
use crate::stats::Stats;
use crate::time::{Duration, Time};
use crate::wire::Millis;

/// The longest wait of any segment.
const MAX_SEGMENT_RTO: Duration = Duration::from_secs(5);

/// When and with what a transmission left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Departure {
    pub(super) at: Time,
    /// The clock it left with, as on the wire.
    pub(super) ts: Millis,
    /// Which transmission of this conversation it was.
    pub(super) order: u64,
    /// What was delivered then.
    pub(super) snapshot: Snapshot,
    /// How long its datagram was.
    pub(super) length: Length,
    /// The bytes of the segment in it.
    pub(super) bytes: u32,
}

impl Departure {
    /// Whether it was a probe of the MTU. If that is lost, it may have been too long.
    pub(super) fn is_probe(&self) -> bool {
        matches!(self.length, Length::Probe(_))
    }
}

/// One numbered segment, until `una` passes it.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) data: Vec<u8>,
    /// What is done for it.
    pub(super) care: Care,
    /// It is independent: whole frames, which may be cut between them.
    pub(super) is_whole: bool,
    /// Its last transmission.
    pub(super) last: Departure,
    /// Those before it, oldest first, if it may well be that one of them arrives: it was not known to be lost.
    pub(super) earlier: Vec<Departure>,
    /// The clock it first left with.
    pub(super) first_ts: Millis,
    /// The bytes with which it first left.
    pub(super) first_bytes: u32,
    /// When to send it again if nothing is heard.
    pub(super) due: Time,
    pub(super) rto: Duration,
    pub(super) transmissions: u32,
    pub(super) acked: bool,
    /// The group of FEC in which it left last.
    pub(super) group: Option<u32>,
    /// That transmission is lost, but parity may bring it back.
    pub(super) is_suspected: bool,
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
    /// It may not be lost, but somebody waits for it.
    Copy,
}

impl Again {
    /// Count a segment that leaves.
    pub(super) fn count(self, stats: &mut Stats) {
        stats.retrans_segs += 1;
        match self {
            Again::Fast => stats.fast_retrans_segs += 1,
            Again::Early => stats.early_retrans_segs += 1,
            Again::Timeout => stats.lost_segs += 1,
            Again::Copy => {}
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
    pub(super) fn new(segment: Unnumbered, rto: Duration, now: Time) -> Outgoing {
        Outgoing {
            care: segment.care,
            is_whole: segment.is_whole(),
            data: segment.data,
            last: Departure::default(),
            earlier: Vec::new(),
            first_ts: Millis(0),
            first_bytes: 0,
            due: now,
            rto,
            transmissions: 0,
            acked: false,
            group: None,
            is_suspected: false,
            queued: None,
            early: false,
        }
    }

    /// Which transmission left with the clock `ts`, if that is sure.
    pub(super) fn departed_with(&self, ts: Millis) -> Option<Departure> {
        let all = self.earlier.iter().chain([&self.last]);
        let mut found = all.filter(|departure| departure.ts == ts);
        let first = found.next().copied();
        // Two transmissions of one millisecond have the same clock.
        first.filter(|_| found.next().is_none())
    }

    /// The bytes that have arrived, if `departed` is the transmission that brought them.
    pub(super) fn arrived(&self, departed: Option<Departure>) -> u64 {
        let bytes = match departed {
            Some(departed) => departed.bytes,
            None if self.transmissions == 1 => self.last.bytes,
            // It left earlier, and perhaps with more.
            None => self.first_bytes,
        };
        bytes.into()
    }

    /// What an acknowledgement with the clock `ts` tells: a copy may have arrived in place of what it copies.
    pub(super) fn fate(&self, ts: Millis) -> Fate {
        match self.earlier.first() {
            // A probe of the MTU may be too long.
            Some(first) if first.ts != ts && !first.is_probe() => Fate::Copied,
            _ => Fate::Arrived,
        }
    }

    /// How long the datagrams were that may still bring it.
    pub(super) fn lengths(&self) -> impl Iterator<Item = Length> {
        let all = [&self.last].into_iter().chain(&self.earlier);
        all.map(|departure| departure.length)
    }

    /// Whether `ts` lies between the clocks of its first and its last transmission.
    pub(super) fn echoes(&self, ts: Millis) -> bool {
        !ts.before(self.first_ts) && !self.last.ts.before(ts)
    }

    /// Its bytes, if it is lost and waits to leave again.
    pub(super) fn waits_as_lost(&self) -> u64 {
        match self.queued {
            None | Some(Again::Copy) => 0,
            Some(Again::Fast | Again::Early | Again::Timeout) => self.data.len() as u64,
        }
    }

    /// Let it leave again, for this reason. If it is expendable and lost, nothing of it is left but its number.
    pub(super) fn queue(&mut self, why: Again, in_flight: &mut InFlight) {
        if why != Again::Copy && self.care.is_expendable() {
            self.empty(in_flight);
        }
        // A copy of an empty segment could overtake the full one.
        if why != Again::Copy || !self.is_empty() {
            self.queued = Some(why);
        }
    }

    /// Leave nothing of an expendable segment but its number.
    pub(super) fn empty(&mut self, in_flight: &mut InFlight) {
        let before = self.data.len();
        self.data.truncate(HUSK);
        in_flight.shrink(before - self.data.len());
        self.queued.take_if(|why| *why == Again::Copy);
    }

    fn is_empty(&self) -> bool {
        self.care.is_expendable() && self.data.len() <= HUSK
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
    pub(super) fn note(&mut self, bytes: u64) {
        self.segments += 1;
        self.bytes += bytes;
    }

    pub(super) fn note_exact(&mut self, sent: Time, rtt: Duration) {
        if self.exact.is_none_or(|(newest, _)| newest <= sent) {
            self.exact = Some((sent, rtt));
        }
    }
}
