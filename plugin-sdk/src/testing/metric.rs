//! A metric with its samples.

use crate::{
    Better, Label, Metric, MetricKind, MetricStatus, Series, Timestamp, Track,
    testing::{NOW, SCRAPE_INTERVAL},
};

/// Builds a [`Metric`]; [`ObservationBuilder`](crate::testing::ObservationBuilder) fills in the tracks of pods it
/// knows.
#[derive(Debug, Clone)]
pub struct MetricBuilder(Metric);

impl MetricBuilder {
    /// A value that goes up and down.
    #[must_use]
    pub fn gauge(name: &str) -> Self {
        Self::new(name, MetricKind::Gauge)
    }

    /// A raw counter.
    #[must_use]
    pub fn counter(name: &str) -> Self {
        Self::new(name, MetricKind::Counter)
    }

    /// Raw histogram buckets.
    #[must_use]
    pub fn histogram(name: &str) -> Self {
        Self::new(name, MetricKind::HistogramBucket)
    }

    /// The past of an expression.
    #[must_use]
    pub fn evaluated(name: &str) -> Self {
        Self::new(name, MetricKind::Evaluated)
    }

    /// A sample for each pod that is good.
    #[must_use]
    pub fn condition(name: &str) -> Self {
        Self::new(name, MetricKind::Condition)
    }

    /// The least allowed value.
    #[must_use]
    pub fn min(mut self, min: f64) -> Self {
        self.0.min = Some(min);
        self
    }

    /// The greatest allowed value.
    #[must_use]
    pub fn max(mut self, max: f64) -> Self {
        self.0.max = Some(max);
        self
    }

    /// The unit, free text.
    #[must_use]
    pub fn unit(mut self, unit: &str) -> Self {
        unit.clone_into(&mut self.0.unit);
        self
    }

    /// The window for rates, in milliseconds; 5 minutes if not given.
    #[must_use]
    pub fn window(mut self, milliseconds: u64) -> Self {
        self.0.window = milliseconds;
        self
    }

    /// The metric's own parameters, JSON.
    #[must_use]
    pub fn parameters(mut self, json: &str) -> Self {
        json.clone_into(&mut self.0.parameters);
        self
    }

    /// A series of a pod: values 15 s apart, the last one now.
    #[must_use]
    pub fn values(self, pod: &str, values: impl IntoIterator<Item = f64>) -> Self {
        self.series(Some(pod), None, &[], values)
    }

    /// A bucket's series of a pod: values 15 s apart, the last one now.
    #[must_use]
    pub fn bucket(self, pod: &str, le: &str, values: impl IntoIterator<Item = f64>) -> Self {
        self.series(Some(pod), None, &[("le", le)], values)
    }

    /// A series that names no pod, of a track or (`None`) of the service as a whole.
    #[must_use]
    pub fn whole(self, track: Option<Track>, values: impl IntoIterator<Item = f64>) -> Self {
        self.series(None, track, &[], values)
    }

    /// Any series: values 15 s apart, the last one now.
    #[must_use]
    pub fn series(
        mut self,
        pod: Option<&str>,
        track: Option<Track>,
        labels: &[(&str, &str)],
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let mut times: Vec<Timestamp> = (0..).map(|age| NOW - age * SCRAPE_INTERVAL).take(values.len()).collect();
        times.reverse();
        let label = |(name, value): &(&str, &str)| Label { name: (*name).to_owned(), value: (*value).to_owned() };
        let (pod, labels) = (pod.map(str::to_owned), labels.iter().map(label).collect());
        self.0.series.push(Series { pod, track, labels, times, values });
        self.0.status = MetricStatus::Samples;
        self
    }

    /// The series that was given last ended so many milliseconds ago.
    #[must_use]
    pub fn ended(mut self, milliseconds: i64) -> Self {
        if let Some(series) = self.0.series.last_mut() {
            series.times.iter_mut().for_each(|at| *at -= milliseconds);
        }
        self
    }

    /// The samples of the series that was given last are so many milliseconds apart.
    #[must_use]
    pub fn every(mut self, milliseconds: i64) -> Self {
        if let Some(series) = self.0.series.last_mut() {
            let last = series.times.last().copied().unwrap_or(NOW);
            series.times.iter_mut().for_each(|at| *at = last - (last - *at) / SCRAPE_INTERVAL * milliseconds);
        }
        self
    }

    /// So many series were left out because the answer was too large.
    #[must_use]
    pub fn cut(mut self, series: u32) -> Self {
        self.0.series_cut = series;
        self
    }

    /// Prometheus answered, with nothing.
    #[must_use]
    pub fn no_data(mut self) -> Self {
        self.0.series.clear();
        self.0.status = MetricStatus::NoData;
        self
    }

    /// Prometheus could not be asked or would not answer.
    #[must_use]
    pub fn error(mut self, text: &str) -> Self {
        self.0.series.clear();
        self.0.status = MetricStatus::Error(text.to_owned());
        self
    }

    /// The metric.
    #[must_use]
    pub fn build(self) -> Metric {
        self.0
    }

    fn new(name: &str, kind: MetricKind) -> Self {
        Self(Metric {
            name: name.to_owned(),
            unit: String::new(),
            kind,
            better: Better::Lower,
            min: None,
            max: None,
            window: 300_000,
            parameters: String::new(),
            status: MetricStatus::NoData,
            series: Vec::new(),
            series_cut: 0,
            attributes: Vec::new(),
        })
    }
}
