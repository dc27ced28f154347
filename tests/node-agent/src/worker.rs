//! The queue worker of the demo and the scenarios: what it has consumed by now, and what it says of that to Prometheus.
//!
//! Its numbers are functions of the time since it started: an idle worker costs nothing, and no number ever falls.

use std::{fmt::Write, time::Duration};

/// Bounds of the histogram, in seconds.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// The rate swings by this share, once in this many seconds, each pod in its own phase.
const SWING: f64 = 0.1;
const SWING_SECONDS: f64 = 20.0;

/// How a worker behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// The version it says it is.
    pub label: String,
    /// Events per second.
    pub rate: f64,
    /// Errors per event, 0 to 1.
    pub error_rate: f64,
    /// Errors begin only then.
    pub errors_after: Duration,
    /// Ready, and consuming, only then.
    pub ready_after: Duration,
    /// Never ready, never consuming.
    pub never_ready: bool,
    /// How far behind it is, in seconds.
    pub lag: f64,
    /// Mean time that an event takes, in seconds; above 0.
    pub event_seconds: f64,
    /// Where in its swing it starts, in radians.
    pub phase: f64,
}

impl Behaviour {
    /// Whether it is ready so long after its start.
    pub fn is_ready(&self, age: Duration) -> bool {
        !self.never_ready && age >= self.ready_after
    }

    /// Events consumed so long after the start.
    pub fn events(&self, age: Duration) -> u64 {
        if self.never_ready {
            return 0;
        }
        let consuming = age.saturating_sub(self.ready_after).as_secs_f64();
        let turns = std::f64::consts::TAU / SWING_SECONDS;
        let swing = (turns.mul_add(consuming, self.phase).sin() - self.phase.sin()) * SWING / turns;
        // Not negative: the swing is slower than the time.
        (self.rate * (consuming + swing)).max(0.0) as u64
    }

    /// Errors so long after the start.
    pub fn errors(&self, age: Duration) -> u64 {
        let before = self.events(age.min(self.errors_after));
        ((self.events(age) - before) as f64 * self.error_rate) as u64
    }

    /// Everything it says, in Prometheus' text format; `started` is seconds since the epoch.
    pub fn exposition(&self, age: Duration, started: f64) -> String {
        let mut text = String::new();
        metric(&mut text, "worker_events_total", "counter", "Events consumed.", self.events(age));
        metric(&mut text, "worker_errors_total", "counter", "Events that failed.", self.errors(age));
        metric(&mut text, "worker_lag_seconds", "gauge", "Age of the oldest event not consumed.", self.lag);
        metric(&mut text, "process_start_time_seconds", "gauge", "Start, in seconds since the epoch.", started);
        header(&mut text, "worker_info", "gauge", "The version that runs.");
        line(&mut text, &format!("worker_info{{version=\"{}\"}} 1", self.label));
        self.histogram(&mut text, self.events(age));
        text
    }

    /// Event times are spread exponentially around their mean.
    fn histogram(&self, text: &mut String, events: u64) {
        header(text, "worker_event_seconds", "histogram", "How long an event takes.");
        for bound in BUCKETS {
            let share = 1.0 - (-bound / self.event_seconds).exp();
            let below = (events as f64 * share) as u64;
            line(text, &format!("worker_event_seconds_bucket{{le=\"{bound}\"}} {below}"));
        }
        line(text, &format!("worker_event_seconds_bucket{{le=\"+Inf\"}} {events}"));
        line(text, &format!("worker_event_seconds_sum {}", events as f64 * self.event_seconds));
        line(text, &format!("worker_event_seconds_count {events}"));
    }
}

/// A place in the swing that belongs to a pod's name.
pub fn phase_of(name: &str) -> f64 {
    let sum = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    f64::from(sum % 1000) / 1000.0 * std::f64::consts::TAU
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
    header(text, name, kind, help);
    line(text, &format!("{name} {value}"));
}

fn header(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, &format!("# HELP {name} {help}\n# TYPE {name} {kind}"));
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn behaviour() -> Behaviour {
        Behaviour {
            label: "v1".into(),
            rate: 50.0,
            error_rate: 0.2,
            errors_after: Duration::ZERO,
            ready_after: Duration::ZERO,
            never_ready: false,
            lag: 0.5,
            event_seconds: 0.02,
            phase: 0.0,
        }
    }

    proptest! {
        #[test]
        fn counters_never_fall_and_keep_near_their_rate(
            phase in 0.0..std::f64::consts::TAU, mut ages in prop::collection::vec(0_u64..100_000, 2..20)
        ) {
            ages.sort_unstable();
            let worker = Behaviour { phase, ..behaviour() };
            let mut last = (0, 0);
            for age in ages.into_iter().map(Duration::from_millis) {
                let now = (worker.events(age), worker.errors(age));
                prop_assert!(now.0 >= last.0 && now.1 >= last.1);
                prop_assert!((now.0 as f64 - 50.0 * age.as_secs_f64()).abs() <= 50.0);
                prop_assert!((now.1 as f64 - now.0 as f64 * 0.2).abs() <= 1.0);
                last = now;
            }
        }
    }

    #[test]
    fn nothing_is_consumed_before_it_is_ready() {
        let late = Behaviour { ready_after: Duration::from_secs(3), ..behaviour() };
        assert_eq!((late.is_ready(Duration::from_secs(2)), late.events(Duration::from_secs(3))), (false, 0));
        assert!(late.is_ready(Duration::from_secs(3)) && late.events(Duration::from_secs(4)) > 40);
        let never = Behaviour { never_ready: true, ..behaviour() };
        assert_eq!((never.is_ready(Duration::from_secs(99)), never.events(Duration::from_secs(99))), (false, 0));
    }

    #[test]
    fn errors_can_begin_later() {
        let worker = Behaviour { errors_after: Duration::from_secs(10), ..behaviour() };
        assert_eq!(worker.errors(Duration::from_secs(10)), 0);
        assert!(worker.errors(Duration::from_secs(20)) > 80);
    }

    #[test]
    fn the_histogram_adds_up() {
        let text = behaviour().exposition(Duration::from_secs(100), 1.5);
        let buckets: Vec<u64> = text
            .lines()
            .filter(|line| line.starts_with("worker_event_seconds_bucket"))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(buckets.is_sorted() && buckets.len() == BUCKETS.len() + 1);
        assert!(text.contains(&format!("worker_event_seconds_count {}\n", buckets.last().unwrap())));
        assert!(text.contains("process_start_time_seconds 1.5\n"));
        assert!(text.contains("worker_info{version=\"v1\"} 1\n"));
    }
}
