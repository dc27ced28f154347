//! Manifests as CI writes them: with replicas, without, client-side and server-side.

use std::time::{Duration, Instant};

use scenarios::{Configuration, Manifest, World, figure, milliseconds};
use serde_json::{Value, json};

#[test]
fn scenario_09_unproven_pods_of_an_apply_with_replicas_are_gone_at_once() {
    let world = World::steady(&Configuration::default());
    let since = Instant::now();
    world.apply(&Manifest::new("worker:v2").replicas(5));
    let applied = since.elapsed();
    world.wait_for_step("worker:v2", 1, 30);
    world.eventually("the unproven pods are gone", 10, || {
        let story = world.outsider.story_since(since);
        story.of_track("original").filter(|pod| pod.image == "worker:v2").all(|pod| pod.ended.is_some())
    });
    let story = world.outsider.story_since(since);
    let raised = story.of("foo").find(|seen| seen.replicas == 5).expect("the apply was seen").at;
    let zeroed = story.of("foo").find(|seen| seen.replicas == 0 && seen.at > raised).expect("it was put back").at;
    let unproven: Vec<_> = story.of_track("original").filter(|pod| pod.image == "worker:v2").collect();
    let ended = unproven.iter().filter_map(|pod| pod.ended).max();
    let canary = story.of_track("canary").map(|pod| pod.first).min().unwrap();
    figure("09", "the apply itself", &milliseconds(applied), "ms");
    figure("09", "apply seen to original back at 0", &milliseconds(zeroed - raised), "ms");
    figure("09", "unproven pods", &json!(unproven.len()), "pods");
    figure(
        "09",
        "unproven pods that got ready",
        &json!(unproven.iter().filter(|pod| pod.ready.is_some()).count()),
        "pods",
    );
    let last = ended.map_or(Duration::ZERO, |ended| ended - raised);
    figure("09", "apply seen to the last unproven pod terminating", &milliseconds(last), "ms");
    figure("09", "new image to first canary pod", &milliseconds(canary - raised), "ms");
    assert!(zeroed - raised < Duration::from_secs(2), "{:?} until the original was back at 0", zeroed - raised);
    assert!(last < Duration::from_secs(5), "{last:?} until the last unproven pod was told to end");
    world.wait_for_ending("promoted", "worker:v2", 90);
    world.wait_for_available(5);
    world.capacity_was_held(5);
}

#[test]
fn scenario_10_a_manifest_that_no_longer_gives_replicas_keeps_them() {
    let mut world = World::new(&Configuration::default());
    world.deploy(&Manifest::new("worker:v1").replicas(5));
    world.start();
    world.apply(&Manifest::new("worker:v2"));
    let status = world.wait_for_step("worker:v2", 1, 40);
    assert_eq!(status["replicas"], 5, "the API server's 1 is nobody's wish");
    assert_eq!(status["tracks"]["primary"]["wanted"], 4);
    let status = world.wait_for_ending("promoted", "worker:v2", 90);
    assert_eq!(status["replicas"], 5);
    world.wait_for_available(5);
    world.capacity_was_held(5);
    assert!(world.events("Scaled").is_empty(), "{:?}", world.events("Scaled"));
}

/// Who owns `spec.replicas` of the original, by the managers of its fields.
fn owners_of_replicas(world: &World) -> Vec<String> {
    let arguments = ["get", "deployment", "foo", "--output=json", "--show-managed-fields"];
    let output = world.kubectl(scenarios::Identity::Admin, &arguments, None);
    let original: Value = serde_json::from_str(&output.checked().unwrap()).unwrap();
    let managers = original["metadata"]["managedFields"].as_array().unwrap().iter();
    let owning = managers.filter(|entry| !entry["fieldsV1"]["f:spec"]["f:replicas"].is_null());
    owning.map(|entry| entry["manager"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn scenario_10_server_side_apply_never_conflicts() {
    let mut world = World::new(&Configuration::default());
    world.deploy_server_side(&Manifest::new("worker:v1").replicas(5));
    world.start();
    assert!(!owners_of_replicas(&world).contains(&"aviary".to_owned()), "replicas were given back");

    // With replicas, in the middle and after a rollback, which writes the template.
    world.apply_server_side(&Manifest::new("worker:v2").replicas(5));
    world.wait_for_step("worker:v2", 1, 40);
    world.apply_server_side(&Manifest::new("worker:v2").replicas(5));
    world.operator(&["cancel", "foo"]);
    world.wait_for_ending("rolled-back", "worker:v2", 30);
    world.apply_server_side(&Manifest::new("worker:v3").replicas(5));
    let status = world.wait_for_step("worker:v3", 1, 40);
    assert_eq!(status["replicas"], 5);
    world.operator(&["cancel", "foo"]);
    world.wait_for_ending("rolled-back", "worker:v3", 30);

    // And without.
    world.apply_server_side(&Manifest::new("worker:v4"));
    let status = world.wait_for_step("worker:v4", 1, 40);
    assert_eq!(status["replicas"], 5);
    world.apply_server_side(&Manifest::new("worker:v1"));
    let status = world.wait_for_ending("superseded", "worker:v4", 30);
    assert_eq!(status["replicas"], 5);
    world.wait_for_available(5);
    // The canary's one pod may lack after a rollback.
    world.capacity_was_held(4);
    assert!(world.events("Scaled").is_empty(), "{:?}", world.events("Scaled"));
}
