//! What people do in the middle of a rollout.

use scenarios::{Configuration, Identity, Manifest, World};
use serde_json::{Value, json};

/// A steady service and a canary of 1 of this image, complete.
fn with_canary(configuration: &Configuration, image: &str) -> World {
    let world = World::steady(configuration);
    world.apply(&Manifest::new(image));
    world.wait_for_step(image, 1, 60);
    world
}

#[test]
fn scenario_08_a_newer_image_starts_again_and_the_accepted_one_ends_it() {
    let patient = Configuration::default().with("warm-up", "20s").with("longest-step", "5m");
    let world = with_canary(&patient, "worker:v2");
    let since = world.now();
    world.apply(&Manifest::new("worker:v3"));
    let status = world.wait_for_step("worker:v3", 1, 40);
    let before = &status["history"][0];
    assert_eq!(before["ending"], "superseded");
    assert!(before["images"].to_string().contains("worker:v2"), "{before}");
    assert_eq!(status["images"]["accepted"], "worker:v1");

    world.apply(&Manifest::new("worker:v1"));
    let status = world.wait_for_ending("superseded", "worker:v3", 30);
    assert_eq!(status["rollout"], Value::Null);
    assert_eq!(status["images"]["candidate"], Value::Null);
    world.wait_for_available(5);
    let story = world.outsider.story_since(since);
    story.never_fewer_available_than(4);
    story.never_more_pods_than(7);
    assert!(story.of("foo-primary").all(|seen| seen.image == "worker:v1"), "nothing was proven");
    assert_eq!(world.get("deployment", "foo-canary")["spec"]["replicas"], 0);
}

#[test]
fn scenario_08_scaling_in_the_middle_keeps_the_shares() {
    let patient = Configuration::default().with("warm-up", "8s");
    let world = with_canary(&patient, "worker:v2");
    let since = world.now();
    world.ci(&["scale", "deployment", "foo", "--replicas=10"], None);
    let status = world.wait("a canary of 2 of 10", 40, |status| {
        status["replicas"] == 10 && status["rollout"]["size"] == 2 && status["rollout"]["step_complete"].is_number()
    });
    assert_eq!(status["images"]["candidate"], "worker:v2", "the rollout goes on");
    assert_eq!(status["tracks"]["primary"]["wanted"], 8);
    assert_eq!(status["tracks"]["original"]["wanted"], 0);
    let story = world.outsider.story_since(since);
    story.never_fewer_available_than(5);
    story.never_more_pods_of_copies_for_long_than(13);
    world.wait_for_ending("promoted", "worker:v2", 120);
    world.wait_for_available(10);
    let story = world.outsider.story_since(since);
    assert_eq!(story.canary_sizes().iter().max(), Some(&4), "40 % of 10");
    story.never_more_pods_of_copies_for_long_than(13);
}

#[test]
fn an_evicted_pod_says_nothing_of_the_version_that_it_ran() {
    let patient = Configuration::default().with("warm-up", "6s").with("longest-step", "20s");
    let world = with_canary(&patient, "worker:v2");
    let canary = ["get", "pods", "--selector=aviary.dev/track=canary", "--output=jsonpath={.items[0].metadata.name}"];
    let pod = world.kubectl(Identity::Admin, &canary, None).checked().unwrap();
    // As a kubelet leaves it; the object is kept, and its ReplicaSet starts another one.
    let mut containers = world.get("pod", &pod)["status"]["containerStatuses"].clone();
    for container in containers.as_array_mut().into_iter().flatten() {
        let started = container["state"]["running"]["startedAt"].take();
        container["ready"] = json!(false);
        container["state"] = json!({ "terminated": { "exitCode": 137, "reason": "Error", "finishedAt": started } });
    }
    let patch = json!({ "status": {
        "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
        "conditions": [{ "type": "Ready", "status": "False" }], "containerStatuses": containers,
    } });
    let patch = format!("--patch={patch}");
    let evict = ["patch", "pod", &pod, "--subresource=status", "--type=merge", &patch];
    world.kubectl(Identity::Admin, &evict, None).checked().unwrap();
    world.wait_for_ending("promoted", "worker:v2", 60);
    assert_eq!(world.get("pod", &pod)["status"]["phase"], "Failed", "it is still there");
}
