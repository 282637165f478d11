//! The loop that all SIMD kernels share.

/// Defines `mul_add_rows` for one instruction set, from what the module around it says: the vector's
/// `WIDTH` in bytes and the functions `load`, `store`, `xor`, `and`, `factor` (a coefficient made
/// ready) and `product` (of a factor and a vector).
///
/// Whole vectors first. The rest is covered by one more vector that ends with the shard and overlaps
/// the last whole one: its overlapping bytes are cleared, so they add nothing a second time. A source
/// shorter than one vector is worked on in copies.
macro_rules! mul_add_rows {
    ($features:literal) => {
        /// `rows[k][i] ^= coeffs[k] * src[i]`; rows are as long as `src`.
        #[target_feature(enable = $features)]
        pub fn mul_add_rows<const R: usize>(rows: [&mut [u8]; R], src: &[u8], coeffs: [u8; R]) {
            let factors = coeffs.map(|coeff| factor(coeff));
            let Some(last) = src.last_chunk::<WIDTH>() else {
                return short(rows, src, factors);
            };
            let (whole, rest) = src.as_chunks::<WIDTH>();
            for (i, from) in whole.iter().enumerate() {
                let from = load(from);
                for k in 0..R {
                    if let Some(to) = rows[k][i * WIDTH..].first_chunk_mut() {
                        store(to, xor(load(to), product(factors[k], from)));
                    }
                }
            }
            if rest.is_empty() {
                return;
            }
            let from = and(load(last), tail_mask(rest.len()));
            for k in 0..R {
                if let Some(to) = rows[k].last_chunk_mut() {
                    store(to, xor(load(to), product(factors[k], from)));
                }
            }
        }

        #[target_feature(enable = $features)]
        fn short<const R: usize>(rows: [&mut [u8]; R], src: &[u8], factors: [Factor; R]) {
            let len = src.len();
            let mut block = [0; WIDTH];
            block[..len].copy_from_slice(src);
            let from = load(&block);
            for (row, factor) in rows.into_iter().zip(factors) {
                block[..len].copy_from_slice(row);
                let sum = xor(load(&block), product(factor, from));
                store(&mut block, sum);
                row.copy_from_slice(&block[..len]);
            }
        }

        /// A vector of ones in its last `len` bytes, of zeros before them.
        #[target_feature(enable = $features)]
        fn tail_mask(len: usize) -> Vector {
            const STEP: [[u8; WIDTH]; 2] = [[0; WIDTH], [0xff; WIDTH]];
            STEP.as_flattened()[len..]
                .first_chunk()
                .map_or_else(|| load(&STEP[0]), |mask| load(mask))
        }
    };
}

pub(crate) use mul_add_rows;
