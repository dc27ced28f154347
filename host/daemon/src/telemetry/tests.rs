//! The numbers of made-up lives, and that what is written of them elsewhere is true.

mod documents;
mod lives;

use std::{path::Path, sync::Arc, time::Duration};

use aviary_cluster::{Call, CallObserver, Kind, ServiceKey};
use aviary_core::{
    judge::{Check, Next, Outcome},
    record::{Phase, Record, Rollout},
    settings::Settings,
    spec::Spec,
    time::Timestamp,
    write::{Purpose, Write},
};
use aviary_metrics::{QueryObserver, QueryResult};
use aviary_policy::{Answer, Notice, Spent, Trap};
use serde_json::{Value, json};

use super::{Telemetry, Tracked};
use crate::{clock::Clock, configuration::Configuration};

const START: Timestamp = Timestamp(0);

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1000)
}

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("shop", name)
}

fn settings() -> Arc<Settings> {
    let text = "services: [{name: worker, namespace: shop}]\n";
    let configuration = Configuration::parse(text, Path::new("aviary.yaml")).expect("a good configuration");
    configuration.entries.into_iter().next().expect("one entry").settings
}

fn spec(image: &str) -> Spec {
    Spec::of(&json!({"template": {"spec": {"containers": [{"name": "worker", "image": image}]}}}))
}

fn steady() -> Record {
    Record::new("worker", "uid", spec("worker:v1"), 5).into_phase(Phase::Steady)
}

/// A rollout of worker:v2 from second 100 on, with other fields as given.
fn rollout(fields: Value) -> Box<Rollout> {
    let candidate = spec("worker:v2");
    let mut rollout = json!({"id": "id", "candidate": candidate, "digest": candidate.digest(), "reason": "an image",
        "started": 100_000, "step": 1, "size": 2, "step-started": 100_000});
    rollout.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    Box::new(serde_json::from_value(rollout).expect("a rollout"))
}

fn check(outcome: Outcome) -> Check {
    let policy = json!({"name": "threshold", "version": "1", "digest": "none"});
    let finding = json!({"policy": policy, "finding": {"outcome": outcome, "reason": "why", "metrics": []}});
    let check = json!({"at": 110_000, "step_index": 1, "canary": 2, "early": false, "outcome": outcome,
        "findings": [finding]});
    serde_json::from_value(check).expect("a check")
}

fn move_to(next: Next, at: i64) -> Value {
    json!({"at": at, "move": {"next": next, "reason": "why"},
        "policy": {"name": "breakpoint", "version": "1", "digest": "none"}})
}

fn canary(fields: Value) -> Record {
    steady().into_phase(Phase::Canary(rollout(fields)))
}

fn rolling_back(fields: Value, ending: &str) -> Record {
    let rollback = json!({"rollout": *rollout(fields), "ending": ending, "reason": "why", "at": 160_000});
    steady().into_phase(Phase::RollingBack(serde_json::from_value(rollback).expect("a rollback")))
}

fn scale_canary(pods: u32) -> Write {
    let operations = vec![
        json!({"op": "test", "path": "/spec/replicas", "value": 3}),
        json!({"op": "replace", "path": "/spec/replicas", "value": pods}),
    ];
    let track = aviary_core::judge::Track::Canary;
    Write::Patch { track, uid: "uid".to_owned(), purpose: Purpose::Scale, operations }
}

/// The page as `promtool` and older servers read it, without descriptions.
fn page(telemetry: &Telemetry) -> Vec<String> {
    let (_, page) = telemetry.exposition("");
    page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The value of one series; none where there is none.
fn value(telemetry: &Telemetry, series: &str) -> Option<f64> {
    let lines = page(telemetry);
    let line = lines.iter().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

fn answer(result: Result<(), Trap>) -> Answer<()> {
    let policy = serde_json::from_value(json!({"name": "threshold", "version": "1", "digest": "none"}));
    Answer { policy: policy.expect("a policy"), result, logs: Vec::new(), logs_cut: 0, spent: Spent::default() }
}

/// Everything that is counted has happened once, and a paused rollout is under way.
fn everything_happened() -> (Arc<Telemetry>, Tracked) {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let mut tracked = telemetry.track(&key("worker"), &settings());
    tracked.stands(None, true);
    let paused = json!({"paused": {"by": "host", "at": 120_000, "reason": "why"}});
    tracked.sees(&spec("worker:v2").digest(), at(99));
    let started = canary(json!({}));
    tracked.stored(Some(&steady()), &started, false, at(100));
    tracked.wrote(Some(&started), &scale_canary(1), at(101));
    tracked.stored(Some(&started), &steady(), false, at(110));
    tracked.stored(Some(&steady()), &canary(paused), false, at(120));
    telemetry.judging.checked(&check(Outcome::Pass));
    telemetry.judging.ask(|| answer(Ok(())));
    let reason = "why".to_owned();
    telemetry.judging.policy_changed(&Notice::FolderUnreadable { reason });
    telemetry.queried(QueryResult::Samples, Duration::from_millis(3));
    telemetry.api.watching("shop");
    telemetry.api.watch_failed(Kind::Pod, "shop");
    for verb in ["list", "watch"] {
        let call = Call { verb, resource: "pods", namespace: Some("shop".to_owned()) };
        telemetry.called(&call, Some(200), Duration::from_millis(3));
    }
    (telemetry, tracked)
}
