//! Numbers as they stand on the wire: 32 bits that wrap.
//!
//! None of these types is `Ord`: two of them can only be compared by their signed distance, so
//! comparing them the wrong way does not compile (docs/protocol/kcp.md).

macro_rules! wrapping_u32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The signed distance `self - other`, modulo 2^32.
            pub const fn diff(self, other: Self) -> i32 {
                self.0.wrapping_sub(other.0) as i32
            }

            /// Whether `self` comes before `other` in wrapping order.
            pub const fn before(self, other: Self) -> bool {
                self.diff(other) < 0
            }

            /// The number `n` further on.
            pub const fn plus(self, n: u32) -> Self {
                Self(self.0.wrapping_add(n))
            }
        }
    };
}

wrapping_u32! {
    /// A KCP segment number (`sn`, `una`).
    Sn
}
wrapping_u32! {
    /// A KCP timestamp: milliseconds of the sender's clock.
    Millis
}
wrapping_u32! {
    /// The number of a FEC packet.
    SeqId
}

/// A little-endian `u16` at `at`. Panics when out of range: callers check the length first.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// A little-endian `u32` at `at`. Panics when out of range: callers check the length first.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A little-endian `u64` at `at`. Panics when out of range: callers check the length first.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
