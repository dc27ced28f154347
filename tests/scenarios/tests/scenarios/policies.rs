//! A policy dropped in the middle of a rollout decides the next check; a faulty one changes nothing.

use std::fs;

use scenarios::{Configuration, Manifest, World, built_in, checked, figure, guest, milliseconds, new_policy};
use serde_json::{Value, json};

/// As a person copies a file, under the name of a built-in policy.
fn drop_in(world: &World, name: &str, content: &[u8]) {
    fs::write(world.daemon.policies().join(format!("{name}.wasm")), content).unwrap();
}

/// A service whose canary of 1 is checked on and on: its steps need more passes than anybody waits for.
fn under_watch() -> World {
    let configuration = Configuration::default().with("passes", 64).with("longest-step", "1h");
    let world = World::steady(&configuration);
    world.apply(&Manifest::new("worker:v2"));
    wait_for_passes(&world, 2);
    world
}

/// Waits for so many more checks, at most 5, that all pass.
fn wait_for_passes(world: &World, more: u64) -> Value {
    let checks = |status: &Value| status["rollout"]["checks_in_all"].as_u64().unwrap_or(0);
    let before = checks(&world.status());
    world.wait(&format!("{more} passes more"), 60, |status| {
        let latest = status["rollout"]["checks"].as_array().into_iter().flatten().rev();
        let passes = latest.take_while(|check| check["outcome"] == "pass").count();
        checks(status) >= before + more && passes >= usize::try_from(more).unwrap()
    })
}

fn threshold(world: &World) -> Value {
    let whole = world.whole_status();
    let policies = whole["policies"].as_array().unwrap();
    policies.iter().find(|policy| policy["name"] == "threshold").unwrap().clone()
}

#[test]
fn scenario_12_a_policy_dropped_in_the_middle_decides_the_next_check() {
    let stricter = guest("refuse-all");
    let world = under_watch();
    let before = threshold(&world);
    let since = world.now();
    drop_in(&world, "threshold", &stricter);
    let status = world.wait_for_ending("rolled-back", "worker:v2", 40);
    figure("12", "policy dropped to rolled back", &milliseconds(since.elapsed()), "ms");
    let reason = status["history"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("nothing passes while refuse-all decides"), "{reason}");
    let after = threshold(&world);
    assert_ne!(after["digest"], before["digest"]);
    assert!(after["source"].as_str().unwrap().contains("threshold.wasm"), "{after}");
    world.wait_for_available(5);
    world.capacity_was_held(4);

    fs::remove_file(world.daemon.policies().join("threshold.wasm")).unwrap();
    world.eventually("the built-in one is back", 20, || threshold(&world)["digest"] == before["digest"]);
}

#[test]
fn scenario_12_a_faulty_policy_changes_nothing_but_what_is_said() {
    let (good, traps, other_world) = (built_in("threshold"), guest("panics"), built_in("breakpoint"));
    let world = under_watch();
    let before = threshold(&world);
    assert_eq!(before["problem"], Value::Null);
    let faulty = [("truncated", &good[..good.len() / 2]), ("of another world", &other_world), ("that traps", &traps)];
    let mut reasons = Vec::new();
    for (what, content) in faulty {
        drop_in(&world, "threshold", content);
        let said = || threshold(&world)["problem"].as_str().map(str::to_owned);
        world.eventually(&format!("a file {what} is refused"), 30, || {
            said().is_some_and(|reason| !reasons.contains(&reason))
        });
        let reason = said().unwrap();
        assert!(world.daemon.log().contains("threshold.wasm"), "the log says it");
        wait_for_passes(&world, 2);
        assert_eq!(threshold(&world)["digest"], before["digest"], "the file {what} is not in force");
        eprintln!("a file {what}: {reason}");
        reasons.push(reason);
    }
    let notices = world.whole_status()["notices"].to_string();
    assert!(notices.contains("threshold"), "{notices}");
    let status = world.status();
    assert_eq!((&status["phase"], &status["rollout"]["size"]), (&"canary".into(), &1.into()));
    world.capacity_was_held(5);
    world.eventually("an event says it", 10, || !world.events("PolicyRefused").is_empty());
}

#[test]
fn scenario_12_a_policy_that_is_not_there_at_a_start_holds_what_asks_it_until_it_is() {
    let mut world = World::new(
        &Configuration::default().with("analyzers", json!([{ "policy": "health" }, { "policy": "steadfast" }])),
    );
    world.deploy(&Manifest::new("worker:v1"));
    world.start();
    let fault = world.status()["problems"][0]["fault"].to_string();
    assert!(fault.contains("steadfast"), "{fault}");
    world.apply(&Manifest::new("worker:v2"));
    let status = world.wait("a check without it", 60, |status| !status["rollout"]["checks"][0].is_null());
    assert_eq!(status["rollout"]["checks"][0]["outcome"], "inconclusive", "{status}");
    drop_in(&world, "steadfast", &built_in("health"));
    let status = world.wait_for_ending("promoted", "worker:v2", 60);
    assert_eq!(status["problems"], json!([]));
    world.capacity_was_held(5);
}

/// The newest check that this policy took part in and that failed.
fn failed_by(status: &Value, digest: &Value) -> Option<Value> {
    let checks = status["rollout"]["checks"].as_array()?.iter().rev();
    let mut findings = checks.flat_map(|check| check["findings"].as_array().into_iter().flatten());
    let ours = |finding: &&Value| finding["policy"]["digest"] == *digest && finding["finding"]["outcome"] == "fail";
    findings.find(ours).cloned()
}

#[test]
fn scenario_12_a_policy_that_a_team_wrote_outside_this_workspace_decides() {
    let file = new_policy("no-faster", "analyzer");
    let told = checked(&file);
    assert_eq!((&told["kind"], &told["about"]["own_name"]), (&"analyzer".into(), &"no-faster".into()), "{told}");
    // A limit that the errors of the bad version never reach: the built-in analyzer has nothing against it.
    let errors = json!({ "name": "errors", "series": "worker_errors_total{namespace=\"{namespace}\",pod=~\"{pods}\"}",
        "kind": "counter", "better": "lower", "max": 1000, "window": "5s" });
    let world = World::steady(&Configuration::default().with("passes", 64).with("metrics", json!([errors])));
    world.apply(&Manifest::new("worker:errors"));
    wait_for_passes(&world, 2);
    drop_in(&world, "threshold", &fs::read(&file).unwrap());
    world.wait_keenly("the journal names it", 40, |status| failed_by(status, &told["digest"]).is_some());
    let status = world.wait_for_ending("rolled-back", "worker:errors", 40);
    let reason = status["history"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("errors per second, the limit is 0.50"), "{reason}");
    assert_eq!(threshold(&world)["digest"], told["digest"]);
}
