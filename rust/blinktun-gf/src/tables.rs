//! The field's tables, computed by the compiler.

/// The field's polynomial without its x^8.
const POLYNOMIAL: u8 = 0x1d;

/// `NIBBLES[a][x] = a * x` and `NIBBLES[a][16 + x] = a * (x << 4)` for x below 16: what a byte
/// shuffle looks up, and with it the whole multiplication table in 8 KiB.
pub static NIBBLES: [[u8; 32]; 256] = nibbles();

/// `INVERSES[a] * a = 1`, except `INVERSES[0] = 0`.
pub static INVERSES: [u8; 256] = inverses();

/// Multiplication by each element as the 8x8 bit matrix that GFNI's affine instruction takes
/// (its own multiplication is fixed to another polynomial, 0x11b).
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub static MATRICES: [u64; 256] = matrices();

/// The product of two field elements.
pub const fn mul(a: u8, b: u8) -> u8 {
    let products = &NIBBLES[a as usize];
    products[(b & 15) as usize] ^ products[16 + (b >> 4) as usize]
}

/// The element whose product with `a` is 1; 0, which has none, gives 0.
pub const fn inverse(a: u8) -> u8 {
    INVERSES[a as usize]
}

/// The product, bit by bit: the definition that every table comes from.
const fn product(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut sum) = (a, b, 0);
    while b != 0 {
        if b & 1 != 0 {
            sum ^= a;
        }
        a = (a << 1) ^ if a & 0x80 != 0 { POLYNOMIAL } else { 0 };
        b >>= 1;
    }
    sum
}

const fn nibbles() -> [[u8; 32]; 256] {
    let mut table = [[0; 32]; 256];
    let mut a = 0;
    while a < 256 {
        let mut x = 0;
        while x < 16 {
            table[a][x] = product(a as u8, x as u8);
            table[a][16 + x] = product(a as u8, (x << 4) as u8);
            x += 1;
        }
        a += 1;
    }
    table
}

/// The inverse of 2^i is 2^(255 - i), as 2 generates the 255 elements that are not 0.
const fn inverses() -> [u8; 256] {
    let mut powers = [1; 256];
    let mut i = 1;
    while i < 256 {
        powers[i] = product(powers[i - 1], 2);
        i += 1;
    }
    let mut table = [0; 256];
    let mut i = 0;
    while i < 255 {
        table[powers[i] as usize] = powers[255 - i];
        i += 1;
    }
    table
}

/// Bit `i` of the result is the parity of byte `7 - i` of the matrix and the operand, so bit `j` of
/// that byte is bit `i` of `a * 2^j`.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const fn matrices() -> [u64; 256] {
    let mut table = [0; 256];
    let mut a = 0;
    while a < 256 {
        let mut j = 0;
        while j < 8 {
            let column = product(a as u8, 1 << j);
            let mut i = 0;
            while i < 8 {
                let bit = ((column >> i) & 1) as u64;
                table[a] |= bit << ((7 - i) * 8 + j);
                i += 1;
            }
            j += 1;
        }
        a += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inverse, mul};

    #[test]
    fn products_follow_the_definition() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), product(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn the_polynomial_is_11d() {
        assert_eq!(mul(0x80, 2), 0x1d);
    }

    #[test]
    fn inverses_give_one() {
        assert_eq!(inverse(0), 0);
        for a in 1..=255 {
            assert_eq!(mul(a, inverse(a)), 1, "{a}");
        }
    }
}
