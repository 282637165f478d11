//! A fixed pad over every datagram (kcptun wire, 2.4).

use super::batch::{MAX_DATAGRAM, cut};
use super::envelope::Cipher;
use pbkdf2::pbkdf2_hmac_array;
use sha1::Sha1;

/// The pad. What a received datagram has beyond it stays as it is, for the checksum to refuse.
pub(super) struct Xor([u8; MAX_DATAGRAM]);

impl Xor {
    /// The pad of this key material.
    pub(super) fn new(pass: &[u8; 32]) -> Xor {
        Xor(pbkdf2_hmac_array::<Sha1, MAX_DATAGRAM>(
            pass,
            b"sH3CIVoF#rWLtJo6",
            32,
        ))
    }
}

impl Cipher for Xor {
    fn encrypt(&self, datagrams: &mut [u8], stride: usize) {
        for datagram in cut(datagrams, stride) {
            for (byte, pad) in datagram.iter_mut().zip(&self.0) {
                *byte ^= pad;
            }
        }
    }

    fn decrypt(&self, datagrams: &mut [u8], stride: usize) {
        self.encrypt(datagrams, stride);
    }
}
