//! The streams whose FIN waits, by deadline.

use super::stream::Stream;
use crate::time::Time;
use std::collections::BTreeSet;

/// The streams whose FIN is held, or which may have been dropped, by deadline: at most one entry per
/// stream.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeSet<(Time, u32)>);

impl Holds {
    /// Hold the stream's FIN until `deadline`, instead of any earlier arrangement.
    pub(super) fn arm(&mut self, stream: &mut Stream, deadline: Time) {
        self.disarm(stream);
        stream.deadline = Some(deadline);
        self.0.insert((deadline, stream.id));
    }

    /// Hold the stream's FIN no longer.
    pub(super) fn disarm(&mut self, stream: &mut Stream) {
        if let Some(deadline) = stream.deadline.take() {
            self.0.remove(&(deadline, stream.id));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Time> {
        self.0.first().map(|&(deadline, _)| deadline)
    }

    /// Take out the stream of the earliest deadline.
    pub(super) fn pop(&mut self) -> Option<u32> {
        self.0.pop_first().map(|(_, id)| id)
    }
}
