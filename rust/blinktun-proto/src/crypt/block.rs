//! Block ciphers of our own, several blocks in step.
//!
//! One block alone leaves the processor waiting: every round needs the last one's table lookups.
//! Where a cipher only adds, shifts and xors, blocks in step become SIMD.

use core::slice::{from_mut, from_ref};

use aes::cipher::array::{Array, ArraySize};
use aes::cipher::consts::U8;
use aes::cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, InOut,
    InOutBuf, ParBlocks, ParBlocksSizeUser,
};

/// A keyed block cipher over blocks of `W` big-endian words.
pub trait Rounds<const W: usize>: Send + Sync {
    /// Bytes of a block: 4 for each word.
    type BlockSize: ArraySize;

    /// Encrypt `N` blocks, given as the first word of each, then the second of each, and so on.
    fn encrypt<const N: usize>(&self, blocks: &mut [[u32; N]; W]);
}

/// A cipher of ours as those of the RustCrypto crates are.
pub struct InStep<C, const W: usize>(pub C);

impl<C: Rounds<W>, const W: usize> BlockSizeUser for InStep<C, W> {
    type BlockSize = C::BlockSize;
}

impl<C: Rounds<W>, const W: usize> ParBlocksSizeUser for InStep<C, W> {
    type ParBlocksSize = U8;
}

impl<C: Rounds<W>, const W: usize> BlockCipherEncrypt for InStep<C, W> {
    fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = C::BlockSize>) {
        f.call(self);
    }
}

impl<C: Rounds<W>, const W: usize> BlockCipherEncBackend for InStep<C, W> {
    fn encrypt_block(&self, mut block: InOut<'_, '_, Block<Self>>) {
        let words = self.encrypted::<1>(from_ref(block.get_in()));
        store(&words, from_mut(block.get_out()));
    }

    fn encrypt_par_blocks(&self, mut blocks: InOut<'_, '_, ParBlocks<Self>>) {
        let words = self.encrypted::<8>(blocks.get_in());
        store(&words, blocks.get_out());
    }

    fn encrypt_tail_blocks(&self, mut blocks: InOutBuf<'_, '_, Block<Self>>) {
        if blocks.len() >= 4 {
            let (mut four, rest) = blocks.split_at(4);
            let words = self.encrypted::<4>(four.get_in());
            store(&words, four.get_out());
            blocks = rest;
        }
        for block in blocks {
            BlockCipherEncBackend::encrypt_block(self, block);
        }
    }
}

impl<C: Rounds<W>, const W: usize> InStep<C, W> {
    /// The words of `N` blocks, encrypted.
    #[inline(always)]
    fn encrypted<const N: usize>(&self, blocks: &[Block<Self>]) -> [[u32; N]; W] {
        let mut words = [[0; N]; W];
        for (lane, block) in blocks.iter().enumerate().take(N) {
            for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
                word[lane] = u32::from_be_bytes(*bytes);
            }
        }
        self.0.encrypt(&mut words);
        words
    }
}

#[inline(always)]
fn store<B: ArraySize, const N: usize, const W: usize>(
    words: &[[u32; N]; W],
    blocks: &mut [Array<u8, B>],
) {
    for (lane, block) in blocks.iter_mut().enumerate().take(N) {
        for (word, bytes) in words.iter().zip(block.as_chunks_mut().0) {
            *bytes = word[lane].to_be_bytes();
        }
    }
}

/// The bytes of a key as big-endian words, as many as are asked for.
pub fn words<const K: usize>(pass: &[u8; 32]) -> [u32; K] {
    let (words, _) = pass.as_chunks();
    core::array::from_fn(|at| words.get(at).map_or(0, |word| u32::from_be_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::super::{des::TripleDes, sm4::Sm4, twofish::Twofish};
    use super::*;
    use aes::cipher::KeyInit;
    use proptest::prelude::*;

    /// Both encrypt the same, as many blocks as there may be in a row.
    fn agree<A, B>(ours: &A, others: &B, bytes: &[u8])
    where
        A: BlockCipherEncrypt,
        B: BlockCipherEncrypt<BlockSize = A::BlockSize> + KeyInit,
    {
        let (blocks, _) = Array::slice_as_chunks(bytes);
        let (mut left, mut right) = (blocks.to_vec(), blocks.to_vec());
        ours.encrypt_blocks(&mut left);
        others.encrypt_blocks(&mut right);
        assert_eq!(left, right);
    }

    proptest! {
        #[test]
        fn ours_are_those_of_rustcrypto(
            key: [u8; 32],
            bytes in proptest::collection::vec(any::<u8>(), 0..16 * 21),
        ) {
            let (half, _) = key.split_first_chunk::<16>().expect("16 of 32");
            agree(&Sm4::new(&key), &sm4::Sm4::new(&(*half).into()), &bytes);
            agree(&Twofish::new(&key), &twofish::Twofish::new(&key.into()), &bytes);
            let (three, _) = key.split_first_chunk::<24>().expect("24 of 32");
            agree(&TripleDes::new(&key), &des::TdesEde3::new(&(*three).into()), &bytes);
        }
    }
}
