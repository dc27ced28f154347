//! Times in order: percentiles, and how they are written.

use std::time::Duration;

use serde_json::{Value, json};

/// Measured times, shortest first.
#[derive(Debug, Clone)]
pub struct Times(Vec<Duration>);

impl Times {
    /// In any order.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that so many percent of all do not exceed; zero where there is none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// `p50 17 ms, p99 30 ms, max 40 ms`.
    pub fn words(&self) -> String {
        let [p50, p99, max] = [50, 99, 100].map(|percent| written(self.percentile(percent)));
        format!("p50 {p50}, p99 {p99}, max {max}")
    }

    /// In milliseconds.
    pub fn numbers(&self) -> Value {
        let [p50, p99, max] = [50, 99, 100].map(|percent| milliseconds(self.percentile(percent)));
        json!({"count": self.count(), "p50-ms": p50, "p99-ms": p99, "max-ms": max})
    }
}

/// With three digits that count.
pub fn written(time: Duration) -> String {
    let milliseconds = milliseconds(time);
    match milliseconds {
        _ if milliseconds < 1.0 => format!("{:.0} us", milliseconds * 1000.0),
        _ if milliseconds < 10.0 => format!("{milliseconds:.1} ms"),
        _ if milliseconds < 1000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1000.0),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = Times::new((1..=50).rev().map(Duration::from_millis).collect());
        let [p50, p99, max] = [50, 99, 100].map(|percent| times.percentile(percent).as_millis());
        assert_eq!((p50, p99, max), (25, 50, 50));
        assert_eq!(Times::new(vec![]).percentile(50), Duration::ZERO);
        assert_eq!(times.words(), "p50 25 ms, p99 50 ms, max 50 ms");
    }

    #[test]
    fn a_time_is_written_in_the_unit_that_fits() {
        let table = [(131, "131 us"), (4_140, "4.1 ms"), (17_300, "17 ms"), (2_040_000, "2.0 s")];
        for (microseconds, expected) in table {
            assert_eq!(written(Duration::from_micros(microseconds)), expected);
        }
    }
}
