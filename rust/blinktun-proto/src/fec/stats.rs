//! What a decoder has counted.

/// What a decoder has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecoderStats {
    /// Groups whose data all came.
    pub full_groups: u64,
    /// Parity packets received.
    pub parity_received: u64,
    /// Payloads rebuilt and handed on.
    pub recovered: u64,
    /// Groups that contradicted themselves or rebuilt to something unsound.
    pub errors: u64,
    /// Data packets of groups that were given up incomplete.
    pub short: u64,
    /// Packets of groups no longer kept, or with a number far from all others.
    pub late: u64,
    /// Packets that are too long.
    pub too_long: u64,
    /// Times the tuner changed the numbers.
    pub retuned: u64,
}
