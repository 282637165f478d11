//! How fast the path delivers.

/// Rounds that count.
const ROUNDS: usize = 10;

/// The rates of the last rounds, in bytes a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bandwidth {
    rates: [u64; ROUNDS],
    next: usize,
}

impl Bandwidth {
    /// The second fastest round: the fastest may be luck.
    pub(super) fn get(&self) -> u64 {
        let (mut first, mut second) = (0, 0);
        for rate in self.rates {
            if rate > first {
                (first, second) = (rate, first);
            } else {
                second = second.max(rate);
            }
        }
        second
    }

    /// Take the rate of a round. If less left in it than the path could carry, it counts only if it is
    /// higher than what is known. Returns whether the path delivers a tenth more than was known.
    pub(super) fn add(&mut self, rate: u64, is_restrained: bool) -> bool {
        let known = self.get();
        let has_grown = rate > known + known / 10;
        if has_grown {
            self.set(rate);
        } else if rate > known || !is_restrained {
            self.rates[self.next] = rate;
            self.next = (self.next + 1) % ROUNDS;
        }
        has_grown
    }

    /// The path delivers as fast as this at least.
    pub(super) fn raise(&mut self, rate: u64) {
        if rate > self.get() {
            self.set(rate);
        }
    }

    /// Forget what was known: the rate is this.
    pub(super) fn set(&mut self, rate: u64) {
        self.rates = [0; ROUNDS];
        (self.rates[0], self.rates[1], self.next) = (rate, rate, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fast_round_is_luck_and_a_much_faster_one_is_a_faster_path() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.raise(1000);
        assert!(!bandwidth.add(1050, false));
        assert_eq!(bandwidth.get(), 1000);
        assert!(!bandwidth.add(1040, false));
        assert_eq!(bandwidth.get(), 1040);
        assert!(bandwidth.add(1200, false));
        assert_eq!(bandwidth.get(), 1200);
    }

    #[test]
    fn a_slow_round_counts_only_if_enough_was_sent() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.raise(1000);
        for _ in 0..2 * ROUNDS {
            bandwidth.add(500, true);
        }
        assert_eq!(bandwidth.get(), 1000);
        for _ in 0..ROUNDS {
            bandwidth.add(500, false);
        }
        assert_eq!(bandwidth.get(), 500);
    }
}
