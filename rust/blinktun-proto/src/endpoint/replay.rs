//! Nonces of datagrams lately received or sent: one that comes again, or comes back, is dropped.

use std::collections::HashSet;

use ahash::RandomState;

/// Two generations of nonces. Bound: `2 * GENERATION` nonces, about 2.4 MB.
pub struct ReplayFilter {
    young: HashSet<u64, RandomState>,
    old: HashSet<u64, RandomState>,
}

const GENERATION: usize = 65536;

impl ReplayFilter {
    /// An empty filter; `seeds` make its hashing unpredictable.
    pub fn new(seeds: [u64; 2]) -> ReplayFilter {
        let hasher = RandomState::with_seeds(seeds[0], seeds[1], 0, 0);
        ReplayFilter {
            young: HashSet::with_hasher(hasher.clone()),
            old: HashSet::with_hasher(hasher),
        }
    }

    /// Remember `nonce` of a datagram received; returns whether it is new.
    pub fn is_new(&mut self, nonce: u64) -> bool {
        !self.old.contains(&nonce) && self.remember(nonce)
    }

    /// Remember `nonce` of a datagram sent.
    pub fn note_sent(&mut self, nonce: u64) {
        self.remember(nonce);
    }

    fn remember(&mut self, nonce: u64) -> bool {
        if !self.young.insert(nonce) {
            return false;
        }
        if self.young.len() >= GENERATION {
            core::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_at_least_one_generation_and_at_most_two() {
        let mut filter = ReplayFilter::new([1, 2]);
        assert!((0..3 * GENERATION as u64).all(|nonce| filter.is_new(nonce)));
        let last = 3 * GENERATION as u64 - 1;
        assert!(!filter.is_new(last) && !filter.is_new(last - GENERATION as u64 / 2));
        assert!(filter.is_new(0));
        assert!(filter.young.len() + filter.old.len() <= 2 * GENERATION);
    }
}
