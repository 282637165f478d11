//! How much the streams of a session may hold unread, each and together (version 2).
//!
//! A stream may always hold its floor. Beyond that it may hold eight times what its reader has taken so
//! far; all streams share `smuxbuf` for this. A stream of Go's programs gets as much as there is from
//! its beginning. A window that was told is never taken back. So the sum of all windows has a bound,
//! and streams that are not read leave room for the others.
//!
//! A session that tunes itself says how much it needs: no stream needs more. A stream that begins gets its part
//! of what all of them read in a round trip, so that one of a busy session need not find out what the path
//! carries.

/// What a sender of version 2 assumes as window before the first update (kcptun wire, 5.5).
pub const INITIAL_WINDOW: u32 = 262_144;

/// What a peer may send beyond its window before it is called a violation, in bytes per stream.
pub const WINDOW_SLACK: usize = 65_536;

/// A stream begins with its part of this if it is one of many: up to 16 begin with Go's first window.
const FLOORS: usize = 4 << 20;
/// The smallest window that a stream begins with.
const LEAST: usize = 16 << 10;
/// What the streams may hold unread beyond `smuxbuf`, for their floors or because a peer has no
/// windows.
pub(super) const SPILL: usize = 28 << 20;

/// A window may be this many times what was read: it is large after two round trips, and small while
/// a stream carries little or is not read.
pub(super) const SHOWN: usize = 8;

/// The window that a stream begins with between two blinktun, if it is one of `streams`.
pub(super) fn floor(streams: usize) -> u32 {
    (FLOORS / streams.max(1)).clamp(LEAST, INITIAL_WINDOW as usize) as u32
}

/// What the windows of all streams are beyond their floors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credit {
    /// `streambuf`, and `smuxbuf`.
    per_stream: usize,
    shared: usize,
    /// What a session that tunes itself could have in all; the bounds above, if it is less.
    could_have: usize,
    /// What it needs.
    needed: usize,
    /// What each of its streams may have from its beginning.
    first: usize,
    granted: usize,
}

impl Credit {
    /// Nothing is granted. A stream may have `per_stream`, all of them `shared`.
    pub(super) fn new(per_stream: usize, shared: usize) -> Credit {
        let per_stream = per_stream.clamp(1, i32::MAX as usize);
        Credit {
            per_stream,
            shared,
            could_have: usize::MAX,
            needed: usize::MAX,
            first: 0,
            granted: 0,
        }
    }

    /// The session could have memory for `could_have` bytes. It needs `needed` of them, and each of its streams
    /// may have `first` from its beginning.
    pub(super) fn set_needs(&mut self, could_have: usize, needed: usize, first: usize) {
        (self.could_have, self.needed, self.first) = (could_have, needed, first);
    }

    /// What a stream may have from its beginning. It must be told if that is more than its floor.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// The next window of a stream with this `floor`: as much as it `wants`, within half of what is
    /// left; at least what the last one, `window`, leaves after `taken` more bytes.
    pub(super) fn grant(&mut self, floor: u32, window: u32, wants: usize, taken: u32) -> u32 {
        let floor = (floor as usize).min(self.per_stream);
        let excess = |window: usize| window.saturating_sub(floor);
        self.granted = self.granted.saturating_sub(excess(window as usize));
        let wants = wants.min(self.needed);
        let wants = wants.max(window as usize).clamp(floor, self.per_stream);
        let shared = self.shared.min(self.could_have);
        let left = shared.saturating_sub(self.granted) / 2;
        let kept = window.saturating_sub(taken) as usize;
        let next = (floor + excess(wants).min(left)).max(kept.min(self.per_stream));
        self.granted += excess(next);
        next as u32
    }

    /// A stream with this `floor` and `window` is gone.
    pub(super) fn give_back(&mut self, floor: u32, window: u32) {
        let floor = (floor as usize).min(self.per_stream);
        self.granted -= (window as usize).saturating_sub(floor).min(self.granted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_streams_begin_with_less_than_the_spill() {
        let sum: usize = (1..=1000).map(|n| floor(n) as usize).sum();
        assert!(sum <= SPILL, "{sum}");
        assert_eq!(floor(1), INITIAL_WINDOW);
        assert_eq!(floor(1_000_000) as usize, LEAST);
    }

    #[test]
    fn windows_grow_with_what_is_read_and_their_sum_has_a_bound() {
        let mut credit = Credit::new(2 << 20, 4 << 20);
        let first = floor(1);
        assert_eq!(credit.grant(first, first, 2, 1), first);
        assert_eq!(credit.grant(first, first, 600_000, 0), 600_000);
        let mut windows = vec![600_000];
        for _ in 0..100 {
            windows.push(credit.grant(first, first, usize::MAX, 0));
        }
        assert_eq!(windows[1], 2 << 20);
        let excess: usize = windows.iter().map(|w| (w - first) as usize).sum();
        assert!(excess <= 4 << 20, "{excess}");
        for window in windows {
            credit.give_back(first, window);
        }
        assert_eq!(credit.granted, 0);
    }

    #[test]
    fn a_window_that_was_told_is_not_taken_back() {
        let mut credit = Credit::new(2 << 20, 4 << 20);
        let window = credit.grant(100, 100, 2 << 20, 0);
        assert!(credit.grant(100, window, 0, 5) >= window - 5);
    }
}
