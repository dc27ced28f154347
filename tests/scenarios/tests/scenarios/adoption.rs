//! Into Aviary's care and out of it again.

use std::time::Duration;

use scenarios::{Configuration, Identity, Manifest, World, figure, milliseconds};
use serde_json::{Value, json};

#[test]
fn scenario_01_adoption_and_release_lose_no_capacity() {
    let mut world = World::new(&Configuration::default());
    world.deploy(&Manifest::new("worker:v1"));
    let since = world.now();
    world.daemon.start();
    let status = world.wait_for_phase("steady", 60);
    figure("01", "start of the daemon to adopted", &milliseconds(since.elapsed()), "ms");
    assert_eq!(status["replicas"], 5);
    assert_eq!(status["images"]["accepted"], "worker:v1");
    world.wait_for_available(5);
    assert_eq!(world.get("deployment", "foo")["spec"]["replicas"], 0);
    let adoption = world.outsider.story_since(since);
    assert!(adoption.of_track("primary").count() == 5, "five pods of the primary");

    world.operator(&["release", "foo"]);
    world.wait_for_phase("released", 60);
    world.wait_for_available(5);
    assert_eq!(world.get("deployment", "foo")["spec"]["replicas"], 5);
    for copy in ["foo-primary", "foo-canary"] {
        assert_eq!(world.get("deployment", copy), Value::Null, "{copy} is gone");
    }
    let story = world.outsider.story_since(since);
    story.never_fewer_available_than(5);
    story.never_more_pods_than(7);
    // Nothing is left of it but who serves: a change is the Deployment's own again.
    world.apply(&Manifest::new("worker:v2").replicas(5));
    world.eventually("the original rolls by itself", 30, || {
        let original = world.get("deployment", "foo");
        original["status"]["updatedReplicas"] == 5 && original["status"]["replicas"] == 5
    });
}

#[test]
fn scenario_15_an_autoscaled_service_is_refused_with_reason_and_remedy() {
    let mut world = World::new(&Configuration::default());
    world.deploy(&Manifest::new("worker:v1"));
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "foo" });
    let spec = json!({ "scaleTargetRef": target, "minReplicas": 5, "maxReplicas": 9 });
    let autoscaler = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "foo" }, "spec": spec });
    let applied = world.kubectl(Identity::Admin, &["apply", "-f", "-"], Some(&autoscaler.to_string()));
    assert!(applied.success, "{}", applied.stderr);

    let since = world.now();
    world.daemon.start();
    let refused = world.wait("a refusal", 30, |status| !status["problems"][0].is_null());
    assert_eq!(refused["phase"], "unmanaged");
    let problem = &refused["problems"][0];
    assert!(problem["fault"].as_str().unwrap().contains("HorizontalPodAutoscaler"), "{problem}");
    assert!(problem["remedy"].as_str().unwrap().contains("delete"), "{problem}");
    assert_eq!(world.get("deployment", "foo-primary"), Value::Null);
    assert_eq!(world.get("deployment", "foo")["spec"]["replicas"], 5);
    assert_eq!(world.outsider.story_since(since).started(since), 0);

    let deleted = world.kubectl(Identity::Admin, &["delete", "horizontalpodautoscaler", "foo"], None);
    assert!(deleted.success, "{}", deleted.stderr);
    let freed = world.now();
    world.wait_for_phase("steady", 60);
    assert!(freed.elapsed() < Duration::from_secs(60));

    // One that comes later: what it sets, as KEDA wakes what it finds at 0, is nobody's wish for another N.
    let applied = world.kubectl(Identity::Admin, &["apply", "-f", "-"], Some(&autoscaler.to_string()));
    assert!(applied.success, "{}", applied.stderr);
    world.wait("the autoscaler is a problem", 30, |status| !status["problems"][0].is_null());
    world.ci(&["scale", "deployment", "foo", "--replicas=1"], None);
    world.eventually("the original goes back to 0", 30, || world.get("deployment", "foo")["spec"]["replicas"] == 0);
    world.wait_for_available(5);
    assert_eq!(world.status()["replicas"], 5);
    world.capacity_was_held(5);
}
