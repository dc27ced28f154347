//! Images that work and images that do not.

use std::time::Duration;

use scenarios::{Configuration, Manifest, World, figure, milliseconds};
use serde_json::{Value, json};

#[test]
fn scenario_02_a_working_image_is_promoted_step_by_step() {
    let configuration = Configuration::default().with("break-point", "50%");
    let (first, whole) = promoted_step_by_step(&World::steady(&configuration));
    figure("02", "new image to first canary pod", &milliseconds(first), "ms");
    figure("02", "new image to promoted, 3 steps", &milliseconds(whole), "ms");
}

/// Steps of 20 % of 5 pods up to 50 %: how long it took to the first canary pod, and to the end.
pub(super) fn promoted_step_by_step(world: &World) -> (Duration, Duration) {
    let since = world.now();
    world.apply(&Manifest::new("worker:v2"));
    world.wait("a first canary pod", 30, |status| status["tracks"]["canary"]["pods"] == 1);
    let first = world.outsider.story().of_track("canary").map(|pod| pod.first).min().unwrap();
    let status = world.wait_for_ending("promoted", "worker:v2", 120);
    let whole = since.elapsed();
    assert_eq!(status["images"]["accepted"], "worker:v2");
    world.wait_for_available(5);

    let story = world.outsider.story_since(since);
    // 20 % of 5 at a time, up to 50 %, then away.
    let grown: Vec<u64> = story.canary_sizes().into_iter().take_while(|size| *size < 3).collect();
    assert_eq!(grown, [1, 2]);
    assert_eq!(story.canary_sizes().iter().max(), Some(&3));
    story.never_fewer_available_than(5);
    story.never_more_pods_for_long_than(7);
    assert_eq!(story.started(since), 8, "5 and the canary's 3:\n{}", story.listed());
    let original: Vec<_> = story.of("foo").map(|seen| (seen.replicas, seen.image.as_str())).collect();
    assert!(original.iter().all(|seen| *seen == (0, "worker:v2")), "the original is left alone: {original:?}");
    assert!(story.of("foo-primary").all(|seen| seen.image == "worker:v1" || seen.image == "worker:v2"));
    for reason in ["Step1Ready", "Step1Passed", "Step2Started", "Promoting", "Promoted"] {
        world.eventually(&format!("the event {reason}"), 10, || !world.events(reason).is_empty());
    }
    (first - since, whole)
}

/// Rolled back: the reason, after what must hold then.
pub(super) fn rolled_back(world: &World, image: &str, seconds: u64) -> String {
    let since = world.now();
    world.apply(&Manifest::new(image));
    let status = world.wait_for_ending("rolled-back", image, seconds);
    world.wait_for_available(5);
    let story = world.outsider.story_since(since);
    story.never_fewer_available_than(4);
    story.never_more_pods_than(7);
    assert_eq!(story.canary_sizes().iter().max(), Some(&1), "one pod was risked");
    assert!(story.of("foo-primary").all(|seen| seen.image == "worker:v1"));
    assert_eq!(world.get("deployment", "foo-canary")["spec"]["replicas"], 0);
    let original = world.get("deployment", "foo");
    assert_eq!(original["spec"]["replicas"], 0);
    assert_eq!(original["spec"]["template"]["spec"]["containers"][0]["image"], "worker:v1", "the original's template");
    world.eventually("the event RolledBack", 10, || !world.events("RolledBack").is_empty());
    assert_eq!(status["images"]["accepted"], "worker:v1");
    let history = status["history"].as_array().unwrap();
    assert_eq!(history.len(), 1);
    let reason = history[0]["reason"].as_str().unwrap();
    eprintln!("{image}: {reason}");
    reason.to_owned()
}

#[test]
fn scenario_03_an_image_that_exits_is_rolled_back_and_not_tried_in_a_loop() {
    let took = exits_and_is_not_tried_in_a_loop(&World::steady(&Configuration::default()));
    figure("03", "image that exits to rolled back", &milliseconds(took), "ms");
}

/// How long it took until it was rolled back.
pub(super) fn exits_and_is_not_tried_in_a_loop(world: &World) -> Duration {
    let template = world.get("deployment", "foo")["spec"]["template"].clone();
    let since = world.now();
    let reason = rolled_back(world, "worker:exits", 60);
    let took = since.elapsed();
    assert!(reason.contains("restart") || reason.contains("CrashLoopBackOff"), "{reason}");
    assert!(world.outsider.story().of_track("canary").all(|pod| pod.restarts <= 3), "no fourth restart");
    assert_eq!(world.get("deployment", "foo")["spec"]["template"], template, "the template as it was");

    let again = world.now();
    world.apply(&Manifest::new("worker:exits").replicas(5));
    world.eventually("an event", 30, || !world.events("RejectedAgain").is_empty());
    world.eventually("the original back at 0", 10, || world.get("deployment", "foo")["spec"]["replicas"] == 0);
    world.apply(&Manifest::new("worker:exits"));
    world.wait_for_available(5);
    let status = world.wait_for_phase("steady", 10);
    assert_eq!(status["rollout"], Value::Null);
    assert_eq!(status["history"].as_array().unwrap().len(), 1);
    let story = world.outsider.story_since(again);
    assert_eq!(story.canary_sizes().iter().max().copied().unwrap_or(0), 0, "no canary for what was rejected");
    assert!(story.of("foo").count() <= 4, "not rewritten in a loop: {:?}", story.deployments);
    took
}

#[test]
fn scenario_04_growing_errors_are_rolled_back_by_threshold() {
    let world = World::steady(&Configuration::default());
    let reason = rolled_back(&world, "worker:errors", 60);
    let pod = world.outsider.story().of_track("canary").map(|pod| pod.name.clone()).next().unwrap();
    for part in ["errors", "errors/s", "3", pod.as_str()] {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
    let value = reason.split(' ').filter_map(|word| word.parse::<f64>().ok()).find(|value| *value > 5.0);
    assert!(value.is_some_and(|value| value < 20.0), "no value near 10 in {reason:?}");
}

#[test]
fn scenario_05_an_image_that_never_gets_ready_is_rolled_back_at_the_deadline() {
    let configuration = Configuration::default().with("ready-deadline", "6s");
    let world = World::steady(&configuration);
    let since = world.now();
    let reason = rolled_back(&world, "worker:never-ready", 40);
    assert!(since.elapsed().as_secs_f64() >= 6.0, "not before the deadline");
    assert!(reason.contains("none more for"), "{reason}");
}

#[test]
fn scenario_05_an_image_that_cannot_be_pulled_is_rolled_back_at_once() {
    let configuration = Configuration::default().with("ready-deadline", json!("60s"));
    let world = World::steady(&configuration);
    let since = world.now();
    let reason = rolled_back(&world, "worker:unpullable", 30);
    figure("05", "image that cannot be pulled to rolled back", &milliseconds(since.elapsed()), "ms");
    assert!(reason.contains("ImagePullBackOff"), "{reason}");
}
