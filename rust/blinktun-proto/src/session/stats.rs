//! What one session has counted, and how it stands now.
//!
//! The counters of an endpoint (`Stats`) are those of all its sessions together, past ones included. Where
//! a layer below counts for the endpoint alone, the session takes the difference around its own turn.

use super::limit::Limit;
use crate::smux::{DatagramCounts, Version};
use crate::stats::Stats;
use crate::time::Duration;

/// What a session has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams sent, parity included.
    pub sent_packets: u64,
    /// Their bytes, with all headers up to those of UDP.
    pub sent_bytes: u64,
    /// Datagrams taken. Those of an unknown kind, which kcptun never sends, have no bytes here.
    pub received_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Bytes given to KCP by the layers above: frames of smux, compressed.
    pub sent_payload: u64,
    /// Bytes that KCP gave to the layers above.
    pub received_payload: u64,
    /// Retransmissions after enough later segments were acknowledged.
    pub fast_retransmissions: u64,
    /// Retransmissions after one later acknowledgement, with nothing new to send.
    pub early_retransmissions: u64,
    /// Retransmissions by timeout.
    pub timeout_retransmissions: u64,
    /// Retransmissions whose original turned out to have arrived.
    pub spurious_retransmissions: u64,
    /// Data packets that FEC rebuilt.
    pub repaired_packets: u64,
}

impl Counts {
    /// Datagrams leave: `len` bytes, and `stride` each but for the last.
    pub(super) fn note_sent(&mut self, len: usize, stride: usize) {
        self.sent_packets += len.div_ceil(stride) as u64;
        self.sent_bytes += len as u64;
    }

    /// What was counted for the endpoint while the session made a batch.
    pub(super) fn note_turn(&mut self, before: &Mark, after: &Mark) {
        self.sent_payload += after.sent - before.sent;
        self.fast_retransmissions += after.fast - before.fast;
        self.early_retransmissions += after.early - before.early;
        self.timeout_retransmissions += after.timeout - before.timeout;
    }

    /// A datagram was taken.
    pub(super) fn note_received(&mut self, size: usize) {
        self.received_packets += 1;
        self.received_bytes += size as u64;
    }

    /// Retransmissions of all kinds.
    pub(super) fn retransmissions(&self) -> u64 {
        self.fast_retransmissions + self.early_retransmissions + self.timeout_retransmissions
    }

    /// Datagram bytes sent for a byte of payload; `None` while there was no payload.
    pub fn sent_overhead(&self) -> Option<f64> {
        ratio(self.sent_bytes, self.sent_payload)
    }

    /// Datagram bytes received for a byte of payload; `None` while there was no payload.
    pub fn received_overhead(&self) -> Option<f64> {
        ratio(self.received_bytes, self.received_payload)
    }
}

fn ratio(wire: u64, payload: u64) -> Option<f64> {
    (payload > 0).then(|| wire as f64 / payload as f64)
}

/// The counters of the endpoint that change while a batch is made.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    sent: u64,
    fast: u64,
    early: u64,
    timeout: u64,
}

impl Mark {
    pub(super) fn of(stats: &Stats) -> Mark {
        Mark {
            sent: stats.bytes_sent,
            fast: stats.fast_retrans_segs,
            early: stats.early_retrans_segs,
            timeout: stats.lost_segs,
        }
    }
}

/// A session at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionStats {
    /// What it has counted.
    pub counts: Counts,
    /// The smoothed round trip.
    pub rtt: Option<Duration>,
    /// The shortest round trip of the last 5 to 10 s.
    pub min_rtt: Option<Duration>,
    /// The last round trip.
    pub latest_rtt: Option<Duration>,
    /// Bytes of data that may be in flight: the smallest of all windows.
    pub window: u64,
    /// Bytes a second at which data leaves; `None`: it is not paced.
    pub rate: Option<u64>,
    /// Bytes of data in flight.
    pub in_flight: u64,
    /// The largest datagram, in bytes.
    pub mtu: usize,
    /// The window of the peer, in segments.
    pub peer_window: u32,
    /// Open streams.
    pub streams: usize,
    /// Open flows of datagrams.
    pub flows: usize,
    /// What became of datagrams.
    pub datagrams: DatagramCounts,
    /// The version of smux, once it is known.
    pub smux_version: Option<Version>,
    /// Whether the peer has said that it is blinktun.
    pub peer_is_blinktun: bool,
    /// Why what we send is not faster.
    pub limit: Limit,
    /// Why what the peer sends is not faster, if that is known here.
    pub receiving_limit: Option<Limit>,
}
