//! `nc=1`: the configured windows are the only limit, and a rate if there is one.

use super::controller::{Controller, Metrics};

/// Lets the windows decide how much is in flight.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed {
    /// Bytes of data a second; `None`: not paced.
    pub rate: Option<u64>,
}

impl Controller for Fixed {
    fn window(&self) -> u64 {
        u64::MAX
    }

    fn pacing_rate(&self) -> Option<u64> {
        self.rate
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            pacing_rate: self.rate,
            ..Metrics::default()
        }
    }
}
