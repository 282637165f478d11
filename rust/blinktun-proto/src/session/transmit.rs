//! From streams to datagrams: frames into KCP, payloads into batches of equal length.

use super::compression::Compression;
use super::stats::Mark;
use super::{Batch, Context, LimitKind, MAX_BATCH, Session, packing};
use crate::kcp::Care;
use crate::smux::{self, Class, independent};
use crate::time::Time;
use crate::trace::{self, Content, Datagram};
use crate::wire::kcp::{HEADER, Segments};

/// The most bytes taken from smux at once.
const MAX_FILL: usize = 65536;

impl Session {
    /// Write datagrams that must leave to `out`, unsealed, each with room for the crypt layer in
    /// front and behind, at most `limit` bytes in all. All have the same length except the last.
    pub fn poll_transmit(
        &mut self,
        out: &mut [u8],
        limit: usize,
        now: Time,
        cx: &mut Context,
    ) -> Option<Batch> {
        if self.is_closed() {
            return None;
        }
        self.update_memory(now, cx);
        self.path.begin_batch(now);
        let allowed = match &mut self.pace {
            None => usize::MAX,
            Some(pace) => match pace.allowance(now) {
                Some(allowed) => allowed,
                None => {
                    self.drain(now, cx); // what has arrived need not wait
                    self.note_limit(now);
                    return None;
                }
            },
        };
        let end = out.len().min(limit).min(allowed);
        let before = Mark::of(&cx.stats);
        let batch = self.write_batch(&mut out[..end], now, cx);
        self.counts.note_turn(&before, &Mark::of(&cx.stats));
        if let Some(batch) = batch {
            self.counts.note_sent(batch.len, batch.stride);
        }
        if let (Some(pace), Some(batch)) = (&mut self.pace, batch) {
            pace.spend(batch.len);
        }
        self.kcp.gauge(now, &mut cx.stats);
        match batch {
            None => self.note_limit(now),
            // What follows leaves as soon as the driver asks for it.
            Some(_) => _ = self.limits.note(LimitKind::Machine, now),
        }
        batch
    }

    fn write_batch(&mut self, out: &mut [u8], now: Time, cx: &mut Context) -> Option<Batch> {
        if self.held_over.len() > out.len() {
            return None;
        }
        self.follow_mtu_search(now, cx);
        let (len, is_whole) = self.held_over.take(out).unwrap_or_default();
        let stride = len;
        let mut batch = Batch {
            len,
            stride,
            is_whole,
        };
        for _ in 0..MAX_BATCH {
            let Some((len, is_whole)) = self.write_datagram(&mut out[batch.len..], now, cx) else {
                break;
            };
            if batch.stride == 0 {
                (batch.stride, batch.is_whole) = (len, is_whole);
            } else if len > batch.stride || is_whole != batch.is_whole {
                let datagram = &out[batch.len..batch.len + len];
                self.held_over.put(datagram, is_whole);
                break;
            }
            batch.len += len;
            if len < batch.stride {
                break;
            }
        }
        (batch.len > 0).then_some(batch)
    }

    /// Write one datagram; `None` if there is none to send or no room for it. Returns its length, and whether
    /// nobody may cut it into fragments.
    fn write_datagram(
        &mut self,
        out: &mut [u8],
        now: Time,
        cx: &mut Context,
    ) -> Option<(usize, bool)> {
        let overhead = self.layout.crypt();
        let is_blinktun = self.mux.peer_is_blinktun();
        let wants_outlook = self.fec.wants_outlook(is_blinktun);
        if wants_outlook {
            self.fill(now, cx);
        }
        let outlook = match wants_outlook {
            true => self.kcp.outlook(&self.path, now),
            false => None,
        };
        self.fec.decide(is_blinktun, outlook, now);
        if let Some(parity) = self.fec.parity_len()
            && self.path.may_send(now)
        {
            let len = self.write_parity(parity, out)?;
            self.path.note_parity(len);
            self.kcp.note_parity(len);
            self.path.note(sent(len, Content::Parity), now);
            return Some((len, self.path.forbids_fragments(len)));
        }
        let header = self.fec.header();
        let room = out.len().checked_sub(overhead + header)?;
        self.fill(now, cx);
        if let Some(size) = self.path.wanted_probe(now)
            && let Some(out) = out.get_mut(..size)
            && let Some(len) = self.write_probe(out, now, cx)
        {
            return Some((len, true));
        }
        let start = self.layout.head + header;
        self.kcp.set_group(self.fec.group());
        let emitted = self.kcp.emit(
            &mut out[start..start + room],
            &mut self.path,
            now,
            &mut cx.stats,
        )?;
        if emitted.has_data {
            self.first_answer.note_sent(now);
        }
        self.trace_sent(&out[start..start + emitted.len], overhead + header, now);
        let packet = &mut out[self.layout.head..start + emitted.len];
        let len = overhead + self.fec.frame(packet, emitted.has_data, now);
        if emitted.is_paced {
            self.path.note_sent(len);
        }
        if emitted.has_data && header > 0 && !self.fec.has_open_group() {
            self.kcp.note_full_group(now);
        }
        Some((len, self.path.forbids_fragments(len)))
    }

