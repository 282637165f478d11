//! Cipher feedback over any block cipher (kcptun wire, 2.3).
//!
//! Full-block CFB with a constant initial vector; the random nonce in front of the plaintext makes
//! datagrams differ. With `t` the encryption of the vector, then of each ciphertext block in turn,
//! a block of plaintext and of ciphertext differ by `t`.
//!
//! - Opening is parallel: every `t` is the encryption of a block that has arrived.
//! - Sealing is serial within a datagram, so up to [`LANES`] datagrams of a batch go in step.
//!
//! Both run as one closure inside the cipher's backend, so that a whole batch costs one detection of
//! the processor's features and the inner loops are compiled for them. This is why everything below
//! is `#[inline(always)]`.

use super::batch::cut;
use super::envelope::{Cipher, NONCE};
use crate::wire::u64_at;
use aes::cipher::array::{Array, ArraySize};
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser,
    InOutBuf, KeyInit, ParBlocks,
};

/// The initial vector; ciphers of 8-byte blocks use its first half.
const IV: [u8; 16] = [
    0xa7, 0x73, 0x4f, 0x9c, 0x12, 0xac, 0x1b, 0x01, 0xa4, 0x15, 0xf2, 0xc1, 0xfc, 0x78, 0xe6, 0x6b,
];

/// Datagrams sealed in step: enough to hide the latency of one AES round behind the others.
const LANES: usize = 8;

/// A block cipher of at most 16-byte blocks in this mode.
pub(crate) struct Cfb<C: BlockSizeUser> {
    cipher: C,
    /// The encrypted initial vector, with which every datagram begins.
    first: Block<C>,
}

impl<C: BlockCipherEncrypt + KeyInit> Cfb<C> {
    /// The cipher under as many leading bytes of `pass` as its key takes.
    pub(super) fn new(pass: &[u8; 32]) -> Cfb<C> {
        Cfb::over(C::new(&Array::from_fn(|at| pass[at])))
    }
}

impl<C: BlockCipherEncrypt> Cfb<C> {
    /// This keyed cipher in this mode.
    pub(super) fn over(cipher: C) -> Cfb<C> {
        let mut first = Block::<C>::from_fn(|at| IV[at]);
        cipher.encrypt_block(&mut first);
        Cfb { cipher, first }
    }
}

impl<C: BlockCipherEncrypt + Send + Sync> Cipher for Cfb<C> {
    /// A changed ciphertext block garbles the next block of plaintext, and only behind the nonce's
    /// last block does that hit the checksum: so the ciphertext of that block cannot be changed.
    fn nonce(&self, nonce: &[u8; NONCE]) -> u64 {
        let (first, last) = nonce.split_at(NONCE - C::BlockSize::USIZE);
        if first.is_empty() {
            // It differs from the plaintext by a constant.
            return u64_at(last, 0);
        }
        let mut block = self.first.clone();
        xor(&mut block, first);
        self.cipher.encrypt_block(&mut block);
        xor(&mut block, last);
        u64_at(&block, 0)
    }

    fn nonce_at(&self) -> usize {
        NONCE - C::BlockSize::USIZE
    }

    fn encrypt(&self, datagrams: &mut [u8], stride: usize) {
        self.cipher.encrypt_with_backend(Encrypt {
            datagrams,
            stride,
            first: &self.first,
        });
    }

    fn decrypt(&self, datagrams: &mut [u8], stride: usize) {
        self.cipher.encrypt_with_backend(Decrypt {
            datagrams,
            stride,
            first: &self.first,
        });
    }
}

struct Encrypt<'a, S: ArraySize> {
    datagrams: &'a mut [u8],
    stride: usize,
    first: &'a Array<u8, S>,
}

impl<S: ArraySize> BlockSizeUser for Encrypt<'_, S> {
    type BlockSize = S;
}

impl<S: ArraySize> BlockCipherEncClosure for Encrypt<'_, S> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = S>>(self, backend: &B) {
        let mut datagrams = cut(self.datagrams, self.stride);
        loop {
            let mut count = 0;
            let mut lanes: [&mut [u8]; LANES] = Default::default();
            for (lane, datagram) in lanes.iter_mut().zip(&mut datagrams) {
                *lane = datagram;
                count += 1;
            }
            if count == 0 {
                return;
            }
            encrypt_lanes(backend, self.first, &mut lanes[..count]);
        }
    }
}

/// Encrypt at most [`LANES`] datagrams in step. None is longer than the one before it, so those
/// that still have a full block are always the first ones.
#[inline(always)]
fn encrypt_lanes<B: BlockCipherEncBackend>(backend: &B, first: &Block<B>, lanes: &mut [&mut [u8]]) {
    let size = B::BlockSize::USIZE;
    let mut keystream: [Block<B>; LANES] = core::array::from_fn(|_| first.clone());
    let mut at = 0;
    for live in (1..=lanes.len()).rev() {
        let shortest = lanes[live - 1].len();
        while at + size <= shortest {
            for (lane, keystream) in lanes[..live].iter_mut().zip(&mut keystream) {
                let block = &mut lane[at..at + size];
                xor(block, keystream);
                keystream.copy_from_slice(block);
            }
            encrypt_blocks(backend, &mut keystream[..live]);
            at += size;
        }
        xor(&mut lanes[live - 1][at..], &keystream[live - 1]);
    }
}

struct Decrypt<'a, S: ArraySize> {
    datagrams: &'a mut [u8],
    stride: usize,
    first: &'a Array<u8, S>,
}

