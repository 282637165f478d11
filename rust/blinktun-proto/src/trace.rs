//! What a session does, written down as it happens, in qlog's JSON form.
//!
//! The form is that of draft-ietf-quic-qlog-main-schema: JSON text sequences (RFC 7464), a header and then
//! one event a record, with times in milliseconds since the trace began. Events and fields have the names of
//! draft-ietf-quic-qlog-quic-events where KCP has the same thing. The URI of the schema says that it is not
//! QUIC. No byte of a stream is in it, no key, and no address.

use core::fmt::{self, Write};

use crate::congestion::{Acked, InFlight, LossKind, Lost};
use crate::time::{Duration, Time};
use crate::timers::Timer;
use crate::wire::kcp::{ACK, PUSH, Segments, WASK};

/// Text that waits to be taken; what comes beyond it is left out, and counted.
const MAX_TEXT: usize = 1 << 20;
/// Segments of one datagram that are listed.
const MAX_LISTED: usize = 64;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A datagram leaves.
    Sent(Datagram<'a>),
    /// A datagram was taken.
    Received(Datagram<'a>),
    /// Segments were acknowledged.
    Acked(&'a Acked),
    /// Segments were found lost.
    Lost(&'a Lost),
    /// A segment was sent again, and an earlier transmission had arrived.
    Spurious(u64),
    /// A timer has fired.
    Expired(Timer),
    /// What is known of the path has changed.
    Metrics(Metrics),
    /// The MTU has changed, for this reason.
    Mtu(usize, &'a str),
    /// The system has refused a datagram of so many bytes; so many may pass, as far as it knows.
    Refused(usize, Option<usize>),
    /// The peer is at another address.
    Migrated,
    /// The session goes from one state to another, for a reason perhaps.
    State(&'a str, &'a str),
}

/// A datagram, as far as it is told.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Bytes, the crypt layer's included where they are known.
    pub len: usize,
    /// What it holds.
    pub content: Content<'a>,
}

/// What a datagram holds.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Segments.
    Segments(Segments<'a>),
    /// Segments that FEC has rebuilt.
    Rebuilt(Segments<'a>),
    /// Parity.
    Parity,
}

/// What is known of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// The smoothed round trip.
    pub smoothed_rtt: Duration,
    /// The shortest round trip of late.
    pub min_rtt: Option<Duration>,
    /// The last round trip.
    pub latest_rtt: Duration,
    /// The retransmission timeout.
    pub rto: Duration,
    /// The congestion window, in bytes.
    pub window: Option<u64>,
    /// Bytes a second.
    pub pacing_rate: Option<u64>,
    /// What is on its way.
    pub in_flight: InFlight,
    /// The receive window of the peer, in segments.
    pub peer_window: u32,
}

/// The trace of one session.
#[derive(Debug)]
pub struct Trace {
    text: String,
    began: Time,
    latest: Time,
    last: Option<Metrics>,
    left_out: u64,
}

impl Trace {
    /// A trace that begins now, of the end that `vantage_point` names: `client` or `server`.
    pub fn new(vantage_point: &str, conv: u32, now: Time) -> Trace {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "\u{1e}{{\"file_schema\":\"urn:ietf:params:qlog:file:sequential\",\
             \"serialization_format\":\"application/qlog+json-seq\",\
             \"title\":\"blinktun\",\"trace\":{{\"vantage_point\":{{\"type\":\"{vantage_point}\"}},\
             \"event_schemas\":[\"urn:blinktun:qlog:kcp\"],\
             \"common_fields\":{{\"group_id\":\"{conv:08x}\",\"time_format\":\"relative_to_epoch\",\
             \"reference_time\":{{\"clock_type\":\"monotonic\",\"epoch\":\"unknown\"}}}}}}}}"
        );
        Trace {
            text,
            began: now,
            latest: now,
            last: None,
            left_out: 0,
        }
    }

    /// Write an event down.
    pub fn note(&mut self, event: Event<'_>, now: Time) {
        self.latest = now;
        if self.text.len() > MAX_TEXT {
            self.left_out += 1;
            return;
        }
        if let Event::Metrics(metrics) = event
            && self.last.replace(metrics) == Some(metrics)
        {
            return;
        }
        self.begin_record();
        let _ = write_event(&mut self.text, event);
        self.text.push_str("}\n");
    }

    /// Write an event down at the time of the one before: the caller has no clock.
    pub fn note_at_once(&mut self, event: Event<'_>) {
        self.note(event, self.latest);
    }

    fn begin_record(&mut self) {
        let time = Millis(self.latest.since(self.began));
        let _ = write!(self.text, "\u{1e}{{\"time\":{time},");
    }

    /// Take what was written since the last call.
    pub fn take(&mut self) -> String {
        if self.left_out > 0 {
            let left_out = core::mem::take(&mut self.left_out);
            self.begin_record();
            let _ = writeln!(
                self.text,
                "\"name\":\"loglevel:warning\",\
                 \"data\":{{\"message\":\"{left_out} events are left out\"}}}}"
            );
        }
        core::mem::take(&mut self.text)
    }

    /// Whether there is anything to take.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

fn write_event(out: &mut String, event: Event<'_>) -> fmt::Result {
    match event {
        Event::Sent(datagram) => write_datagram(out, "transport:packet_sent", datagram),
        Event::Received(datagram) => write_datagram(out, "transport:packet_received", datagram),
        Event::Acked(acked) => {
            let Acked {
                bytes, segments, ..
            } = acked;
            write!(
                out,
                "\"name\":\"recovery:packets_acked\",\"data\":{{\"bytes\":{bytes},\"segments\":{segments}"
            )?;
            if let Some(delivered) = acked.delivered {
                write!(
                    out,
                    ",\"delivered\":{},\"interval\":{},\"app_limited\":{}",
                    delivered.bytes,
                    Millis(delivered.interval),
                    delivered.is_app_limited
                )?;
            }
            out.write_char('}')
        }
        Event::Lost(lost) => {
            let trigger = match lost.kind {
                LossKind::PacketThreshold => "reordering_threshold",
                LossKind::Timeout => "time_threshold",
            };
            write!(
                out,
                "\"name\":\"recovery:packet_lost\",\"data\":{{\"bytes\":{},\"segments\":{},\"trigger\":\"{trigger}\"}}",
                lost.bytes, lost.segments
            )
        }
        Event::Spurious(bytes) => write!(
            out,
            "\"name\":\"recovery:spurious_retransmission\",\"data\":{{\"bytes\":{bytes}}}"
        ),
        Event::Expired(timer) => write!(
            out,
            "\"name\":\"recovery:loss_timer_updated\",\"data\":{{\"event_type\":\"expired\",\"timer_type\":\"{}\"}}",
            timer.name()
        ),
        Event::Metrics(metrics) => write_metrics(out, &metrics),
        Event::Mtu(mtu, reason) => write!(
            out,
            "\"name\":\"recovery:mtu_updated\",\"data\":{{\"new\":{mtu},\"reason\":\"{reason}\"}}"
        ),
        Event::Refused(len, known) => {
            write!(
                out,
                "\"name\":\"recovery:datagram_refused\",\"data\":{{\"length\":{len}"
            )?;
            if let Some(known) = known {
                write!(out, ",\"known_mtu\":{known}")?;
            }
            out.write_char('}')
        }
        Event::Migrated => {
            out.write_str("\"name\":\"connectivity:path_assigned\",\"data\":{\"path_id\":\"new\"}")
        }
        Event::State(new, reason) => write!(
            out,
            "\"name\":\"connectivity:connection_state_updated\",\"data\":{{\"new\":\"{new}\",\"reason\":\"{reason}\"}}"
        ),
    }
}

fn write_metrics(out: &mut String, metrics: &Metrics) -> fmt::Result {
    write!(
        out,
        "\"name\":\"recovery:metrics_updated\",\"data\":{{\"smoothed_rtt\":{},\"latest_rtt\":{},\"rto\":{},\
         \"bytes_in_flight\":{},\"packets_in_flight\":{},\"peer_window\":{}",
        Millis(metrics.smoothed_rtt),
        Millis(metrics.latest_rtt),
        Millis(metrics.rto),
        metrics.in_flight.bytes,
        metrics.in_flight.segments,
        metrics.peer_window
    )?;
    if let Some(min) = metrics.min_rtt {
        write!(out, ",\"min_rtt\":{}", Millis(min))?;
    }
    if let Some(window) = metrics.window {
        write!(out, ",\"congestion_window\":{window}")?;
    }
    if let Some(rate) = metrics.pacing_rate {
        write!(out, ",\"pacing_rate\":{}", rate.saturating_mul(8))?; // qlog counts bits
    }
    out.write_char('}')
}

fn write_datagram(out: &mut String, name: &str, datagram: Datagram<'_>) -> fmt::Result {
    let len = datagram.len;
    let (kind, segments) = match datagram.content {
        Content::Segments(segments) => ("segments", Some(segments)),
        Content::Rebuilt(segments) => ("rebuilt", Some(segments)),
        Content::Parity => ("parity", None),
    };
    write!(
        out,
        "\"name\":\"{name}\",\"data\":{{\"raw\":{{\"length\":{len}}},\"kind\":\"{kind}\",\"frames\":["
    )?;
    let listed = segments.into_iter().flatten().take(MAX_LISTED);
    for (index, segment) in listed.enumerate() {
        let kind = match segment.cmd {
            PUSH => "push",
            ACK => "ack",
            WASK => "window_probe",
            _ => "window_report",
        };
        write!(
            out,
            "{}{{\"frame_type\":\"{kind}\",\"sn\":{},\"una\":{},\"ts\":{},\"wnd\":{},\"length\":{}}}",
            if index == 0 { "" } else { "," },
            segment.sn.0,
            segment.una.0,
            segment.ts.0,
            segment.wnd,
            segment.data.len()
        )?;
    }
    out.write_str("]}")
}

/// A time in milliseconds, as qlog has it.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::wire::kcp::{HEADER, Segment};
    use crate::wire::{self, Sn};

    fn records(text: &str) -> Vec<Value> {
        let records = text.split('\u{1e}').filter(|record| !record.is_empty());
        records
            .map(|record| serde_json::from_str(record).expect("JSON"))
            .collect()
    }

    #[test]
    fn every_event_is_a_record_of_json() {
        let mut bytes = [0; HEADER + 3];
        Segment {
            conv: 7,
            cmd: PUSH,
            wnd: 32,
            ts: wire::Millis(5),
            sn: Sn(3),
            una: Sn(2),
            data: b"abc",
        }
        .write(&mut bytes);
        let segments = Segments::parse(&bytes).expect("segments");
        let datagram = |content| Datagram { len: 100, content };
        let lost = Lost {
            bytes: 10,
            segments: 1,
            kind: LossKind::Timeout,
            newest_sent: Time::ZERO,
            in_flight: InFlight::default(),
        };
        let acked = Acked {
            bytes: 10,
            segments: 1,
            delivered: None,
            rtt: None,
            has_advanced: true,
            in_flight: InFlight::default(),
            peer_window: 32,
        };
        let metrics = Metrics {
            min_rtt: Some(Duration::from_millis(20)),
            window: Some(1000),
            pacing_rate: Some(2000),
            ..Metrics::default()
        };
        let events = [
            Event::Sent(datagram(Content::Segments(segments))),
            Event::Received(datagram(Content::Rebuilt(segments))),
            Event::Received(datagram(Content::Parity)),
            Event::Acked(&acked),
            Event::Lost(&lost),
            Event::Spurious(10),
            Event::Metrics(metrics),
            Event::Metrics(metrics),
            Event::Mtu(1200, "probe"),
            Event::Refused(1472, Some(1252)),
            Event::Refused(1472, None),
            Event::Migrated,
            Event::State("closed", "closed here"),
        ];
        let began = Time::from_millis(1000);
        let mut trace = Trace::new("client", 7, began);
        for event in events {
            trace.note(event, began + Duration::from_micros(12_345));
        }
        for timer in Timer::ALL {
            trace.note(Event::Expired(timer), began);
        }
        let records = records(&trace.take());
        let same_metrics_again = 1;
        assert_eq!(
            records.len(),
            1 + events.len() - same_metrics_again + Timer::ALL.len()
        );
        assert_eq!(records[0]["trace"]["vantage_point"]["type"], "client");
        assert_eq!(records[1]["time"], 12.345);
        assert_eq!(records[1]["data"]["frames"][0]["sn"], 3);
        assert_eq!(records[7]["data"]["pacing_rate"], 16_000);
        assert!(trace.is_empty());
    }

    #[test]
    fn text_that_nobody_takes_is_bounded_and_what_is_left_out_is_counted() {
        let mut trace = Trace::new("server", 7, Time::ZERO);
        for mtu in 0..200_000 {
            trace.note(Event::Mtu(mtu, "given"), Time::ZERO);
        }
        trace.note(Event::Mtu(1, "given"), Time::from_millis(7));
        let text = trace.take();
        assert!(text.len() < MAX_TEXT + 1000);
        let last = records(&text).pop().expect("records");
        assert_eq!(last["time"], 7.0, "when the last event was left out");
        let message = last["data"]["message"].as_str().expect("a message");
        assert!(message.ends_with("events are left out"), "{message}");
    }
}
