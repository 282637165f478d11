//! What stands around a payload (kcptun wire, 1.2).

use super::batch::{Verdict, cut};
use crate::wire::{u32_at, u64_at};

/// How a kind lays out, seals and opens datagrams. See [`PacketCrypt`](super::PacketCrypt), which
/// has checked the lengths before `seal`; `open` must stand any bytes.
pub(crate) trait Envelope: Send + Sync {
    /// Bytes in front of the payload.
    fn head(&self) -> usize;

    /// Bytes behind the payload.
    fn tail(&self) -> usize {
        0
    }

    /// What nobody without the key can change and be believed: a number by which the opened
    /// datagram, or its nonce alone, is known again. `None` without a nonce.
    fn nonce(&self, opened: &[u8]) -> Option<u64>;

    /// Where in the nonce the eight bytes stand that [`nonce`](Self::nonce) differs by, bit for bit.
    fn nonce_at(&self) -> usize {
        0
    }

    /// Seal a batch with nonces written by `fill`.
    fn seal(&self, datagrams: &mut [u8], stride: usize, fill: &mut dyn FnMut(&mut [u8]));

    /// Open a batch, and append one verdict a datagram.
    fn open(&self, datagrams: &mut [u8], stride: usize, verdicts: &mut Vec<Verdict>);
}

/// The kind `null`: the payload is the datagram.
pub(crate) struct Bare;

impl Envelope for Bare {
    fn head(&self) -> usize {
        0
    }

    fn nonce(&self, _: &[u8]) -> Option<u64> {
        None
    }

    fn seal(&self, _: &mut [u8], _: usize, _: &mut dyn FnMut(&mut [u8])) {}

    fn open(&self, datagrams: &mut [u8], stride: usize, verdicts: &mut Vec<Verdict>) {
        verdicts.extend(cut(datagrams, stride).map(|_| Verdict::Ok));
    }
}

/// A length-preserving cipher over whole datagrams, nonce and checksum included.
pub(crate) trait Cipher: Send + Sync {
    /// See [`Envelope::nonce`].
    fn nonce(&self, nonce: &[u8; NONCE]) -> u64 {
        u64_at(nonce, 0)
    }

    /// See [`Envelope::nonce_at`].
    fn nonce_at(&self) -> usize {
        0
    }

    /// Encrypt every datagram of a batch in place.
    fn encrypt(&self, datagrams: &mut [u8], stride: usize);

    /// Undo [`encrypt`](Self::encrypt), on any bytes of any length.
    fn decrypt(&self, datagrams: &mut [u8], stride: usize);
}

/// The cipher of the kind `none`.
pub(crate) struct Identity;

impl Cipher for Identity {
    fn encrypt(&self, _: &mut [u8], _: usize) {}

    fn decrypt(&self, _: &mut [u8], _: usize) {}
}

/// Bytes of the nonce of the crc family.
pub(crate) const NONCE: usize = 16;

/// Bytes of the nonce and the checksum of the crc family.
const HEAD: usize = NONCE + 4;

/// The crc family: nonce, CRC-32 of the payload in little-endian, payload; then all of it encrypted.
pub(super) struct Checked<C>(pub C);

impl<C: Cipher> Envelope for Checked<C> {
    fn head(&self) -> usize {
        HEAD
    }

    fn nonce(&self, opened: &[u8]) -> Option<u64> {
        opened.first_chunk().map(|nonce| self.0.nonce(nonce))
    }

    fn nonce_at(&self) -> usize {
        self.0.nonce_at()
    }

    fn seal(&self, datagrams: &mut [u8], stride: usize, fill: &mut dyn FnMut(&mut [u8])) {
        for datagram in cut(datagrams, stride) {
            let checksum = crc32fast::hash(&datagram[HEAD..]);
            datagram[NONCE..HEAD].copy_from_slice(&checksum.to_le_bytes());
            fill(&mut datagram[..NONCE]);
        }
        self.0.encrypt(datagrams, stride);
    }

    fn open(&self, datagrams: &mut [u8], stride: usize, verdicts: &mut Vec<Verdict>) {
        self.0.decrypt(datagrams, stride);
        verdicts.extend(cut(datagrams, stride).map(|datagram| verdict(datagram)));
    }
}

fn verdict(datagram: &[u8]) -> Verdict {
    let Some((head, payload)) = datagram.split_at_checked(HEAD) else {
        return Verdict::TooShort;
    };
    if u32_at(head, NONCE) == crc32fast::hash(payload) {
        Verdict::Ok
    } else {
        Verdict::BadChecksum
    }
}