    /// Write a probe of the MTU, of `out`'s length or nearly so. It has no FEC: a group's parity is as long as
    /// its longest packet.
    fn write_probe(&mut self, out: &mut [u8], now: Time, cx: &mut Context) -> Option<usize> {
        let crypt = self.layout.crypt();
        let end = out.len().checked_sub(self.layout.tail)?;
        let payload = out.get_mut(self.layout.head..end)?;
        self.kcp.set_group(None);
        // Programs of Go do not tell which of two transmissions has arrived.
        let is_copied = self.mux.peer_is_blinktun() && self.path.may_copy_probe();
        self.fit_probe(payload.len() - HEADER, now, cx);
        let with = (&mut cx.pool, &mut cx.stats);
        let probe = self
            .kcp
            .emit_probe(payload, (crypt, is_copied), &mut self.path, now, with)?;
        self.trace_sent(&out[self.layout.head..][..probe.len], crypt, now);
        // The controller knows a session that sends little for a slow one: padding must not hold it up.
        self.path.note_sent(crypt + probe.own);
        Some(crypt + probe.len)
    }

    /// Cut the independent segment that leaves next so that whole headers fill the rest of `room` bytes.
    fn fit_probe(&mut self, room: usize, now: Time, cx: &mut Context) {
        let Some(next) = self.kcp.take_for_probe(&mut self.path, now) else {
            return;
        };
        let (segment, care) = match next.care.is_expendable() {
            false => (next.data, next.care),
            true => {
                // What is in a probe may have to leave again: something that says nothing goes ahead.
                self.kcp.send_first(next.data, next.care);
                let mut ping = packing::begin(&mut cx.pool, 2);
                ping.push(independent::PING);
                (ping, Care::Ordinary)
            }
        };
        let mss = self.path.mss();
        let most = mss - (mss + HEADER - room % HEADER) % HEADER;
        cx.frames.clear();
        if let Ok(frames) = packing::unpack(&segment, &mut cx.packed) {
            // What is less than a header is filled in front: behind there may be data without a length.
            let missing = most.saturating_sub(1 + frames.len()) % HEADER;
            cx.frames.resize(missing, independent::PING);
            cx.frames.extend_from_slice(frames);
        }
        let mut parts = Vec::new();
        packing::cut(&cx.frames, most, &mut cx.pool, |part| parts.push(part));
        for part in parts.into_iter().rev() {
            self.kcp.send_first(part, care);
        }
        cx.pool.give(segment);
    }

    fn trace_sent(&mut self, payload: &[u8], overhead: usize, now: Time) {
        if self.path.trace_mut().is_some()
            && let Ok(segments) = Segments::parse(payload)
        {
            let event = sent(overhead + payload.len(), Content::Segments(segments));
            self.path.note(event, now);
        }
    }

    /// Write the parity that is due, `parity` bytes; `None` if there is no room for it and what is around it.
    fn write_parity(&mut self, parity: usize, out: &mut [u8]) -> Option<usize> {
        let len = self.layout.crypt() + parity;
        let packet = self.layout.head..len - self.layout.tail;
        self.fec.write_parity(&mut out.get_mut(..len)?[packet]);
        Some(len)
    }

    /// Take from the streams what can leave now.
    pub(super) fn fill(&mut self, now: Time, cx: &mut Context) {
        self.drain(now, cx);
        match self.mux.is_independent() {
            true => self.fill_independent(now, cx),
            false => self.fill_ordered(now, cx),
        }
    }

