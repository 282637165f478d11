//! When the session's buffer was full; `stuck` acts on it.

use crate::time::Time;

/// The times at which the session's buffer was full.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fullness {
    /// How often it was; a stream that is read remembers it.
    pub(super) times: u32,
    /// When streams are reset, if it stays so.
    pub(super) until: Option<Time>,
}

impl Fullness {
    /// When [`Mux::reset_stuck`](super::Mux::reset_stuck) has something to do.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.until
    }
}
