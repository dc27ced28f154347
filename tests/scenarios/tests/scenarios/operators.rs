//! What operators say: cancel, pause, resume, bypass.

use scenarios::{Configuration, Manifest, World};
use serde_json::Value;

fn checks(status: &Value) -> u64 {
    status["rollout"]["checks_in_all"].as_u64().unwrap_or(0)
}

#[test]
fn scenario_11_cancel_in_the_middle() {
    let world = World::steady(&Configuration::default().with("warm-up", "20s").with("longest-step", "5m"));
    world.apply(&Manifest::new("worker:v2"));
    world.wait_for_step("worker:v2", 1, 60);
    let since = world.now();
    world.operator(&["cancel", "foo"]);
    let status = world.wait_for_ending("rolled-back", "worker:v2", 30);
    assert!(status["history"][0]["reason"].as_str().unwrap().contains("cancel"), "{}", status["history"]);
    world.wait_for_available(5);
    let story = world.outsider.story_since(since);
    story.never_fewer_available_than(4);
    story.never_more_pods_than(7);
    let refused = world.daemon.command_line(&["cancel", "foo"]);
    assert_eq!(refused.status.code(), Some(1), "there is nothing to cancel");
    assert_eq!(String::from_utf8_lossy(&refused.stderr).lines().count(), 1);
}

#[test]
fn scenario_11_pause_holds_and_resume_goes_on() {
    let world = World::steady(&Configuration::default());
    world.apply(&Manifest::new("worker:v2"));
    world.wait("a canary", 30, |status| status["phase"] == "canary");
    world.operator(&["pause", &format!("{}/foo", world.namespace)]);
    let paused = world.wait_for_step("worker:v2", 1, 40);
    assert_eq!(paused["rollout"]["paused"]["by"], "operator");
    // Two passes would be enough; it is looked at on and on, and stays where it is.
    let paused = world.wait("five checks", 40, |status| checks(status) >= 5);
    assert_eq!(paused["rollout"]["size"], 1);
    let text = world.operator(&["status", "foo"]);
    for part in ["foo", "worker:v2", "paused", "aviary resume"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    world.operator(&["resume", "foo"]);
    world.wait_for_step("worker:v2", 2, 40);
    world.wait_for_ending("promoted", "worker:v2", 60);
    let events = [world.events("Paused").len(), world.events("Resumed").len()];
    assert_eq!(events, [1, 1]);
    world.wait_for_available(5);
    world.capacity_was_held(5);
}

#[test]
fn scenario_11_bypass_lets_one_release_go_direct() {
    let world = World::steady(&Configuration::default());
    world.operator(&["bypass", "foo"]);
    assert_eq!(world.status()["bypass"], true);
    world.operator(&["bypass", "foo", "--clear"]);
    assert_eq!(world.status()["bypass"], false);
    world.operator(&["bypass", "foo"]);

    let since = world.now();
    world.apply(&Manifest::new("worker:v2"));
    world.wait("worker:v2 accepted", 40, |status| {
        status["phase"] == "steady" && status["images"]["accepted"] == "worker:v2"
    });
    world.wait_for_available(5);
    let story = world.outsider.story_since(since);
    assert_eq!(story.of_track("canary").count(), 0);
    story.never_fewer_available_than(5);
    assert_eq!(world.events("Bypassed").len(), 1);
    assert_eq!(world.status()["bypass"], false);

    world.apply(&Manifest::new("worker:v3"));
    world.wait_for_step("worker:v3", 1, 40);
    world.capacity_was_held(5);
}
