//! Which kernel runs: found once, then one branch a call.

#[cfg(target_arch = "aarch64")]
use crate::arm;
use crate::scalar;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use crate::x86;
use std::sync::OnceLock;

/// A kernel that this processor can run: values come from [`Kernel::all`] alone, which looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    GfniAvx512,
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    GfniAvx2,
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx2,
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Ssse3,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Scalar,
}

impl Kernel {
    /// The fastest one.
    pub fn best() -> Kernel {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Kernel::all().next().unwrap_or(Kernel(Set::Scalar)))
    }

    /// All that this processor can run, the fastest first.
    pub fn all() -> impl Iterator<Item = Kernel> {
        let sets = [
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            (
                Set::GfniAvx512,
                has!("gfni") && has!("avx512f") && has!("avx512bw"),
            ),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            (Set::GfniAvx2, has!("gfni") && has!("avx2")),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            (Set::Avx2, has!("avx2")),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            (Set::Ssse3, has!("ssse3")),
            #[cfg(target_arch = "aarch64")]
            (Set::Neon, std::arch::is_aarch64_feature_detected!("neon")),
            (Set::Scalar, true),
        ];
        sets.into_iter()
            .filter(|(_, runs)| *runs)
            .map(|(set, _)| Kernel(set))
    }

    /// The name in the crate's table.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Set::GfniAvx512 => "gfni-avx512",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Set::GfniAvx2 => "gfni-avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Set::Avx2 => "avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Set::Ssse3 => "ssse3",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
            Set::Scalar => "scalar",
        }
    }

    /// See [`crate::mul_add_many`].
    pub fn mul_add_many(self, rows: &mut [u8], stride: usize, src: &[u8], coeffs: &[u8]) {
        assert!(
            src.len() <= stride,
            "rows of {stride} bytes cannot take {}",
            src.len()
        );
        if src.is_empty() {
            return;
        }
        let mut rows = rows;
        let (fours, rest) = coeffs.as_chunks::<4>();
        for &coeffs in fours {
            self.mul_add_rows(take_rows(&mut rows, stride, src.len()), src, coeffs);
        }
        match *rest {
            [] => {}
            [a] => self.mul_add_rows(take_rows(&mut rows, stride, src.len()), src, [a]),
            [a, b] => self.mul_add_rows(take_rows(&mut rows, stride, src.len()), src, [a, b]),
            [a, b, ref c @ ..] => {
                self.mul_add_rows(take_rows(&mut rows, stride, src.len()), src, [a, b, c[0]]);
            }
        }
    }

    /// `rows[k][i] ^= coeffs[k] * src[i]`. Panics unless every row is as long as `src`.
    pub fn mul_add_rows<const R: usize>(self, rows: [&mut [u8]; R], src: &[u8], coeffs: [u8; R]) {
        assert!(
            rows.iter().all(|row| row.len() == src.len()),
            "rows and source differ in length"
        );
        match self.0 {
            // Each kernel is safe code but for the instructions it uses, so all that is to be argued is
            // that the processor has them.
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            // SAFETY: `Kernel::all`, which alone makes this value, found GFNI, AVX-512 F and BW.
            Set::GfniAvx512 => unsafe { x86::gfni_avx512::mul_add_rows(rows, src, coeffs) },
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            // SAFETY: `Kernel::all`, which alone makes this value, found GFNI and AVX2.
            Set::GfniAvx2 => unsafe { x86::gfni_avx2::mul_add_rows(rows, src, coeffs) },
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            // SAFETY: `Kernel::all`, which alone makes this value, found AVX2.
            Set::Avx2 => unsafe { x86::avx2::mul_add_rows(rows, src, coeffs) },
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            // SAFETY: `Kernel::all`, which alone makes this value, found SSSE3.
            Set::Ssse3 => unsafe { x86::ssse3::mul_add_rows(rows, src, coeffs) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: `Kernel::all`, which alone makes this value, found NEON.
            Set::Neon => unsafe { arm::neon::mul_add_rows(rows, src, coeffs) },
            Set::Scalar => scalar::mul_add_rows(rows, src, coeffs),
        }
    }
}

