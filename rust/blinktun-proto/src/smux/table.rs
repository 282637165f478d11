//! Tables by stream id.

/// A map by stream id whose hash the peer cannot guess.
pub(super) type Table<V> = std::collections::HashMap<u32, V, ahash::RandomState>;

/// The hash of all tables of one session.
pub(super) fn hasher(seed: u64) -> ahash::RandomState {
    ahash::RandomState::with_seeds(seed, !seed, seed.rotate_left(21), seed.rotate_left(42))
}
