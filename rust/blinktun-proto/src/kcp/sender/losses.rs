//! What acknowledgements tell the sender of segments that were not acknowledged.

use super::Sender;
use crate::congestion::{LossKind, Lost};
use crate::kcp::in_flight::{Again, Outgoing};
use crate::kcp::overtaken::Transmission;
use crate::path::Path;
use crate::recovery::rtt::Rtt;
use crate::time::{Time, earliest};

/// What was found lost at one moment.
#[derive(Debug, Default)]
pub(super) struct Losses {
    bytes: u64,
    segments: u32,
    newest_sent: Time,
    /// How the worst was noticed.
    kind: Option<LossKind>,
}

impl Losses {
    pub(super) fn add(&mut self, segment: &Outgoing, kind: LossKind) {
        self.bytes += segment.data.len() as u64;
        self.segments += 1;
        self.newest_sent = self.newest_sent.max(segment.sent);
        if self.kind != Some(LossKind::Timeout) {
            self.kind = Some(kind);
        }
    }
}

impl Sender {
    /// Tell the controller.
    pub(super) fn report(&self, losses: Losses, path: &mut Path, now: Time) {
        let Some(kind) = losses.kind else { return };
        let lost = Lost {
            bytes: losses.bytes,
            segments: losses.segments,
            kind,
            newest_sent: losses.newest_sent,
            in_flight: self.in_flight,
        };
        path.on_lost(&lost, now);
    }

    /// Queue each segment of which the last transmission is lost.
    pub(super) fn find_losses(&mut self, path: &mut Path, now: Time) {
        let mut lost = Losses::default();
        while let Some(transmission) = self.overtaken.next_lost() {
            if let Some(segment) = self.still_out(transmission) {
                segment.queued = Some(Again::Fast);
                lost.add(segment, LossKind::PacketThreshold);
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
