//! The series of one metric: what a pod has counted, and the samples that were taken of it.

use std::{collections::BTreeMap, time::Duration};

use aviary_core::{judge::MetricKind, settings::MetricSettings, time::Timestamp};

use super::{Chance, Level};

/// How far the bounds of a histogram reach beyond the values that are judged, as a factor.
const BEYOND: f64 = 16.0;
/// From one bound to the next.
const FACTOR: f64 = 1.25;
/// About the most bounds; values that lie further apart have coarser ones.
const MOST_BOUNDS: u16 = 100;
/// The quantile that is judged unless the metric says otherwise: that of the policy `threshold`.
const QUANTILE: f64 = 0.95;

/// What one pod has shown under one metric.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// After which restart its counters began.
    restarts: u32,
    counts: Vec<f64>,
    /// Of each series, its samples.
    pub(super) series: Vec<Vec<(Timestamp, f64)>>,
}

/// A metric of the configuration.
#[derive(Debug)]
pub(super) struct Metric {
    kind: MetricKind,
    quantile: f64,
    /// The upper bounds of histogram buckets; for other kinds one, for the one series.
    pub(super) bounds: Vec<f64>,
    pub(super) pods: BTreeMap<String, Shown>,
}

impl Metric {
    /// One of which nothing was seen; it will show about `values`.
    pub(super) fn new(settings: &MetricSettings, values: impl Iterator<Item = f64>) -> Self {
        let (kind, pods) = (settings.kind, BTreeMap::new());
        let quantile = settings.parameters["quantile"].as_f64().unwrap_or(QUANTILE);
        let bounds = match kind {
            MetricKind::HistogramBucket => bounds(values.filter(|value| *value > 0.0 && value.is_finite())),
            _ => vec![f64::INFINITY],
        };
        Self { kind, quantile, bounds, pods }
    }

    /// Takes a sample of each series of a pod at `at`, `passed` after the last; `show` says whether anybody sees it.
    pub(super) fn sample(&mut self, pod: Sampled<'_>, at: Timestamp, show: Show, chance: &mut Chance) {
        let shown = self.pods.entry(pod.name.to_owned()).or_default();
        if shown.restarts != pod.restarts || shown.counts.is_empty() {
            (shown.restarts, shown.counts) = (pod.restarts, vec![0.0; self.bounds.len()]);
        }
        let seconds = pod.passed.as_secs_f64();
        match self.kind {
            MetricKind::Counter => {
                let expected = pod.at_present.max(0.0) * seconds;
                let noisy = pod.level.noise.map(|noise| expected * chance.about(noise));
                shown.counts[0] += noisy.unwrap_or_else(|| chance.events(expected));
            }
            MetricKind::HistogramBucket => {
                let events = pod.level.events * seconds;
                count(&mut shown.counts, &self.bounds, events, mean(pod.at_present, self.quantile), chance);
            }
            MetricKind::Condition => shown.counts[0] = f64::from(chance.share() < pod.at_present),
            MetricKind::Gauge | MetricKind::Evaluated => {
                shown.counts[0] = pod.at_present * chance.about(pod.level.noise.unwrap_or(0.0));
            }
        }
        shown.remember(at, show);
    }

    /// Forgets what is older.
    pub(super) fn forget(&mut self, oldest: Timestamp) {
        for shown in self.pods.values_mut() {
            for series in &mut shown.series {
                let gone = series.partition_point(|(at, _)| *at < oldest);
                series.drain(..gone);
            }
        }
        self.pods.retain(|_, shown| shown.series.iter().any(|series| !series.is_empty()));
    }
}

/// A pod whose sample is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled<'a> {
    pub(super) name: &'a str,
    pub(super) restarts: u32,
    pub(super) level: &'a Level,
    /// The level as it is now.
    pub(super) at_present: f64,
    /// Since the last sample.
    pub(super) passed: Duration,
}

/// What is seen of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// The sample.
    Value,
    /// That it is not a number.
    Nan,
    /// Nothing.
    Nothing,
}

impl Shown {
    fn remember(&mut self, at: Timestamp, show: Show) {
        self.series.resize(self.counts.len(), Vec::new());
        for (series, value) in self.series.iter_mut().zip(&self.counts) {
            match show {
                Show::Value => series.push((at, *value)),
                Show::Nan => series.push((at, f64::NAN)),
                Show::Nothing => {}
            }
        }
    }
}

/// Bounds below, among and above positive values.
fn bounds(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let (least, most) = values.fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)));
    let (first, last) = if least <= most { (least / BEYOND, most * BEYOND) } else { (1.0 / BEYOND, BEYOND) };
    let factor = (last / first).powf(1.0 / f64::from(MOST_BOUNDS)).max(FACTOR);
    let finite = std::iter::successors(Some(first), |bound| Some(bound * factor));
    // Counted as well: of values without bounds each is as good as the last.
    let finite = finite.take_while(|bound| *bound <= last * factor && bound.is_finite());
    finite.take(2 * usize::from(MOST_BOUNDS)).chain([f64::INFINITY]).collect()
}

/// The mean of exponentially distributed times whose quantile is `value`.
fn mean(value: f64, quantile: f64) -> f64 {
    value / -(1.0 - quantile.min(0.9999)).ln()
}

/// Counts so many events of such times into buckets, each of which has all those below it.
fn count(counts: &mut [f64], bounds: &[f64], events: f64, mean: f64, chance: &mut Chance) {
    let below = |bound: f64| if mean > 0.0 { 1.0 - (-bound / mean).exp() } else { 1.0 };
    let (mut lower, mut sum) = (0.0, 0.0);
    for (count, bound) in counts.iter_mut().zip(bounds) {
        let upper = below(*bound);
        sum += chance.events(events * (upper - lower));
        *count += sum;
        lower = upper;
    }
}
