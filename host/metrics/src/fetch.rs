//! All metrics of a service at once; whatever goes wrong is said per metric.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use aviary_core::{
    judge::{MetricObservation, MetricStatus},
    settings::{MetricSettings, MetricSource},
    time::Timestamp,
};
use futures::{StreamExt, stream};

use crate::{
    answer::{self, Answer},
    client::{AskFault, Authorization, Http, SetupFault},
    question::{LONGEST_RANGE, Question, Scope, question},
    settings::PrometheusSettings,
};

/// How many queries are under way at once.
const AT_ONCE: usize = 4;

/// How a query ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryResult {
    /// There are samples.
    Samples,
    /// It was answered, with nothing.
    NoData,
    /// It was not answered, or not with anything that can be read.
    Error,
}

/// Hears of each query that was sent, when it ended; `took` is the time up to the last byte of its answer.
pub trait QueryObserver: Send + Sync + 'static {
    /// One query ended.
    fn queried(&self, result: QueryResult, took: Duration);
}

/// Nobody listens.
impl QueryObserver for () {
    fn queried(&self, _: QueryResult, _: Duration) {}
}

/// What is asked of a Prometheus for one metric.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The metric.
    pub metric: &'a MetricSettings,
    /// Whose samples are wanted, none later than its `now`.
    pub scope: &'a Scope,
    /// The time of the first sample that is wanted.
    pub since: Timestamp,
    /// The time between two points, where a query is evaluated.
    pub step: Option<Duration>,
}

/// Answers in Prometheus' place, where there is none.
pub trait StandIn: Send + Sync + 'static {
    /// The body of a successful answer, as Prometheus writes it.
    ///
    /// # Errors
    /// Why there is none, one sentence.
    fn answer(&self, asked: &Asked<'_>) -> Result<Vec<u8>, String>;
}

/// Who is asked.
enum Source {
    Http(Box<Http>),
    StandIn(Box<dyn StandIn>),
}

/// A Prometheus, or what speaks like one.
pub struct Prometheus {
    source: Source,
    observer: Arc<dyn QueryObserver>,
}

impl Source {
    /// Where it is, without credentials.
    fn address(&self) -> &str {
        match self {
            Self::Http(http) => http.address(),
            Self::StandIn(_) => "(simulated)",
        }
    }

    async fn authorization(&self) -> Result<Authorization, String> {
        match self {
            Self::Http(http) => http.authorization().await,
            Self::StandIn(_) => Ok(Authorization::None),
        }
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").field("at", &self.source.address()).finish_non_exhaustive()
    }
}

impl Prometheus {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// The address, a certificate or a key is of no use.
    pub fn new(settings: PrometheusSettings) -> Result<Self, SetupFault> {
        Http::new(settings).map(|http| Self::of(Source::Http(Box::new(http))))
    }

    /// One whose questions another answers.
    pub fn played_by(stand_in: impl StandIn) -> Self {
        Self::of(Source::StandIn(Box::new(stand_in)))
    }

    fn of(source: Source) -> Self {
        Self { source, observer: Arc::new(()) }
    }

