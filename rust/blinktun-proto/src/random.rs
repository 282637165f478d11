//! Randomness from a seed that the caller gives.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A ChaCha8 generator: unpredictable to others when its seed is, repeatable when its seed is known.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// A generator from 32 bytes, which in production come from the operating system.
    pub(crate) fn from_seed(seed: [u8; 32]) -> Random {
        Random(ChaCha8Rng::from_seed(seed))
    }

    /// A generator for tests.
    pub fn from_number(seed: u64) -> Random {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fill `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// A number below `bound` (which is not 0), for uses where a tiny bias does not matter.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }
}
