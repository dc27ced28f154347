//! What was scraped, in Prometheus' words: instant queries of raw samples and of conditions, and evaluated ranges.

use std::time::Duration;

use aviary_core::{
    judge::{MetricKind, Track},
    settings::MetricSettings,
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{
    Fault, Level, Per, Scraper,
    series::{Metric, Shown},
};
use crate::samples::{latest, number, told};

/// What is asked for one metric.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The metric.
    pub metric: &'a MetricSettings,
    /// The pods whose samples are wanted.
    pub pods: &'a [(String, Track)],
    /// Whose number a sample is.
    pub per: Per,
    /// The time of the first sample.
    pub since: Timestamp,
    /// The time of the last.
    pub now: Timestamp,
    /// The time between two points, where a query is evaluated.
    pub step: Option<Duration>,
}

impl Scraper {
    /// The body of an answer.
    ///
    /// # Errors
    /// Why there is none.
    pub fn answer(&self, wanted: &Wanted<'_>) -> Result<Vec<u8>, String> {
        let fault = self.conditions.fault(wanted.now);
        if matches!(fault, Some(Fault::Down | Fault::Unreachable)) {
            return Err("cannot connect: Connection refused".to_owned());
        }
        let rows = self.metrics.get(&wanted.metric.name).map(|metric| wanted.rows(metric)).unwrap_or_default();
        let data = json!({ "resultType": "matrix", "result": rows });
        Ok(json!({ "status": "success", "data": data }).to_string().into_bytes())
    }
}

/// One series of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSeries<'a> {
    /// The pod's name.
    pub pod: &'a str,
    /// The upper bound of a histogram's bucket, as Prometheus writes it.
    pub bound: Option<String>,
    /// The oldest first.
    pub samples: &'a [(Timestamp, f64)],
}

impl Scraper {
    /// All series of a metric.
    pub fn series(&self, metric: &str) -> impl Iterator<Item = PodSeries<'_>> {
        self.metrics
            .get(metric)
            .into_iter()
            .flat_map(|metric| metric.pods.iter().flat_map(|(pod, shown)| series_of(metric, pod, shown)))
    }
}

fn series_of<'a>(metric: &'a Metric, pod: &'a str, shown: &'a Shown) -> impl Iterator<Item = PodSeries<'a>> {
    let bound = |bound: f64| (metric.bounds.len() > 1).then(|| number(bound));
    shown.series.iter().zip(&metric.bounds).map(move |(samples, at)| PodSeries { pod, bound: bound(*at), samples })
}

impl Wanted<'_> {
    fn rows(&self, metric: &Metric) -> Vec<Value> {
        match (self.metric.kind, self.per) {
            (MetricKind::Evaluated | MetricKind::Condition, Per::Track) => {
                [Track::Primary, Track::Canary].iter().filter_map(|track| self.whole(metric, Some(*track))).collect()
            }
            (MetricKind::Evaluated | MetricKind::Condition, Per::Service) => {
                self.whole(metric, None).into_iter().collect()
            }
            _ => self.asked(metric, None).flat_map(|(pod, shown)| self.pod(metric, pod, shown)).collect(),
        }
    }

    /// Each pod that was asked for and has shown anything.
    fn asked<'m>(
        &self,
        metric: &'m Metric,
        of: Option<Track>,
    ) -> impl Iterator<Item = (&str, &'m Shown)> + use<'_, 'm> {
        let wanted = move |track: Track| of.map_or(track != Track::Original, |of| of == track);
        let pods = self.pods.iter().filter(move |(_, track)| wanted(*track));
        pods.filter_map(|(pod, _)| Some((pod.as_str(), metric.pods.get(pod)?)))
    }

    fn pod(&self, metric: &Metric, pod: &str, shown: &Shown) -> Vec<Value> {
        let one = |(series, bound): (&Vec<(Timestamp, f64)>, &f64)| {
            let mut labels = json!({ "pod": pod });
            if self.metric.kind == MetricKind::HistogramBucket {
                labels["le"] = number(*bound).into();
            }
            self.row(&labels, &self.points(series))
        };
        shown.series.iter().zip(&metric.bounds).filter_map(one).collect()
    }

    /// One row for several pods: the mean of what they show at the same times.
    fn whole(&self, metric: &Metric, track: Option<Track>) -> Option<Value> {
        let all: Vec<&Vec<(Timestamp, f64)>> =
            self.asked(metric, track).filter_map(|(_, shown)| shown.series.first()).collect();
        let mean = |at: Timestamp| {
            let (mut sum, mut count) = (0.0, 0.0);
            for value in all.iter().filter_map(|series| latest(series, at)) {
                (sum, count) = (sum + value, count + 1.0);
            }
            (count > 0.0).then(|| (at, sum / count))
        };
        let points: Vec<(Timestamp, f64)> = self.grid().into_iter().filter_map(mean).collect();
        let labels = track.map_or_else(|| json!({}), |track| json!({ "track": track.word() }));
        match self.metric.kind {
            MetricKind::Condition => self.row(&labels, &good(&points)),
            _ => self.row(&labels, &points),
        }
    }

    fn points(&self, series: &[(Timestamp, f64)]) -> Vec<(Timestamp, f64)> {
        let on_grid = || -> Vec<(Timestamp, f64)> {
            self.grid().into_iter().filter_map(|at| Some((at, latest(series, at)?))).collect()
        };
        match self.metric.kind {
            MetricKind::Condition => good(&on_grid()),
            MetricKind::Evaluated => on_grid(),
            _ => series.iter().filter(|(at, _)| (self.since..=self.now).contains(at)).copied().collect(),
        }
    }

    /// The times at which a query is evaluated.
    fn grid(&self) -> Vec<Timestamp> {
        let Some(step) = self.step else { return vec![self.now] };
        let times = std::iter::successors(Some(self.since), |at| Some(at.plus(step)));
        times.take_while(|at| *at <= self.now).collect()
    }

    fn row(&self, labels: &Value, points: &[(Timestamp, f64)]) -> Option<Value> {
        let told: Vec<Value> = points.iter().map(|(at, value)| told(*at, *value)).collect();
        (!told.is_empty()).then(|| json!({ "metric": labels, "values": told }))
    }
}

/// A condition is told where it holds, with 1; where it is not a number, that.
fn good(points: &[(Timestamp, f64)]) -> Vec<(Timestamp, f64)> {
    points.iter().filter(|(_, value)| value.is_nan() || *value >= Level::HOLDS).copied().collect()
}
