//! A batch of datagrams: how long one may be, how a batch is cut, what became of each.

/// The longest datagram that kcptun sends or receives, in bytes (kcptun wire, 1.4 and 1.5).
pub const MAX_DATAGRAM: usize = 1500;

/// What became of one datagram in [`PacketCrypt::open`](super::PacketCrypt::open).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Genuine: the payload stands in clear at `head()..len - tail()`.
    Ok,
    /// Shorter than `head() + tail()`: drop it.
    TooShort,
    /// Damaged, forged or of another key or kind: drop it. Its bytes are meaningless now.
    BadChecksum,
}

/// The datagrams of a batch. A stride of 0, as of an empty datagram, is harmless.
pub(super) fn cut(datagrams: &mut [u8], stride: usize) -> impl Iterator<Item = &mut [u8]> {
    datagrams.chunks_mut(stride.max(1))
}
