//! The wait after writes that failed.

use std::time::Duration;

use aviary_core::time::Timestamp;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Waits longer after each failure in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    not_before: Option<Timestamp>,
}

impl Backoff {
    /// A write failed; says how many have in a row.
    pub fn failed(&mut self, now: Timestamp) -> u32 {
        let wait = SHORTEST.saturating_mul(1 << self.failures.min(12)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.plus(wait));
        self.failures
    }

    /// A write succeeded; or the API server answers after an outage, and what failed meanwhile is worth a try at once.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// When the next write may be tried, if that is not now. A clock that was set back makes no wait longer.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|at| now < *at && at.since(now) <= LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_end_when_the_api_server_answers() {
        let (mut backoff, now) = (Backoff::default(), Timestamp(1_000));
        let mut waits = Vec::new();
        for _ in 0..11 {
            assert_eq!(backoff.until(Timestamp(100_000)), None);
            backoff.failed(now);
            waits.extend(backoff.until(now).map(|at| at.since(now).as_millis()));
        }
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(backoff.until(now), None);
        backoff.failed(now);
        assert_eq!(backoff.until(now), Some(Timestamp(1_100)));
    }
}
