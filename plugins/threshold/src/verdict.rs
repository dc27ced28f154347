//! Readings against the limits of a metric.

use aviary_policy_sdk::{Metric, MetricFinding, MetricKind, Observation, Outcome, Track};

use crate::{
    Judged, Settings, WithoutSamples,
    reading::{self, Reading, Value, Why},
    words,
};

/// A reading that was held against the limits.
struct Held {
    reading: Reading,
    outcome: Outcome,
    /// The limit it broke, or the one it was held against.
    limit: f64,
    /// How far beyond that limit; negative within.
    beyond: f64,
}

/// What a metric with limits says of the canary.
pub(crate) fn judge(metric: &Metric, observation: &Observation, settings: &Settings) -> Judged {
    let readings = reading::of_track(metric, observation, Track::Canary, settings.quantile);
    let held = readings.into_iter().map(|reading| hold(reading, metric, settings.without_samples));
    let held: Vec<Held> = held.map(|held| complete(held, metric)).collect();
    let outcome = Outcome::worst(held.iter().map(|held| held.outcome)).unwrap_or(Outcome::Inconclusive);
    let worst: Vec<&Held> = held.iter().filter(|held| held.outcome == outcome).collect();
    let decisive = worst.iter().max_by(|one, other| one.beyond.total_cmp(&other.beyond));
    let primary = mean(&reading::of_track(metric, observation, Track::Primary, settings.quantile));
    let pods = if outcome == Outcome::Pass { Vec::new() } else { blamed(&worst, decisive.copied()) };
    let (used, all) = held.iter().fold((0, 0), |sum, held| (sum.0 + held.reading.used, sum.1 + held.reading.all));
    let sentence = decisive.map_or_else(
        || format!("{} cannot be judged: no samples", metric.name),
        |decisive| sentence(metric, decisive, &pods, primary),
    );
    let line = MetricFinding {
        canary: decisive.and_then(|held| finite(held.reading.value)),
        primary,
        limit: decisive.map(|held| held.limit),
        pods,
        samples_used: used,
        samples_left_out: all - used.min(all),
        ..MetricFinding::new(&metric.name, outcome, note(metric, all - used.min(all)))
    };
    Judged { line, sentence }
}

fn hold(reading: Reading, metric: &Metric, without_samples: WithoutSamples) -> Held {
    let (value, certain) = match reading.value {
        Value::Known(value) => (value, true),
        Value::AtLeast(value) => (value, false),
        Value::Absent(_) => (f64::NAN, false),
    };
    let above = metric.max.map(|max| (value - max, max));
    let below = metric.min.map(|min| (min - value, min));
    let furthest = [above, below].into_iter().flatten().max_by(|one, other| one.0.total_cmp(&other.0));
    let (beyond, limit) = furthest.unwrap_or((f64::NAN, 0.0));
    let outcome = match reading.value {
        Value::Absent(Why::NoSamples) if without_samples == WithoutSamples::Pass => Outcome::Pass,
        _ if beyond.is_nan() => Outcome::Inconclusive,
        _ if beyond > 0.0 => if_certain(certain, metric, limit),
        // A value that may be larger still can break a maximum.
        _ if !certain && metric.max.is_some() => Outcome::Inconclusive,
        _ => Outcome::Pass,
    };
    Held { reading, outcome, limit, beyond: if beyond.is_nan() { f64::NEG_INFINITY } else { beyond } }
}

/// Of a cut answer only that stands which nothing that is missing could change.
fn complete(held: Held, metric: &Metric) -> Held {
    let stands = held.outcome == Outcome::Fail
        && match metric.kind {
            MetricKind::Counter => metric.max == Some(held.limit),
            MetricKind::HistogramBucket => false,
            _ => true,
        };
    match reading::left_out(metric) {
        Some(series) if !stands => {
            let reading = Reading { value: Value::Absent(Why::LeftOut(series)), ..held.reading };
            Held { reading, outcome: Outcome::Inconclusive, beyond: f64::NEG_INFINITY, ..held }
        }
        _ => held,
    }
}

/// A value that may be larger still can be below a minimum without breaking it.
fn if_certain(certain: bool, metric: &Metric, limit: f64) -> Outcome {
    if certain || metric.max == Some(limit) { Outcome::Fail } else { Outcome::Inconclusive }
}

/// The pods of the worst outcome, the decisive one first.
fn blamed(worst: &[&Held], decisive: Option<&Held>) -> Vec<String> {
    let mut pods: Vec<String> = Vec::new();
    for held in decisive.into_iter().chain(worst.iter().copied()) {
        if let Some(pod) = held.reading.pod.as_ref().filter(|pod| !pods.contains(pod)) {
            pods.push(pod.clone());
        }
    }
    pods
}

fn sentence(metric: &Metric, decisive: &Held, pods: &[String], primary: Option<f64>) -> String {
    let (name, on) = (&metric.name, words::on_pods(pods));
    let value = match decisive.reading.value {
        Value::Absent(why) => {
            let why = words::why(metric, why);
            let passes = decisive.outcome == Outcome::Pass;
            return if passes {
                format!("{name} has {why}, which passes")
            } else {
                format!("{name} cannot be judged{on}: {why}")
            };
        }
        Value::Known(value) if value.is_nan() => return format!("{name} is NaN{on}, which says nothing"),
        Value::Known(value) | Value::AtLeast(value) => value,
    };
    let (shown, limit) = words::both(metric, value, decisive.limit);
    let least = if matches!(decisive.reading.value, Value::AtLeast(_)) { "at least " } else { "" };
    let primary = primary.map_or(String::new(), |primary| format!(" (primary {})", words::value(metric, primary)));
    let side = if metric.max == Some(decisive.limit) { "above" } else { "below" };
    match decisive.outcome {
        Outcome::Pass => format!("{name} is {shown}, within its limit of {limit}{primary}"),
        Outcome::Inconclusive => {
            format!(
                "{name} is {least}{shown}{on}, its largest bucket, which cannot be held against its limit of {limit}"
            )
        }
        _ => format!("{name} is {least}{shown}{on}, {side} its limit of {limit}{primary}"),
    }
}

fn mean(readings: &[Reading]) -> Option<f64> {
    let values: Vec<f64> = readings.iter().filter_map(|reading| finite(reading.value)).collect();
    let count = u32::try_from(values.len()).ok().filter(|count| *count > 0)?;
    Some(values.iter().sum::<f64>() / f64::from(count)).filter(|mean| mean.is_finite())
}

/// The host takes no answer with NaN or infinity in it.
fn finite(value: Value) -> Option<f64> {
    match value {
        Value::Known(value) | Value::AtLeast(value) => Some(value).filter(|value| value.is_finite()),
        Value::Absent(_) => None,
    }
}

fn note(metric: &Metric, left_out: u32) -> String {
    let why = match metric.kind {
        MetricKind::Counter | MetricKind::HistogramBucket => "outside the window or from before the step was complete",
        _ => "older than the latest value, from before the step was complete, or of series that ended",
    };
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(format!("{left_out} samples left out: {why}"));
    }
    if metric.series_cut > 0 {
        notes.push(format!("{} series missing: the answer was too large", metric.series_cut));
    }
    notes.join("; ")
}
