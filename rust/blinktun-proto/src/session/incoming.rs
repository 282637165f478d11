//! From the wire: payloads into FEC and KCP, in-order data up to smux.

use super::ingest::Ingest;
use super::memory::{ReceiveMemory, SEGMENT, Seen};
use super::{Context, Event, Session};
use crate::error::CloseReason;
use crate::path::network;
use crate::smux::{Role, Version};
use crate::time::{Duration, Time};
use crate::trace::{self, Content, Datagram};
use crate::wire::Payload;
use crate::wire::fec::Packet;
use crate::wire::kcp::Segments;

/// The round trip, while none is known.
const UNKNOWN: Duration = Duration::from_millis(100);

impl Session {
    /// Take one payload that passed the crypt layer. After a batch of them call
    /// [`Session::finish_input`].
    pub fn handle_payload(&mut self, payload: Payload<'_>, now: Time, cx: &mut Context) {
        if self.is_closed() {
            return;
        }
        self.counts
            .note_received(self.layout.crypt() + payload.size());
        match payload {
            Payload::Plain(segments) => {
                self.fec.note_plain();
                self.handle_kcp(segments, true, now, cx);
            }
            Payload::Data(packet, segments) => {
                self.handle_kcp(segments, true, now, cx);
                self.handle_fec(&packet, now, cx);
            }
            Payload::Parity(packet) => {
                cx.stats.fec_parity_shards += 1;
                self.trace_received(packet.shard.len(), Content::Parity, now);
                self.handle_fec(&packet, now, cx);
            }
            Payload::OutOfBand => cx.stats.oob_packets += 1,
        }
    }

    fn handle_kcp(&mut self, segments: Segments<'_>, regular: bool, now: Time, cx: &mut Context) {
        if self.is_closed() {
            return; // the first payload of a datagram may have closed it
        }
        let content = match regular {
            true => Content::Segments(segments),
            false => Content::Rebuilt(segments),
        };
        self.trace_received(segments.bytes().len(), content, now);
        let mut sink = Ingest::new(
            &mut self.mux,
            self.compression.as_mut(),
            &mut cx.packed,
            now,
        );
        let spurious = cx.stats.spurious_retrans_segs;
        let into = (&mut sink, &mut cx.pool, &mut cx.stats);
        let result = self.kcp.input(segments, regular, &mut self.path, now, into);
        let (received, failed) = (sink.received, sink.failed);
        cx.stats.bytes_received += received;
        self.counts.received_payload += received;
        self.counts.spurious_retransmissions += cx.stats.spurious_retrans_segs - spurious;
        match (result, regular) {
            (Ok(()), true) => {}
            (Ok(()), false) => {
                cx.stats.fec_recovered += 1;
                self.counts.repaired_packets += 1;
            }
            (Err(_), true) => cx.stats.kcp_in_errors += 1,
            (Err(_), false) => cx.stats.fec_errs += 1,
        }
        if let Some(reason) = failed {
            self.close(reason);
        }
    }

    fn trace_received(&mut self, len: usize, content: Content<'_>, now: Time) {
        let event = trace::Event::Received(Datagram { len, content });
        self.path.note(event, now);
    }

    fn handle_fec(&mut self, packet: &Packet<'_>, now: Time, cx: &mut Context) {
        let mut fec = core::mem::take(&mut self.fec); // what it rebuilds changes the session
        let decoded = fec.receive(packet, self.conv, now, &mut |segments| {
            self.handle_kcp(segments, false, now, cx);
        });
        cx.stats.fec_full_shards += decoded.full_groups;
        cx.stats.fec_errs += decoded.errors;
        fec.gauge(now, &mut cx.stats);
        self.fec = fec;
    }

    /// Deliver what waited for room in the streams. There may be room again because bytes were
    /// consumed, a stream was reset, or refusals have left.
    pub(super) fn drain(&mut self, now: Time, cx: &mut Context) {
        if self.is_closed() || !self.kcp.has_waiting() || self.mux.receive_space() == 0 {
            return;
        }
        let mut sink = Ingest::new(
            &mut self.mux,
            self.compression.as_mut(),
            &mut cx.packed,
            now,
        );
        self.kcp.drain(&mut sink, &mut cx.pool);
        cx.stats.bytes_received += sink.received;
        self.counts.received_payload += sink.received;
        if let Some(reason) = sink.failed {
            self.close(reason);
        }
    }

    /// After a batch of payloads: find losses, notice a restarted peer.
    pub fn finish_input(&mut self, now: Time) {
        self.kcp.finish_input(&mut self.path, now);
        self.trace_metrics(now);
        if self.mux.peer_is_blinktun() {
            self.kcp.trust_peer();
            if self.role == Role::Server {
                // It asks as well when nothing comes, and its questions show its clock.
                self.path.liveness.note_peer_asks();
            }
            if let Some(token) = self.mux.peer_token().filter(|_| self.role == Role::Client) {
                self.kcp.set_token(token);
            }
        }
        if self.kcp.answered_ever(&self.path) {
            self.first_answer.note_answer();
        }
        self.update_silence(now);
        // Another blinktun's numbers do not keep our FEC off.
        if self.mux.peer_is_other()
            && let Some(theirs) = self.fec.take_mismatch()
        {
            self.events.push_back(Event::FecMismatch(theirs));
        }
        if self.path.is_too_narrow() {
            self.close(CloseReason::PathTooNarrow);
        }
        if self.kcp.forgotten() {
            self.close(CloseReason::PeerRestarted);
        }
    }

    /// Have as much memory as the streams need now, and tell the layers how much it is.
    pub(crate) fn update_memory(&mut self, now: Time, cx: &mut Context) {
        let source = match self.role {
            Role::Client => None,
            Role::Server => Some(network(self.path.address.remote.ip())),
        };
        let memory = self
            .memory
            .get_or_insert_with(|| ReceiveMemory::new(cx.memory.open(source), now));
        let (receiver, unread) = (self.kcp.receiver(), self.mux.unread_in_all());
        let waiting = self.mux.ahead_in_all() + self.mux.datagrams_held();
        memory.note_held(unread + waiting + receiver.held_bytes());
        if !self.tunes_itself {
            return;
        }
        let rtt = &self.path.rtt;
        let round_trip = if rtt.is_known() {
            rtt.smoothed()
        } else {
            UNKNOWN
        };
        memory.note_read(self.mux.read_in_all(), round_trip, now);
        let has_windows = self.mux.version() == Some(Version::V2);
        let seen = Seen {
            unread,
            waiting: receiver.waiting(),
            ahead: receiver.span(),
            promised: receiver.expected(),
            in_gaps: self.mux.ahead_in_all(),
            delivered: receiver.delivered(),
            is_shared: has_windows || self.mux.stream_count() > 1,
        };
        let given = memory.update(seen, now);
        // With less than a segment left there is no room.
        self.mux.set_room(given.granted.saturating_sub(SEGMENT - 1));
        self.mux.reserve(receiver.behind() * SEGMENT);
        self.mux
            .set_needs(given.could_have, given.stream, given.read);
        self.kcp.set_room(given.window);
    }
}
