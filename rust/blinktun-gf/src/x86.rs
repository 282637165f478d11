//! The kernels of x86: GFNI where it is, byte shuffles where not.

#[cfg(target_arch = "x86")]
use core::arch::x86 as arch;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64 as arch;

/// One affine instruction for 64 products.
pub mod gfni_avx512 {
    use super::arch::*;
    use crate::tables::MATRICES;

    const WIDTH: usize = 64;
    type Vector = __m512i;
    type Factor = __m512i;

    crate::lanes::mul_add_rows!("gfni,avx512f,avx512bw");

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn factor(coeff: u8) -> Factor {
        _mm512_set1_epi64(MATRICES[coeff as usize] as i64)
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f")]
    fn product(factor: Factor, from: Vector) -> Vector {
        _mm512_gf2p8affine_epi64_epi8::<0>(from, factor)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn xor(a: Vector, b: Vector) -> Vector {
        _mm512_xor_si512(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn and(a: Vector, b: Vector) -> Vector {
        _mm512_and_si512(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(from: &[u8; WIDTH]) -> Vector {
        // SAFETY: the array has the 64 bytes that are read, and the instruction needs no alignment.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(to: &mut [u8; WIDTH], from: Vector) {
        // SAFETY: the array has the 64 bytes that are written, and the instruction needs no alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), from) }
    }
}

/// One affine instruction for 32 products.
pub mod gfni_avx2 {
    use super::arch::*;
    use super::{ymm_and as and, ymm_load as load, ymm_store as store, ymm_xor as xor};
    use crate::tables::MATRICES;

    const WIDTH: usize = 32;
    type Vector = __m256i;
    type Factor = __m256i;

    crate::lanes::mul_add_rows!("gfni,avx2");

    #[inline]
    #[target_feature(enable = "avx2")]
    fn factor(coeff: u8) -> Factor {
        _mm256_set1_epi64x(MATRICES[coeff as usize] as i64)
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    fn product(factor: Factor, from: Vector) -> Vector {
        _mm256_gf2p8affine_epi64_epi8::<0>(from, factor)
    }
}

/// Two shuffles for 32 products: one looks up the low halves of the bytes, one the high halves.
pub mod avx2 {
    use super::arch::*;
    use super::{ymm_and as and, ymm_load as load, ymm_store as store, ymm_xor as xor};
    use crate::tables::NIBBLES;

    const WIDTH: usize = 32;
    type Vector = __m256i;
    type Factor = (__m256i, __m256i);

    crate::lanes::mul_add_rows!("avx2");

    #[inline]
    #[target_feature(enable = "avx2")]
    fn factor(coeff: u8) -> Factor {
        let both = load(&NIBBLES[coeff as usize]);
        (
            _mm256_permute2x128_si256::<0x00>(both, both),
            _mm256_permute2x128_si256::<0x11>(both, both),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn product((low, high): Factor, from: Vector) -> Vector {
        let nibble = _mm256_set1_epi8(15);
        let of_low = _mm256_shuffle_epi8(low, and(from, nibble));
        let of_high = _mm256_shuffle_epi8(high, and(_mm256_srli_epi64::<4>(from), nibble));
        xor(of_low, of_high)
    }
}

/// Two shuffles for 16 products.
pub mod ssse3 {
    use super::arch::*;
    use crate::tables::NIBBLES;

    const WIDTH: usize = 16;
    type Vector = __m128i;
    type Factor = (__m128i, __m128i);

    crate::lanes::mul_add_rows!("ssse3");

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn factor(coeff: u8) -> Factor {
        let (halves, _) = NIBBLES[coeff as usize].as_chunks();
        (load(&halves[0]), load(&halves[1]))
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn product((low, high): Factor, from: Vector) -> Vector {
        let nibble = _mm_set1_epi8(15);
        let of_low = _mm_shuffle_epi8(low, and(from, nibble));
        let of_high = _mm_shuffle_epi8(high, and(_mm_srli_epi64::<4>(from), nibble));
        xor(of_low, of_high)
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn xor(a: Vector, b: Vector) -> Vector {
        _mm_xor_si128(a, b)
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn and(a: Vector, b: Vector) -> Vector {
        _mm_and_si128(a, b)
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn load(from: &[u8; WIDTH]) -> Vector {
        // SAFETY: the array has the 16 bytes that are read, and the instruction needs no alignment.
        unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn store(to: &mut [u8; WIDTH], from: Vector) {
        // SAFETY: the array has the 16 bytes that are written, and the instruction needs no alignment.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), from) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn ymm_xor(a: arch::__m256i, b: arch::__m256i) -> arch::__m256i {
    arch::_mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn ymm_and(a: arch::__m256i, b: arch::__m256i) -> arch::__m256i {
    arch::_mm256_and_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn ymm_load(from: &[u8; 32]) -> arch::__m256i {
    // SAFETY: the array has the 32 bytes that are read, and the instruction needs no alignment.
    unsafe { arch::_mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn ymm_store(to: &mut [u8; 32], from: arch::__m256i) {
    // SAFETY: the array has the 32 bytes that are written, and the instruction needs no alignment.
    unsafe { arch::_mm256_storeu_si256(to.as_mut_ptr().cast(), from) }
}
