//! Typical questions, for whoever tries a policy or measures what it costs.

use std::time::Duration;

use aviary_core::{
    diff::{Difference, ImageDifference},
    judge::{
        AnalyzerFinding, Better, Change, Check, Finding, MetricKind, MetricObservation, MetricStatus, Observation,
        Outcome, PodObservation, PolicyIdentity, Progress, Scaling, Series, ServiceIdentity, Situation, Track,
        TrackSize,
    },
    time::Timestamp,
};
use serde_json::json;

const NOW: i64 = 1_700_000_600_000;
const STARTED: i64 = NOW - 600_000;
/// Between two samples, milliseconds.
const SCRAPE_INTERVAL: i64 = 15_000;

/// How much an observation holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Metrics; gauges and counters in turn.
    pub metrics: usize,
    /// Pods, at least 2; one of them, and a fifth of many, are the canary's.
    pub pods: usize,
    /// Samples of each pod in each metric.
    pub samples: usize,
}

impl Size {
    /// A service of some size with a handful of metrics.
    pub const USUAL: Self = Self { metrics: 3, pods: 50, samples: 12 };
}

/// A new image of the one container.
#[must_use]
pub fn change() -> Change {
    let (before, after) = ("example/worker:1", "example/worker:2");
    let difference = Difference {
        pointer: "/template/spec/containers/name=worker/image".to_owned(),
        before: Some(json!(before)),
        after: Some(json!(after)),
        position: None,
    };
    let image = ImageDifference {
        container: "worker".to_owned(),
        init: false,
        before: Some(before.to_owned()),
        after: Some(after.to_owned()),
    };
    Change {
        service: service(),
        differences: vec![difference],
        images: vec![image],
        replicas_before: 5,
        replicas_after: 5,
    }
}

/// A check in the first step, warm-up over, all pods ready, every metric with samples.
#[must_use]
pub fn observation(size: Size) -> Observation {
    let canary = size.pods.div_ceil(5);
    let pods: Vec<_> = (0..size.pods).map(|number| pod(number, number < canary)).collect();
    let kinds = [MetricKind::Gauge, MetricKind::Counter].into_iter().cycle().take(size.metrics).enumerate();
    let metrics = kinds.map(|(number, kind)| metric(&format!("metric-{number}"), kind, &pods, size.samples)).collect();
    Observation {
        service: service(),
        progress: progress(canary, size.pods),
        scalings: vec![scaling(canary, size.pods)],
        pods,
        metrics,
    }
}

/// A step after two checks, of which the newest passed.
#[must_use]
pub fn situation() -> Situation {
    Situation {
        service: service(),
        progress: progress(1, 5),
        scalings: vec![scaling(1, 5)],
        checks: vec![check(60_000, Outcome::Inconclusive), check(30_000, Outcome::Pass)],
        resumed: None,
    }
}

fn service() -> ServiceIdentity {
    let labels = vec![("app".to_owned(), "worker".to_owned())];
    ServiceIdentity { namespace: "trial".to_owned(), name: "worker".to_owned(), labels }
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}

fn progress(canary: usize, all: usize) -> Progress {
    let of = |pods: usize| TrackSize { wanted: count(pods), ready: count(pods) };
    Progress {
        rollout_id: "trial-1".to_owned(),
        now: Timestamp(NOW),
        started: Timestamp(STARTED),
        step_index: 1,
        step_started: Timestamp(STARTED),
        step_complete: Some(Timestamp(STARTED + 60_000)),
        replicas: count(all),
        canary: of(canary),
        primary: of(all.saturating_sub(canary)),
        break_point: count(all.div_ceil(2)),
        step: count(canary),
        warm_up: Duration::from_secs(60),
        warm_up_over: true,
        check_interval: Duration::from_secs(30),
        checks_in_step: 2,
        checks_in_all: 2,
    }
}

fn scaling(canary: usize, all: usize) -> Scaling {
    Scaling { at: Timestamp(STARTED), canary: count(canary), primary: count(all.saturating_sub(canary)) }
}

fn pod(number: usize, canary: bool) -> PodObservation {
    let track = if canary { Track::Canary } else { Track::Primary };
    PodObservation {
        name: format!("worker-{track}-{number}"),
        track,
        created: Timestamp(STARTED),
        became_ready: Some(Timestamp(STARTED + 60_000)),
        ready: true,
        restart_count: 0,
        restarts: vec![],
        waiting_reason: None,
        waiting_message: None,
    }
}

/// A metric with samples of every pod.
fn metric(name: &str, kind: MetricKind, pods: &[PodObservation], samples: usize) -> MetricObservation {
    MetricObservation {
        name: name.to_owned(),
        unit: "s".to_owned(),
        kind,
        better: Better::Lower,
        min: None,
        max: Some(100.0),
        window: Duration::from_secs(300),
        parameters: json!({}),
        status: MetricStatus::Samples,
        series: pods.iter().map(|pod| series(pod, samples)).collect(),
        series_cut: 0,
    }
}

fn series(pod: &PodObservation, samples: usize) -> Series {
    let mut times: Vec<_> = (0..).map(|age| Timestamp(NOW - age * SCRAPE_INTERVAL)).take(samples).collect();
    times.reverse();
    Series {
        pod: Some(pod.name.clone()),
        track: Some(pod.track),
        labels: vec![("job".to_owned(), "worker".to_owned())],
        times,
        values: (1..=count(samples)).map(f64::from).collect(),
    }
}

fn check(ago: i64, outcome: Outcome) -> Check {
    let policy =
        PolicyIdentity { name: "trial".to_owned(), version: "1.0.0".to_owned(), digest: "sha256:00".to_owned() };
    let finding = Finding { outcome, score: Some(50.0), reason: "a trial".to_owned(), metrics: vec![] };
    Check {
        at: Timestamp(NOW - ago),
        step_index: 1,
        canary: 1,
        early: false,
        outcome,
        findings: vec![AnalyzerFinding { policy, finding }],
    }
}
