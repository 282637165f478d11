//! One datagram that waits for the next batch.

/// A datagram that is longer than its batch, or must leave in another way; none if it is empty.
#[derive(Debug, Default)]
pub(super) struct HeldOver {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl HeldOver {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Keep a datagram; there is none. `is_whole` forbids fragments.
    pub fn put(&mut self, datagram: &[u8], is_whole: bool) {
        self.bytes.extend_from_slice(datagram);
        self.is_whole = is_whole;
    }

    /// Move it to the beginning of `out`, which has room for it. Returns its length, and whether fragments
    /// are forbidden.
    pub fn take(&mut self, out: &mut [u8]) -> Option<(usize, bool)> {
        let len = self.bytes.len();
        out[..len].copy_from_slice(&self.bytes);
        self.bytes.clear();
        (len > 0).then_some((len, self.is_whole))
    }
}
