//! The kernel for any processor, and the oracle for all others.

use crate::tables::mul;

/// `rows[k][i] ^= coeffs[k] * src[i]`; rows are as long as `src`.
pub fn mul_add_rows<const R: usize>(rows: [&mut [u8]; R], src: &[u8], coeffs: [u8; R]) {
    for (row, coeff) in rows.into_iter().zip(coeffs) {
        for (to, &from) in row.iter_mut().zip(src) {
            *to ^= mul(coeff, from);
        }
    }
}
