//! What time alone tells the sender: who is due, and who is silent.

use super::Sender;
use crate::congestion::{LossKind, Lost};
use crate::kcp::detection::Detection;
use crate::kcp::in_flight::{Again, Outgoing};
use crate::path::Path;
use crate::path::liveness::SILENCE;
use crate::recovery::rtt::Rtt;
use crate::time::{Duration, Time, earliest};
use crate::work;

/// All segments are looked at for those that are due, at most once in this time.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A probe waits at most so many times twice as long as the one before.
const MAX_DOUBLINGS: u32 = 6;

impl Sender {
    /// When [`Sender::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let threshold = match &self.detection {
            Detection::Packets(_) => None,
            Detection::Time(threshold) => {
                earliest(threshold.next_timeout(), self.copies.next_timeout())
            }
        };
        let due = self.next_due.map(|at| at.max(self.next_look));
        earliest(due, threshold).filter(|_| self.in_flight.segments > 0)
    }

    /// Since when data in flight counts as stalled, if nothing was acknowledged for [`SILENCE`].
    pub fn silent_since(&self, now: Time) -> Option<Time> {
        self.silence_due().filter(|since| *since <= now)
    }

    /// Whether nothing but questions is worth sending: [`SILENCE`] has passed, and the time that an
    /// acknowledgement takes on this path.
    pub(super) fn is_dark(&self, rtt: &Rtt, now: Time) -> bool {
        self.is_stalled(rtt.rto().max(SILENCE), now)
    }

    /// Whether data is in flight and nothing was acknowledged for `span`.
    pub fn is_stalled(&self, span: Duration, now: Time) -> bool {
        self.in_flight.segments > 0 && now.since(self.last_progress) >= span
    }

    /// When silence will begin if nothing is heard.
    pub fn silence_due(&self) -> Option<Time> {
        (self.in_flight.segments > 0).then(|| self.last_progress + SILENCE)
    }

    /// Queue every segment whose time has come.
    pub fn handle_timeout(&mut self, path: &mut Path, now: Time) {
        if self.next_timeout().is_none_or(|due| now < due) {
            return;
        }
        if matches!(self.detection, Detection::Time(_)) {
            return self.handle_probe_timeout(path, now);
        }
        if self.is_dark(&path.rtt, now) {
            (self.next_due, self.held_back) = (None, true);
            return;
        }
        // While nothing at all is acknowledged, and before the first round trip is known, one segment
        // asks for all: a path that is down, or full, gets no second copy of the window.
        let first_only = !path.rtt.is_known() || self.is_stalled(path.rtt.rto(), now);
        let reach = self.buffer.len();
        let (mut lost, mut next) = (Lost::default(), None);
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
                let (again, kind) = match segment.early {
                    true => (Again::Early, LossKind::PacketThreshold),
                    false => (Again::Timeout, LossKind::Timeout),
                };
                segment.queued = Some(again);
                lost.add(segment.data.len(), segment.last.at, kind);
                self.again.push_back(self.una.plus(index as u32));
                segment.back_off(self.nodelay, &path.rtt);
            }
            if first_only {
                self.held_back = true;
                break;
            }
        }
        self.next_due = next;
        self.report(lost, path, now);
    }

    /// Losses by time; and a probe, when nothing was heard for long (RFC 9002, 6.2).
    fn handle_probe_timeout(&mut self, path: &mut Path, now: Time) {
        self.find_losses(path, now);
        self.queue_copies(now);
        let probe_at = self.probe_at(&path.rtt);
        self.next_due = Some(probe_at);
        if self.is_dark(&path.rtt, now) {
            self.next_due = None;
        } else if probe_at <= now {
            self.probes += 1;
            self.next_due = Some(self.probe_at(&path.rtt));
            self.repeat_first();
        }
    }

    /// Queue each copy whose time has come.
    fn queue_copies(&mut self, now: Time) {
        while let Some(due) = self.copies.next(now) {
            work::count(1);
            let index = usize::try_from(due.sn.diff(self.una)).ok();
            if let Some(segment) = index.and_then(|index| self.buffer.get_mut(index))
                && segment.last.order == due.order
                && !segment.acked
                && segment.queued.is_none()
            {
                segment.queued = Some(Again::Copy);
                self.again.push_back(due.sn);
            }
        }
    }

    /// When a probe leaves: after the time of an acknowledgement, and twice as long after each probe.
    pub(super) fn probe_at(&self, rtt: &Rtt) -> Time {
        self.last_progress + rtt.rto() * (1 << self.probes.min(MAX_DOUBLINGS))
    }

    /// After a batch of input: if the path carries something again, all that is due leaves, before
    /// anything new. Only the first segment was timed meanwhile.
    pub fn resume(&mut self, path: &mut Path, now: Time) {
        if core::mem::take(&mut self.resumes) {
            self.next_due = Some(now);
            self.handle_timeout(path, now);
        }
    }

    /// The round trip is known now, or another one: what waits for an acknowledgement gets that time.
    pub fn retime(&mut self, rtt: &Rtt) {
        for segment in &mut self.buffer {
            work::count(1);
            segment.rto = rtt.rto();
            segment.due = segment.last.at + segment.rto;
            self.next_due = earliest(self.next_due, Some(segment.due));
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
            first.queued = Some(Again::Timeout);
            self.again.push_front(self.una.plus(index as u32));
        }
    }
}
