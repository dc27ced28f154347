//! The trial of a new policy: it must accept its own defaults, and answer an ordinary question and a bare one.

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
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Kind, Trap},
    component::Refusal,
    policy::Policy,
};

const NOW: i64 = 1_700_000_600_000;
const STARTED: i64 = NOW - 600_000;

/// Tries `policy` with its own default parameters.
pub(crate) fn run(policy: &Policy) -> Result<(), Refusal> {
    let act = || "asked whether it accepts its own default parameters".to_owned();
    let accepted = policy.validate(&Value::Null);
    let accepted = accepted.result.map_err(|trap| Refusal::Trial { act: act(), trap })?;
    accepted.map_err(|reason| Refusal::Description(format!("it does not accept its own defaults: {reason}")))?;
    [false, true].into_iter().try_for_each(|bare| question(policy, bare))
}

fn question(policy: &Policy, bare: bool) -> Result<(), Refusal> {
    let null = Value::Null;
    match policy.kind {
        Kind::Classifier => passed(policy.classify(&change(bare), &null), "a change", bare),
        Kind::Analyzer => passed(policy.analyze(&observation(bare), &null), "a check", bare),
        Kind::Progression => passed(policy.next(&situation(bare), &null), "a situation", bare),
    }
}

fn passed<T>(answer: Answer<T>, what: &str, bare: bool) -> Result<(), Refusal> {
    let with = if bare { "empty lists" } else { "ordinary content" };
    let refused = |trap: Trap| Refusal::Trial { act: format!("asked about {what} with {with}"), trap };
    answer.result.map(drop).map_err(refused)
}

fn full<T>(bare: bool, list: Vec<T>) -> Vec<T> {
    if bare { Vec::new() } else { list }
}

fn service() -> ServiceIdentity {
    let labels = vec![("app".to_owned(), "worker".to_owned())];
    ServiceIdentity { namespace: "trial".to_owned(), name: "worker".to_owned(), labels }
}

fn change(bare: bool) -> Change {
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
        differences: full(bare, vec![difference]),
        images: full(bare, vec![image]),
        replicas_before: 5,
        replicas_after: 5,
    }
}

fn observation(bare: bool) -> Observation {
    Observation {
        service: service(),
        progress: progress(),
        scalings: full(bare, vec![scaling()]),
        pods: full(bare, vec![pod("worker-primary-a", Track::Primary), pod("worker-canary-b", Track::Canary)]),
        metrics: full(bare, vec![metric(MetricKind::Gauge), metric(MetricKind::Counter), unknown_metric()]),
    }
}

fn situation(bare: bool) -> Situation {
    Situation {
        resumed: None,
        service: service(),
        progress: progress(),
        scalings: full(bare, vec![scaling()]),
        checks: full(bare, vec![check(Outcome::Inconclusive), check(Outcome::Pass)]),
    }
}

fn progress() -> Progress {
    Progress {
        rollout_id: "trial-1".to_owned(),
        now: Timestamp(NOW),
        started: Timestamp(STARTED),
        step_index: 1,
        step_started: Timestamp(STARTED),
        step_complete: Some(Timestamp(STARTED + 60_000)),
        replicas: 5,
        canary: TrackSize { wanted: 1, ready: 1 },
        primary: TrackSize { wanted: 4, ready: 4 },
        break_point: 2,
        step: 1,
        warm_up: Duration::from_secs(60),
        warm_up_over: true,
        check_interval: Duration::from_secs(30),
        checks_in_step: 2,
        checks_in_all: 2,
    }
}

fn scaling() -> Scaling {
    Scaling { at: Timestamp(STARTED), canary: 1, primary: 4 }
}

fn pod(name: &str, track: Track) -> PodObservation {
    PodObservation {
        name: name.to_owned(),
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

fn metric(kind: MetricKind) -> MetricObservation {
    MetricObservation {
        name: "latency".to_owned(),
        unit: "s".to_owned(),
        kind,
        better: Better::Lower,
        min: None,
        max: Some(10.0),
        window: Duration::from_secs(300),
        parameters: json!({}),
        status: MetricStatus::Samples,
        series: vec![series("worker-primary-a", Track::Primary), series("worker-canary-b", Track::Canary)],
        series_cut: 0,
    }
}

fn unknown_metric() -> MetricObservation {
    let status = MetricStatus::Error("connection refused".to_owned());
    MetricObservation { name: "errors".to_owned(), status, series: vec![], ..metric(MetricKind::Counter) }
}

fn series(pod: &str, track: Track) -> Series {
    Series {
        pod: Some(pod.to_owned()),
        track: Some(track),
        labels: vec![],
        times: (0..5).map(|sample| Timestamp(NOW - 60_000 + sample * 15_000)).collect(),
        values: vec![1.0, 2.0, 3.0, 4.0, 5.0],
    }
}

fn check(outcome: Outcome) -> Check {
    let policy =
        PolicyIdentity { name: "trial".to_owned(), version: "1.0.0".to_owned(), digest: "sha256:00".to_owned() };
    let finding = Finding { outcome, score: Some(50.0), reason: "a trial".to_owned(), metrics: vec![] };
    Check {
        at: Timestamp(NOW - 30_000),
        step_index: 1,
        canary: 1,
        early: false,
        outcome,
        findings: vec![AnalyzerFinding { policy, finding }],
    }
}
