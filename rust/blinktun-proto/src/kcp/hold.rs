//! What keeps new data from leaving.

/// What keeps new data from leaving, or would if there was more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing comes back.
    Silence,
    /// The peer's window is full, or nearly.
    PeerWindow,
    /// Our own window is, which is smaller.
    SendWindow,
    /// None of these. So the controller decides, and the pacer.
    Controller,
}

impl Hold {
    /// What it is with so many segments in our own window and the peer's, if the path is not dark.
    ///
    /// A paced sender whose rate was measured under a window hardly ever fills it: so three quarters count.
    pub(super) fn of_windows(own: u32, peer: u32, segments: usize) -> Hold {
        let is_filled = segments * 4 >= own.min(peer) as usize * 3;
        match (is_filled, peer <= own) {
            (false, _) => Hold::Controller,
            (true, true) => Hold::PeerWindow,
            (true, false) => Hold::SendWindow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_window_holds_as_soon_as_three_quarters_are_full() {
        let of = |segments| {
            let windows = [(100, 200), (200, 100), (100, 100)];
            windows.map(|(own, peer)| Hold::of_windows(own, peer, segments))
        };
        let full = [Hold::SendWindow, Hold::PeerWindow, Hold::PeerWindow];
        assert_eq!(of(74), [Hold::Controller; 3]);
        assert_eq!((of(75), of(100), of(300)), (full, full, full));
        assert_eq!(Hold::of_windows(100, 0, 0), Hold::PeerWindow);
    }
}
