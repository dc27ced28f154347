//! Samples as Prometheus has them: which is the latest, and how one is written.

use std::time::Duration;

use aviary_core::time::Timestamp;
use serde_json::{Value, json};

/// A sample that is older says nothing: Prometheus' own limit.
const STALE: Duration = Duration::from_mins(5);

/// The value at a time, if any sample is new enough then; the oldest sample comes first.
pub(crate) fn latest(samples: &[(Timestamp, f64)], at: Timestamp) -> Option<f64> {
    let (sampled, value) = samples[..samples.partition_point(|(sampled, _)| *sampled <= at)].last()?;
    (at.since(*sampled) < STALE).then_some(*value)
}

/// A sample as it is told.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch need 41 bits")]
pub(crate) fn told(at: Timestamp, value: f64) -> Value {
    json!([at.0 as f64 / 1000.0, number(value)])
}

/// A value as it is written.
pub(crate) fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}