    /// With somebody who hears of its queries.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn QueryObserver>) -> Self {
        Self { observer, ..self }
    }

    /// Asks for `metrics`, one query each, and answers in their order.
    ///
    /// It never fails: what went wrong is the metric's status. Every call takes at most twice the configured timeout for each
    /// four metrics.
    pub async fn fetch(&self, metrics: &[MetricSettings], scope: &Scope) -> Vec<MetricObservation> {
        if metrics.is_empty() {
            return Vec::new();
        }
        let authorization = self.source.authorization().await;
        // Collected first: a closure over borrows within the stream would keep the whole from being `Send`.
        let asked: Vec<_> = metrics.iter().map(|metric| self.observe(metric, scope, authorization.as_ref())).collect();
        stream::iter(asked).buffered(AT_ONCE).collect().await
    }

    async fn observe(
        &self,
        metric: &MetricSettings,
        scope: &Scope,
        authorization: Result<&Authorization, &String>,
    ) -> MetricObservation {
        let answer = match authorization {
            Ok(authorization) => self.answer(metric, scope, authorization).await,
            Err(fault) => Err(fault.clone()),
        };
        let address = self.source.address();
        observation(metric, answer.map_err(|fault| format!("prometheus at {address}: {fault}")))
    }

    async fn answer(
        &self,
        metric: &MetricSettings,
        scope: &Scope,
        authorization: &Authorization,
    ) -> Result<Answer, String> {
        match self.ask(metric, scope, LONGEST_RANGE, authorization).await {
            // The whole past does not fit: the window is what a rate needs.
            Err(AskFault::TooLarge) if matches!(metric.source, MetricSource::Series(_)) => {
                self.ask(metric, scope, metric.window, authorization).await
            }
            other => other,
        }
        .map_err(|fault| fault.to_string())
    }

    async fn ask(
        &self,
        metric: &MetricSettings,
        scope: &Scope,
        longest: Duration,
        authorization: &Authorization,
    ) -> Result<Answer, AskFault> {
        let asked = question(metric, scope, longest).map_err(|fault| AskFault::Other(fault.to_string()))?;
        let Some(question) = asked else {
            return Ok(Answer { series: Vec::new(), cut: 0 });
        };
        let begun = Instant::now();
        let body = match &self.source {
            Source::Http(http) => http.ask(&question, authorization).await,
            Source::StandIn(stand_in) => {
                let Question { since, step, .. } = question;
                stand_in.answer(&Asked { metric, scope, since, step }).map_err(AskFault::Other)
            }
        };
        let answer = body.and_then(|body| answer::read(&body, scope).map_err(AskFault::Other));
        self.observer.queried(result_of(&answer), begun.elapsed());
        answer
    }
}

fn result_of(answer: &Result<Answer, AskFault>) -> QueryResult {
    match answer {
        Ok(answer) if answer.series.is_empty() => QueryResult::NoData,
        Ok(_) => QueryResult::Samples,
        Err(_) => QueryResult::Error,
    }
}

/// What is said of a metric that cannot be asked for, and why.
#[must_use]
pub fn unasked(metric: &MetricSettings, why: &str) -> MetricObservation {
    observation(metric, Err(why.to_owned()))
}

fn observation(metric: &MetricSettings, answer: Result<Answer, String>) -> MetricObservation {
    let (status, answer) = match answer {
        Ok(answer) if answer.series.is_empty() => (MetricStatus::NoData, answer),
        Ok(answer) => (MetricStatus::Samples, answer),
        Err(fault) => (MetricStatus::Error(fault), Answer { series: Vec::new(), cut: 0 }),
    };
    MetricObservation {
        name: metric.name.clone(),
        unit: metric.unit.clone(),
        kind: metric.kind,
        better: metric.better,
        min: metric.min,
        max: metric.max,
        window: metric.window,
        parameters: metric.parameters.clone(),
        status,
        series: answer.series,
        series_cut: answer.cut,
    }
}

#[cfg(test)]
mod tests {
    use aviary_core::judge::{MetricKind, Track};

    use super::*;
    use crate::question::tests::metric;

    /// Knows one pod, whose samples it has from the first time that it is asked for.
    struct OnePod;

    impl StandIn for OnePod {
        fn answer(&self, asked: &Asked<'_>) -> Result<Vec<u8>, String> {
            match asked.step {
                Some(_) => Err("it evaluates nothing".to_owned()),
                None => Ok(format!(
                    r#"{{"data":{{"resultType":"matrix","result":[{{"metric":{{"pod":"c1"}},"values":[[{},"7"]]}}]}}}}"#,
                    asked.since.0 / 1000
                )
                .into_bytes()),
            }
        }
    }

    #[tokio::test]
    async fn what_another_answers_is_read_as_prometheus_answer_is() {
        let metrics = [
            metric(MetricSource::Series(r#"foo{pod=~"{pods}"}"#.to_owned()), MetricKind::Counter),
            metric(MetricSource::Query("up".to_owned()), MetricKind::Evaluated),
        ];
        let scope = Scope {
            namespace: "shop".to_owned(),
            service: "foo".to_owned(),
            pods: vec![("c1".to_owned(), Track::Canary)],
            rollout_started: Timestamp(1_000_000),
            now: Timestamp(1_060_000),
        };
        let observed = Prometheus::played_by(OnePod).fetch(&metrics, &scope).await;
        let [series] = observed[0].series.as_slice() else { panic!("one series") };
        assert_eq!((series.track, series.times.as_slice()), (Some(Track::Canary), &[Timestamp(700_000)][..]));
        let fault = "prometheus at (simulated): it evaluates nothing";
        assert_eq!(observed[1].status, MetricStatus::Error(fault.to_owned()));
    }
}
