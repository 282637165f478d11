//! How fast one source joins three rows: `cargo bench -p blinktun-gf --bench kernels`.

use std::hint::black_box;
use std::time::Instant;

const SHARD: usize = 1300;
const ROUNDS: usize = 200;

fn main() {
    let (src, mut rows) = (vec![0x5a; SHARD], vec![0; 3 * SHARD]);
    let best = (0..5000)
        .map(|_| round(&src, &mut rows))
        .fold(f64::MAX, f64::min);
    let rate = SHARD as f64 / best / 1e9;
    println!(
        "{}: {rate:.1} GB/s of source into 3 rows of {SHARD} bytes",
        blinktun_gf::kernel_name()
    );
}

/// Seconds that one source takes, averaged over a round.
fn round(src: &[u8], rows: &mut [u8]) -> f64 {
    let start = Instant::now();
    for i in 0..ROUNDS {
        blinktun_gf::mul_add_many(
            black_box(rows),
            SHARD,
            black_box(src),
            &[i as u8, 0x96, 0xbf],
        );
    }
    start.elapsed().as_secs_f64() / ROUNDS as f64
}
