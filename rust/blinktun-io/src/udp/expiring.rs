//! A bounded memory whose entries expire.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use blinktun_proto::time::{Duration, Time};

/// Values that count for a while. When it is full, the oldest makes room.
pub struct Expiring<K, V> {
    life: Duration,
    capacity: usize,
    values: HashMap<K, (V, Time)>,
    /// In the order in which they expire; those that were replaced are skipped.
    order: VecDeque<(K, Time)>,
}

impl<K: Copy + Eq + Hash, V> Expiring<K, V> {
    /// Without entries; at most `capacity` of them, for `life` each.
    pub fn new(capacity: usize, life: Duration) -> Expiring<K, V> {
        Expiring {
            life,
            capacity,
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The value of `key`, if there is one that still counts.
    pub fn get(&self, key: &K, now: Time) -> Option<&V> {
        if self.values.is_empty() {
            return None; // by far the most frequent case
        }
        self.values
            .get(key)
            .filter(|(_, until)| now < *until)
            .map(|(value, _)| value)
    }

    /// Let `key` have `value` from now on.
    pub fn insert(&mut self, key: K, value: V, now: Time) {
        while let Some(&(oldest, until)) = self.order.front()
            && (until <= now || self.order.len() >= self.capacity)
        {
            self.order.pop_front();
            if self.values.get(&oldest).is_some_and(|(_, at)| *at == until) {
                self.values.remove(&oldest);
            }
        }
        let until = now + self.life;
        self.values.insert(key, (value, until));
        self.order.push_back((key, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn entries_count_for_their_time() {
        let mut memory = Expiring::new(8, LIFE);
        memory.insert("a", 1, at(0));
        memory.insert("b", 2, at(30));
        assert_eq!(memory.get(&"a", at(59)), Some(&1));
        assert_eq!(memory.get(&"a", at(60)), None);
        assert_eq!(memory.get(&"b", at(60)), Some(&2));
        memory.insert("a", 3, at(61));
        assert_eq!(memory.get(&"a", at(120)), Some(&3));
        memory.insert("c", 4, at(150));
        assert_eq!(memory.values.len(), 1);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut memory = Expiring::new(4, LIFE);
        for key in 0..100 {
            memory.insert(key, key, at(0));
            memory.insert(7, 7, at(0));
            assert!(memory.values.len() <= 4 && memory.order.len() <= 4);
        }
        assert_eq!(memory.get(&99, at(1)), Some(&99));
        assert_eq!(memory.get(&7, at(1)), Some(&7));
        assert_eq!(memory.get(&50, at(1)), None);
    }
}
