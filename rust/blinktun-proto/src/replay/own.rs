//! Nonces that their sender knows again without remembering them.

use cast5::Cast5;
use cast5::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

/// Numbers for the nonces of one socket: a counter, encrypted under a key that no other program has.
///
/// KCP has no directions, so a datagram of ours that comes back would pass for the peer's. Decrypted,
/// its number is one that the counter has passed; any other number is above it, but for one in 2^64
/// for each datagram that was sent. To all others the numbers look random, and none comes twice.
pub(crate) struct OwnNonces {
    cipher: Cast5,
    sent: u64,
}

impl OwnNonces {
    /// Begins under `key`, which has to be random.
    pub(crate) fn new(key: [u8; 16]) -> OwnNonces {
        OwnNonces {
            cipher: Cast5::new(&key.into()),
            sent: 0,
        }
    }

    /// The number of the next datagram.
    pub(crate) fn next_number(&mut self) -> u64 {
        let mut block: Block<Cast5> = self.sent.to_be_bytes().into();
        self.sent += 1;
        self.cipher.encrypt_block(&mut block);
        u64::from_be_bytes(block.into())
    }

    /// Whether a datagram with this number was sent here.
    pub(crate) fn is_own(&self, number: u64) -> bool {
        let mut block: Block<Cast5> = number.to_be_bytes().into();
        self.cipher.decrypt_block(&mut block);
        u64::from_be_bytes(block.into()) < self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_numbers_are_known_again_and_no_others() {
        let (mut ours, mut theirs) = (OwnNonces::new([1; 16]), OwnNonces::new([2; 16]));
        let sent: Vec<u64> = (0..300_000).map(|_| ours.next_number()).collect();
        assert!(sent.iter().all(|number| ours.is_own(*number)));
        assert!(!(0..300_000).any(|_| ours.is_own(theirs.next_number())));
        let different = std::collections::BTreeSet::from_iter(sent);
        assert_eq!((different.len(), ours.sent), (300_000, 300_000));
    }
}
