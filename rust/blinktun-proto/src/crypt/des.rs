//! Triple DES with three keys (FIPS 46-3; kcptun wire, 2.2): in order, parity bits ignored.
//!
//! Bits are counted as the standard does, from 1 at the top.

use super::block::{InStep, Rounds, words};
use aes::cipher::consts::U8;

/// The 48 round keys of encryption, decryption and encryption, each in two halves: the sixes of bits
/// for the S-boxes 1, 3, 5 and 7, then those for 2, 4, 6 and 8, at the top of a byte each.
pub(crate) struct TripleDes([[u32; 2]; 48]);

impl TripleDes {
    /// The cipher under the first 24 bytes of `pass`.
    pub(super) fn new(pass: &[u8; 32]) -> InStep<TripleDes, 2> {
        let words: [u32; 6] = words(pass);
        let mut rounds = [[0; 2]; 48];
        for (nth, (part, key)) in rounds.chunks_mut(16).zip(words.as_chunks().0).enumerate() {
            part.copy_from_slice(&round_keys(*key));
            if nth == 1 {
                part.reverse();
            }
        }
        InStep(TripleDes(rounds))
    }
}

impl Rounds<2> for TripleDes {
    type BlockSize = U8;

    #[inline(always)]
    fn encrypt<const N: usize>(&self, [left, right]: &mut [[u32; N]; 2]) {
        for lane in 0..N {
            scatter(&mut left[lane], &mut right[lane]);
        }
        for des in self.0.chunks(16) {
            for pair in des.as_chunks::<2>().0 {
                for lane in 0..N {
                    left[lane] ^= feistel(right[lane], pair[0]);
                }
                for lane in 0..N {
                    right[lane] ^= feistel(left[lane], pair[1]);
                }
            }
            // The last round does not swap; what stands between two of the three cancels out.
            core::mem::swap(left, right);
        }
        for lane in 0..N {
            gather(&mut left[lane], &mut right[lane]);
        }
    }
}

/// The function `f`: the S-boxes take six bits each, overlapping by one at both ends.
#[inline(always)]
fn feistel(half: u32, [odd, even]: [u32; 2]) -> u32 {
    let odd = half.rotate_right(1) ^ odd;
    let even = half.rotate_left(3) ^ even;
    let look = |table: usize, word: u32, shift: u32| BOXES[table][(word >> shift & 63) as usize];
    (look(0, odd, 26) ^ look(2, odd, 18) ^ look(4, odd, 10) ^ look(6, odd, 2))
        ^ (look(1, even, 26) ^ look(3, even, 18) ^ look(5, even, 10) ^ look(7, even, 2))
}

/// The initial permutation.
#[inline(always)]
fn scatter(left: &mut u32, right: &mut u32) {
    exchange(left, right, 4, 0x0f0f_0f0f);
    exchange(left, right, 16, 0x0000_ffff);
    exchange(right, left, 2, 0x3333_3333);
    exchange(right, left, 8, 0x00ff_00ff);
    exchange(left, right, 1, 0x5555_5555);
}

/// The final permutation, the inverse of the initial one.
#[inline(always)]
fn gather(left: &mut u32, right: &mut u32) {
    exchange(left, right, 1, 0x5555_5555);
    exchange(right, left, 8, 0x00ff_00ff);
    exchange(right, left, 2, 0x3333_3333);
    exchange(left, right, 16, 0x0000_ffff);
    exchange(left, right, 4, 0x0f0f_0f0f);
}

/// Exchange the bits of `a` above those of `mask` by `shift` with the bits of `b` under `mask`.
#[inline(always)]
fn exchange(a: &mut u32, b: &mut u32, shift: u32, mask: u32) {
    let differing = (*a >> shift ^ *b) & mask;
    *b ^= differing;
    *a ^= differing << shift;
}

// --- keys and tables ------------------------------------------------------------------------

