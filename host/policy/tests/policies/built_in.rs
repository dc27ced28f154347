//! The default policies, as they are embedded. `make policies` builds them; without them these tests fail and say so.

use std::time::Duration;

use aviary_core::{
    diff::{Difference, ImageDifference},
    judge::{
        Better, Change, ChangeKind, MetricKind, MetricObservation, MetricStatus, Next, Observation, Outcome,
        PodObservation, Series, Track,
    },
    time::Timestamp,
};
use aviary_policy::{Kind, Limits, Notice, Policies, Source};
use serde_json::{Value, json};

use crate::{
    guest::Guest,
    world::{World, change, observation, situation},
};

const NOW: i64 = 1_700_000_000_000;

/// A world with all default policies.
fn complete() -> World {
    let missing = Policies::missing_built_ins();
    assert!(missing.is_empty(), "not built in: {missing:?}; run `make policies` and test again");
    World::over(Policies::new(Limits::default()).expect("a registry"))
}

#[test]
fn all_four_are_there_and_describe_themselves() {
    let list = complete().policies.list();
    let told: Vec<_> = list.iter().map(|info| (info.identity.name.as_str(), info.kind)).collect();
    let expected = [
        ("breakpoint", Kind::Progression),
        ("health", Kind::Analyzer),
        ("image-change", Kind::Classifier),
        ("threshold", Kind::Analyzer),
    ];
    assert_eq!(told, expected);
    for info in list {
        assert_eq!((info.source, &info.own_name), (Source::BuiltIn, &info.identity.name));
        assert!(!info.summary.is_empty());
    }
}

#[test]
fn each_answers_its_question() {
    let policies = complete().policies;
    let null = Value::Null;
    let classify = |change: &_| policies.classify("image-change", change, &null).result.expect("an answer").kind;
    assert_eq!(classify(&change(5)), ChangeKind::Ignore, "nothing differs");
    let pointer = "/template/spec/containers/name=worker/resources/limits/cpu".to_owned();
    let difference = Difference { pointer, before: Some(json!("1")), after: None, position: None };
    assert_eq!(classify(&Change { differences: vec![difference], ..change(5) }), ChangeKind::Direct);
    let image = ImageDifference { container: "worker".into(), init: false, before: Some("w:1".into()), after: None };
    assert_eq!(classify(&Change { images: vec![image], ..change(5) }), ChangeKind::Canary);
    let finding = policies.analyze("threshold", &observation(1), &null).result.expect("an answer");
    assert_ne!(finding.outcome, Outcome::Pass, "nothing was measured");
    let finding = policies.analyze("health", &observation(1), &null).result.expect("an answer");
    assert_ne!(finding.outcome, Outcome::Critical, "nothing happened");
    let decision = policies.next("breakpoint", &situation(1), &null).result.expect("an answer");
    assert_eq!(decision.next, Next::Hold, "nothing was checked");
}

#[test]
fn each_accepts_its_defaults_and_refuses_what_it_does_not_know() {
    let policies = complete().policies;
    for info in policies.list() {
        let defaults: Value = serde_json::from_str(&info.defaults).expect("JSON");
        let name = &info.identity.name;
        assert_eq!(policies.validate(info.kind, name, &defaults), Ok(info.identity.clone()));
        let refused = policies.validate(info.kind, name, &json!({"no-such-parameter": 1}));
        assert!(refused.is_err(), "{name} accepts anything");
    }
}

#[test]
fn a_file_replaces_a_built_in_policy_and_its_removal_brings_that_back() {
    let world = complete();
    let reason = || {
        let answer = world.policies.classify("image-change", &change(5), &Value::Null);
        answer.result.expect("an answer").reason
    };
    let before = reason();
    world.write("image-change.wasm", &Guest::new(Kind::Classifier, "9.0.0").module());
    assert!(matches!(world.scan().as_slice(), [Notice::Replaced { policy, .. }] if policy.version == "9.0.0"));
    assert_eq!(reason(), "said by 9.0.0");
    world.remove("image-change.wasm");
    assert!(matches!(world.scan().as_slice(), [Notice::Restored { before, .. }] if before.version == "9.0.0"));
    assert_eq!(reason(), before);
    assert_eq!(world.scan(), [], "said once");
}

#[test]
fn a_built_in_name_cannot_be_taken_by_another_kind() {
    let world = complete();
    world.write("threshold.wasm", &Guest::new(Kind::Progression, "9.0.0").module());
    assert!(matches!(world.scan().as_slice(), [Notice::Refused { in_force: Some(_), .. }]));
    assert!(world.policies.analyze("threshold", &observation(1), &Value::Null).result.is_ok());
}

/// A gauge that must stay under 10, with one pod of each track.
fn latency(canary: f64) -> MetricObservation {
    let series = |pod: &str, track, value| Series {
        pod: Some(pod.to_owned()),
        track: Some(track),
        labels: vec![],
        times: (1..=10).map(|sample| Timestamp(NOW - 1_000 * sample)).rev().collect(),
        values: vec![value; 10],
    };
    MetricObservation {
        name: "latency".into(),
        unit: "s".into(),
        kind: MetricKind::Gauge,
        better: Better::Lower,
        min: None,
        max: Some(10.0),
        window: Duration::from_secs(60),
        parameters: json!({}),
        status: MetricStatus::Samples,
        series: vec![series("orders-primary-a", Track::Primary, 2.0), series("orders-canary-b", Track::Canary, canary)],
        series_cut: 0,
    }
}

fn pod(name: &str, track: Track) -> PodObservation {
    PodObservation {
        name: name.to_owned(),
        track,
        created: Timestamp(NOW - 120_000),
        became_ready: Some(Timestamp(NOW - 100_000)),
        ready: true,
        restart_count: 0,
        restarts: vec![],
        waiting_reason: None,
        waiting_message: None,
    }
}

#[test]
fn what_was_measured_reaches_the_analyzer_unharmed() {
    let policies = complete().policies;
    let judge = |value| {
        let mut observation = Observation { metrics: vec![latency(value)], ..observation(NOW - 120_000) };
        observation.progress.now = Timestamp(NOW);
        observation.pods = vec![pod("orders-primary-a", Track::Primary), pod("orders-canary-b", Track::Canary)];
        policies.analyze("threshold", &observation, &Value::Null).result.expect("an answer")
    };
    let finding = judge(3.0);
    assert_eq!(finding.outcome, Outcome::Pass, "{finding:?}");
    let finding = judge(20.0);
    assert_eq!(finding.outcome, Outcome::Fail, "{}", finding.reason);
    let line = &finding.metrics[0];
    assert_eq!((line.metric.as_str(), line.canary, line.limit), ("latency", Some(20.0), Some(10.0)));
    assert_eq!(line.pods, ["orders-canary-b"]);
}
