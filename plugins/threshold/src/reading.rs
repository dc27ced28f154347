//! What a metric showed on each pod, or on a track as a whole.

use aviary_policy_sdk::{LOOKBACK, Metric, MetricKind, Observation, Series, Span, Timestamp, Track, sum_of_rates};

use crate::quantile;

/// What samples add up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// So much; can be NaN.
    Known(f64),
    /// Not less than this: a quantile above the largest bucket.
    AtLeast(f64),
    /// Nothing, and why.
    Absent(Why),
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is no series. The only thing of which it can be said that nothing bad happened.
    NoSamples,
    /// No rate can be told from the window's samples.
    FewInWindow,
    /// The same, in a window that began with the step.
    FewInStep,
    /// All series ended.
    NotRecent,
    /// No bucket holds all that was observed.
    NoLastBucket,
    /// No bucket but that.
    NoFiniteBucket,
    /// The buckets count nothing.
    NothingObserved,
    /// So many series of the answer were left out, and what is here may not be all.
    LeftOut(u32),
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

/// How the samples of a metric are read.
struct Reader<'a> {
    metric: &'a Metric,
    observation: &'a Observation,
    quantile: f64,
}

/// The readings of one track; at least one, if it has pods.
pub(crate) fn of_track(metric: &Metric, observation: &Observation, track: Track, quantile: f64) -> Vec<Reading> {
    let reader = Reader { metric, observation, quantile };
    let own: Vec<&Series> = metric.of_track(Some(track)).collect();
    // Series that name no track either are of the service as a whole, and so the canary's as well.
    let of_service: Vec<&Series> = if track == Track::Canary { metric.of_track(None).collect() } else { Vec::new() };
    let mut readings = Vec::new();
    if metric.series.is_empty() || metric.series.iter().any(|series| series.pod.is_some()) {
        for pod in observation.pods_of(track) {
            readings.extend(reader.read(Some(&pod.name), &metric.of_pod(&pod.name).collect::<Vec<_>>()));
        }
    }
    match metric.kind {
        MetricKind::Counter | MetricKind::HistogramBucket => {
            readings.extend(reader.read_any(&[own, of_service].concat()));
        }
        _ => [own, of_service].iter().for_each(|series| readings.extend(reader.read_any(series))),
    }
    if readings.is_empty() { reader.read(None, &[]) } else { readings }
}

/// How many series were left out of an answer of which the canary's part may be incomplete; nothing of a complete one.
///
/// The canary's series come first: where any of another track is there, all of the canary's are.
pub(crate) fn left_out(metric: &Metric) -> Option<u32> {
    let of_others = |series: &Series| matches!(series.track, Some(Track::Primary | Track::Original));
    let complete = metric.series.iter().any(of_others) && metric.of_track(None).next().is_none();
    (metric.series_cut > 0 && !complete).then_some(metric.series_cut)
}

impl Reader<'_> {
    fn read_any(&self, series: &[&Series]) -> Vec<Reading> {
        if series.is_empty() { Vec::new() } else { self.read(None, series) }
    }

    fn read(&self, pod: Option<&str>, series: &[&Series]) -> Vec<Reading> {
        let all = series.iter().map(|series| count(series)).sum();
        let reading = |(value, used)| Reading { pod: pod.map(str::to_owned), value, used, all };
        if all == 0 {
            return vec![reading((Value::Absent(Why::NoSamples), 0))];
        }
        match self.metric.kind {
            MetricKind::Counter => vec![reading(self.rate(series))],
            MetricKind::HistogramBucket => vec![reading(self.quantile(series))],
            _ => self.latest(series).map_or_else(
                || vec![reading((Value::Absent(Why::NotRecent), 0))],
                |values| share(values.into_iter().map(|value| reading((Value::Known(value), 1))).collect(), all),
            ),
        }
    }

    fn rate(&self, series: &[&Series]) -> (Value, u32) {
        let rate = sum_of_rates(series.iter().copied(), self.window());
        rate.map_or((Value::Absent(self.too_few()), 0), |rate| (Value::Known(rate.per_second), rate.samples))
    }

    fn quantile(&self, series: &[&Series]) -> (Value, u32) {
        quantile::of(series, self.window(), self.quantile).unwrap_or((Value::Absent(self.too_few()), 0))
    }

    /// The latest value of each series that goes on: adding up queue lengths and temperatures alike makes no sense.
    fn latest(&self, series: &[&Series]) -> Option<Vec<f64>> {
        let progress = &self.observation.progress;
        // Samples from before the step was complete are of other sizes: they are left out.
        let span = Span::before(progress.now, self.metric.window.max(LOOKBACK));
        let span = span.since(progress.step_complete.unwrap_or(progress.now));
        let latest: Vec<_> = series.iter().filter_map(|series| Some((series.latest(span)?, pace(series)))).collect();
        let newest = latest.iter().map(|((at, _), _)| *at).max()?;
        let goes_on = |at: Timestamp, pace: u64| newest.abs_diff(at) <= pace.saturating_mul(2);
        Some(latest.iter().filter(|((at, _), pace)| goes_on(*at, *pace)).map(|((_, value), _)| *value).collect())
    }

    fn window(&self) -> Span {
        self.observation.window_of(self.metric)
    }

    fn too_few(&self) -> Why {
        let progress = &self.observation.progress;
        let whole = Span::before(progress.now, self.metric.window);
        if self.window().from > whole.from { Why::FewInStep } else { Why::FewInWindow }
    }
}

/// The longest time between two samples of a series in its last minutes; of a single one nothing can be told.
fn pace(series: &Series) -> u64 {
    let times: Vec<Timestamp> = series.samples().map(|(at, _)| at).collect();
    let Some(last) = times.last().copied() else { return LOOKBACK };
    let recent = times.windows(2).filter(|pair| last.abs_diff(pair[0]) <= LOOKBACK);
    recent.map(|pair| pair[1].abs_diff(pair[0])).max().unwrap_or(LOOKBACK)
}

/// Several readings of the same samples: those of series that ended are counted with the first.
fn share(mut readings: Vec<Reading>, all: u32) -> Vec<Reading> {
    let others = u32::try_from(readings.len()).unwrap_or(u32::MAX).saturating_sub(1);
    for (place, reading) in readings.iter_mut().enumerate() {
        reading.all = if place == 0 { all.saturating_sub(others) } else { 1 };
    }
    readings
}

fn count(series: &Series) -> u32 {
    u32::try_from(series.times.len()).unwrap_or(u32::MAX)
}
