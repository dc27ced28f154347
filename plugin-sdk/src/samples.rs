//! What every analyzer needs of samples: the pods of a track, the latest value, a counter's rate with its resets.

use crate::{
    Metric, Observation, Pod, Series, Timestamp, Track,
    parameters::{self, Parameter},
};

/// A value that has not been seen for so long (milliseconds) says nothing about now.
pub const LOOKBACK: u64 = 300_000;

/// A stretch of time, both ends included; milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first millisecond.
    pub from: Timestamp,
    /// Its last millisecond.
    pub to: Timestamp,
    /// The first millisecond at which a rate may begin where fewer than two samples lie within.
    pub reach: Timestamp,
}

impl Span {
    /// The last `length` milliseconds before `end`.
    #[must_use]
    pub fn before(end: Timestamp, length: u64) -> Self {
        let from = end.saturating_sub_unsigned(length);
        Self { from, to: end, reach: from }
    }

    /// The same stretch, but where it holds fewer than two samples of a counter, the rate is that of the last two: the first
    /// up to `length` milliseconds before, and the next one not overdue by more than the stretch is long.
    #[must_use]
    pub fn reaching_back(self, length: u64) -> Self {
        Self { reach: self.from.saturating_sub_unsigned(length), ..self }
    }

    /// The same stretch without what lies before `from`, which no rate begins before either.
    #[must_use]
    pub fn since(self, from: Timestamp) -> Self {
        Self { from: self.from.max(from), reach: self.reach.max(from), ..self }
    }

    fn holds(self, at: Timestamp) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

/// How fast a counter grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Increase per second between the first and the last sample.
    pub per_second: f64,
    /// Samples it rests on.
    pub samples: u32,
}

impl Series {
    /// Times and values side by side, oldest first.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = (Timestamp, f64)> + '_ {
        let length = self.times.len().min(self.values.len());
        self.times[..length].iter().copied().zip(self.values[..length].iter().copied())
    }

    /// The samples within a span, oldest first.
    pub fn within(&self, span: Span) -> impl DoubleEndedIterator<Item = (Timestamp, f64)> + '_ {
        self.samples().filter(move |(at, _)| span.holds(*at))
    }

    /// The newest sample within a span.
    #[must_use]
    pub fn latest(&self, span: Span) -> Option<(Timestamp, f64)> {
        self.within(span).next_back()
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.name == name).map(|label| label.value.as_str())
    }

    /// The rate of a counter within a span. A value smaller than the one before means that the counter started again
    /// from zero. `None` for fewer than two samples within, or to which the span may reach back; NaN if one of them is.
    #[must_use]
    pub fn rate(&self, span: Span) -> Option<Rate> {
        let mut samples = self.within(self.rated(span));
        let (first, mut value) = samples.next()?;
        let (mut last, mut increase, mut count) = (first, 0.0, 1);
        for (at, next) in samples {
            increase += if next < value { next } else { next - value };
            (last, value, count) = (at, next, count + 1);
        }
        (last > first).then(|| Rate { per_second: increase / seconds(last - first), samples: count })
    }

    /// The span, begun with the last sample but one where it holds fewer than two.
    fn rated(&self, span: Span) -> Span {
        let mut latest = self.samples().map(|(at, _)| at).filter(|at| *at <= span.to).rev();
        let (Some(last), Some(before)) = (latest.next(), latest.next()) else { return span };
        let overdue = span.to.saturating_sub(last).saturating_sub(last.saturating_sub(before));
        let reaches = before >= span.reach && overdue <= span.to.saturating_sub(span.from);
        Span { from: if reaches { span.from.min(before) } else { span.from }, ..span }
    }
}

/// The rates of several counters. One without a sample within the span counts only if none has one: it ended, and another
/// goes on.
pub fn rates<'a>(series: impl IntoIterator<Item = &'a Series>, span: Span) -> Vec<(&'a Series, Rate)> {
    let rates = series.into_iter().filter_map(|series| Some((series, series.rate(span)?)));
    let (within, outside): (Vec<_>, Vec<_>) = rates.partition(|(series, _)| series.latest(span).is_some());
    if within.is_empty() { outside } else { within }
}

