//! When which relay wants to be looked at although nothing happens (`closewait`).

use std::collections::{BTreeMap, BTreeSet};

use blinktun_proto::time::Time;

/// The relays that hold an end back: at most one moment each.
#[derive(Debug, Default)]
pub struct Pauses {
    order: BTreeSet<(Time, usize)>,
    by_relay: BTreeMap<usize, Time>,
}

impl Pauses {
    /// Relay `index` wants its turn at this moment, or at none.
    pub fn set(&mut self, index: usize, at: Option<Time>) {
        let before = match at {
            Some(at) => self.by_relay.insert(index, at),
            None => self.by_relay.remove(&index),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, index));
        }
        if let Some(at) = at {
            self.order.insert((at, index));
        }
    }

    /// When the first relay wants its turn.
    pub fn next(&self) -> Option<Time> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Take out a relay whose moment has come.
    pub fn pop(&mut self, now: Time) -> Option<usize> {
        let (at, index) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.set(index, None);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_relay_has_one_moment() {
        let at = Time::from_millis;
        let mut pauses = Pauses::default();
        pauses.set(1, Some(at(30)));
        pauses.set(2, Some(at(20)));
        pauses.set(1, Some(at(10)));
        assert_eq!(pauses.next(), Some(at(10)));
        assert_eq!((pauses.pop(at(9)), pauses.pop(at(10))), (None, Some(1)));
        pauses.set(2, None);
        assert_eq!((pauses.next(), pauses.pop(at(99))), (None, None));
    }
}
