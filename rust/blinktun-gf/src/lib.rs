//! Arithmetic in GF(2^8) for Reed-Solomon: the field of polynomial x^8+x^4+x^3+x^2+1 (0x11d).
//!
//! Single elements with [`mul`] and [`inverse`], whole shards with [`mul_add`] and [`mul_add_many`].
//! Shards go through the widest kernel the processor has, chosen once ([`kernel_name`]):
//!
//! | kernel | needs | bytes a step |
//! | --- | --- | --- |
//! | `gfni-avx512` | GFNI, AVX-512 F and BW | 64 |
//! | `gfni-avx2` | GFNI, AVX2 | 32 |
//! | `avx2` | AVX2 (byte shuffle) | 32 |
//! | `ssse3` | SSSE3 (byte shuffle) | 16 |
//! | `neon` | aarch64 (table lookup) | 16 |
//! | `scalar` | nothing | 1 |
//!
//! All give the same bytes. Nothing here is constant-time: parity is no secret.

#[cfg(target_arch = "aarch64")]
mod arm;
mod kernel;
#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
mod scalar;
mod tables;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86;

use kernel::Kernel;
pub use tables::{inverse, mul};

/// `dst[i] ^= coeff * src[i]` for every byte of `src`; what `dst` has beyond that stays.
///
/// # Panics
///
/// If `src` is longer than `dst`.
pub fn mul_add(dst: &mut [u8], src: &[u8], coeff: u8) {
    Kernel::best().mul_add_rows([&mut dst[..src.len()]], src, [coeff]);
}

/// [`mul_add`] of one source into many rows, reading the source once for every four of them.
///
/// Row `k` is `rows[k * stride..]` and takes `coeffs[k] * src`; there are `coeffs.len()` rows, and the
/// bytes of a row beyond `src.len()` stay. This is how one data shard joins all parity shards.
///
/// # Panics
///
/// If `src` is longer than `stride`, or `rows` ends before the last row has `src.len()` bytes.
pub fn mul_add_many(rows: &mut [u8], stride: usize, src: &[u8], coeffs: &[u8]) {
    Kernel::best().mul_add_many(rows, stride, src, coeffs);
}

/// The name of the kernel in use, for diagnostics: one of the table above.
pub fn kernel_name() -> &'static str {
    Kernel::best().name()
}
