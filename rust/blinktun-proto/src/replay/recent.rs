//! The latest numbers, in order, each found in constant time.

use ahash::RandomState;

/// A slot of the table that holds no number.
const EMPTY: u32 = 0;
const MIN_SLOTS: usize = 16;

/// The latest `capacity` numbers. It takes memory as it fills, 16 to 32 bytes for a number, and a
/// full one 16, if `capacity` is a power of two.
#[derive(Debug)]
pub(crate) struct Recent {
    capacity: usize,
    /// The numbers; once all places are taken, the oldest stands at `next`.
    ring: Vec<u64>,
    next: usize,
    /// An open-addressed table, at most half full: places in `ring`, counted from 1.
    slots: Vec<u32>,
    hasher: RandomState,
}

impl Recent {
    /// An empty one. `seeds` make the places in the table unpredictable, so that no peer can choose
    /// numbers that are slow to find.
    pub(crate) fn new(capacity: u32, seeds: [u64; 2]) -> Recent {
        Recent {
            capacity: capacity.max(1) as usize,
            ring: Vec::new(),
            next: 0,
            slots: Vec::new(),
            hasher: RandomState::with_seeds(seeds[0], seeds[1], 0, 0),
        }
    }

    /// Remember `number` instead of the oldest; returns whether it is new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let place = if self.ring.len() < self.capacity {
            self.ring.push(number);
            if self.ring.len() * 2 > self.slots.len() {
                self.grow();
                return true;
            }
            self.ring.len() - 1
        } else {
            let place = self.next;
            self.forget(self.ring[place]);
            self.ring[place] = number;
            self.next = (place + 1) % self.capacity;
            place
        };
        self.link(place);
        true
    }

    /// Whether `number` is one of them.
    pub(crate) fn contains(&self, number: u64) -> bool {
        !self.slots.is_empty() && self.slots[self.slot_of(number)] != EMPTY
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// The newest `count` numbers at most, the oldest of them first.
    pub(crate) fn newest(&self, count: usize) -> impl Iterator<Item = u64> + '_ {
        let (newer, older) = self.ring.split_at(self.next);
        let skipped = self.len().saturating_sub(count);
        older.iter().chain(newer).skip(skipped).copied()
    }

    /// Bytes of memory that it has taken.
    pub(crate) fn memory(&self) -> usize {
        self.ring.capacity() * size_of::<u64>() + self.slots.capacity() * size_of::<u32>()
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(MIN_SLOTS);
        self.slots.clear();
        self.slots.resize(slots, EMPTY);
        (0..self.ring.len()).for_each(|place| self.link(place));
    }

    fn link(&mut self, place: usize) {
        let slot = self.slot_of(self.ring[place]);
        self.slots[slot] = place as u32 + 1;
    }

    /// The slot that holds `number`, or the empty one where it belongs.
    fn slot_of(&self, number: u64) -> usize {
        let mut slot = self.home(number);
        while self.slots[slot] != EMPTY && self.number_at(slot) != number {
            slot = self.after(slot);
        }
        slot
    }

    /// Empty the slot of `number`, and move up those behind it that would not be found any more.
    fn forget(&mut self, number: u64) {
        let mut hole = self.slot_of(number);
        let mut slot = self.after(hole);
        while self.slots[slot] != EMPTY {
            let home = self.home(self.number_at(slot));
            if self.distance(home, slot) >= self.distance(hole, slot) {
                self.slots[hole] = self.slots[slot];
                hole = slot;
            }
            slot = self.after(slot);
        }
        self.slots[hole] = EMPTY;
    }

    fn number_at(&self, slot: usize) -> u64 {
        self.ring[self.slots[slot] as usize - 1]
    }

    fn home(&self, number: u64) -> usize {
        self.hasher.hash_one(number) as usize & (self.slots.len() - 1)
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use std::collections::VecDeque;

    fn recent(capacity: u32) -> Recent {
        Recent::new(capacity, [1, 2])
    }

    #[test]
    fn it_does_what_a_plain_list_does() {
        let mut random = Random::from_number(1);
        for capacity in [1, 2, 7, 64, 1000] {
            let (mut ours, mut plain) = (recent(capacity), VecDeque::new());
            for _ in 0..20_000 {
                let number = random.below(u64::from(capacity) * 3);
                let is_new = !plain.contains(&number);
                assert_eq!(ours.contains(number), !is_new);
                assert_eq!(ours.insert(number), is_new);
                if is_new {
                    plain.push_back(number);
                }
                if plain.len() > capacity as usize {
                    plain.pop_front();
                }
            }
            assert!(ours.newest(usize::MAX).eq(plain.iter().copied()));
            assert!(
                ours.newest(3)
                    .eq(plain.iter().skip(plain.len().saturating_sub(3)).copied())
            );
        }
    }

    #[test]
    fn an_empty_one_takes_no_memory_and_a_full_one_16_bytes_a_number() {
        assert_eq!(recent(1 << 20).memory(), 0);
        let mut full = recent(1 << 16);
        assert!((0..3 << 16).all(|number| full.insert(number)));
        assert_eq!((full.len(), full.memory()), (1 << 16, 16 << 16));
    }
}
