//! Which of the peer's streams have been opened, where frames come in any order.

use std::collections::BTreeMap;

use super::Role;
use crate::work;

/// The ids that have not come may have so many gaps between them.
const MOST: usize = 4096;

/// The ids of the peer's streams that have come. An id is used once, and each new one is higher than those
/// before; those in between may still be on their way, or are never used.
///
/// Bound: [`MOST`] runs of ids that have not come; the oldest of more are taken for used.
#[derive(Clone, Debug)]
pub(super) struct OpenedIds {
    newest: u32,
    /// Runs of ids below the newest that have not come: the first of each, and the last.
    missing: BTreeMap<u32, u32>,
}

impl OpenedIds {
    /// Nothing has come from a peer whose end is the other one than `own`.
    pub(super) fn new(own: Role) -> OpenedIds {
        OpenedIds {
            newest: match own {
                Role::Client => 0,
                Role::Server => 1,
            },
            missing: BTreeMap::new(),
        }
    }

    /// A stream was opened in order: all that are older were opened before, or never will be.
    pub(super) fn note_in_order(&mut self, id: u32) {
        if self.is_theirs(id) {
            self.newest = self.newest.max(id);
        }
    }

    /// A frame of the stream has come; returns whether that opens it.
    pub(super) fn note(&mut self, id: u32) -> bool {
        work::count(1);
        if !self.is_theirs(id) {
            return false;
        }
        if id > self.newest {
            if id > self.newest + 2 {
                self.missing.insert(self.newest + 2, id - 2);
                self.bound();
            }
            self.newest = id;
            return true;
        }
        let run = self.missing.range(..=id).next_back();
        let Some((&first, &last)) = run.filter(|(_, last)| **last >= id) else {
            return false;
        };
        self.missing.remove(&first);
        if first < id {
            self.missing.insert(first, id - 2);
        }
        if last > id {
            self.missing.insert(id + 2, last);
        }
        self.bound();
        true
    }

    fn bound(&mut self) {
        if self.missing.len() > MOST {
            self.missing.pop_first();
        }
    }

    fn is_theirs(&self, id: u32) -> bool {
        id % 2 == self.newest % 2
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_stream_opens_once_in_whatever_order(ids in proptest::collection::vec(0u32..200, 1..200)) {
            let (mut opened, mut seen) = (OpenedIds::new(Role::Server), BTreeSet::new());
            for id in ids {
                let is_new = id % 2 == 1 && id > 1 && seen.insert(id);
                prop_assert_eq!(opened.note(id), is_new);
            }
        }
    }

    #[test]
    fn streams_of_our_own_are_not_opened_by_the_peer() {
        let mut server = OpenedIds::new(Role::Server);
        assert_eq!([2, 100, 1].map(|id| server.note(id)), [false; 3]);
        let mut client = OpenedIds::new(Role::Client);
        assert_eq!([3, 2, 4].map(|id| client.note(id)), [false, true, true]);
    }

    #[test]
    fn what_came_in_order_leaves_nothing_missing() {
        let mut opened = OpenedIds::new(Role::Server);
        opened.note_in_order(31);
        opened.note_in_order(9);
        assert!(!opened.note(9) && opened.missing.is_empty());
        assert!(opened.note(35) && opened.note(33) && opened.missing.is_empty());
    }

    #[test]
    fn leaps_cost_a_bounded_amount_of_memory_and_work() {
        let mut opened = OpenedIds::new(Role::Server);
        for n in 0..100_000 {
            assert!(opened.note(n * 40_000 + 5));
            assert!(opened.missing.len() <= MOST);
        }
        assert!(opened.note(u32::MAX) && opened.note(u32::MAX - 2));
        assert!(!opened.note(3), "too old");
    }
}
