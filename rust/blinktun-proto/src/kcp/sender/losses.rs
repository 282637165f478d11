//! What acknowledgements tell the sender of segments that were not acknowledged.

use super::Sender;
use crate::congestion::{LossKind, Lost};
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
        while let Some(transmission) = self.overtaken.next_lost() {
            if let Some(segment) = self.still_out(transmission) {
                segment.queued = Some(Again::Fast);
                lost.add(segment.data.len(), segment.sent, LossKind::PacketThreshold);
                self.again.push_back(transmission.sn);
            }
        }
        self.report(lost, path, now);
    }

    /// With nothing new to send, repeat what has been overtaken at all after a while.
    pub(super) fn hasten_overtaken(&mut self, rtt: &Rtt, now: Time) {
        // Give reordering a quarter of a round trip before repeating the tail.
        let patience = rtt.smoothed() + rtt.smoothed() / 4;
        while let Some(transmission) = self.overtaken.next_passed() {
            if let Some(segment) = self.still_out(transmission) {
                segment.due = segment.due.min((segment.sent + patience).max(now));
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
        let is_last = segment.order == order && segment.transmissions > 0;
        (is_last && !segment.acked && segment.queued.is_none()).then_some(segment)
    }
}
