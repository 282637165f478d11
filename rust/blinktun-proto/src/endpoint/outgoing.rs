//! To the wire: whose turn it is to send, and where to.

use super::{Endpoint, EndpointEvent, SessionId, Transmit};
use crate::path::FourTuple;
use crate::time::Time;

impl Endpoint {
    /// Write the next datagrams, all for one destination, sealed, to `out`.
    pub fn poll_transmit(&mut self, out: &mut [u8], now: Time) -> Option<Transmit> {
        if let Some((to, datagram)) = self.answers.pop_front() {
            let len = datagram.len();
            out[..len].copy_from_slice(&datagram);
            return Some(self.seal(out, to, (len, len), None));
        }
        while let Some(index) = self.sessions.first_dirty() {
            let entry = &mut self.sessions[index];
            if let Some((to, question)) = entry.session.poll_hop(now) {
                let len = self.lay(out, &question);
                return Some(self.seal(out, to, (len, len), None));
            }
            let (to, limit) = entry.destination(now);
            if let Some(batch) = entry.session.poll_transmit(out, limit, now, &mut self.cx) {
                entry.note_sent(batch.len);
                let whole = batch.is_whole.then_some(entry.id);
                return Some(self.seal(out, to, (batch.len, batch.stride), whole));
            }
            self.collect(index);
            self.sessions.settle_first();
        }
        None
    }

    /// Lay one small payload into `out`; returns the length of its datagram.
    fn lay(&self, out: &mut [u8], payload: &[u8]) -> usize {
        let start = self.crypt.head();
        out[start..start + payload.len()].copy_from_slice(payload);
        start + payload.len() + self.crypt.tail()
    }

    fn seal(
        &mut self,
        out: &mut [u8],
        path: FourTuple,
        (len, stride): (usize, usize),
        whole: Option<SessionId>,
    ) -> Transmit {
        let replays = &mut self.replays;
        self.crypt
            .seal_numbered(&mut out[..len], stride, &mut self.cx.random, &mut || {
                replays.next_number()
            });
        self.cx.stats.out_pkts += len.div_ceil(stride) as u64;
        self.cx.stats.out_bytes += len as u64;
        Transmit {
            to: path.remote,
            src_ip: path.local_ip,
            socket: path.socket,
            len,
            stride,
            whole,
        }
    }

    /// Collect the events of a session, and its trace.
    fn collect(&mut self, index: usize) {
        let entry = &mut self.sessions[index];
        while let Some(event) = entry.session.next_event() {
            self.events
                .push_back(EndpointEvent::Session(entry.id, event));
        }
        self.traces.collect(entry);
    }
}
