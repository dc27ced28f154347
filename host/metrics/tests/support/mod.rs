//! What the tests of this crate share: metrics, a scope, and the cryptography that a daemon installs first.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

pub mod http;
pub mod prometheus;

use std::{
    sync::Once,
    time::{Duration, SystemTime},
};

use aviary_core::{
    judge::{Better, MetricKind, MetricObservation, MetricStatus, Track},
    settings::{MetricSettings, MetricSource},
    time::Timestamp,
};
use aviary_metrics::{Prometheus, PrometheusSettings, Scope};

/// A client for a Prometheus at `settings`.
pub fn client(settings: PrometheusSettings) -> Prometheus {
    install_cryptography();
    Prometheus::new(settings).expect("good settings")
}

/// Does what a daemon does in its first line.
pub fn install_cryptography() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| rustls::crypto::ring::default_provider().install_default().expect("the first provider"));
}

pub fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(i64::try_from(now.as_millis()).expect("a clock before the end of time"))
}

/// The pods of a rollout that began a minute ago.
pub fn scope(pods: &[(&str, Track)]) -> Scope {
    let now = now();
    Scope {
        namespace: "shop".to_owned(),
        service: "worker".to_owned(),
        pods: pods.iter().map(|(name, track)| ((*name).to_owned(), *track)).collect(),
        rollout_started: Timestamp(now.0 - 60_000),
        now,
    }
}

pub fn series(name: &str, selector: &str, kind: MetricKind) -> MetricSettings {
    metric(name, MetricSource::Series(selector.to_owned()), kind)
}

pub fn query(name: &str, query: &str) -> MetricSettings {
    metric(name, MetricSource::Query(query.to_owned()), MetricKind::Evaluated)
}

pub fn condition(name: &str, condition: &str) -> MetricSettings {
    metric(name, MetricSource::Condition(condition.to_owned()), MetricKind::Condition)
}

fn metric(name: &str, source: MetricSource, kind: MetricKind) -> MetricSettings {
    MetricSettings {
        name: name.to_owned(),
        unit: "events/s".to_owned(),
        source,
        kind,
        better: Better::Lower,
        min: None,
        max: Some(1.0),
        window: Duration::from_secs(60),
        parameters: serde_json::json!({ "any": true }),
    }
}

/// What is wrong with an observation that should be an error.
pub fn error_of(observation: &MetricObservation) -> &str {
    match &observation.status {
        MetricStatus::Error(text) => text,
        other => panic!("{} is no error: {other:?}", observation.name),
    }
}

/// Asks until `accepted`, for at most half a minute.
pub async fn fetch_until(
    prometheus: &Prometheus,
    metrics: &[MetricSettings],
    pods: &[(&str, Track)],
    accepted: impl Fn(&[MetricObservation]) -> bool,
) -> (Scope, Vec<MetricObservation>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let scope = scope(pods);
        let observations = prometheus.fetch(metrics, &scope).await;
        if accepted(&observations) {
            return (scope, observations);
        }
        assert!(tokio::time::Instant::now() < deadline, "not within half a minute: {observations:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