impl<S: ArraySize> BlockSizeUser for Decrypt<'_, S> {
    type BlockSize = S;
}

impl<S: ArraySize> BlockCipherEncClosure for Decrypt<'_, S> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = S>>(self, backend: &B) {
        let mut scratch = ParBlocks::<B>::default();
        for datagram in cut(self.datagrams, self.stride) {
            decrypt_one(backend, self.first, datagram, &mut scratch);
        }
    }
}

/// Decrypt a datagram, as many blocks at once as the backend takes; `scratch` holds the keystream
/// ahead, one block past the one it was made from.
#[inline(always)]
fn decrypt_one<B: BlockCipherEncBackend>(
    backend: &B,
    first: &Block<B>,
    datagram: &mut [u8],
    scratch: &mut [Block<B>],
) {
    let mut keystream = first.clone();
    for chunk in datagram.chunks_mut(scratch.len() * B::BlockSize::USIZE) {
        let (blocks, rest) = Array::slice_as_chunks_mut(chunk);
        let ahead = &mut scratch[..blocks.len()];
        ahead.clone_from_slice(blocks);
        encrypt_blocks(backend, ahead);
        for (block, next) in blocks.iter_mut().zip(ahead) {
            xor(block, &keystream);
            keystream.clone_from(next);
        }
        xor(rest, &keystream);
    }
}

#[inline(always)]
fn encrypt_blocks<B: BlockCipherEncBackend>(backend: &B, blocks: &mut [Block<B>]) {
    let (parallel, rest) = InOutBuf::from(blocks).into_chunks::<B::ParBlocksSize>();
    for blocks in parallel {
        backend.encrypt_par_blocks(blocks);
    }
    backend.encrypt_tail_blocks(rest);
}

#[inline(always)]
fn xor(bytes: &mut [u8], keystream: &[u8]) {
    for (byte, key) in bytes.iter_mut().zip(keystream) {
        *byte ^= key;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // an unwrap that fails is a test that fails
mod tests {
    use super::*;
    use aes::cipher::consts::{U1, U3, U8, U16, U64};
    use aes::cipher::{InOut, KeySizeUser, ParBlocksSizeUser};
    use core::marker::PhantomData;

    /// TEA of 8 cycles, the smallest cipher of 8-byte blocks, `P` blocks at once: both what none of
    /// the kinds above has.
    struct Tea<P>([u32; 4], PhantomData<fn() -> P>);

    impl<P> KeySizeUser for Tea<P> {
        type KeySize = U16;
    }

    impl<P> KeyInit for Tea<P> {
        fn new(key: &Array<u8, U16>) -> Self {
            let word = |at| u32::from_be_bytes([key[at], key[at + 1], key[at + 2], key[at + 3]]);
            Tea([0, 4, 8, 12].map(word), PhantomData)
        }
    }

    impl<P> BlockSizeUser for Tea<P> {
        type BlockSize = U8;
    }

    impl<P: ArraySize> ParBlocksSizeUser for Tea<P> {
        type ParBlocksSize = P;
    }

    impl<P: ArraySize> BlockCipherEncrypt for Tea<P> {
        fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U8>) {
            f.call(self);
        }
    }

    impl<P: ArraySize> BlockCipherEncBackend for Tea<P> {
        fn encrypt_block(&self, mut block: InOut<'_, '_, Block<Self>>) {
            let [mut v0, mut v1] = {
                let b = block.get_in();
                [[b[0], b[1], b[2], b[3]], [b[4], b[5], b[6], b[7]]].map(u32::from_be_bytes)
            };
            let mut sum = 0_u32;
            let mix = |v: u32, sum: u32, a: u32, b: u32| {
                (v << 4).wrapping_add(a) ^ v.wrapping_add(sum) ^ (v >> 5).wrapping_add(b)
            };
            for _ in 0..8 {
                sum = sum.wrapping_add(0x9e37_79b9);
                v0 = v0.wrapping_add(mix(v1, sum, self.0[0], self.0[1]));
                v1 = v1.wrapping_add(mix(v0, sum, self.0[2], self.0[3]));
            }
            block.get_out()[..4].copy_from_slice(&v0.to_be_bytes());
            block.get_out()[4..].copy_from_slice(&v1.to_be_bytes());
        }
    }

    /// `tea`, `ack24` of tests/vectors/crypt.json.
    const CLEAR: &str = "000102030405060708090a0b0c0d0e0f155dfb80\
                         4433221152000002e8030000070000000800000000000000";
    const SEALED: &str = "fc9c4eb4a8e9502bde3d3c8b0679084d93772f2c\
                          9a46af1dae2fc2d8d4066c6505c37cc6422f8d22e791b29a";

    fn check<P: ArraySize>() {
        let pass = "25d7d7bd51050742d8d791f2b653c6c8b2366b7e25a124cf7a2e12eaf4ffa444";
        let pass = hex::decode(pass).unwrap().try_into().unwrap();
        let tea = Cfb::<Tea<P>>::new(&pass);
        let clear = hex::decode(CLEAR).unwrap();
        for count in [1, 2, 8, 9, 20] {
            let mut batch = clear.repeat(count);
            tea.encrypt(&mut batch, clear.len());
            assert_eq!(hex::encode(&batch), SEALED.repeat(count));
            tea.decrypt(&mut batch, clear.len());
            assert_eq!(batch, clear.repeat(count));
        }
    }

    #[test]
    fn blocks_of_eight_bytes_and_any_parallelism() {
        check::<U1>();
        check::<U3>();
        check::<U8>();
        check::<U64>();
    }
}
