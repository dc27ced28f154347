//! Services that are not named but matched, as their Deployments come, change and go.

use scenarios::{Configuration, Identity, Manifest, Patience, World, wait_until};
use serde_json::{Value, json};

fn started(which: Value) -> World {
    // With as many passes there is time to look at a rollout.
    let mut world = World::new(&Configuration::default().with("passes", 20).which(which));
    world.daemon.start();
    world
}

/// Waits until these services are steady, and no others are there. Never are more than three adopted at once.
#[track_caller]
fn all_steady(world: &World, names: &[&str]) {
    let steady = || {
        let phases = world.phases();
        let adopting = phases.values().filter(|phase| *phase == "adopting").count();
        assert!(adopting <= 3, "{adopting} at once: {phases:?}");
        let found: Vec<&str> = phases.iter().filter(|(_, phase)| *phase == "steady").map(|(name, _)| &**name).collect();
        (found == names && phases.len() == names.len()).then_some(())
    };
    let steady = wait_until(Patience { pause: Patience::keen(0).pause, ..Patience::seconds(90) }, steady);
    assert!(steady.is_ok(), "{names:?} are not steady: {:?}\n{}", world.phases(), world.told());
}

fn deployments(world: &World) -> Vec<String> {
    let names = ["get", "deployments", "--output=jsonpath={.items[*].metadata.name}"];
    let output = world.kubectl(Identity::Admin, &names, None).checked().unwrap();
    output.split(' ').map(str::to_owned).collect()
}

#[test]
fn scenario_20_deployments_that_match_are_adopted_as_they_appear_and_copies_never() {
    let world = started(json!({ "names": "*" }));
    world.apply(&Manifest::new("worker:v1").named("a"));
    all_steady(&world, &["a"]);
    for name in ["b", "c", "d", "e", "f"] {
        world.apply(&Manifest::new("worker:v1").named(name));
    }
    all_steady(&world, &["a", "b", "c", "d", "e", "f"]);
    let expected: Vec<String> = ["a", "b", "c", "d", "e", "f"]
        .iter()
        .flat_map(|name| [(*name).to_owned(), format!("{name}-primary")])
        .collect();
    assert_eq!(deployments(&world), expected, "every original has its copy, and no copy has one");

    // A canary is no service either.
    world.apply(&Manifest::new("worker:v2").named("a"));
    world.eventually("a canary", 30, || deployments(&world).contains(&"a-canary".to_owned()));
    assert_eq!(world.phases().len(), 6, "{:?}", world.phases());
    world.ci(&["delete", "deployment", "f"], None);
    world.eventually("the deletion is said", 20, || world.log_says("OriginalDeleted"));
    assert_eq!(world.phases().len(), 6, "within the grace it may come back: {:?}", world.phases());
}

#[test]
fn scenario_20_what_matches_no_longer_is_left_behind_and_comes_back() {
    let world = started(json!({ "selector": "team=shop" }));
    world.apply(&Manifest::new("worker:v1"));
    world.apply(&Manifest::new("worker:never-ready").named("stuck"));
    world.eventually("one is adopted, the other waits", 60, || {
        world.phases() == [("foo", "steady"), ("stuck", "unmanaged")].map(|(a, b)| (a.to_owned(), b.to_owned())).into()
    });
    world.ci(&["delete", "deployment", "stuck"], None);
    world.eventually("what was never adopted is gone", 20, || world.phases().len() == 1);

    world.ci(&["label", "deployment", "foo", "team-"], None);
    world.eventually("it is left behind", 20, || world.phases().is_empty() && !world.events("LeftBehind").is_empty());
    let left = world.whole_status()["left_behind"].to_string();
    assert!(left.contains("/foo: it has a record but nothing in the configuration is about it"), "{left}");
    let text = world.operator(&["status"]);
    assert!(text.contains("left behind") && text.contains("/foo"), "{text}");
    assert_eq!(world.get("deployment", "foo-primary")["spec"]["replicas"], 1, "its primary serves on");

    world.ci(&["label", "deployment", "foo", "team=shop"], None);
    world.wait_for_phase("steady", 20);
    assert_eq!(world.whole_status()["left_behind"], json!([]));
    world.apply(&Manifest::new("worker:v2"));
    world.wait("a canary", 30, |status| status["phase"] == "canary");
    assert_eq!(world.events("LeftBehind").len(), 1, "said once");
    assert_eq!(world.events("Adopting").len(), 1, "adopted once");
}
