//! The daemon killed at any time and started again: nothing is lost and nothing is done twice.

use scenarios::{Configuration, Manifest, World, figure, milliseconds};
use serde_json::{Value, json};

/// Kills the daemon as soon as its status is so, and starts it again.
fn kill_when(world: &mut World, what: &str, so: impl Fn(&Value) -> bool) {
    let status = world.wait_keenly(what, 60, so);
    world.daemon.kill();
    eprintln!("killed when {what}: {}", status["reason"]);
    let since = world.now();
    world.daemon.start();
    world.wait("the status again", 30, |status| status["phase"] != "unmanaged" && status["phase"].is_string());
    figure("13", &format!("killed when {what} to status again"), &milliseconds(since.elapsed()), "ms");
}

fn in_phase(phase: &'static str) -> impl Fn(&Value) -> bool {
    move |status| status["phase"] == phase
}

#[test]
fn scenario_13_killed_while_adopting_walking_checking_and_promoting() {
    let mut world = World::new(&Configuration::default());
    world.deploy(&Manifest::new("worker:v1"));
    world.daemon.start();
    kill_when(&mut world, "adopting", in_phase("adopting"));
    world.wait_for_phase("steady", 60);
    world.wait_for_available(5);

    let since = world.now();
    world.apply(&Manifest::new("worker:v2"));
    kill_when(&mut world, "walking", |status| {
        status["phase"] == "canary" && status["rollout"]["step_complete"].is_null()
    });
    kill_when(&mut world, "checking", |status| {
        status["phase"] == "canary" && !status["rollout"]["checks"][0].is_null()
    });
    kill_when(&mut world, "promoting", in_phase("promoting"));
    let status = world.wait_for_ending("promoted", "worker:v2", 90);
    assert_eq!(status["history"].as_array().unwrap().len(), 1, "one rollout, told once");
    world.wait_for_available(5);
    world.capacity_was_held(5);
    let story = world.outsider.story_since(since);
    assert_eq!(story.started(since), 7, "5 and the canary's 2, no more:\n{}", story.listed());
    assert_eq!(story.canary_sizes().iter().max(), Some(&2));
}

#[test]
fn scenario_13_killed_while_rolling_back() {
    let mut world = World::steady(&Configuration::default());
    world.apply(&Manifest::new("worker:v2"));
    world.wait_for_step("worker:v2", 1, 60);
    world.operator(&["cancel", "foo"]);
    world.daemon.kill();
    world.daemon.start();
    world.wait_for_ending("rolled-back", "worker:v2", 60);
    world.wait_for_available(5);
    world.capacity_was_held(4);
    let original = world.get("deployment", "foo");
    assert_eq!(original["spec"]["template"]["spec"]["containers"][0]["image"], "worker:v1");
    assert_eq!(original["spec"]["replicas"], json!(0));
}
