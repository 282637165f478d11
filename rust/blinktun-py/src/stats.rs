//! What one session has counted, and how it stands, as a Python value.

use blinktun_proto::session;
use blinktun_proto::smux::Version;
use blinktun_proto::time::Duration;
use pyo3::prelude::*;

use crate::enums::limit_kind;

/// What holds a session back, and the figures that belong to it.
#[pyclass(frozen, get_all, module = "blinktun._core")]
pub struct Limit {
    kind: Py<PyAny>,
    share: f64,
    rate: u64,
    allows: Option<u64>,
    window: Option<u64>,
    segments: Option<u32>,
    rtt: Option<f64>,
    queue: Option<f64>,
    repeated: f64,
}

#[pymethods]
impl Limit {
    #[new]
    #[pyo3(signature = (
        kind, *, share=1.0, rate=0, allows=None, window=None, segments=None, rtt=None, queue=None,
        repeated=0.0
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    fn new(
        kind: Py<PyAny>,
        share: f64,
        rate: u64,
        allows: Option<u64>,
        window: Option<u64>,
        segments: Option<u32>,
        rtt: Option<f64>,
        queue: Option<f64>,
        repeated: f64,
    ) -> Limit {
        Limit {
            kind,
            share,
            rate,
            allows,
            window,
            segments,
            rtt,
            queue,
            repeated,
        }
    }
}

fn limit(py: Python<'_>, limit: session::Limit) -> PyResult<Py<Limit>> {
    let seconds = |time: Duration| time.as_secs_f64();
    let made = Limit {
        kind: limit_kind(py, limit.kind)?,
        share: limit.share(),
        rate: limit.rate,
        allows: limit.allows,
        window: limit.window,
        segments: limit.segments,
        rtt: limit.rtt.map(seconds),
        queue: limit.queue.map(seconds),
        repeated: limit.share_repeated(),
    };
    Py::new(py, made)
}

/// A session at one moment.
#[pyclass(frozen, get_all, module = "blinktun._core")]
pub struct SessionStats {
    sent_packets: u64,
    sent_bytes: u64,
    received_packets: u64,
    received_bytes: u64,
    sent_payload: u64,
    received_payload: u64,
    fast_retransmissions: u64,
    early_retransmissions: u64,
    timeout_retransmissions: u64,
    spurious_retransmissions: u64,
    repaired_packets: u64,
    sent_overhead: Option<f64>,
    received_overhead: Option<f64>,
    rtt: Option<f64>,
    min_rtt: Option<f64>,
    latest_rtt: Option<f64>,
    window: u64,
    rate: Option<u64>,
    in_flight: u64,
    mtu: usize,
    peer_window: u32,
    streams: usize,
    flows: usize,
    sent_datagrams: u64,
    received_datagrams: u64,
    dropped_datagrams: u64,
    smux_version: Option<u8>,
    peer_is_blinktun: bool,
    limit: Py<Limit>,
    receiving_limit: Option<Py<Limit>>,
}

impl SessionStats {
    pub fn new(py: Python<'_>, stats: session::SessionStats) -> PyResult<SessionStats> {
        let theirs = stats.receiving_limit;
        let seconds = |time: Duration| time.as_secs_f64();
        let counts = stats.counts;
        Ok(SessionStats {
            sent_packets: counts.sent_packets,
            sent_bytes: counts.sent_bytes,
            received_packets: counts.received_packets,
            received_bytes: counts.received_bytes,
            sent_payload: counts.sent_payload,
            received_payload: counts.received_payload,
            fast_retransmissions: counts.fast_retransmissions,
            early_retransmissions: counts.early_retransmissions,
            timeout_retransmissions: counts.timeout_retransmissions,
            spurious_retransmissions: counts.spurious_retransmissions,
            repaired_packets: counts.repaired_packets,
            sent_overhead: counts.sent_overhead(),
            received_overhead: counts.received_overhead(),
            rtt: stats.rtt.map(seconds),
            min_rtt: stats.min_rtt.map(seconds),
            latest_rtt: stats.latest_rtt.map(seconds),
            window: stats.window,
            rate: stats.rate,
            in_flight: stats.in_flight,
            mtu: stats.mtu,
            peer_window: stats.peer_window,
            streams: stats.streams,
            flows: stats.flows,
            sent_datagrams: stats.datagrams.sent,
            received_datagrams: stats.datagrams.received,
            dropped_datagrams: stats.datagrams.dropped,
            smux_version: stats.smux_version.map(|version| match version {
                Version::V1 => 1,
                Version::V2 => 2,
            }),
            peer_is_blinktun: stats.peer_is_blinktun,
            limit: limit(py, stats.limit)?,
            receiving_limit: theirs.map(|theirs| limit(py, theirs)).transpose()?,
        })
    }
}
