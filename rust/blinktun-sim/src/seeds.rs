//! With which seeds a story is told.

use crate::traces::VARIABLE as TRACES;

/// The environment variable that names other seeds: numbers separated by commas.
pub const VARIABLE: &str = "BLINKTUN_SEED";

/// Told with, unless [`VARIABLE`] says otherwise.
const DEFAULT: [u64; 3] = [1, 2, 3];

/// Tell `story` with each seed. If it fails, the seed and the command to replay it are printed.
///
/// # Panics
/// If the story does, or if [`VARIABLE`] is not a list of numbers.
pub fn for_each_seed(story: impl Fn(u64)) {
    for seed in seeds(std::env::var(VARIABLE).ok().as_deref()) {
        let _told = Told(seed);
        story(seed);
    }
}

fn seeds(text: Option<&str>) -> Vec<u64> {
    let Some(text) = text else {
        return DEFAULT.to_vec();
    };
    let parse = |word: &str| match word.trim().parse() {
        Ok(seed) => seed,
        Err(_) => panic!("{VARIABLE}={text}: not a list of numbers"),
    };
    text.split(',').map(parse).collect()
}

/// Speaks up if its story fails.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            eprintln!(
                "failed with seed {}; to replay it, with a trace of each session:",
                self.0
            );
            eprintln!(
                "    {VARIABLE}={} {TRACES}=target/qlog cargo test --workspace --exclude blinktun-py -- --exact {name}",
                self.0
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_come_from_the_variable_or_the_list() {
        assert_eq!(seeds(None), DEFAULT);
        assert_eq!(seeds(Some("7")), [7]);
        assert_eq!(seeds(Some("7, 8")), [7, 8]);
    }
}
