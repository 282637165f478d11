//! Salsa20 with the nonce in clear (kcptun wire, 2.4).

use super::batch::cut;
use super::envelope::Cipher;
use salsa20::Salsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};

/// The key. The first eight bytes of a datagram stay in clear and are the nonce of the stream
/// that covers the others.
pub(crate) struct Salsa([u8; 32]);

impl Salsa {
    /// The cipher under the whole of `pass`.
    pub(super) fn new(pass: &[u8; 32]) -> Salsa {
        Salsa(*pass)
    }
}

impl Cipher for Salsa {
    fn encrypt(&self, datagrams: &mut [u8], stride: usize) {
        for datagram in cut(datagrams, stride) {
            // Received datagrams without a nonce are too short anyway.
            if let Some((nonce, bytes)) = datagram.split_first_chunk_mut::<8>() {
                Salsa20::new(&self.0.into(), &(*nonce).into()).apply_keystream(bytes);
            }
        }
    }

    fn decrypt(&self, datagrams: &mut [u8], stride: usize) {
        self.encrypt(datagrams, stride);
    }
}
