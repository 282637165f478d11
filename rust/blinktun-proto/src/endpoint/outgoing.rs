//! To the wire: whose turn it is to send, and where to.

use super::{Endpoint, EndpointEvent, MAX_TRACES, Transmit};
use crate::path::FourTuple;
use crate::time::Time;

impl Endpoint {
    /// Write the next datagrams, all for one destination, sealed, to `out`.
    pub fn poll_transmit(&mut self, out: &mut [u8], now: Time) -> Option<Transmit> {
        if let Some((to, datagram)) = self.answers.pop_front() {
            let len = datagram.len();
            out[..len].copy_from_slice(&datagram);
            return Some(self.seal(out, to, len, len));
        }
        while let Some(&index) = self.dirty.front() {
            let Some(entry) = self.sessions.get_mut(index) else {
                self.dirty.pop_front();
                continue;
            };
            let (to, limit) = entry.destination(now);
            if let Some(batch) = entry.session.poll_transmit(out, limit, now, &mut self.cx) {
                entry.note_sent(batch.len);
                return Some(self.seal(out, to, batch.len, batch.stride));
            }
            self.dirty.pop_front();
            self.settle(index);
        }
        None
    }

    fn seal(&mut self, out: &mut [u8], path: FourTuple, len: usize, stride: usize) -> Transmit {
        let own = &mut self.own;
        self.crypt
            .seal_numbered(&mut out[..len], stride, &mut self.cx.random, &mut || {
                own.next_number()
            });
        self.cx.stats.out_pkts += len.div_ceil(stride) as u64;
        self.cx.stats.out_bytes += len as u64;
        Transmit {
            to: path.remote,
            src_ip: path.local_ip,
            len,
            stride,
        }
    }

    /// A session has nothing more to send: collect its events, set its timer.
    fn settle(&mut self, index: usize) {
        let entry = &mut self.sessions[index];
        entry.dirty = false;
        while let Some(event) = entry.session.next_event() {
            self.events
                .push_back(EndpointEvent::Session(entry.id, event));
        }
        if self.traces.len() < MAX_TRACES
            && let Some(text) = entry.session.take_trace()
        {
            self.traces.push_back((entry.id, text));
        }
        let next = entry.session.next_timeout();
        if next != entry.timer {
            if let Some(at) = entry.timer {
                self.timers.remove(&(at, index));
            }
            if let Some(at) = next {
                self.timers.insert((at, index));
            }
            entry.timer = next;
        }
    }
}
