//! What time alone tells the sender: who is due, and who is silent.

use super::Sender;
use super::losses::still_out;
use crate::congestion::{LossKind, Lost};
use crate::kcp::detection::{ByTime, Detection};
use crate::kcp::in_flight::{Again, Outgoing};
use crate::path::Path;
use crate::path::liveness::SILENCE;
use crate::recovery::rtt::Rtt;
use crate::time::{Duration, Time, earliest};
use crate::work;

/// All segments are looked at for those that are due, at most once in this time.
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Sender {
    /// When [`Sender::handle_timeout`] has something to do.
    pub fn next_timeout(&self, rtt: &Rtt) -> Option<Time> {
        let due = match &self.detection {
            Detection::Packets(by) => by.next_due.map(|at| at.max(by.next_look)),
            Detection::Time(by) => {
                let early = earliest(by.threshold.next_timeout(), by.copies.next_timeout());
                let early = earliest(early, by.coded.next_timeout());
                earliest(early, self.probe_at(by, rtt))
            }
        };
        due.filter(|_| self.in_flight.segments > 0)
    }

    /// When a probe leaves; `None` if the path is dark by then: somebody else asks then.
    fn probe_at(&self, by: &ByTime, rtt: &Rtt) -> Option<Time> {
        let after = by.probe_after(rtt);
        (after < dark_after(rtt)).then(|| self.last_progress + after)
    }

    /// Since when data in flight counts as stalled, if nothing was acknowledged for [`SILENCE`].
    pub fn silent_since(&self, now: Time) -> Option<Time> {
        self.silence_due().filter(|since| *since <= now)
    }

    /// Whether nothing but questions is worth sending: [`SILENCE`] has passed, and the time that an
    /// acknowledgement takes on this path.
    pub(super) fn is_dark(&self, rtt: &Rtt, now: Time) -> bool {
        self.is_stalled(dark_after(rtt), now)
    }

    /// Whether data is in flight and nothing was acknowledged for `span`.
    pub fn is_stalled(&self, span: Duration, now: Time) -> bool {
        self.in_flight.segments > 0 && now.since(self.last_progress) >= span
    }

    /// When silence will begin if nothing is heard.
    pub fn silence_due(&self) -> Option<Time> {
        (self.in_flight.segments > 0).then(|| self.last_progress + SILENCE)
    }

    /// Queue what is due.
    pub fn handle_timeout(&mut self, path: &mut Path, now: Time) {
        if self.next_timeout(&path.rtt).is_none_or(|due| now < due) {
            return;
        }
        match self.detection {
            Detection::Packets(_) => self.queue_due(path, now),
            Detection::Time(_) => {
                self.find_losses(path, now);
                self.queue_copies(now);
                self.probe(&path.rtt, now);
            }
        }
    }

    /// Queue every segment whose time has come.
    fn queue_due(&mut self, path: &mut Path, now: Time) {
        let is_dark = self.is_dark(&path.rtt, now);
        // While nothing at all is acknowledged, and before the first round trip is known, one segment
        // asks for all: a path that is down, or full, gets no second copy of the window.
        let first_only = !path.rtt.is_known() || self.is_stalled(path.rtt.rto(), now);
        let Detection::Packets(by) = &mut self.detection else {
            return;
        };
        if is_dark {
            (by.next_due, by.held_back) = (None, true);
            return;
        }
        let (mut lost, mut next) = (Lost::default(), None);
        by.next_look = now + LOOK_EVERY;
        for (index, segment) in self.buffer.iter_mut().enumerate() {
            work::count(1);
            if segment.acked || segment.queued.is_some() {
                continue;
            }
            if segment.due > now {
                next = earliest(next, Some(segment.due));
            } else {
                let (again, kind) = match segment.early {
                    true => (Again::Early, LossKind::PacketThreshold),
                    false => (Again::Timeout, LossKind::Timeout),
                };
                lost.add(segment.data.len(), segment.last.at, kind);
                segment.queue(again, &mut self.in_flight);
                self.lost += segment.waits_as_lost();
                self.again.push_back(self.una.plus(index as u32));
                segment.back_off(self.nodelay, &path.rtt);
            }
            if first_only {
                by.held_back = true;
                break;
            }
        }
        by.next_due = next;
        self.report(lost, path, now);
    }

    /// Queue each copy whose time has come.
    fn queue_copies(&mut self, now: Time) {
        while let Detection::Time(by) = &mut self.detection
            && let Some(transmission) = by.copies.next(now)
        {
            work::count(1);
            // A copy of a request that leaves alone must not hold up the next request.
            let is_in_the_way = !self.queue.is_empty() && by.copies.is_alone(now);
            if !is_in_the_way && still_out(&mut self.buffer, self.una, transmission).is_some() {
                self.queue_again(transmission.sn, Again::Copy);
            }
        }
    }

    /// Nothing was heard for long: the first segment asks (RFC 9002, 6.2).
    fn probe(&mut self, rtt: &Rtt, now: Time) {
        let Detection::Time(by) = &self.detection else {
            return;
        };
        if self.probe_at(by, rtt).is_some_and(|at| at <= now) {
            if let Detection::Time(by) = &mut self.detection {
                by.note_probe();
            }
            self.repeat_first();
        }
    }

    /// After a batch of input: if the path carries something again, all that is due leaves, before
    /// anything new. Only the first segment was timed meanwhile.
    pub fn resume(&mut self, path: &mut Path, now: Time) {
        if let Detection::Packets(by) = &mut self.detection
            && core::mem::take(&mut by.resumes)
        {
            by.next_due = Some(now);
            self.handle_timeout(path, now);
        }
    }

    /// The round trip is known now, or another one: what waits for an acknowledgement gets that time.
    pub fn retime(&mut self, rtt: &Rtt) {
        let Detection::Packets(by) = &mut self.detection else {
            return;
        };
        for segment in &mut self.buffer {
            work::count(1);
            segment.rto = rtt.rto();
            segment.due = segment.last.at + segment.rto;
            by.next_due = earliest(by.next_due, Some(segment.due));
        }
    }

    /// The path is another: how it reorders is not known.
    pub fn forget_reordering(&mut self) {
        if let Detection::Time(by) = &mut self.detection {
            by.threshold.forget_reordering();
        }
    }

    /// Send the first segment that is not acknowledged again, whatever its time.
    pub fn repeat_first(&mut self) {
        let mut out = self.buffer.iter_mut().enumerate();
        let is_out = |(_, segment): &(usize, &mut Outgoing)| {
            work::count(1);
            !segment.acked
        };
        if let Some((index, first)) = out.find(is_out)
            && first.queued.is_none()
        {
            first.queue(Again::Timeout, &mut self.in_flight);
            self.lost += first.waits_as_lost();
            self.again.push_front(self.una.plus(index as u32));
        }
    }
}

/// Without an acknowledgement for so long nothing but questions is worth sending.
fn dark_after(rtt: &Rtt) -> Duration {
    rtt.rto().max(SILENCE)
}
