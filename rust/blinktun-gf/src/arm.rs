//! The kernel of aarch64.

/// Two table lookups for 16 products: one of the low halves of the bytes, one of the high halves.
pub mod neon {
    use crate::tables::NIBBLES;
    use core::arch::aarch64::*;

    const WIDTH: usize = 16;
    type Vector = uint8x16_t;
    type Factor = (uint8x16_t, uint8x16_t);

    crate::lanes::mul_add_rows!("neon");

    #[inline]
    #[target_feature(enable = "neon")]
    fn factor(coeff: u8) -> Factor {
        let (halves, _) = NIBBLES[coeff as usize].as_chunks();
        (load(&halves[0]), load(&halves[1]))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn product((low, high): Factor, from: Vector) -> Vector {
        let of_low = vqtbl1q_u8(low, and(from, vdupq_n_u8(15)));
        let of_high = vqtbl1q_u8(high, vshrq_n_u8::<4>(from));
        xor(of_low, of_high)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn xor(a: Vector, b: Vector) -> Vector {
        veorq_u8(a, b)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn and(a: Vector, b: Vector) -> Vector {
        vandq_u8(a, b)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn load(from: &[u8; WIDTH]) -> Vector {
        // SAFETY: the array has the 16 bytes that are read; bytes need no alignment.
        unsafe { vld1q_u8(from.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn store(to: &mut [u8; WIDTH], from: Vector) {
        // SAFETY: the array has the 16 bytes that are written; bytes need no alignment.
        unsafe { vst1q_u8(to.as_mut_ptr(), from) }
    }
}