/// Whether the processor has a feature; the standard library remembers the answer.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
macro_rules! has {
    ($feature:tt) => {
        std::arch::is_x86_feature_detected!($feature)
    };
}
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use has;

/// The first `len` bytes of the next `R` rows.
fn take_rows<'a, const R: usize>(
    rows: &mut &'a mut [u8],
    stride: usize,
    len: usize,
) -> [&'a mut [u8]; R] {
    core::array::from_fn(|_| {
        let all = core::mem::take(rows);
        let (row, rest) = all.split_at_mut(stride.min(all.len()));
        *rows = rest;
        &mut row[..len]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mul;
    use proptest::prelude::*;

    /// Lengths around every kernel's width, and where a shard's datagram ends in practice.
    const LENGTHS: [usize; 16] = [
        0, 1, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 200, 1324,
    ];

    fn noise(len: usize, seed: usize) -> Vec<u8> {
        (0..len)
            .map(|i| (((i + seed) * 2_654_435_761) >> 7) as u8)
            .collect()
    }

    fn expected(rows: &[u8], stride: usize, src: &[u8], coeffs: &[u8]) -> Vec<u8> {
        let mut rows = rows.to_vec();
        for (k, &coeff) in coeffs.iter().enumerate() {
            for (i, &byte) in src.iter().enumerate() {
                rows[k * stride + i] ^= mul(coeff, byte);
            }
        }
        rows
    }

    #[test]
    fn the_names_are_those_of_this_processor() {
        let names: Vec<_> = Kernel::all().map(Kernel::name).collect();
        assert_eq!(names.last(), Some(&"scalar"));
        assert_eq!(names.first(), Some(&crate::kernel_name()));
    }

    #[test]
    fn every_kernel_multiplies_by_every_coefficient() {
        for kernel in Kernel::all() {
            for len in LENGTHS {
                let (src, dst) = (noise(len, 1), noise(len, 2));
                for coeff in 0..=255 {
                    let mut rows = dst.clone();
                    kernel.mul_add_many(&mut rows, len, &src, &[coeff]);
                    assert_eq!(
                        rows,
                        expected(&dst, len, &src, &[coeff]),
                        "{kernel:?} {len} {coeff}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_public_functions_leave_what_is_beyond_the_source() {
        let mut dst = [9; 10];
        crate::mul_add(&mut dst, &[1, 2, 3], 2);
        assert_eq!(dst, [9 ^ 2, 9 ^ 4, 9 ^ 6, 9, 9, 9, 9, 9, 9, 9]);
        crate::mul_add_many(&mut dst, 5, &[1], &[4, 8]);
        assert_eq!(dst, [9 ^ 2 ^ 4, 9 ^ 4, 9 ^ 6, 9, 9, 9 ^ 8, 9, 9, 9, 9]);
    }

    #[test]
    #[should_panic(expected = "cannot take")]
    fn a_source_longer_than_the_stride_is_refused() {
        crate::mul_add_many(&mut [0; 8], 2, &[1, 2, 3], &[1, 1]);
    }

    #[test]
    #[should_panic]
    fn missing_rows_are_refused() {
        crate::mul_add_many(&mut [0; 8], 4, &[1, 2, 3], &[1, 1, 1]);
    }

    proptest! {
        #[test]
        fn all_kernels_agree(
            src in prop::collection::vec(any::<u8>(), 0..300),
            coeffs in prop::collection::vec(any::<u8>(), 0..12),
            (src_at, rows_at, gap) in (0usize..70, 0usize..70, 0usize..70),
            seed in any::<u16>(),
        ) {
            // The shards stand at any address, as packets do.
            let stride = src.len() + gap;
            let mut moved = vec![0; src_at];
            moved.extend_from_slice(&src);
            let rows = noise(rows_at + stride * coeffs.len(), seed as usize);
            let wanted = expected(&rows[rows_at..], stride, &src, &coeffs);
            for kernel in Kernel::all() {
                let mut rows = rows.clone();
                kernel.mul_add_many(&mut rows[rows_at..], stride, &moved[src_at..], &coeffs);
                prop_assert_eq!(&rows[rows_at..], &wanted[..], "{:?}", kernel);
            }
        }
    }
}
