//! When which socket or relay must have its turn although nothing happens.

use std::collections::{BTreeMap, BTreeSet};

use blinktun_proto::time::Time;

/// At most one deadline for each key.
#[derive(Debug)]
pub struct Timers<K> {
    order: BTreeSet<(Time, K)>,
    by_key: BTreeMap<K, Time>,
}

impl<K: Copy + Ord> Timers<K> {
    /// No deadlines.
    pub fn new() -> Timers<K> {
        Timers {
            order: BTreeSet::new(),
            by_key: BTreeMap::new(),
        }
    }

    /// Set the deadline of `key`, or take it away.
    pub fn set(&mut self, key: K, at: Option<Time>) {
        let before = match at {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, key));
        }
        if let Some(at) = at {
            self.order.insert((at, key));
        }
    }

    /// The first deadline.
    pub fn next(&self) -> Option<Time> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Take out a key whose deadline has come.
    pub fn pop(&mut self, now: Time) -> Option<K> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_one_deadline() {
        let at = Time::from_millis;
        let mut timers = Timers::new();
        timers.set(1, Some(at(30)));
        timers.set(2, Some(at(20)));
        timers.set(1, Some(at(10)));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!((timers.pop(at(9)), timers.pop(at(10))), (None, Some(1)));
        timers.set(2, None);
        assert_eq!((timers.next(), timers.pop(at(99))), (None, None));
    }
}
