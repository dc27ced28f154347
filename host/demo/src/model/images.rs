//! What becomes of the pods of each image, and what they show Prometheus.

use std::{collections::BTreeMap, time::Duration};

use aviary_core::{
    judge::{Better, MetricKind},
    settings::{MetricSettings, MetricSource},
};
use aviary_simulation::{
    cluster::{End, Fate},
    metrics::Level,
};
use serde_json::json;

/// What runs before Aviary comes.
pub(super) const FIRST: &str = "orders:1.0";
/// As good as that.
pub(super) const GOOD: &str = "orders:1.1";
/// Ends a second after its start.
pub(super) const CRASHING: &str = "orders:1.2";
/// Takes longer, and has nothing else that is wrong.
pub(super) const SLOWER: &str = "orders:1.3";

/// Metrics by the names that the configuration gives them, each with that of its series.
pub(super) const SERIES: [(&str, &str); 2] =
    [("errors", "orders_errors_total"), ("latency", "orders_duration_milliseconds_bucket")];

const GETS_READY: Duration = Duration::from_millis(700);
const STOPS: Duration = Duration::from_millis(300);
/// Events of a pod a second.
const EVENTS: f64 = 2000.0;
/// Of those, the ones that fail.
const USUAL_ERRORS: f64 = 20.0;
/// The longest time of 19 events in 20, in milliseconds.
const USUAL_LATENCY: f64 = 120.0;

/// What becomes of a pod.
pub(super) fn fate(image: &str) -> Fate {
    let ends = (image == CRASHING).then_some(End { after: GETS_READY, exit_code: 1, out_of_memory: false });
    Fate::Runs { ready_after: Some(GETS_READY), ends, stops_after: STOPS }
}

/// What a pod shows, by metric.
pub(super) fn levels(image: &str) -> BTreeMap<String, Level> {
    let latency = if image == SLOWER { 1.4 * USUAL_LATENCY } else { USUAL_LATENCY };
    [("errors".to_owned(), level(USUAL_ERRORS)), ("latency".to_owned(), level(latency))].into()
}

fn level(value: f64) -> Level {
    Level { value, events: EVENTS, ..Level::default() }
}

/// The metrics, as they are scraped.
pub(super) fn metrics() -> [MetricSettings; 2] {
    let metric = |(name, series): (&str, &str), kind| MetricSettings {
        name: name.to_owned(),
        unit: String::new(),
        source: MetricSource::Series(series.to_owned()),
        kind,
        better: Better::Lower,
        min: None,
        max: None,
        window: Duration::from_secs(5),
        parameters: json!({ "quantile": 0.95 }),
    };
    [metric(SERIES[0], MetricKind::Counter), metric(SERIES[1], MetricKind::HistogramBucket)]
}
