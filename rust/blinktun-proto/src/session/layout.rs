//! What stands around KCP's payload in a datagram.

use std::ops::RangeInclusive;

use crate::wire;

/// The bytes of a datagram that are not KCP's.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Bytes of the crypt layer in front.
    pub head: usize,
    /// Bytes of the crypt layer behind.
    pub tail: usize,
    /// Whether room for the FEC header is kept, even while FEC is off.
    pub has_fec: bool,
    /// The sizes of a datagram that the settings allow.
    pub mtus: RangeInclusive<usize>,
}

impl Layout {
    /// Bytes of the crypt layer.
    pub fn crypt(&self) -> usize {
        self.head + self.tail
    }

    /// Bytes that KCP has in a datagram of `mtu` bytes, which is one of [`Layout::mtus`].
    pub fn block(&self, mtu: usize) -> usize {
        let header = if self.has_fec { wire::fec::HEADER } else { 0 };
        mtu - self.crypt() - header
    }
}
