//! What the API server refuses for a while.

use scenarios::{Configuration, Identity, Manifest, World};
use serde_json::{Value, json};

/// The places of Deployments and of pods in the Role.
const DEPLOYMENTS: usize = 0;
const PODS: usize = 2;

/// What Aviary may do with something from now on.
fn may(world: &World, what: usize, verbs: &[&str]) {
    let patch = json!([{"op": "replace", "path": format!("/rules/{what}/verbs"), "value": verbs}]).to_string();
    world
        .kubectl(Identity::Admin, &["patch", "role", "aviary", "--type=json", "--patch", &patch], None)
        .checked()
        .unwrap();
}

fn fault(status: &Value) -> &str {
    status["problems"][0]["fault"].as_str().unwrap_or_default()
}

#[test]
fn refusals_are_told_and_what_was_refused_many_times_is_made_when_it_may_be() {
    let world = World::steady(&Configuration::default());
    may(&world, DEPLOYMENTS, &["list", "watch"]);
    world.apply(&Manifest::new("worker:v2"));
    world.wait("the refusal as a problem", 30, |status| fault(status).contains("not allowed"));
    world.eventually("more refusals", 60, || world.daemon.log().matches("a write was not made").count() > 6);
    may(&world, DEPLOYMENTS, &["list", "watch", "create", "patch", "delete"]);
    let status = world.wait_for_ending("promoted", "worker:v2", 120);
    assert_eq!(status["problems"], json!([]));
    world.capacity_was_held(5);
}

#[test]
fn adoptions_that_are_refused_keep_nobody_else_waiting() {
    let mut world = World::new(&Configuration::default().which(json!({ "names": "*" })));
    may(&world, DEPLOYMENTS, &["list", "watch"]);
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| world.apply(&Manifest::new("worker:v1").named(name)));
    world.daemon.start();
    let all = |phase: &str| world.phases() == names.map(|name| (name.to_owned(), phase.to_owned())).into();
    world.eventually("a fourth is begun", 60, || all("adopting"));
    let undone = || world.status()["reason"].to_string().contains("not done yet: the primary is created");
    world.eventually("it is said what is not done", 30, undone);
    may(&world, DEPLOYMENTS, &["list", "watch", "create", "patch", "delete"]);
    world.eventually("all are adopted", 90, || all("steady"));
}

#[test]
fn pods_that_are_not_seen_are_not_judged() {
    let world = World::steady(&Configuration::default().with("passes", 64).with("longest-step", "1h"));
    world.apply(&Manifest::new("worker:v2"));
    let checks = |status: &Value| status["rollout"]["checks_in_all"].as_u64().unwrap_or_default();
    world.wait("some checks", 60, |status| checks(status) >= 2);
    may(&world, PODS, &["get"]);
    let blind =
        world.wait("no checks", 90, |status| status["reason"].to_string().contains("not decided while the pods"));
    may(&world, PODS, &["list", "watch"]);
    let status = world.wait("more checks", 90, |status| checks(status) > checks(&blind));
    assert_eq!(status["phase"], "canary");
}
