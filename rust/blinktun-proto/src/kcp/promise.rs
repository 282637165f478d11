//! How far a peer may send, where the window depends on the memory that there is.
//!
//! A window that was told is a promise: what the peer sends within it is taken. A window may shrink, and then
//! the larger one goes on to count until the peer has acknowledged something that told it the smaller one.
//! What it sends beyond that all the same, because a datagram was overtaken, is not taken: it will send
//! it again, as neither kcp-go nor we give up a segment that is not acknowledged.

use crate::wire::Sn;

/// A peer assumes so many segments before it was told anything (kcptun wire, section 3.2).
pub const LEAST: u32 = 32;

/// What the peer was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// From `next` on there is memory for so many segments.
    pub(super) room: u32,
    /// Behind the last segment that is taken.
    edge: Sn,
    /// The window has become smaller, and the peer may not know yet.
    lowered: Option<Lowered>,
}

/// A smaller window.
#[derive(Clone, Copy, Debug)]
struct Lowered {
    edge: Sn,
    /// Each of our segments from here on told of it.
    since: Sn,
}

impl Promise {
    /// Nothing was told yet of a window that begins at `next`.
    pub(super) fn new(next: Sn) -> Promise {
        Promise {
            room: LEAST,
            edge: next.plus(LEAST),
            lowered: None,
        }
    }

    /// Segments from `next` on that the peer may send.
    pub(super) fn segments(&self, next: Sn) -> u32 {
        self.edge.diff(next).max(0) as u32
    }

    /// A datagram tells the peer `window` segments from `next` on; `sending` is the number that our next new
    /// segment gets.
    pub(super) fn tell(&mut self, next: Sn, window: u32, sending: Sn) {
        let edge = next.plus(window);
        if !edge.before(self.edge) {
            self.edge = edge;
            self.lowered = None;
            return;
        }
        let since = self.lowered.map_or(sending, |lowered| lowered.since);
        let most = self
            .lowered
            .map_or(edge, |lowered| match edge.before(lowered.edge) {
                true => lowered.edge,
                false => edge,
            });
        self.lowered = Some(Lowered { edge: most, since });
    }

    /// The peer has acknowledged all our segments before `una`.
    pub(super) fn note_acknowledged(&mut self, una: Sn) {
        if let Some(lowered) = self.lowered.take_if(|lowered| lowered.since.before(una)) {
            self.edge = lowered.edge;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: Sn = Sn(u32::MAX - 9);

    #[test]
    fn a_smaller_window_counts_once_the_peer_has_acknowledged_it() {
        let mut promise = Promise::new(NEXT);
        assert_eq!(promise.segments(NEXT), LEAST);
        promise.tell(NEXT, 100, Sn(7));
        promise.tell(NEXT.plus(10), 50, Sn(7));
        promise.tell(NEXT.plus(20), 30, Sn(9));
        promise.note_acknowledged(Sn(7));
        assert_eq!(promise.segments(NEXT), 100, "segment 7 told of it first");
        promise.note_acknowledged(Sn(8));
        assert_eq!(
            promise.segments(NEXT),
            60,
            "the largest that was told since"
        );
        assert_eq!(promise.segments(NEXT.plus(70)), 0);
    }

    #[test]
    fn a_window_that_grows_again_counts_at_once() {
        let mut promise = Promise::new(NEXT);
        promise.tell(NEXT, 100, Sn(7));
        promise.tell(NEXT, 10, Sn(7));
        promise.tell(NEXT.plus(50), 80, Sn(8));
        assert_eq!(promise.segments(NEXT), 130);
        promise.note_acknowledged(Sn(100));
        assert_eq!(promise.segments(NEXT), 130);
    }
}
