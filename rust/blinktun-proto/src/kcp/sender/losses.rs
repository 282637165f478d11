//! What acknowledgements tell the sender of segments that were not acknowledged.

use super::{Sender, is_out};
use crate::congestion::{LossKind, Lost};
use crate::kcp::detection::Detection;
use crate::kcp::in_flight::{Again, Outgoing};
use crate::kcp::overtaken::Transmission;
use crate::path::Path;
use crate::recovery::rtt::Rtt;
use crate::time::{Time, earliest};

impl Sender {
    /// Tell the controller, if anything is lost.
    pub(super) fn report(&self, mut lost: Lost, path: &mut Path, now: Time) {
        if lost.segments > 0 {
            lost.in_flight = self.in_flight;
            path.on_lost(&lost, now);
        }
    }

    /// Queue each segment of which the last transmission is lost.
    pub(super) fn find_losses(&mut self, path: &mut Path, now: Time) {
        let mut lost = Lost::default();
        while let Some(transmission) = self.next_lost(path, now) {
            if let Some(segment) = self.still_out(transmission) {
                segment.queued = Some(Again::Fast);
                let (bytes, sent) = (segment.data.len(), segment.last.at);
                lost.add(bytes, sent, LossKind::PacketThreshold);
                path.controller.on_transmission_lost(bytes as u64, sent);
                self.again.push_back(transmission.sn);
                self.copies.note_loss(now);
            }
        }
        self.report(lost, path, now);
        if self.queue.is_empty() {
            self.hasten_overtaken(&path.rtt, now);
        }
    }

    fn next_lost(&mut self, path: &Path, now: Time) -> Option<Transmission> {
        match &mut self.detection {
            Detection::Packets(overtaken) => overtaken.next_lost(),
            Detection::Time(threshold) => {
                let is_out = is_out(&self.buffer, self.una);
                threshold.next_lost(path.rtt.smoothed(), now, is_out)
            }
        }
    }

    /// With nothing new to send, repeat what has been overtaken at all after a while.
    fn hasten_overtaken(&mut self, rtt: &Rtt, now: Time) {
        // Give reordering a quarter of a round trip before repeating the tail.
        let patience = rtt.smoothed() + rtt.smoothed() / 4;
        while let Detection::Packets(overtaken) = &mut self.detection
            && let Some(transmission) = overtaken.next_passed()
        {
            if let Some(segment) = self.still_out(transmission) {
                segment.due = segment.due.min((segment.last.at + patience).max(now));
                segment.early = true;
                let due = Some(segment.due);
                self.next_due = earliest(self.next_due, due);
            }
        }
    }

    /// The segment of a transmission, if that is its last one, not acknowledged, and it does not wait
    /// to leave again.
    fn still_out(&mut self, Transmission { order, sn }: Transmission) -> Option<&mut Outgoing> {
        let index = usize::try_from(sn.diff(self.una)).ok()?;
        let segment = self.buffer.get_mut(index)?;
        let is_last = segment.last.order == order && segment.transmissions > 0;
        (is_last && !segment.acked && segment.queued.is_none()).then_some(segment)
    }
}
