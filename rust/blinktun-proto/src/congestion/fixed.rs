//! `nc=1`: the configured windows are the only limit.

use super::{Controller, Metrics};

/// Lets the windows decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl Controller for Fixed {
    fn window(&self) -> u64 {
        u64::MAX
    }

    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}
