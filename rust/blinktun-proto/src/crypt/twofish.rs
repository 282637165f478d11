//! Twofish with a key of 256 bits (Schneier and others, 1998; kcptun wire, 2.2).

use super::block::{InStep, Rounds};
use aes::cipher::consts::U16;

/// The round keys, and the four S-boxes that the key makes, each with its column of the MDS matrix
/// behind it.
pub(crate) struct Twofish {
    keys: [u32; 40],
    boxes: [[u32; 256]; 4],
}

/// Four words of key material, the first to be mixed in first.
type Mixed = [[u8; 4]; 4];

impl Twofish {
    /// The cipher under the whole of `pass`.
    pub(super) fn new(pass: &[u8; 32]) -> InStep<Twofish, 4> {
        let word = |at: usize| core::array::from_fn(|byte| pass[4 * at + byte]);
        let even: Mixed = [6, 4, 2, 0].map(word);
        let odd: Mixed = [7, 5, 3, 1].map(word);
        let mut keys = [0; 40];
        for (pair, at) in keys.as_chunks_mut().0.iter_mut().zip(0_u8..) {
            let a = h(2 * at, &even);
            let b = h(2 * at + 1, &odd).rotate_left(8);
            *pair = [
                a.wrapping_add(b),
                a.wrapping_add(b).wrapping_add(b).rotate_left(9),
            ];
        }
        let (eights, _) = pass.as_chunks::<8>();
        let inner: Mixed = core::array::from_fn(|at| remainder(&eights[at]));
        let boxes = core::array::from_fn(|column| {
            core::array::from_fn(|byte| looked_up(column, byte as u8, &inner))
        });
        InStep(Twofish { keys, boxes })
    }

    /// The function `g`.
    #[inline(always)]
    fn g(&self, word: u32) -> u32 {
        let [a, b, c, d] = word.to_le_bytes().map(usize::from);
        self.boxes[0][a] ^ self.boxes[1][b] ^ self.boxes[2][c] ^ self.boxes[3][d]
    }

    /// The halves that `F` makes of two words.
    #[inline(always)]
    fn f(&self, first: u32, second: u32, keys: [u32; 2]) -> [u32; 2] {
        let second = self.g(second.rotate_left(8));
        let sum = self.g(first).wrapping_add(second);
        [
            sum.wrapping_add(keys[0]),
            sum.wrapping_add(second).wrapping_add(keys[1]),
        ]
    }
}

impl Rounds<4> for Twofish {
    type BlockSize = U16;

    #[inline(always)]
    fn encrypt<const N: usize>(&self, blocks: &mut [[u32; N]; 4]) {
        let (white, rounds) = self.keys.split_at(8);
        for (words, key) in blocks.iter_mut().zip(white) {
            // Twofish reads its words in little-endian.
            *words = words.map(|word| word.swap_bytes() ^ key);
        }
        let [a, b, c, d] = blocks;
        for &[k0, k1, k2, k3] in rounds.as_chunks().0 {
            for lane in 0..N {
                let [f, g] = self.f(a[lane], b[lane], [k0, k1]);
                c[lane] = (c[lane] ^ f).rotate_right(1);
                d[lane] = d[lane].rotate_left(1) ^ g;
            }
            for lane in 0..N {
                let [f, g] = self.f(c[lane], d[lane], [k2, k3]);
                a[lane] = (a[lane] ^ f).rotate_right(1);
                b[lane] = b[lane].rotate_left(1) ^ g;
            }
        }
        let [a, b, c, d] = *blocks;
        *blocks = [c, d, a, b];
        for (words, key) in blocks.iter_mut().zip(&white[4..]) {
            *words = words.map(|word| (word ^ key).swap_bytes());
        }
    }
}

// --- keys and tables ------------------------------------------------------------------------

/// The function `h` of a word of four equal bytes.
fn h(byte: u8, mixed: &Mixed) -> u32 {
    (0..4).fold(0, |word, column| word ^ looked_up(column, byte, mixed))
}

/// A byte through the permutations and key bytes of its column, times that column of the MDS matrix.
fn looked_up(column: usize, byte: u8, mixed: &Mixed) -> u32 {
    /// Which of the two permutations comes when, by column.
    const ORDER: [[usize; 5]; 4] = [
        [1, 1, 0, 0, 1],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 1, 1],
        [1, 0, 1, 1, 0],
    ];
    const MDS: [[u8; 4]; 4] = [
        [0x01, 0x5b, 0xef, 0xef],
        [0xef, 0xef, 0x5b, 0x01],
        [0x5b, 0xef, 0x01, 0xef],
        [0x5b, 0x01, 0xef, 0x5b],
    ];
    let [first, rest @ ..] = ORDER[column];
    let mut byte = permuted(first, byte);
    for (which, key) in rest.into_iter().zip(mixed) {
        byte = permuted(which, byte ^ key[column]);
    }
    u32::from_le_bytes(MDS[column].map(|factor| product(byte, factor, 0x69)))
}

/// The permutations `q0` and `q1`, made of four small ones each, a digit an entry.
fn permuted(which: usize, byte: u8) -> u8 {
    const SMALL: [[u64; 4]; 2] = [
        [
            0x817d_6f32_0b59_eca4,
            0xecb8_1235_f4a6_709d,
            0xba5e_6d90_c8f3_2471,
            0xd7f4_126e_9b30_85ca,
        ],
        [
            0x28bd_f76e_3194_0ac5,
            0x1e2b_4c37_6da5_f908,
            0x4c75_169a_0ed8_2b3f,
            0xb951_c3de_647f_208a,
        ],
    ];
    let digit = |table: usize, at: u8| (SMALL[which][table] >> (60 - 4 * at) & 15) as u8;
    let stir = |a: u8, b: u8| [a ^ b, (a ^ (b >> 1 | b << 3) ^ a << 3) & 15];
    let [a, b] = stir(byte >> 4, byte & 15);
    let [a, b] = stir(digit(0, a), digit(1, b));
    digit(3, b) << 4 | digit(2, a)
}

/// Eight bytes of the key times the Reed-Solomon matrix.
fn remainder(key: &[u8; 8]) -> [u8; 4] {
    const RS: [[u8; 8]; 4] = [
        [0x01, 0xa4, 0x55, 0x87, 0x5a, 0x58, 0xdb, 0x9e],
        [0xa4, 0x56, 0x82, 0xf3, 0x1e, 0xc6, 0x68, 0xe5],
        [0x02, 0xa1, 0xfc, 0xc1, 0x47, 0xae, 0x3d, 0x19],
        [0xa4, 0x55, 0x87, 0x5a, 0x58, 0xdb, 0x9e, 0x03],
    ];
    RS.map(|row| {
        let terms = row.iter().zip(key);
        terms.fold(0, |sum, (&factor, &byte)| sum ^ product(byte, factor, 0x4d))
    })
}

/// The product in GF(2^8) by the polynomial x^8 and `low`.
fn product(mut a: u8, mut b: u8, low: u8) -> u8 {
    let mut sum = 0;
    while b != 0 {
        if b & 1 == 1 {
            sum ^= a;
        }
        let carry = a >> 7;
        a = (a << 1) ^ (carry * low);
        b >>= 1;
    }
    sum
}
