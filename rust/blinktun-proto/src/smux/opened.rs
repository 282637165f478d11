//! Which of the peer's streams have been opened, where frames come in any order.

use std::collections::BTreeSet;

use crate::work;

use super::{Error, Role};

/// So many streams below the newest may be unknown: more than can be on their way at once.
const MOST: usize = 65_536;

/// The ids of the peer's streams that have come. An id is used once, and each new one is higher than those
/// before; those in between may still be on their way.
///
/// Bound: [`MOST`] ids that have not come; the oldest of more are taken for used.
#[derive(Clone, Debug)]
pub(super) struct OpenedIds {
    newest: u32,
    missing: BTreeSet<u32>,
}

impl OpenedIds {
    /// Nothing has come from a peer whose end is the other one than `own`.
    pub(super) fn new(own: Role) -> OpenedIds {
        OpenedIds {
            newest: match own {
                Role::Client => 0,
                Role::Server => 1,
            },
            missing: BTreeSet::new(),
        }
    }

    /// A stream was opened in order: all that are older were opened before, or never will be.
    pub(super) fn note_in_order(&mut self, id: u32) {
        if self.is_theirs(id) {
            self.newest = self.newest.max(id);
        }
    }

    /// A frame of the stream has come; returns whether that opens it.
    ///
    /// # Errors
    /// [`Error::Segment`]: more streams are on their way than a session may have.
    pub(super) fn note(&mut self, id: u32) -> Result<bool, Error> {
        if id <= self.newest || !self.is_theirs(id) {
            return Ok(self.missing.remove(&id));
        }
        if (id - self.newest) as usize / 2 > MOST {
            return Err(Error::Segment);
        }
        let between = self.newest + 2..id;
        work::count((id - self.newest) as usize);
        self.missing.extend(between.step_by(2));
        while self.missing.len() > MOST {
            self.missing.pop_first();
        }
        self.newest = id;
        Ok(true)
    }

    fn is_theirs(&self, id: u32) -> bool {
        id % 2 == self.newest % 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_opens_once_in_whatever_order() {
        let mut opened = OpenedIds::new(Role::Server);
        let came = [7, 7, 3, 5, 3, 5, 1, 9].map(|id| opened.note(id));
        let news = [true, false, true, true, false, false, false, true];
        assert_eq!(came, news.map(Ok));
        assert!(opened.missing.is_empty());
    }

    #[test]
    fn streams_of_our_own_are_not_opened_by_the_peer() {
        let mut server = OpenedIds::new(Role::Server);
        assert_eq!([2, 100].map(|id| server.note(id)), [Ok(false); 2]);
        let mut client = OpenedIds::new(Role::Client);
        let came = [3, 2, 4].map(|id| client.note(id));
        assert_eq!(came, [Ok(false), Ok(true), Ok(true)]);
    }

    #[test]
    fn what_came_in_order_leaves_nothing_missing() {
        let mut opened = OpenedIds::new(Role::Server);
        opened.note_in_order(31);
        opened.note_in_order(9);
        assert_eq!(opened.note(9), Ok(false));
        assert!(opened.missing.is_empty());
        assert_eq!([35, 33].map(|id| opened.note(id)), [Ok(true); 2]);
    }

    #[test]
    fn a_leap_is_an_error_and_memory_has_a_bound() {
        let mut opened = OpenedIds::new(Role::Server);
        assert_eq!(opened.note(u32::MAX), Err(Error::Segment));
        for leap in 1..=4 {
            let id = leap * 2 * MOST as u32 + 1;
            assert_eq!(opened.note(id), Ok(true));
            assert!(opened.missing.len() <= MOST);
        }
        assert_eq!(opened.note(3), Ok(false), "too old");
    }
}
