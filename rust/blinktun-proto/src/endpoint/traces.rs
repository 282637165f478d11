//! What the sessions of an endpoint write down, and its way to the driver.

use std::collections::VecDeque;

use super::entry::{Entry, SessionId};
use crate::session::Session;
use crate::time::Time;

/// Pieces of traces that wait to be taken; what comes beyond them waits in the sessions.
const MAX_TRACES: usize = 16;

/// The traces of all sessions. The default has none.
#[derive(Debug, Default)]
pub struct Traces {
    /// Sessions that begin write down what happens.
    is_on: bool,
    pieces: VecDeque<(SessionId, String)>,
}

impl Traces {
    /// Have the sessions that begin from now on write down what happens.
    pub fn begin(&mut self) {
        self.is_on = true;
    }

    /// A session begins.
    pub fn note_begin(&self, session: &mut Session, now: Time) {
        if self.is_on {
            session.begin_trace(now);
        }
    }

    /// Take what a session has written down, if there is room for it.
    pub fn collect(&mut self, entry: &mut Entry) {
        if self.pieces.len() < MAX_TRACES {
            self.collect_last(entry);
        }
    }

    /// Take what a session that is over has written down.
    pub fn collect_last(&mut self, entry: &mut Entry) {
        if let Some(text) = entry.session.take_trace() {
            self.pieces.push_back((entry.id, text));
        }
    }

    /// The next piece.
    pub fn next_piece(&mut self) -> Option<(SessionId, String)> {
        self.pieces.pop_front()
    }
}
