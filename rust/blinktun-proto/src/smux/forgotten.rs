//! Streams that we dropped while the peer may still write to them (version 2).
//!
//! A writer at the other end that waits for window is freed by nothing but a window update
//! (kcptun wire, 5.3), so what it sends on is counted as read.

use super::table::{Table, hasher};
use std::collections::VecDeque;

/// How many dropped streams are remembered; beyond, the oldest is given up.
pub(super) const MOST: usize = 1024;

/// The dropped streams and what has come for each. At most [`MOST`].
#[derive(Debug)]
pub(super) struct Forgotten {
    ghosts: Table<Ghost>,
    /// The order of arrival. An id may stand here without a ghost once its peer finished.
    order: VecDeque<u32>,
}

/// What is left of a dropped stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ghost {
    /// Bytes that have come on the stream, modulo 2^32.
    pub(super) received: u32,
    /// What our last update said; `None` before the first one.
    pub(super) reported: Option<u32>,
    /// An update waits to be sent.
    pub(super) queued: bool,
}

impl Forgotten {
    pub(super) fn new(hash_seed: u64) -> Forgotten {
        Forgotten {
            ghosts: Table::with_hasher(hasher(hash_seed)),
            order: VecDeque::new(),
        }
    }

    /// Remember a dropped stream; returns whether the caller must queue an update for it.
    pub(super) fn remember(&mut self, id: u32, ghost: Ghost) -> bool {
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.ghosts.remove(&oldest);
        }
        let ghost = self.ghosts.entry(id).insert_entry(ghost).into_mut();
        self.order.push_back(id);
        ghost.queue_if(ghost.received != ghost.reported.unwrap_or(0))
    }

    /// The peer is done with the stream, or opens it anew.
    pub(super) fn remove(&mut self, id: u32) {
        self.ghosts.remove(&id);
    }

    /// Count `n` dropped bytes; returns whether the caller must queue an update.
    pub(super) fn swallow(&mut self, id: u32, n: usize, quarter: u32) -> bool {
        self.ghosts.get_mut(&id).is_some_and(|ghost| {
            ghost.received = ghost.received.wrapping_add(n as u32);
            ghost.queue_if(is_due(ghost.received, ghost.reported, quarter))
        })
    }

    /// The bytes to report as consumed in the update that was queued for `id`.
    pub(super) fn take_update(&mut self, id: u32) -> Option<u32> {
        let ghost = self.ghosts.get_mut(&id)?;
        ghost.queued = false;
        ghost.reported = Some(ghost.received);
        Some(ghost.received)
    }
}

impl Ghost {
    fn queue_if(&mut self, due: bool) -> bool {
        let newly = due && !self.queued;
        self.queued |= due;
        newly
    }
}

/// Whether `consumed` is worth an update: it is the first, or a quarter window since the last.
pub(super) fn is_due(consumed: u32, reported: Option<u32>, quarter: u32) -> bool {
    reported.is_none_or(|last| consumed.wrapping_sub(last) >= quarter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Ghost = Ghost {
        received: 0,
        reported: None,
        queued: false,
    };

    #[test]
    fn the_first_byte_and_each_quarter_are_reported() {
        let mut forgotten = Forgotten::new(1);
        assert!(!forgotten.remember(3, NEW));
        assert!(forgotten.swallow(3, 1, 100));
        assert!(!forgotten.swallow(3, 500, 100), "one is queued already");
        assert_eq!(forgotten.take_update(3), Some(501));
        assert!(!forgotten.swallow(3, 99, 100));
        assert!(forgotten.swallow(3, 1, 100));
        assert_eq!(forgotten.take_update(3), Some(601));
    }

    #[test]
    fn unread_bytes_are_reported_when_the_stream_is_dropped() {
        let mut forgotten = Forgotten::new(1);
        assert!(forgotten.remember(
            3,
            Ghost {
                received: 9,
                reported: Some(4),
                queued: false
            }
        ));
        assert!(!forgotten.remember(
            5,
            Ghost {
                received: 9,
                reported: Some(4),
                queued: true
            }
        ));
        assert!(!forgotten.remember(
            7,
            Ghost {
                received: 9,
                reported: Some(9),
                queued: false
            }
        ));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes() {
        let mut forgotten = Forgotten::new(1);
        for id in 0..5_000 {
            forgotten.remember(id, NEW);
        }
        assert_eq!(
            (forgotten.ghosts.len(), forgotten.order.len()),
            (MOST, MOST)
        );
        assert!(!forgotten.swallow(0, 1, 1));
        assert!(forgotten.swallow(4_999, 1, 1));
        forgotten.remove(4_999);
        assert_eq!(forgotten.take_update(4_999), None);
    }
}
