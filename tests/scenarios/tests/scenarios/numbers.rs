//! The daemon's own numbers, after a life of a service with everything in it that the daemon does.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use scenarios::{Configuration, Manifest, World, cluster};
use serde_json::Value;

const DASHBOARD: &str = include_str!("../../../../config/grafana-dashboard.json");

/// The value of a series on the page; 0 where it is not there.
fn value(page: &str, series: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Verb and resource of all calls that succeeded, as the daemon counted them.
fn done(page: &str) -> BTreeSet<(String, String)> {
    let label = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let calls = page.lines().filter(|line| line.starts_with("aviary_api_requests_total{"));
    let succeeded = calls.filter(|line| label(line, "code").starts_with('2'));
    succeeded.map(|line| (label(line, "verb"), label(line, "resource"))).collect()
}

/// Verb and resource of all that the Roles of the namespace allow, for services and for the lease.
fn allowed(world: &World) -> BTreeSet<(String, String)> {
    let roles = ["aviary", "aviary-lease"].map(|name| world.get("role", name));
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut allowed = BTreeSet::new();
    for rule in roles.iter().flat_map(|role| role["rules"].as_array().unwrap()) {
        for resource in texts(&rule["resources"]) {
            allowed.extend(texts(&rule["verbs"]).into_iter().map(|verb| (verb, resource.clone())));
        }
    }
    allowed
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What the cluster's Prometheus says of an expression at some time since `since`; nothing where it never has a value.
fn past(expression: &str, since: u64) -> String {
    let (start, end) = (format!("--start={since}"), format!("--end={}", unix_time()));
    let mut promtool = Command::new("promtool");
    promtool.args(["query", "range", &start, &end, "--step=1s", &cluster().prometheus_url(), expression]);
    let output = promtool.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{expression}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Each expression of the dashboard as Grafana would send it, with the title of its panel.
fn expressions(job: &str) -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let sent = expression.replace("$job", job).replace("$__rate_interval", "20s");
            expressions.push((title.to_owned(), sent));
        }
    }
    expressions
}

/// A promotion, a rollback, a release and an adoption anew: with it all that the daemon does.
fn live(world: &World) {
    world.apply(&Manifest::new("worker:v2"));
    world.wait_for_ending("promoted", "worker:v2", 120);
    world.apply(&Manifest::new("worker:exits"));
    world.wait_for_ending("rolled-back", "worker:exits", 60);
    world.wait_for_available(5);
    world.operator(&["release", "foo"]);
    world.wait_for_phase("released", 60);
    world.operator(&["adopt", "foo"]);
    world.wait_for_phase("steady", 60);
    world.wait_for_available(5);
}

fn shows(page: &str, series: &str, expected: f64) {
    assert_eq!(value(page, series), expected, "{series} in\n{page}");
}

/// A world in which a service has lived.
fn lived() -> World {
    let mut world = World::new(&Configuration::default());
    world.deploy(&Manifest::new("worker:v1"));
    world.daemon.listen();
    world.start();
    live(&world);
    world
}

/// What the page says of [`live`].
fn counted_once(world: &World, page: &str) {
    let namespace = format!(r#"namespace="{}""#, world.namespace);
    for (series, expected) in [
        (format!(r#"aviary_rollouts_total{{{namespace},ending="promoted"}}"#), 1.0),
        (format!(r#"aviary_rollouts_total{{{namespace},ending="rolled-back"}}"#), 1.0),
        (format!(r#"aviary_rollbacks_total{{{namespace},cause="critical"}}"#), 1.0),
        (r#"aviary_services{phase="steady"}"#.to_owned(), 1.0),
        (r#"aviary_phase_duration_seconds_count{phase="adopting"}"#.to_owned(), 2.0),
        (r#"aviary_phase_duration_seconds_count{phase="canary"}"#.to_owned(), 2.0),
    ] {
        shows(page, &series, expected);
    }
}

/// Where answers are lost, too, each of which is told and counted once it is known.
#[test]
fn scenario_23_what_is_done_is_told_and_counted_once() {
    let world = lived();
    counted_once(&world, &world.daemon.get("/metrics"));
    for reason in
        ["Adopting", "Adopted", "RolloutStarted", "Promoting", "Promoted", "RolledBack", "Releasing", "Released"]
    {
        world.eventually(&format!("the event {reason}"), 10, || !world.events(reason).is_empty());
    }
}

fn policy_is_dropped(world: &World) {
    std::fs::write(world.daemon.policies().join("broken.wasm"), "no policy").unwrap();
    world.eventually("a refusal", 20, || world.whole_status()["refused"][0]["name"] == "broken");
}

#[test]
fn numbers_tell_what_the_daemon_did_and_every_panel_shows_some() {
    let mut world = World::new(&Configuration::default());
    world.deploy(&Manifest::new("worker:v1"));
    let address = world.daemon.listen();
    cluster().scrape(&world.namespace, &address).unwrap();
    let since = unix_time();
    world.start();
    let job = world.namespace.clone();
    let ready = format!(r#"aviary_ready{{job="{job}"}} == 1"#);
    world.eventually("a first scrape", 20, || !past(&ready, since).is_empty());
    live(&world);
    policy_is_dropped(&world);

    let page = world.daemon.get("/metrics");
    counted_once(&world, &page);
    for (series, expected) in
        [("aviary_canary_start_seconds_count", 2.0), ("aviary_policies_refused", 1.0), ("aviary_ready", 1.0)]
    {
        shows(&page, series, expected);
    }
    assert!(value(&page, r#"aviary_checks_total{outcome="pass"}"#) >= 4.0, "{page}");
    assert!(value(&page, r#"aviary_prometheus_query_duration_seconds_count{result="samples"}"#) >= 4.0, "{page}");
    assert!(!page.contains("service=\"foo\""), "nothing is under way:\n{page}");

    // The last increase is in a scrape when the next one is.
    let scraped = format!(r#"aviary_policies_refused{{job="{job}"}} == 1"#);
    world.eventually("a last scrape", 20, || !past(&scraped, since).is_empty());
    let empty: Vec<_> = expressions(&job).into_iter().filter(|(_, sent)| past(sent, since).is_empty()).collect();
    assert!(empty.is_empty(), "no data: {empty:#?}");
}

/// What the daemon may do and never does would be a right too many; what it does and may not would fail.
#[test]
fn numbers_show_that_the_role_allows_what_is_done_and_no_more() {
    let world = lived();
    let page = world.daemon.get("/metrics");
    let mut done = done(&page);
    assert!(done.remove(&("create".to_owned(), "selfsubjectaccessreviews".to_owned())), "everybody may ask");
    assert_eq!(done, allowed(&world), "{page}");
    assert!(!page.contains(r#"code="403""#), "{page}");
}
