//! AES-128 in Galois/counter mode: secrecy and integrity in one (kcptun wire, 2.5).

use super::batch::{Verdict, cut};
use super::envelope::Envelope;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes128Gcm, KeyInit};

/// Bytes of the nonce, which stands in clear in front of the ciphertext.
const NONCE: usize = 12;
/// Bytes of the tag behind the ciphertext.
const TAG: usize = 16;

/// Nonce, ciphertext, tag; no checksum and no associated data.
pub(crate) struct Gcm(Aes128Gcm);

impl Gcm {
    /// The cipher under the first 16 bytes of `pass`.
    pub(super) fn new(pass: &[u8; 32]) -> Gcm {
        let (key, _) = pass.split_at(16);
        let key: [u8; 16] = core::array::from_fn(|at| key[at]);
        Gcm(Aes128Gcm::new(&key.into()))
    }

    fn seal_one(&self, datagram: &mut [u8], fill: &mut dyn FnMut(&mut [u8])) {
        // The lengths have been checked, and AES-GCM takes 64 GiB: neither can fail.
        let parts = datagram.split_first_chunk_mut::<NONCE>();
        let parts = parts.and_then(|(nonce, rest)| Some((nonce, rest.split_last_chunk_mut()?)));
        let Some((nonce, (payload, tag))) = parts else {
            return;
        };
        fill(nonce);
        let buffer = InOutBuf::from(payload);
        if let Ok(made) = self.0.encrypt_inout_detached(&(*nonce).into(), &[], buffer) {
            *tag = made.into();
        }
    }

    fn open_one(&self, datagram: &mut [u8]) -> Verdict {
        let parts = datagram.split_first_chunk_mut::<NONCE>();
        let parts = parts.and_then(|(nonce, rest)| Some((nonce, rest.split_last_chunk_mut()?)));
        let Some((nonce, (payload, tag))) = parts else {
            return Verdict::TooShort;
        };
        let tag: &mut [u8; TAG] = tag;
        let (nonce, tag) = ((*nonce).into(), (*tag).into());
        let opened = self
            .0
            .decrypt_inout_detached(&nonce, &[], payload.into(), &tag);
        match opened {
            Ok(()) => Verdict::Ok,
            Err(_) => Verdict::BadChecksum,
        }
    }
}

impl Envelope for Gcm {
    fn head(&self) -> usize {
        NONCE
    }

    fn tail(&self) -> usize {
        TAG
    }

    fn nonce(&self, opened: &[u8]) -> Option<u64> {
        // The tag holds for all of the nonce.
        opened.first_chunk().map(|part| u64::from_le_bytes(*part))
    }

    fn seal(&self, datagrams: &mut [u8], stride: usize, fill: &mut dyn FnMut(&mut [u8])) {
        for datagram in cut(datagrams, stride) {
            self.seal_one(datagram, fill);
        }
    }

    fn open(&self, datagrams: &mut [u8], stride: usize, verdicts: &mut Vec<Verdict>) {
        verdicts.extend(cut(datagrams, stride).map(|datagram| self.open_one(datagram)));
    }
}
