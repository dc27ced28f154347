//! Changes that need no canary, and those that do without looking like it.

use std::time::Instant;

use scenarios::{Configuration, Manifest, World};
use serde_json::{Value, json};

/// The first container of the primary.
fn primary(world: &World) -> Value {
    world.get("deployment", "foo-primary")["spec"]["template"]["spec"]["containers"][0].clone()
}

/// Waits until a change went direct, for the `count`-th time.
fn direct(world: &World, count: usize) -> String {
    world.eventually("a direct change is done", 40, || world.events("DirectDone").len() >= count);
    world.wait_for_phase("steady", 20);
    world.wait_for_available(5);
    world.events("Direct").join("\n")
}

/// The first change of a service: its limit of memory.
pub(super) fn resources_go_direct(world: &World) {
    world.apply(&Manifest::new("worker:v1").memory("96Mi"));
    let said = direct(world, 1);
    assert!(said.contains("/resources/limits/memory"), "{said}");
    assert_eq!(primary(world)["resources"]["limits"]["memory"], "96Mi");
}

/// A service that rolled its primary so often, and no canary.
pub(super) fn only_the_primary_rolled(world: &World, since: Instant, times: usize) {
    let story = world.outsider.story_since(since);
    assert_eq!(story.of_track("canary").count(), 0, "no canary");
    assert_eq!(story.started(since), 5 * times, "the primary rolled {times} times:\n{}", story.listed());
    story.never_fewer_available_than(5);
    story.never_more_pods_for_long_than(7);
}

#[test]
fn scenario_06_a_change_without_an_image_goes_direct_and_is_seen_as_what_it_is() {
    let world = World::steady(&Configuration::default());
    let since = world.now();
    resources_go_direct(&world);

    let both = [("GROUP", "shop"), ("BATCH", "10")];
    world.apply(&Manifest::new("worker:v1").memory("96Mi").env(&both));
    let said = direct(&world, 2);
    assert!(said.contains("BATCH"), "{said}");
    assert_eq!(
        primary(&world)["env"],
        json!([{ "name": "GROUP", "value": "shop" }, { "name": "BATCH", "value": "10" }])
    );

    world.apply(&Manifest::new("worker:v1").memory("96Mi").env(&both[1..]));
    let said = direct(&world, 3);
    assert!(said.contains("GROUP"), "{said}");
    assert_eq!(primary(&world)["env"], json!([{ "name": "BATCH", "value": "10" }]));

    only_the_primary_rolled(&world, since, 3);
}

#[test]
fn scenario_06_a_sidecar_is_a_new_image() {
    let world = World::steady(&Configuration::default());
    let status = |status: &Value| status["phase"] == "canary";
    world.apply(&Manifest::new("worker:v1").sidecar("sidecar:v1"));
    world.wait("a canary", 30, status);
    world.eventually("the event names it", 10, || world.events("RolloutStarted").join("\n").contains("sidecar"));
    world.wait_for_ending("promoted", "sidecar:v1", 120);
    let containers = &world.get("deployment", "foo-primary")["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().unwrap().len(), 2);
    world.wait_for_available(5);
    world.capacity_was_held(5);
}

#[test]
fn scenario_07_scaling_and_restarting_a_steady_service_is_transparent() {
    scaled_and_restarted(&World::steady(&Configuration::default()));
}

/// A steady service is scaled from 5 to 9 and to 2, then restarted.
pub(super) fn scaled_and_restarted(world: &World) {
    let since = world.now();
    world.ci(&["scale", "deployment", "foo", "--replicas=9"], None);
    world.wait("9 pods", 30, |status| status["replicas"] == 9 && status["tracks"]["primary"]["available"] == 9);
    world.wait_for_available(9);
    let up = world.outsider.story_since(since);
    up.never_fewer_available_than(5);
    up.never_more_pods_of_copies_for_long_than(12);

    let since = world.now();
    world.ci(&["scale", "deployment", "foo", "--replicas=2"], None);
    world.wait("2 pods", 30, |status| status["replicas"] == 2);
    world.wait_for_available(2);
    let down = world.outsider.story_since(since);
    down.never_fewer_available_than(2);
    assert_eq!(world.get("deployment", "foo")["spec"]["replicas"], 0);

    let since = world.now();
    world.ci(&["rollout", "restart", "deployment", "foo"], None);
    world.eventually("both pods were restarted", 30, || {
        world.outsider.story_since(since).of_track("primary").filter(|pod| pod.first > since).count() == 2
    });
    world.wait_for_phase("steady", 20);
    world.wait_for_available(2);
    let restart = world.outsider.story_since(since);
    restart.never_fewer_available_than(2);
    restart.never_more_pods_for_long_than(3);
    assert_eq!(restart.of_track("canary").count() + restart.of_track("original").count(), 0);
}
