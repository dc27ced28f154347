//! What a life of a service leaves in the numbers.

use super::*;

#[test]
fn a_service_without_a_rollout_has_no_series_of_its_own() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let mut services = Vec::new();
    let mut track = |name: &str| {
        let mut tracked = telemetry.track(&key(name), &settings());
        tracked.stands(Some(&steady()), false);
        services.push(tracked);
    };
    track("first");
    let lines = page(&telemetry).len();
    (0..1000).for_each(|number| track(&format!("service-{number}")));
    assert_eq!(page(&telemetry).len(), lines);
    assert_eq!(value(&telemetry, r#"aviary_services{phase="steady"}"#), Some(1001.0));
    drop(services);
    assert_eq!(value(&telemetry, r#"aviary_services{phase="steady"}"#), Some(0.0));
}

#[test]
fn the_series_of_a_rollout_go_when_it_ends() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let mut tracked = telemetry.track(&key("worker"), &settings());
    tracked.stands(Some(&canary(json!({"step": 2}))), false);
    let of_rollout = |name: &str| value(&telemetry, &format!(r#"{name}{{namespace="shop",service="worker"}}"#));
    assert_eq!(of_rollout("aviary_rollout_step"), Some(2.0));
    assert_eq!(of_rollout("aviary_rollout_canary_replicas"), Some(2.0));
    assert_eq!(of_rollout("aviary_rollout_started_timestamp_seconds"), Some(100.0));

    let paused = r#"aviary_rollout_paused{namespace="shop",service="worker",by="operator"}"#;
    let pause = json!({"paused": {"by": "operator", "at": 120_000, "reason": "why"}});
    tracked.stands(Some(&canary(pause)), true);
    assert_eq!(value(&telemetry, paused), Some(1.0));
    tracked.stands(Some(&canary(json!({}))), false);
    assert_eq!(value(&telemetry, paused), None);

    tracked.stands(Some(&rolling_back(json!({}), "rolled-back")), false);
    assert_eq!(of_rollout("aviary_rollout_canary_replicas"), Some(0.0));
    tracked.stands(Some(&steady()), false);
    assert!(!page(&telemetry).iter().any(|line| line.contains("service=")), "{:?}", page(&telemetry));
}

#[test]
fn a_service_that_leaves_in_the_middle_of_a_rollout_leaves_nothing() {
    let (telemetry, tracked) = everything_happened();
    assert!(page(&telemetry).iter().any(|line| line.contains(r#"service="worker""#)));
    drop(tracked);
    assert!(!page(&telemetry).iter().any(|line| line.contains(r#"service="worker""#)));
    assert_eq!(value(&telemetry, r#"aviary_services{phase="canary"}"#), Some(0.0));
    assert_eq!(value(&telemetry, r#"aviary_services_with_problems{phase="canary"}"#), Some(0.0));
}

#[test]
fn what_alerts_count_is_there_at_0_before_it_happens() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let _tracked = telemetry.track(&key("worker"), &settings());
    telemetry.api.watching("shop");
    for series in [
        r#"aviary_rollbacks_total{namespace="shop",cause="not-ready"}"#,
        r#"aviary_rollouts_total{namespace="shop",ending="promoted"}"#,
        r#"aviary_policy_calls_total{policy="threshold",result="panic"}"#,
        r#"aviary_checks_total{outcome="critical"}"#,
        r#"aviary_findings_total{analyzer="health",outcome="fail"}"#,
        r#"aviary_watch_failures_total{namespace="shop",resource="pods"}"#,
        r#"aviary_policy_changes_total{change="refused"}"#,
        "aviary_policies_refused",
        "aviary_ready",
    ] {
        assert_eq!(value(&telemetry, series), Some(0.0), "{series}");
    }
}

#[test]
fn a_rollback_is_counted_once_with_its_cause() {
    let critical = json!({"checks": [check(Outcome::Critical)]});
    let failed = json!({"checks": [check(Outcome::Fail)], "last-move": move_to(Next::Rollback, 110_000)});
    let held = json!({"checks": [check(Outcome::Fail)], "last-move": move_to(Next::Hold, 110_000)});
    let table = [
        (canary(json!({})), critical, false, Some("critical")),
        (canary(json!({})), failed, false, Some("checks")),
        (canary(held.clone()), held.clone(), false, Some("not-ready")),
        (canary(held.clone()), held.clone(), true, Some("operator")),
        (rolling_back(held.clone(), "rolled-back"), held, false, None),
    ];
    for (before, after, by_operator, cause) in table {
        let telemetry = Telemetry::new(START, Clock::Wall);
        let mut tracked = telemetry.track(&key("worker"), &settings());
        tracked.stored(Some(&before), &rolling_back(after, "rolled-back"), by_operator, at(160));
        let counted: Vec<String> = page(&telemetry)
            .into_iter()
            .filter(|line| line.starts_with("aviary_rollbacks") && !line.ends_with(" 0"))
            .collect();
        let expected = cause.map(|cause| format!(r#"aviary_rollbacks_total{{namespace="shop",cause="{cause}"}} 1"#));
        assert_eq!(counted, Vec::from_iter(expected));
    }
}

#[test]
fn a_candidate_that_is_superseded_is_no_rollback() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let mut tracked = telemetry.track(&key("worker"), &settings());
    tracked.stored(Some(&canary(json!({}))), &rolling_back(json!({}), "superseded"), false, at(160));
    assert!(page(&telemetry).iter().all(|line| !line.starts_with("aviary_rollbacks") || line.ends_with(" 0")));
}

#[test]
fn an_ending_is_counted_when_the_record_remembers_it() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let mut tracked = telemetry.track(&key("worker"), &settings());
    let before = canary(json!({}));
    let mut after = steady();
    after.remember(&rollout(json!({})), aviary_core::record::Ending::Promoted, "good", at(400));
    tracked.stored(Some(&before), &after, false, at(400));
    tracked.stored(Some(&after), &after, false, at(500));
    assert_eq!(value(&telemetry, r#"aviary_rollouts_total{namespace="shop",ending="promoted"}"#), Some(1.0));
}

/// `sum` and `count` of the durations of a phase.
fn took(telemetry: &Telemetry, phase: &str) -> (Option<f64>, Option<f64>) {
    let of = |what: &str| value(telemetry, &format!(r#"aviary_phase_duration_seconds_{what}{{phase="{phase}"}}"#));
    (of("sum"), of("count"))
}

#[test]
fn phases_are_timed_when_they_end() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let mut tracked = telemetry.track(&key("worker"), &settings());
    let (first, second) = (canary(json!({})), canary(json!({"started": 130_000})));
    tracked.stored(None, &Record::new("worker", "uid", spec("worker:v1"), 5), false, at(10));
    tracked.stored(None, &steady(), false, at(25));
    tracked.stored(Some(&steady()), &first, false, at(100));
    tracked.stored(Some(&first), &first, false, at(110));
    // A newer image starts the rollout anew.
    tracked.stored(Some(&first), &second, false, at(130));
    tracked.stored(Some(&second), &rolling_back(json!({}), "rolled-back"), false, at(160));
    tracked.stored(None, &steady(), false, at(165));
    assert_eq!(took(&telemetry, "adopting"), (Some(15.0), Some(1.0)));
    assert_eq!(took(&telemetry, "canary"), (Some(60.0), Some(2.0)));
    assert_eq!(took(&telemetry, "rolling-back"), (Some(5.0), Some(1.0)));
    assert_eq!(took(&telemetry, "steady"), (None, None));
}

#[test]
fn after_a_restart_only_what_the_record_dates_is_timed() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let mut tracked = telemetry.track(&key("worker"), &settings());
    tracked.stands(Some(&steady().into_phase(Phase::Releasing)), false);
    tracked.stored(None, &steady(), false, at(90));
    assert_eq!(took(&telemetry, "releasing"), (None, None));
    tracked.stands(Some(&canary(json!({}))), false);
    tracked.stored(None, &steady(), false, at(140));
    assert_eq!(took(&telemetry, "canary"), (Some(40.0), Some(1.0)));
}

#[test]
fn the_canary_is_timed_from_the_first_sight_of_its_spec_to_its_first_pod() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let mut tracked = telemetry.track(&key("worker"), &settings());
    let count = || value(&telemetry, "aviary_canary_start_seconds_count");
    tracked.sees(&spec("worker:v1").digest(), at(1));
    tracked.sees(&spec("worker:v2").digest(), at(98));
    tracked.sees(&spec("worker:v2").digest(), at(99));
    let record = canary(json!({}));
    tracked.wrote(Some(&steady()), &scale_canary(1), at(99));
    tracked.wrote(Some(&record), &scale_canary(0), at(100));
    tracked.wrote(Some(&canary(json!({"step": 2}))), &scale_canary(2), at(100));
    assert_eq!(count(), Some(0.0), "a later step is no start, should the answer of the start's write be lost");
    tracked.wrote(Some(&record), &scale_canary(1), at(101));
    tracked.wrote(Some(&record), &scale_canary(2), at(150));
    assert_eq!((count(), value(&telemetry, "aviary_canary_start_seconds_sum")), (Some(1.0), Some(3.0)));
}

#[test]
fn a_refused_configuration_shows_until_it_is_good_again() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let shown = || {
        let reloads = |outcome: &str| format!(r#"aviary_configuration_reloads_total{{outcome="{outcome}"}}"#);
        let of = |series: &str| value(&telemetry, series);
        (of(&reloads("applied")), of(&reloads("refused")), of("aviary_configuration_refused"))
    };
    assert_eq!(shown(), (Some(0.0), Some(0.0), Some(0.0)));
    telemetry.own.configuration_read(false);
    assert_eq!(shown(), (Some(0.0), Some(1.0), Some(1.0)));
    telemetry.own.configuration_read(true);
    assert_eq!(shown(), (Some(1.0), Some(1.0), Some(0.0)));
}

#[test]
fn a_namespace_that_is_not_watched_any_more_leaves_no_watch_to_grow_stale() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    telemetry.api.watching("shop");
    telemetry.api.watching("billing");
    telemetry.api.forget("shop");
    let watches: Vec<String> = page(&telemetry).into_iter().filter(|line| line.starts_with("aviary_watch")).collect();
    assert!(watches.len() == 10 && watches.iter().all(|line| line.contains("billing")), "{watches:?}");
}

#[test]
fn a_trap_is_counted_by_its_kind() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    telemetry.judging.ask(|| answer(Ok(())));
    telemetry.judging.ask(|| answer(Err(Trap::Time { limit: "1 s".to_owned() })));
    let calls = |result: &str| {
        value(&telemetry, &format!(r#"aviary_policy_calls_total{{policy="threshold",result="{result}"}}"#))
    };
    assert_eq!((calls("ok"), calls("time")), (Some(1.0), Some(1.0)));
    let timed = value(&telemetry, r#"aviary_policy_call_duration_seconds_count{policy="threshold"}"#);
    assert_eq!(timed, Some(2.0));
}

#[test]
fn watches_are_counted_but_not_timed_and_tell_when_they_were_opened() {
    let telemetry = Telemetry::new(START, Clock::Wall);
    let watch = |status| {
        let call = Call { verb: "watch", resource: "pods", namespace: Some("shop".to_owned()) };
        telemetry.called(&call, status, Duration::from_secs(1));
    };
    let opened = r#"aviary_watch_opened_timestamp_seconds{namespace="shop",resource="pods"}"#;
    watch(Some(403));
    watch(None);
    assert_eq!(value(&telemetry, opened), None);
    watch(Some(200));
    assert!(value(&telemetry, opened).is_some_and(|seconds| seconds > 1e9));
    for code in ["403", "none", "200"] {
        let series = format!(r#"aviary_api_requests_total{{verb="watch",resource="pods",code="{code}"}}"#);
        assert_eq!(value(&telemetry, &series), Some(1.0));
    }
    assert!(!page(&telemetry).iter().any(|line| line.starts_with("aviary_api_request_duration")));
}
