//! What time alone tells the sender: who is due, and who is silent.

use super::{SILENCE, SILENT_RETRY, Sender};
use crate::kcp::control::Loss;
use crate::kcp::in_flight::{Again, Outgoing};
use crate::kcp::rtt::Rtt;
use crate::time::{Duration, Time, earliest};
use crate::work;

/// All segments are looked at for those that are due, at most once in this time.
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Sender {
    /// When [`Sender::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let due = self.next_due.filter(|_| self.in_flight > 0);
        due.map(|at| at.max(self.next_look))
    }

    /// Whether data is in flight and nothing was acknowledged for [`SILENCE`].
    pub fn is_silent(&self, now: Time) -> bool {
        self.is_stalled(SILENCE, now)
    }

    /// Whether data is in flight and nothing was acknowledged for `span`.
    pub fn is_stalled(&self, span: Duration, now: Time) -> bool {
        self.in_flight > 0 && now.since(self.last_progress) >= span
    }

    /// When silence will begin if nothing is heard.
    pub fn silence_due(&self) -> Option<Time> {
        (self.in_flight > 0).then(|| self.last_progress + SILENCE)
    }

    /// Queue every segment whose time has come.
    pub fn handle_timeout(&mut self, rtt: &Rtt, now: Time) {
        let silent = self.is_silent(now);
        if silent {
            self.hasten();
        }
        if self.next_timeout().is_none_or(|due| now < due) {
            return;
        }
        // Without an answer so far there is no round trip to judge by: one segment asks for all.
        let first_only = silent || rtt.min().is_none();
        let reach = self.buffer.len() - self.unsent;
        let (mut worst, mut next) = (None, None);
        self.next_look = now + LOOK_EVERY;
        for index in 0..reach {
            work::count(1);
            let segment = &mut self.buffer[index];
            if segment.acked || segment.queued.is_some() {
                continue;
            }
            if segment.due > now {
                next = earliest(next, Some(segment.due));
            } else {
                let (again, loss) = match segment.early {
                    true => (Again::Early, worst.unwrap_or(Loss::Fast)),
                    false => (Again::Timeout, Loss::Timeout),
                };
                segment.queued = Some(again);
                worst = Some(loss);
                self.again.push_back(self.una.plus(index as u32));
                segment.back_off(self.nodelay, rtt);
            }
            if first_only {
                break;
            }
        }
        self.next_due = next;
        if let Some(loss) = worst {
            self.controller.on_lost(loss, self.in_flight, now);
        }
    }

    /// The first round trip is known: what waits for an answer gets the time that it takes.
    pub fn retime(&mut self, rtt: &Rtt) {
        let sent = self.buffer.len() - self.unsent;
        for segment in self.buffer.iter_mut().take(sent) {
            work::count(1);
            segment.rto = rtt.rto();
            segment.due = segment.sent + segment.rto;
            self.next_due = earliest(self.next_due, Some(segment.due));
        }
    }

    /// While the peer is silent the first segment is tried often, however long its RTO was.
    fn hasten(&mut self) {
        let sent = self.buffer.len() - self.unsent;
        let mut out = self.buffer.iter_mut().take(sent);
        let is_out = |segment: &&mut Outgoing| {
            work::count(1);
            !segment.acked && segment.queued.is_none()
        };
        if let Some(first) = out.find(is_out) {
            first.due = first.due.min(first.sent + SILENT_RETRY);
            self.next_due = earliest(self.next_due, Some(first.due));
        }
    }
}
