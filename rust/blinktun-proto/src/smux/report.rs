//! How many bytes of a stream have come, and how many of them the peer was told to be consumed.

/// What has come on a stream, and what our window updates have said of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Report {
    /// Bytes that have come, modulo 2^32.
    received: u32,
    /// Bytes consumed by our last update; `None` before the first one.
    reported: Option<u32>,
    /// An update waits to be sent.
    is_queued: bool,
}

impl Report {
    /// Count `n` bytes that came.
    pub(super) fn note_received(&mut self, n: usize) {
        self.received = self.received.wrapping_add(n as u32);
    }

    /// Bytes that have come, modulo 2^32.
    pub(super) fn received(&self) -> u32 {
        self.received
    }

    /// The bytes that were consumed if `unread` of them were not.
    pub(super) fn consumed(&self, unread: usize) -> u32 {
        self.received.wrapping_sub(unread as u32)
    }

    /// Whether anything has come.
    pub(super) fn is_begun(&self) -> bool {
        self.received != 0 || self.reported.is_some()
    }

    /// Whether `consumed` bytes are worth an update: it is the first, or a quarter window since the last.
    pub(super) fn is_due(&self, consumed: u32, quarter: u32) -> bool {
        let is_worth = |last| consumed.wrapping_sub(last) >= quarter;
        self.reported.is_none_or(is_worth)
    }

    /// Whether the peer has not been told that all bytes are consumed.
    pub(super) fn is_behind(&self) -> bool {
        self.received != self.reported.unwrap_or(0)
    }

    /// Whether an update waits to be sent.
    pub(super) fn is_queued(&self) -> bool {
        self.is_queued
    }

    /// Queue an update if one `is_due`; returns whether the caller must do so, because none waits yet.
    pub(super) fn queue_if(&mut self, is_due: bool) -> bool {
        let is_new = is_due && !self.is_queued;
        self.is_queued |= is_due;
        is_new
    }

    /// The update leaves and says `consumed`; returns by how much that is more than the last one said.
    pub(super) fn tell(&mut self, consumed: u32) -> u32 {
        self.is_queued = false;
        let last = self.reported.replace(consumed).unwrap_or(0);
        consumed.wrapping_sub(last)
    }
}

#[cfg(test)]
impl Report {
    /// `received` bytes have come, of which `reported` were told.
    pub(super) fn of(received: u32, reported: Option<u32>) -> Report {
        Report {
            received,
            reported,
            is_queued: false,
        }
    }
}
