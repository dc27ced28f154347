//! What a metric showed on each pod, or on a track as a whole.

use aviary_policy_sdk::{Metric, MetricKind, Observation, Series, Span, Track, sum_of_rates};

use crate::quantile;

/// A value that has not been seen for so long (milliseconds) says nothing about now.
const LOOKBACK: u64 = 300_000;

/// What samples add up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// So much; can be NaN.
    Known(f64),
    /// Not less than this: a quantile above the largest bucket.
    AtLeast(f64),
    /// Nothing, and why.
    Absent(&'static str),
}

/// A value and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// Absent for a track as a whole.
    pub(crate) pod: Option<String>,
    pub(crate) value: Value,
    /// Samples it rests on.
    pub(crate) used: u32,
    /// Samples it had.
    pub(crate) all: u32,
}

/// The readings of one track.
pub(crate) fn of_track(metric: &Metric, observation: &Observation, track: Track, quantile: f64) -> Vec<Reading> {
    let span = span(metric, observation);
    let mut readings = Vec::new();
    if metric.series.is_empty() || metric.series.iter().any(|series| series.pod.is_some()) {
        for pod in observation.pods_of(track) {
            let series: Vec<&Series> = metric.of_pod(&pod.name).collect();
            readings.extend(of_series(metric, Some(&pod.name), &series, span, quantile));
        }
    }
    let whole = of_whole(metric, track);
    if !whole.is_empty() {
        readings.extend(of_series(metric, None, &whole, span, quantile));
    }
    readings
}

/// Series that name no pod; those that name no track either are of the service as a whole, and so the canary's as well.
fn of_whole(metric: &Metric, track: Track) -> Vec<&Series> {
    let own = metric.of_track(Some(track));
    if track == Track::Canary { own.chain(metric.of_track(None)).collect() } else { own.collect() }
}

/// Samples from before the step was complete are of other sizes: they are left out.
fn span(metric: &Metric, observation: &Observation) -> Span {
    let progress = &observation.progress;
    let length = match metric.kind {
        MetricKind::Counter | MetricKind::HistogramBucket => metric.window,
        _ => metric.window.max(LOOKBACK),
    };
    Span::before(progress.now, length).since(progress.step_complete.unwrap_or(progress.now))
}

fn of_series(metric: &Metric, pod: Option<&str>, series: &[&Series], span: Span, quantile: f64) -> Vec<Reading> {
    let all = series.iter().map(|series| count(series)).sum();
    let reading = |value, used| Reading { pod: pod.map(str::to_owned), value, used, all };
    if series.is_empty() {
        return vec![reading(Value::Absent("no samples"), 0)];
    }
    match metric.kind {
        MetricKind::Counter => {
            let rate = sum_of_rates(series.iter().copied(), span);
            let absent = Value::Absent("fewer than two samples in the window");
            vec![rate.map_or(reading(absent, 0), |rate| reading(Value::Known(rate.per_second), rate.samples))]
        }
        MetricKind::HistogramBucket => {
            let (value, used) = quantile::of(series, span, quantile);
            vec![reading(value, used)]
        }
        _ => series.iter().map(|series| latest(pod, series, span)).collect(),
    }
}

/// A gauge is judged series by series: adding up queue lengths and temperatures alike makes no sense.
fn latest(pod: Option<&str>, series: &Series, span: Span) -> Reading {
    let latest = series.latest(span);
    let value = latest.map_or(Value::Absent("no recent samples"), |(_, value)| Value::Known(value));
    Reading { pod: pod.map(str::to_owned), value, used: u32::from(latest.is_some()), all: count(series) }
}

fn count(series: &Series) -> u32 {
    u32::try_from(series.times.len()).unwrap_or(u32::MAX)
}