fn round_keys(key: [u32; 2]) -> [[u32; 2]; 16] {
    let key = permuted(u64::from(key[0]) << 32 | u64::from(key[1]), 64, &KEY_BITS);
    let mut turned = 0;
    core::array::from_fn(|round| {
        turned += if matches!(round, 0 | 1 | 8 | 15) {
            1
        } else {
            2
        };
        let half = |bits: u64| (bits << turned | bits >> (28 - turned)) & 0x0fff_ffff;
        let turned = half(key >> 28) << 28 | half(key & 0x0fff_ffff);
        let chosen = permuted(turned, 56, &ROUND_KEY_BITS);
        let sixes = |first: u32| {
            (0..4).fold(0, |word, at| {
                let six = chosen >> (42 - 6 * (first + 2 * at)) & 63;
                word | (six as u32) << (26 - 8 * at)
            })
        };
        [sixes(0), sixes(1)]
    })
}

/// The bits of a value of `width` bits in the order of `table`.
const fn permuted(value: u64, width: u32, table: &[u8]) -> u64 {
    let (mut out, mut at) = (0, 0);
    while at < table.len() {
        out = out << 1 | value >> (width - table[at] as u32) & 1;
        at += 1;
    }
    out
}

/// Each S-box with the permutation `P` behind it.
static BOXES: [[u32; 64]; 8] = {
    let mut boxes = [[0; 64]; 8];
    let mut at = 0;
    while at < 8 * 64 {
        let (table, six) = (at / 64, at % 64);
        // The outer two bits choose the row, the inner four the column.
        let row = S[table][six >> 4 & 2 | six & 1];
        let out = row >> (60 - 4 * (six >> 1 & 15)) & 15;
        boxes[table][six] = permuted(out << (28 - 4 * table), 32, &P) as u32;
        at += 1;
    }
    boxes
};

/// The S-boxes: four rows each, a digit a column.
const S: [[u64; 4]; 8] = [
    [
        0xe4d1_2fb8_3a6c_5907,
        0x0f74_e2d1_a6cb_9538,
        0x41e8_d62b_fc97_3a50,
        0xfc82_4917_5b3e_a06d,
    ],
    [
        0xf18e_6b34_972d_c05a,
        0x3d47_f28e_c01a_69b5,
        0x0e7b_a4d1_58c6_932f,
        0xd8a1_3f42_b67c_05e9,
    ],
    [
        0xa09e_63f5_1dc7_b428,
        0xd709_346a_285e_cbf1,
        0xd649_8f30_b12c_5ae7,
        0x1ad0_6987_4fe3_b52c,
    ],
    [
        0x7de3_069a_1285_bc4f,
        0xd8b5_6f03_472c_1ae9,
        0xa690_cb7d_f13e_5284,
        0x3f06_a1d8_945b_c72e,
    ],
    [
        0x2c41_7ab6_853f_d0e9,
        0xeb2c_47d1_50fa_3986,
        0x421b_ad78_f9c5_630e,
        0xb8c7_1e2d_6f09_a453,
    ],
    [
        0xc1af_9268_0d34_e75b,
        0xaf42_7c95_61de_0b38,
        0x9ef5_28c3_704a_1db6,
        0x432c_95fa_be17_608d,
    ],
    [
        0x4b2e_f08d_3c97_5a61,
        0xd0b7_491a_e35c_2f86,
        0x14bd_c37e_af68_0592,
        0x6bd8_14a7_950f_e23c,
    ],
    [
        0xd284_6fb1_a93e_50c7,
        0x1fd8_a374_c56b_0e92,
        0x7b41_9ce2_06ad_f358,
        0x21e7_4a8d_fc90_356b,
    ],
];

const P: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19,
    13, 30, 6, 22, 11, 4, 25,
];

/// Permuted choice 1.
const KEY_BITS: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60,
    52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29,
    21, 13, 5, 28, 20, 12, 4,
];

/// Permuted choice 2.
const ROUND_KEY_BITS: [u8; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52,
    31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];