/// The sum of the rates of several counters, see [`rates`]; `None` if none has a rate.
pub fn sum_of_rates<'a>(series: impl IntoIterator<Item = &'a Series>, span: Span) -> Option<Rate> {
    rates(series, span).into_iter().map(|(_, rate)| rate).reduce(|sum, rate| Rate {
        per_second: sum.per_second + rate.per_second,
        samples: sum.samples.saturating_add(rate.samples),
    })
}

impl Metric {
    /// The series whose samples name this pod.
    pub fn of_pod<'a>(&'a self, pod: &'a str) -> impl Iterator<Item = &'a Series> + 'a {
        self.series.iter().filter(move |series| series.pod.as_deref() == Some(pod))
    }

    /// The series that name no pod, of this track or (`None`) of none.
    pub fn of_track(&self, track: Option<Track>) -> impl Iterator<Item = &Series> + '_ {
        self.series.iter().filter(move |series| series.pod.is_none() && series.track == track)
    }

    /// The rate of a pod's counters, added up, within a span.
    #[must_use]
    pub fn rate_of_pod(&self, pod: &str, span: Span) -> Option<Rate> {
        sum_of_rates(self.of_pod(pod), span)
    }

    /// One of the metric's own parameters, which all analyzers share; `None` if it is not given.
    ///
    /// # Errors
    /// One sentence that names the metric, the parameter, the fault and the way out.
    pub fn parameter<T: Parameter>(&self, name: &str) -> Result<Option<T>, String> {
        parameters::read_one(&self.parameters, name).map_err(|fault| format!("metric `{}`: {fault}", self.name))
    }
}

impl Observation {
    /// The pods of a track.
    pub fn pods_of(&self, track: Track) -> impl Iterator<Item = &Pod> + '_ {
        self.pods.iter().filter(move |pod| pod.track == track)
    }

    /// The window of a metric up to now, without what is older than the step's size. A rate reaches back for its last two
    /// samples up to [`LOOKBACK`] (or a longer window) before it, so that a window as long as the scrape interval will do.
    #[must_use]
    pub fn window_of(&self, metric: &Metric) -> Span {
        let progress = &self.progress;
        let window = Span::before(progress.now, metric.window).reaching_back(metric.window.max(LOOKBACK));
        window.since(progress.step_complete.unwrap_or(progress.now))
    }

    /// Why metrics say nothing yet, to be answered as inconclusive: the step is being scaled, or its warm-up is not over.
    #[must_use]
    pub fn too_early(&self) -> Option<String> {
        let progress = &self.progress;
        if progress.step_complete.is_none() {
            return Some(format!("step {} is still being scaled", progress.step_index));
        }
        let warm_up = humane(progress.warm_up);
        (!progress.warm_up_over).then(|| format!("the warm-up of {warm_up} after the scaling is not over"))
    }

    /// Whether a pod came only after the step was complete, in place of one whose node was drained or died, and has not been ready
    /// for as long as the warm-up: that of the step was not its own, so what its metrics show says nothing yet.
    #[must_use]
    pub fn warms_up(&self, pod: &Pod) -> bool {
        let progress = &self.progress;
        let warm_up = i64::try_from(progress.warm_up).unwrap_or(i64::MAX);
        let is_warm = |since: Timestamp| progress.now.saturating_sub(since) >= warm_up;
        progress.step_complete.is_some_and(|complete| pod.created > complete)
            && !(pod.ready && pod.became_ready.is_some_and(is_warm))
    }

    /// A metric by name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

/// Milliseconds in the largest unit that shows them whole: `5 min`, `90 s`, `1500 ms`.
#[must_use]
pub fn humane(milliseconds: u64) -> String {
    match milliseconds {
        whole if whole > 0 && whole.is_multiple_of(60_000) => format!("{} min", whole / 60_000),
        whole if whole.is_multiple_of(1000) => format!("{} s", whole / 1000),
        rest => format!("{rest} ms"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a span in milliseconds is far below 2^52")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}
