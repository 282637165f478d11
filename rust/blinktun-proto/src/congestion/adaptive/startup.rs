//! The search for the rate of a path that may carry much more than is sent.

use super::round::Summary;

/// Bytes that leave before the first round trip is known: 32 segments of an MTU of 1350.
pub(super) const FIRST_FLIGHT: u64 = 42_000;
/// The path is full after so many rounds without growth.
const PLATEAU_ROUNDS: u32 = 3;
/// Growth in one round by less than this is none.
const GROWTH: f64 = 1.25;
/// More loss than in the rounds before by so much is caused by our rate.
const EXCESS_LOSS: f64 = 0.15;
/// The same while too little has left to know the loss before.
const FIRST_LOSS: f64 = 0.3;
/// So many first flights tell of it.
const FLIGHTS_THAT_TELL: u64 = 3;
/// In a round in which a hole or the application held data back, losses of earlier rounds are noticed, and little
/// arrives: only more than this tells of a full path.
const RESTRAINED_LOSS: f64 = 0.6;

/// What is known while the rate doubles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Startup {
    /// Bytes that may be on their way. What is acknowledged is added, so it doubles in each round trip, however
    /// much longer than the shortest that is.
    window: u64,
    /// The bandwidth when the last round ended, in bytes a second.
    rate: u64,
    /// Rounds without growth.
    plateau: u32,
    /// Bytes delivered or lost in all rounds before the path was full, and lost ones among them.
    bytes: u64,
    lost: u64,
}

impl Startup {
    /// The path carries `rate` bytes a second at least, and `window` bytes may be on their way.
    pub(super) fn new(window: u64, rate: u64) -> Startup {
        Startup {
            window: window.max(FIRST_FLIGHT),
            rate,
            plateau: 0,
            bytes: 0,
            lost: 0,
        }
    }

    /// So many bytes are acknowledged.
    pub(super) fn note_acked(&mut self, bytes: u64) {
        self.window += bytes;
    }

    /// Bytes that may be on their way.
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// A round has ended, and the bandwidth is `rate`; `luck` is a share of loss that tells nothing. Returns
    /// whether the path is full.
    pub(super) fn end_round(&mut self, summary: &Summary, rate: u64, luck: f64) -> bool {
        if summary.bytes > FIRST_FLIGHT && summary.loss > self.most_loss(summary) + luck {
            return true;
        }
        let before = core::mem::replace(&mut self.rate, rate);
        if rate as f64 > GROWTH * before as f64 {
            self.plateau = 0;
        } else if !summary.is_app_limited && !summary.is_blocked {
            self.plateau += 1;
        }
        self.bytes += summary.bytes;
        self.lost += (summary.loss * summary.bytes as f64) as u64;
        self.plateau >= PLATEAU_ROUNDS
    }

    fn most_loss(&self, summary: &Summary) -> f64 {
        if summary.is_app_limited {
            RESTRAINED_LOSS
        } else if self.bytes < FLIGHTS_THAT_TELL * FIRST_FLIGHT {
            FIRST_LOSS
        } else {
            self.lost as f64 / self.bytes as f64 + EXCESS_LOSS
        }
    }

    /// Bytes that left before the path was full, and those of them that were lost.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.bytes, self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(bytes: u64, loss: f64, is_app_limited: bool) -> Summary {
        Summary {
            rate: 0,
            bytes,
            loss,
            least_rtt: None,
            is_app_limited,
            is_blocked: false,
        }
    }

    fn startup() -> Startup {
        Startup::new(0, 100_000)
    }

    #[test]
    fn three_rounds_without_growth_end_the_start() {
        let mut startup = startup();
        for (rate, is_full) in [
            (200_000, false),
            (210_000, false),
            (215_000, false),
            (400_000, false),
            (410_000, false),
            (420_000, false),
            (430_000, true),
        ] {
            let ended = startup.end_round(&round(rate, 0.0, false), rate, 0.0);
            assert_eq!(ended, is_full, "{rate}");
        }
    }

    #[test]
    fn rounds_without_data_are_no_plateau() {
        let mut startup = startup();
        for _ in 0..20 {
            assert!(!startup.end_round(&round(50_000, 0.0, true), 100_000, 0.0));
        }
    }

    #[test]
    fn loss_that_was_there_before_does_not_end_the_start_and_more_does() {
        let mut startup = startup();
        let mut rate = 200_000;
        for loss in [0.25, 0.2, 0.25, 0.2] {
            assert!(!startup.end_round(&round(rate, loss, false), rate, 0.05));
            rate *= 2;
        }
        assert!(!startup.end_round(&round(rate, 0.4, true), rate, 0.05));
        assert!(startup.end_round(&round(rate, 0.6, false), rate, 0.05));
        let (bytes, lost) = startup.totals();
        let share = lost as f64 / bytes as f64;
        assert!((0.2..0.32).contains(&share), "{share}");
    }

    #[test]
    fn a_policer_ends_the_start_although_the_rate_has_grown() {
        let mut startup = startup();
        assert!(!startup.end_round(&round(100_000, 0.0, false), 200_000, 0.0));
        assert!(!startup.end_round(&round(200_000, 0.0, false), 400_000, 0.0));
        assert!(startup.end_round(&round(400_000, 0.25, false), 600_000, 0.03));
        assert_eq!(
            startup.totals().1,
            0,
            "what the policer dropped is not its own loss"
        );
    }
}
