//! Streams that we dropped while the peer may still write to them (version 2).
//!
//! A writer at the other end that waits for window is freed by nothing but a window update
//! (kcptun wire, 5.3), so what it sends on is counted as read.

use super::report::Report;
use super::table::{Table, hasher};
use std::collections::VecDeque;

/// How many dropped streams are remembered; beyond, the oldest is given up.
pub(super) const MOST: usize = 1024;

/// The dropped streams and what has come for each. At most [`MOST`].
#[derive(Debug)]
pub(super) struct Forgotten {
    reports: Table<Report>,
    /// The order of arrival. An id may stand here without a report once its peer finished.
    order: VecDeque<u32>,
    /// The window that the peer is offered on each.
    window: u32,
    /// Bytes that came for streams that are not open.
    dropped: u64,
}

impl Forgotten {
    /// None yet. `window` is what a peer is offered on a stream.
    pub(super) fn new(hash_seed: u64, window: u32) -> Forgotten {
        Forgotten {
            reports: Table::with_hasher(hasher(hash_seed)),
            order: VecDeque::new(),
            window,
            dropped: 0,
        }
    }

    /// Remember a dropped stream; returns whether the caller must queue an update for it.
    pub(super) fn remember(&mut self, id: u32, report: Report) -> bool {
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.reports.remove(&oldest);
        }
        self.order.push_back(id);
        let report = self.reports.entry(id).insert_entry(report).into_mut();
        report.queue_if(report.is_behind())
    }

    /// The peer is done with the stream, or opens it anew.
    pub(super) fn remove(&mut self, id: u32) {
        self.reports.remove(&id);
    }

    /// Count `n` dropped bytes; returns whether the caller must queue an update.
    pub(super) fn swallow(&mut self, id: u32, n: usize) -> bool {
        self.note_dropped(n);
        let quarter = (self.window / 4).max(1);
        self.reports.get_mut(&id).is_some_and(|report| {
            report.note_received(n);
            report.queue_if(report.is_due(report.consumed(0), quarter))
        })
    }

    /// Count `n` bytes that came for a stream that is not open, and that the peer need not hear of.
    pub(super) fn note_dropped(&mut self, n: usize) {
        self.dropped += n as u64;
    }

    /// Bytes that came for streams that are not open.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The bytes to report as consumed in the update that was queued for `id`, and the window beyond.
    pub(super) fn take_update(&mut self, id: u32) -> Option<(u32, u32)> {
        let report = self.reports.get_mut(&id)?;
        let consumed = report.consumed(0);
        report.tell(consumed);
        Some((consumed, self.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_and_each_quarter_are_reported() {
        let mut forgotten = Forgotten::new(1, 400);
        assert!(!forgotten.remember(3, Report::default()));
        assert!(forgotten.swallow(3, 1));
        assert!(!forgotten.swallow(3, 500), "one is queued already");
        assert_eq!(forgotten.take_update(3), Some((501, 400)));
        assert!(!forgotten.swallow(3, 99));
        assert!(forgotten.swallow(3, 1));
        assert_eq!(forgotten.take_update(3), Some((601, 400)));
    }

    #[test]
    fn unread_bytes_are_reported_when_the_stream_is_dropped() {
        let mut forgotten = Forgotten::new(1, 400);
        assert!(forgotten.remember(3, Report::of(9, Some(4))));
        let mut queued = Report::of(9, Some(4));
        queued.queue_if(true);
        assert!(!forgotten.remember(5, queued));
        assert!(!forgotten.remember(7, Report::of(9, Some(9))));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes() {
        let mut forgotten = Forgotten::new(1, 400);
        for id in 0..5_000 {
            forgotten.remember(id, Report::default());
        }
        assert_eq!(
            (forgotten.reports.len(), forgotten.order.len()),
            (MOST, MOST)
        );
        assert!(!forgotten.swallow(0, 1));
        assert!(forgotten.swallow(4_999, 1));
        forgotten.remove(4_999);
        assert_eq!(forgotten.take_update(4_999), None);
    }
}
