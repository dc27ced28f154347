//! All metrics of a service at once; whatever goes wrong is said per metric.

use std::time::Duration;

use aviary_core::{
    judge::{MetricObservation, MetricStatus},
    settings::{MetricSettings, MetricSource},
};
use futures::{StreamExt, stream};

use crate::{
    answer::{self, Answer},
    client::{AskFault, Authorization, Http, SetupFault},
    question::{LONGEST_RANGE, Scope, question},
    settings::PrometheusSettings,
};

/// How many queries are under way at once.
const AT_ONCE: usize = 4;

/// A Prometheus, or what speaks like one.
#[derive(Debug)]
pub struct Prometheus {
    http: Http,
}

impl Prometheus {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// The address, a certificate or a key is of no use.
    pub fn new(settings: PrometheusSettings) -> Result<Self, SetupFault> {
        Http::new(settings).map(|http| Self { http })
    }

    /// Asks for `metrics`, one query each, and answers in their order.
    ///
    /// It never fails: what went wrong is the metric's status. Every call takes at most twice the configured timeout for each
    /// four metrics.
    pub async fn fetch(&self, metrics: &[MetricSettings], scope: &Scope) -> Vec<MetricObservation> {
        if metrics.is_empty() {
            return Vec::new();
        }
        let authorization = self.http.authorization().await;
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
        let address = self.http.address();
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
        let body = self.http.ask(&question, authorization).await?;
        answer::read(&body, scope).map_err(AskFault::Other)
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
