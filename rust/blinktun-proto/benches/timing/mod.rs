//! How long something takes, with nothing but the standard library's clock.

use std::time::{Duration, Instant};

const SPANS: usize = 7;
const SPAN: Duration = Duration::from_millis(60);

/// Seconds of one round: the best of a few spans, so that a busy machine disturbs it least.
pub fn seconds(mut round: impl FnMut()) -> f64 {
    round();
    let span = |_| {
        let (start, mut rounds) = (Instant::now(), 0);
        while start.elapsed() < SPAN {
            round();
            rounds += 1;
        }
        start.elapsed().as_secs_f64() / f64::from(rounds)
    };
    (0..SPANS).map(span).fold(f64::MAX, f64::min)
}

/// Print how fast a round moves its bytes.
pub fn report_bytes(what: &str, bytes: usize, round: impl FnMut()) {
    let rate = bytes as f64 / seconds(round) / 1e6;
    println!("{what:44} {rate:9.0} MB/s");
}
