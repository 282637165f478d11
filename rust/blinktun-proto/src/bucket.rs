//! A token bucket that may owe.

use crate::time::{Duration, Time};

/// Amounts are kept in millionths: what a rate of 1 brings in a microsecond.
const UNIT: i64 = 1_000_000;

/// Units that may be taken, full at start.
///
/// While nothing is owed, any amount may be taken. What is owed then is paid back first. So in any time
/// `t` never more is taken than the burst, `rate * t` and the last amount.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: i64,
    most: i64,
    balance: i64,
    at: Time,
}

impl Bucket {
    /// `rate` units a second, at least 1; `burst` units after a pause. Both at most `i32::MAX`.
    pub(crate) fn new(rate: u64, burst: u64, now: Time) -> Bucket {
        let most = burst.min(i32::MAX as u64) as i64 * UNIT;
        Bucket {
            rate: rate.clamp(1, i32::MAX as u64) as i64,
            most,
            balance: most,
            at: now,
        }
    }

    /// Whole units that are there now; `None` if some are owed.
    pub(crate) fn available(&mut self, now: Time) -> Option<u64> {
        let passed = i64::try_from(now.since(self.at).as_micros()).unwrap_or(i64::MAX);
        self.at = self.at.max(now);
        let earned = passed.saturating_mul(self.rate);
        self.balance = self.balance.saturating_add(earned).min(self.most);
        u64::try_from(self.balance)
            .ok()
            .map(|balance| balance / UNIT as u64)
    }

    /// Go on with another rate and burst; what was earned so far is kept, as far as it fits.
    pub(crate) fn change(&mut self, rate: u64, burst: u64, now: Time) {
        self.available(now);
        let fresh = Bucket::new(rate, burst, self.at);
        self.balance = self.balance.min(fresh.most);
        (self.rate, self.most) = (fresh.rate, fresh.most);
    }

    /// Take units, even more than there are.
    pub(crate) fn take(&mut self, units: u64) {
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        self.balance = self.balance.saturating_sub(units.saturating_mul(UNIT));
    }

    /// When there are so many units, or the burst if that is less, as far as is known at the last
    /// [`Bucket::available`].
    pub(crate) fn reaches(&self, units: u64) -> Time {
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        let wanted = units.saturating_mul(UNIT).min(self.most);
        let missing = wanted.saturating_sub(self.balance).max(0).unsigned_abs();
        self.at + Duration::from_micros(missing.div_ceil(self.rate.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_owed_is_paid_back_first() {
        let mut bucket = Bucket::new(100, 10, Time::ZERO);
        assert_eq!(bucket.available(Time::ZERO), Some(10));
        bucket.take(15);
        assert_eq!(bucket.available(Time::from_millis(49)), None);
        assert_eq!(bucket.reaches(0), Time::from_millis(50));
        assert_eq!(bucket.available(Time::from_millis(50)), Some(0));
        assert_eq!(bucket.available(Time::from_millis(1_000_000)), Some(10));
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            rate in 1u64..10_000_000,
            burst in 0u64..100_000,
            steps in proptest::collection::vec((0u64..200_000, 0u64..2_000), 1..60),
        ) {
            let mut bucket = Bucket::new(rate, burst, Time::ZERO);
            let (mut now, mut taken) = (0, 0);
            for (wait, amount) in steps {
                now += wait;
                if bucket.available(Time::from_micros(now)).is_some() {
                    bucket.take(amount);
                    taken += amount;
                    let earned = u128::from(rate) * u128::from(now) / 1_000_000;
                    prop_assert!(u128::from(taken) <= u128::from(burst + amount) + earned);
                } else {
                    let paid = bucket.reaches(0);
                    prop_assert!(paid > Time::from_micros(now));
                    prop_assert!(bucket.clone().available(paid).is_some());
                }
            }
        }
    }
}
