//! SM4 (GB/T 32907-2016; kcptun wire, 2.2).

use super::block::{InStep, Rounds, words};
use aes::cipher::consts::U16;

/// The round keys.
pub(crate) struct Sm4([u32; 32]);

impl Sm4 {
    /// The cipher under the first 16 bytes of `pass`.
    pub(super) fn new(pass: &[u8; 32]) -> InStep<Sm4, 4> {
        const FAMILY: [u32; 4] = [0xa3b1_bac6, 0x56aa_3350, 0x677d_9197, 0xb270_22dc];
        let key: [u32; 4] = words(pass);
        let mut last: [u32; 4] = core::array::from_fn(|at| key[at] ^ FAMILY[at]);
        InStep(Sm4(core::array::from_fn(|round| {
            let fixed = u32::from_be_bytes([0, 1, 2, 3].map(|at| (7 * (4 * round + at)) as u8));
            let [a, b, c, d] = last;
            let mixed = (b ^ c ^ d ^ fixed).to_be_bytes().map(substituted);
            let mixed = u32::from_be_bytes(mixed);
            let next = a ^ mixed ^ mixed.rotate_left(13) ^ mixed.rotate_left(23);
            last = [b, c, d, next];
            next
        })))
    }
}

impl Rounds<4> for Sm4 {
    type BlockSize = U16;

    #[inline(always)]
    fn encrypt<const N: usize>(&self, blocks: &mut [[u32; N]; 4]) {
        let [a, b, c, d] = blocks;
        for &[k0, k1, k2, k3] in self.0.as_chunks().0 {
            for lane in 0..N {
                a[lane] ^= mixed(b[lane] ^ c[lane] ^ d[lane] ^ k0);
            }
            for lane in 0..N {
                b[lane] ^= mixed(c[lane] ^ d[lane] ^ a[lane] ^ k1);
            }
            for lane in 0..N {
                c[lane] ^= mixed(d[lane] ^ a[lane] ^ b[lane] ^ k2);
            }
            for lane in 0..N {
                d[lane] ^= mixed(a[lane] ^ b[lane] ^ c[lane] ^ k3);
            }
        }
        blocks.reverse();
    }
}

/// The function `T`.
#[inline(always)]
fn mixed(word: u32) -> u32 {
    let [a, b, c, d] = word.to_be_bytes().map(usize::from);
    BOXES[0][a] ^ BOXES[1][b] ^ BOXES[2][c] ^ BOXES[3][d]
}

/// The S-box with the linear transformation behind it, for each byte of a word.
static BOXES: [[u32; 256]; 4] = {
    let mut boxes = [[0; 256]; 4];
    let mut at = 0;
    while at < 4 * 256 {
        let word = (substituted(at as u8) as u32).rotate_right(8 + 8 * (at as u32 / 256));
        let (near, far) = (
            word.rotate_left(2) ^ word.rotate_left(10),
            word.rotate_left(18),
        );
        boxes[at / 256][at % 256] = word ^ near ^ far ^ word.rotate_left(24);
        at += 1;
    }
    boxes
};

/// The S-box: an inversion in GF(2^8) between two affine transformations.
const fn substituted(byte: u8) -> u8 {
    affine(inverse(affine(byte)))
}

const fn affine(x: u8) -> u8 {
    let near = x ^ x.rotate_left(1) ^ x.rotate_left(3);
    near ^ x.rotate_left(6) ^ x.rotate_left(7) ^ 0xd3
}

/// `x` to the power of 254, which is 0 for 0.
const fn inverse(x: u8) -> u8 {
    let (mut power, mut square, mut nth) = (1, x, 1);
    while nth < 8 {
        square = product(square, square);
        power = product(power, square);
        nth += 1;
    }
    power
}

/// The product by the polynomial x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1.
const fn product(mut a: u8, mut b: u8) -> u8 {
    let mut sum = 0;
    while b != 0 {
        sum ^= a * (b & 1);
        a = (a << 1) ^ ((a >> 7) * 0xf5);
        b >>= 1;
    }
    sum
}
