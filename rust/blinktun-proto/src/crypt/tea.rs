//! TEA and XTEA (kcptun wire, 2.2; Wheeler and Needham, 1994 and 1997).

use super::block::{InStep, Rounds, words};
use aes::cipher::consts::U8;

const DELTA: u32 = 0x9e37_79b9;

/// TEA of 8 cycles, each of two rounds: kcptun's, a quarter of what its authors meant.
pub(crate) struct Tea([u32; 4]);

impl Tea {
    /// The cipher under the first 16 bytes of `pass`.
    pub(super) fn new(pass: &[u8; 32]) -> InStep<Tea, 2> {
        InStep(Tea(words(pass)))
    }
}

impl Rounds<2> for Tea {
    type BlockSize = U8;

    #[inline(always)]
    fn encrypt<const N: usize>(&self, [left, right]: &mut [[u32; N]; 2]) {
        let [a, b, c, d] = self.0;
        let mut sum = 0_u32;
        for _ in 0..8 {
            sum = sum.wrapping_add(DELTA);
            for lane in 0..N {
                left[lane] = left[lane].wrapping_add(mix(right[lane], sum, a, b));
            }
            for lane in 0..N {
                right[lane] = right[lane].wrapping_add(mix(left[lane], sum, c, d));
            }
        }
    }
}

#[inline(always)]
fn mix(half: u32, sum: u32, a: u32, b: u32) -> u32 {
    (half << 4).wrapping_add(a) ^ half.wrapping_add(sum) ^ (half >> 5).wrapping_add(b)
}

/// XTEA of 32 cycles, as its authors meant it: what each of the 64 rounds adds to the sum.
pub(crate) struct Xtea([[u32; 2]; 32]);

impl Xtea {
    /// The cipher under the first 16 bytes of `pass`.
    pub(super) fn new(pass: &[u8; 32]) -> InStep<Xtea, 2> {
        let key: [u32; 4] = words(pass);
        InStep(Xtea(core::array::from_fn(|cycle| {
            let sum = DELTA.wrapping_mul(cycle as u32);
            let next = sum.wrapping_add(DELTA);
            let part = |sum: u32, shift: u32| key[(sum >> shift & 3) as usize];
            let first = sum.wrapping_add(part(sum, 0));
            [first, next.wrapping_add(part(next, 11))]
        })))
    }
}

impl Rounds<2> for Xtea {
    type BlockSize = U8;

    #[inline(always)]
    fn encrypt<const N: usize>(&self, [left, right]: &mut [[u32; N]; 2]) {
        for &[first, second] in &self.0 {
            for lane in 0..N {
                left[lane] = left[lane].wrapping_add(fold(right[lane]) ^ first);
            }
            for lane in 0..N {
                right[lane] = right[lane].wrapping_add(fold(left[lane]) ^ second);
            }
        }
    }
}

#[inline(always)]
fn fold(half: u32) -> u32 {
    (half << 4 ^ half >> 5).wrapping_add(half)
}
