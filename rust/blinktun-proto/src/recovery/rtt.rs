//! Round-trip estimation and the retransmission timeout (kcptun wire, section 3.7).

use super::windowed_min::WindowedMin;
use crate::time::{Duration, Time};

const INITIAL_RTO_MS: i32 = 200;
const MAX_RTO_MS: i32 = 60_000;
const MIN_RTO_MS: i32 = 100;
const MIN_RTO_NODELAY_MS: i32 = 30;
/// Samples beyond this say more about a clock than about a path.
const MAX_SAMPLE_MS: u32 = 120_000;
/// A shortest round trip counts no longer than this; the path may have changed.
const MIN_WINDOW: Duration = Duration::from_secs(10);

/// The integer estimator of kcp-go, in milliseconds, and exact figures for controllers.
#[derive(Clone, Debug)]
pub struct Rtt {
    srtt: i32,
    var: i32,
    rto: i32,
    min_rto: i32,
    interval: i32,
    latest: Duration,
    min: WindowedMin,
}

impl Rtt {
    /// An estimator for a conversation with these settings; `interval_ms` is a term of the RTO.
    pub fn new(nodelay: bool, interval_ms: u32) -> Rtt {
        Rtt {
            srtt: 0,
            var: 0,
            rto: INITIAL_RTO_MS,
            min_rto: if nodelay {
                MIN_RTO_NODELAY_MS
            } else {
                MIN_RTO_MS
            },
            interval: interval_ms.clamp(10, 5000) as i32,
            latest: Duration::ZERO,
            min: WindowedMin::new(MIN_WINDOW),
        }
    }

    /// Take one round trip of `sample_ms`, measured exactly as `exact` where that is known.
    pub fn sample(&mut self, sample_ms: u32, exact: Option<Duration>, now: Time) {
        if sample_ms > MAX_SAMPLE_MS {
            return;
        }
        self.update(sample_ms as i32);
        let exact = exact.unwrap_or(Duration::from_millis(sample_ms.into()));
        self.latest = exact;
        self.min.add(exact, now);
    }

    fn update(&mut self, rtt: i32) {
        if self.srtt == 0 {
            self.srtt = rtt;
            self.var = rtt >> 1;
        } else {
            let below = rtt < self.srtt - self.var;
            let delta = rtt - self.srtt;
            self.srtt += delta >> 3;
            let deviation = delta.abs() - self.var;
            // A sample far below the mean is good news, not variance: it counts an eighth.
            self.var += if below {
                deviation >> 5
            } else {
                deviation >> 2
            };
        }
        let rto = self.srtt + self.interval.max(self.var << 2);
        self.rto = rto.max(self.min_rto).min(MAX_RTO_MS);
    }

    /// The retransmission timeout.
    pub fn rto(&self) -> Duration {
        Duration::from_millis(self.rto as u64)
    }

    /// The smoothed round trip; zero before the first sample.
    pub fn smoothed(&self) -> Duration {
        Duration::from_millis(self.srtt as u64)
    }

    /// The last round trip.
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// The shortest round trip of the last 5 to 10 s.
    pub fn min(&self) -> Option<Duration> {
        self.min.get()
    }

    /// Whether there was a sample.
    pub(crate) fn is_known(&self) -> bool {
        self.min.get().is_some()
    }

    #[cfg(test)]
    fn parts(&self) -> (i32, i32, i32) {
        (self.rto, self.srtt, self.var)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_vectors() {
        let text = include_str!("../../../../tests/vectors/kcp.json");
        let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
        let cases = vectors["rtt_estimator"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let interval = case["interval"].as_u64().unwrap() as u32;
            let mut rtt = Rtt::new(case["nodelay"] == 1, interval);
            let samples = case["rtt_samples_ms"].as_array().unwrap();
            let expected = case["after_each"].as_array().unwrap();
            for (sample, after) in samples.iter().zip(expected) {
                rtt.sample(sample.as_u64().unwrap() as u32, None, Time::ZERO);
                let want = |key: &str| after[key].as_i64().unwrap() as i32;
                assert_eq!(
                    rtt.parts(),
                    (want("rx_rto"), want("rx_srtt"), want("rx_rttvar"))
                );
            }
        }
    }
}
