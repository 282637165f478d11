//! The Reed-Solomon code (kcptun wire, 4.5), as interpolation.
//!
//! The wire's matrix is V times the inverse of its top square, with `V[r][c] = r^c`. V evaluates a
//! polynomial, and the inverse finds the polynomial through given values, so the matrix says: for each
//! byte of a group there is one polynomial of degree below `data` over GF(2^8), and shard `r` holds its
//! value at the point `r`. Parity is its value at points from `data` on; a lost shard is its value at
//! that shard's point. Both are Lagrange interpolation from `data` known points, and no matrix is ever
//! inverted.

use blinktun_gf::{inverse, mul};

/// Fill `coeffs` with what gives the shards at the positions `wanted` from those at `known`:
/// `shard[wanted[w]] = sum over k of coeffs[k * wanted.len() + w] * shard[known[k]]`.
///
/// `known` are as many different positions as the group has data shards; `wanted` are others.
pub fn interpolate(known: &[u8], wanted: &[u8], coeffs: &mut Vec<u8>) {
    // With Z(x) the product of all (x - known[j]), the coefficient of k at x is
    // Z(x) / (x - known[k]) / product of (known[k] - known[j]) for j != k; minus is xor.
    let distances = |x: u8| known.iter().map(move |&k| x ^ k);
    let zeros = |x: u8| distances(x).fold(1, mul);
    coeffs.clear();
    coeffs.reserve_exact(known.len() * wanted.len());
    let at_wanted: Vec<u8> = wanted.iter().map(|&x| zeros(x)).collect();
    for &k in known {
        let others = distances(k).filter(|&distance| distance != 0).fold(1, mul);
        let row = wanted
            .iter()
            .zip(&at_wanted)
            .map(|(&x, &z)| mul(z, inverse(mul(x ^ k, others))));
        coeffs.extend(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(base: u8, exponent: usize) -> u8 {
        (0..exponent).fold(1, |product, _| mul(product, base))
    }

    #[test]
    fn parity_rows_times_the_top_square_are_the_vandermonde_rows() {
        for (data, parity) in [
            (1, 1),
            (1, 255),
            (3, 2),
            (10, 3),
            (20, 20),
            (128, 128),
            (255, 1),
        ] {
            let known: Vec<u8> = (0..data as u8).collect();
            let wanted: Vec<u8> = (0..parity).map(|k| (data + k) as u8).collect();
            let mut coeffs = Vec::new();
            interpolate(&known, &wanted, &mut coeffs);
            for (w, &r) in wanted.iter().enumerate() {
                for c in 0..data {
                    let sum = known.iter().fold(0, |sum, &i| {
                        sum ^ mul(coeffs[i as usize * parity + w], power(i, c))
                    });
                    assert_eq!(sum, power(r, c), "{data}/{parity} row {r} column {c}");
                }
            }
        }
    }
}
