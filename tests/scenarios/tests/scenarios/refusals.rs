//! What the API server refuses for a while.

use scenarios::{Configuration, Identity, Manifest, World};
use serde_json::{Value, json};

/// What Aviary may do with Deployments from now on.
fn may(world: &World, verbs: &[&str]) {
    let patch = json!([{"op": "replace", "path": "/rules/0/verbs", "value": verbs}]).to_string();
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
    may(&world, &["list", "watch"]);
    world.apply(&Manifest::new("worker:v2"));
    world.wait("the refusal as a problem", 30, |status| fault(status).contains("not allowed"));
    world.eventually("more refusals", 60, || world.daemon.log().matches("a write was not made").count() > 6);
    may(&world, &["list", "watch", "create", "patch", "delete"]);
    let status = world.wait_for_ending("promoted", "worker:v2", 120);
    assert_eq!(status["problems"], json!([]));
    world.capacity_was_held(5);
}