    /// Take from the streams, a segment at a time.
    fn fill_independent(&mut self, now: Time, cx: &mut Context) {
        let (mut free, mss) = self.kcp.free(&self.path);
        while free > 0 && self.mux.wants_transmit() {
            if self.mux.datagrams_are_next() {
                free -= usize::from(self.fill_datagrams(mss, now, cx));
                continue;
            }
            let mut segment = packing::begin(&mut cx.pool, mss);
            let budget = self.packing.budget(mss);
            let moved = self.mux.transmit(budget, &mut segment, now);
            if moved.bytes == 0 {
                cx.pool.give(segment);
                break;
            }
            let buffers = (&mut cx.pool, &mut cx.packed);
            self.packing.pack(segment, mss, buffers, |segment| {
                cx.stats.bytes_sent += segment.len() as u64;
                let care = Care::of_segment(moved.urgent > 0, moved.is_prompt);
                self.kcp.send_whole(segment, care);
                free = free.saturating_sub(1);
            });
        }
    }

    /// Take datagrams for one segment, which is never compressed: most are encrypted, or too small. Returns whether
    /// there was one.
    fn fill_datagrams(&mut self, mss: usize, now: Time, cx: &mut Context) -> bool {
        let mut segment = packing::begin(&mut cx.pool, mss);
        let most = mss - segment.len();
        let Some(class) = self.mux.transmit_datagrams(most, &mut segment, now) else {
            cx.pool.give(segment);
            return false;
        };
        cx.stats.bytes_sent += segment.len() as u64;
        let care = match class {
            Class::Plain => Care::Expendable,
            Class::Protected => Care::Protected,
            Class::Reliable => Care::Ordinary,
        };
        self.kcp.send_whole(segment, care);
        true
    }

    /// Take from the streams, as much as there is room for at once.
    fn fill_ordered(&mut self, now: Time, cx: &mut Context) {
        while self.mux.wants_transmit() {
            let whole = self.kcp.room(&self.path);
            // What compression does not make smaller gets longer, and must fit too.
            let growth = self.compression.as_ref().map_or(0, Compression::growth);
            let mut room = whole.saturating_sub(growth);
            if room < smux::MIN_TRANSMIT {
                // In short segments nothing would fit.
                room = whole;
                if room < smux::MIN_TRANSMIT || self.kcp.queued() > 0 {
                    break;
                }
            }
            cx.frames.clear();
            let moved = self.mux.transmit(room.min(MAX_FILL), &mut cx.frames, now);
            if moved.bytes == 0 {
                break;
            }
            let switches = self.mux.may_switch();
            if switches {
                self.mux.switch(&mut cx.frames);
            }
            let (frames, urgent) = match &mut self.compression {
                None => (&cx.frames, moved.urgent),
                Some(compression) => {
                    let (first, rest) = cx.frames.split_at(moved.urgent);
                    cx.packed.clear();
                    compression.encode(first, &mut cx.packed);
                    let urgent = cx.packed.len();
                    compression.encode(rest, &mut cx.packed);
                    (&cx.packed, urgent)
                }
            };
            self.kcp.send(frames, urgent, &mut cx.pool, &mut cx.stats);
            if switches {
                self.kcp.begin_independent();
                return self.fill_independent(now, cx);
            }
        }
    }
}

fn sent(len: usize, content: Content<'_>) -> trace::Event<'_> {
    trace::Event::Sent(Datagram { len, content })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::crypt::{CryptKind, PacketCrypt};
    use crate::session::{Config, Role};

    #[test]
    fn parity_leaves_room_for_the_tag() {
        let mut config = Config::new(&PacketCrypt::new(CryptKind::Aes128Gcm, &[0; 32]));
        config.shards = Some((1, 1));
        let now = Time::from_millis(1);
        let peer = SocketAddr::from(([127, 0, 0, 1], 9)).into();
        let mut session = Session::new(&config, Role::Client, (peer, 7), 0, now);
        session.fec.decide(true, None, now);
        // The first packet of all has no parity: it is taken for a slow one.
        session.fec.frame(&mut [0; 100], true, now);
        session.fec.frame(&mut [0; 100], true, now);
        assert_eq!(session.fec.parity_len(), Some(100));
        let (mut out, len) = ([0; 200], 12 + 100 + 16);
        for room in 0..len {
            let written = session.write_parity(100, &mut out[..room]);
            assert_eq!(written, None, "{room} bytes");
        }
        assert_eq!(session.write_parity(100, &mut out[..len]), Some(len));
    }
}
