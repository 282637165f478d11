//! What acknowledgements tell the sender of segments that were not acknowledged.

use std::collections::VecDeque;

use super::{Sender, is_out};
use crate::congestion::{LossKind, Lost};
use crate::kcp::detection::Detection;
use crate::kcp::in_flight::{Again, Outgoing};
use crate::kcp::overtaken::Transmission;
use crate::path::Path;
use crate::recovery::loss::Fate;
use crate::recovery::rtt::Rtt;
use crate::time::{Time, earliest};
use crate::wire::Sn;
use crate::work;

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
        let is_blocked = self.is_blocked(path);
        while let Some(transmission) = self.next_lost(path, is_blocked, now) {
            let Some(segment) = still_out(&mut self.buffer, self.una, transmission) else {
                continue;
            };
            if !segment.last.is_probe() {
                self.detection.note_fate(Fate::Lost);
            }
            match (&mut self.detection, segment.group) {
                (Detection::Time(by), Some(group)) if by.coded.has_parity(group) => {
                    segment.is_suspected = true;
                    by.coded.suspect(transmission, path.rtt.smoothed(), now);
                }
                _ => self.lose(transmission, &mut lost, path),
            }
        }
        while let Some((transmission, group)) = self.next_failed(now) {
            if let Detection::Time(by) = &mut self.detection {
                by.coded.note_failed(group);
            }
            self.lose(transmission, &mut lost, path);
        }
        self.report(lost, path, now);
        if self.queue.is_empty() {
            self.hasten_overtaken(&path.rtt, now);
        }
    }

    /// A transmission is lost for good.
    fn lose(&mut self, transmission: Transmission, lost: &mut Lost, path: &mut Path) {
        if let Some(segment) = still_out(&mut self.buffer, self.una, transmission) {
            let (bytes, departure) = (segment.data.len(), segment.last);
            self.queue_again(transmission.sn, Again::Fast);
            if departure.is_probe() {
                return; // it may be too long: that says nothing of the rate
            }
            lost.add(bytes, departure.at, LossKind::PacketThreshold);
            path.controller
                .on_transmission_lost(bytes as u64, departure.at);
        }
    }

    /// The next lost transmission that its group's parity has not brought back, and the group.
    fn next_failed(&mut self, now: Time) -> Option<(Transmission, u32)> {
        let Detection::Time(by) = &mut self.detection else {
            return None;
        };
        while let Some(transmission) = by.coded.next(now) {
            work::count(1);
            let segment = still_out(&mut self.buffer, self.una, transmission);
            if let Some(group) = segment.and_then(|segment| segment.group) {
                return Some((transmission, group));
            }
        }
        None
    }

    fn next_lost(&mut self, path: &Path, is_blocked: bool, now: Time) -> Option<Transmission> {
        match &mut self.detection {
            Detection::Packets(by) => by.overtaken.next_lost(),
            Detection::Time(by) => {
                let is_out = is_out(&self.buffer, self.una);
                // If nothing new may leave, a needless repetition delays nothing.
                let hurry = (path.rtt.smoothed(), is_blocked);
                by.threshold.next_lost(hurry, now, is_out)
            }
        }
    }

    /// With nothing new to send, repeat what has been overtaken at all after a while.
    fn hasten_overtaken(&mut self, rtt: &Rtt, now: Time) {
        // Give reordering a quarter of a round trip before repeating the tail.
        let patience = rtt.smoothed() + rtt.smoothed() / 4;
        while let Detection::Packets(by) = &mut self.detection
            && let Some(transmission) = by.overtaken.next_passed()
        {
            let Some(segment) = still_out(&mut self.buffer, self.una, transmission) else {
                continue;
            };
            segment.due = segment.due.min((segment.last.at + patience).max(now));
            segment.early = true;
            by.next_due = earliest(by.next_due, Some(segment.due));
        }
    }
}

/// The segment of a transmission, if that is its last one, not acknowledged, and not known to be lost.
pub(super) fn still_out(
    buffer: &mut VecDeque<Outgoing>,
    una: Sn,
    Transmission { order, sn }: Transmission,
) -> Option<&mut Outgoing> {
    let index = usize::try_from(sn.diff(una)).ok()?;
    let segment = buffer.get_mut(index)?;
    let is_last = segment.last.order == order && segment.transmissions > 0;
    let is_known = !matches!(segment.queued, None | Some(Again::Copy));
    (is_last && !segment.acked && !is_known).then_some(segment)
}
