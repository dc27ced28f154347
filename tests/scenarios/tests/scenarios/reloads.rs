//! Another configuration file while the daemon runs: a good one, a bad one, and one in the middle of a rollout.

use std::fs;

use scenarios::{Configuration, Identity, Manifest, World, ground};
use serde_json::{Value, json};

/// Of 5 pods the canary gets 1, then 2, and there is time to look.
fn slow() -> Configuration {
    Configuration::default().with("warm-up", "4s")
}

fn reloaded(world: &World, words: &str) {
    world.eventually(&format!("an event with {words:?}"), 20, || {
        world.events("ConfigurationChanged").iter().any(|note| note.contains(words))
    });
}

#[test]
fn scenario_21_a_rollout_goes_on_with_what_it_began_with_through_a_looser_file_and_a_kill() {
    let mut world = World::steady(&slow());
    world.apply(&Manifest::new("worker:v2"));
    world.wait("a canary", 30, |status| status["phase"] == "canary");
    let looser = slow().with("step", "40%").with("break-point", "20%").with("warm-up", "0s").with("passes", 1);
    world.reconfigure(&looser);
    reloaded(&world, "step 20% -> 40%, break-point 40% -> 20%, warm-up 4s -> 0s, passes 2 -> 1");
    let note = world.events("ConfigurationChanged").join("\n");
    assert!(note.contains("the rollout under way takes over only what is stricter"), "{note}");
    assert_eq!(world.status()["rollout"]["break_point"], 2);
    let page = world.operator(&["status", "foo"]);
    assert!(page.contains("settings   those the rollout began with"), "{page}");

    world.daemon.kill();
    world.daemon.start();
    let step = world.wait_for_step("worker:v2", 2, 60);
    assert_eq!(step["rollout"]["step"], 2);
    world.eventually("the old warm-up", 10, || world.events("Step2Ready").join("\n").contains("a warm-up of 4s"));
    world.wait_for_ending("promoted", "worker:v2", 60);
    world.wait_for_available(5);
    let sizes = world.outsider.story().canary_sizes();
    assert!(sizes.starts_with(&[1, 2]) && sizes.iter().max() == Some(&2), "{sizes:?}");
    world.capacity_was_held(5);

    world.apply(&Manifest::new("worker:v3"));
    let next = world.wait("the next rollout", 30, |status| status["images"]["candidate"] == "worker:v3");
    assert_eq!(next["rollout"]["break_point"], 1, "it begins with the file as it is");
    assert_eq!(next["keeps_settings"], false);
}

#[test]
fn scenario_21_a_stricter_file_counts_at_once() {
    let world = World::steady(&slow());
    world.apply(&Manifest::new("worker:v2"));
    world.wait("a canary", 30, |status| status["phase"] == "canary");
    world.reconfigure(&slow().with("break-point", "60%").with("passes", 3));
    reloaded(&world, "break-point 40% -> 60%, passes 2 -> 3");
    assert_eq!(world.status()["rollout"]["break_point"], 3);
    world.wait_for_ending("promoted", "worker:v2", 90);
    world.wait_for_available(5);
    assert_eq!(world.outsider.story().canary_sizes().iter().max(), Some(&3));
    world.capacity_was_held(5);
}

/// Aviary's own Deployment beside a service, and both match.
fn beside_itself(configuration: &Configuration) -> World {
    let mut world = World::new(configuration);
    world.apply(&Manifest::new("worker:v1").named("aviary"));
    world.apply(&Manifest::new("worker:v1"));
    world.wait_for_available(2);
    let pods = ["get", "pods", "--selector=app=aviary", "--output=jsonpath={.items[0].metadata.name}"];
    let pod = world.kubectl(Identity::Admin, &pods, None).checked().unwrap();
    let namespace = world.namespace.clone();
    world.daemon.runs_in(&namespace, &pod);
    let _address = world.daemon.listen();
    world.daemon.start();
    world.wait_for_phase("steady", 60);
    world
}

fn refusals(world: &World) -> usize {
    world.daemon.log().matches("the configuration file is refused and the one before stays in force").count()
}

#[test]
fn scenario_22_a_bad_file_changes_nothing_and_says_why_until_a_good_one_comes() {
    let configuration = Configuration::default().which(json!({ "names": "*" }));
    let world = beside_itself(&configuration);
    let before = world.whole_status()["daemon"]["configuration"].clone();

    world.reconfigure(&configuration.clone().with("stepp", "30%"));
    world.eventually("it is refused", 20, || !world.whole_status()["daemon"]["configuration"]["refused"].is_null());
    let now = world.whole_status()["daemon"]["configuration"].clone();
    assert_eq!((&now["digest"], &now["loaded"]), (&before["digest"], &before["loaded"]));
    let why = "defaults.stepp: unknown field";
    assert!(now["refused"]["faults"][0].as_str().unwrap().contains(why), "{now}");
    let page = world.operator(&["status"]);
    assert!(page.contains("refused") && page.contains(why), "{page}");
    let readyz = world.daemon.answer("/readyz");
    assert!(readyz.contains(" 200 OK\r\n") && readyz.contains("\r\n\r\nready\n") && readyz.contains(why), "{readyz}");
    assert!(world.log_says(why));
    world.eventually("an event", 20, || {
        world.events_of("aviary", "ConfigurationRefused").iter().any(|note| note.contains(why))
    });
    assert_eq!(world.phases().into_keys().collect::<Vec<_>>(), ["foo"], "Aviary itself is no service");

    world.reconfigure(&configuration.clone().with("step", "30%"));
    reloaded(&world, "step 20% -> 30%");
    let good = world.whole_status()["daemon"]["configuration"].clone();
    assert_eq!(good["refused"], Value::Null);
    assert_ne!(good["digest"], before["digest"]);
    assert!(good["changes"][0].as_str().unwrap().starts_with("step 20% -> 30% ("), "{good}");
    assert_eq!(world.daemon.get("/readyz"), "ready\n");
    assert_eq!(refusals(&world), 1);
}

#[test]
fn scenario_22_however_a_file_is_written_it_is_seen_and_the_same_again_is_not() {
    let world = World::steady(&Configuration::default());
    let text = |step: &str| Configuration::default().with("step", step).text(&world.namespace);
    let file = world.daemon.configuration();
    // An editor writes another file and renames it.
    let beside = file.with_extension("swp");
    fs::write(&beside, text("30%")).unwrap();
    fs::rename(&beside, &file).unwrap();
    reloaded(&world, "step 20% -> 30%");
    // The same again, then something else in place.
    fs::write(&file, text("30%")).unwrap();
    fs::write(&file, text("10%")).unwrap();
    reloaded(&world, "step 30% -> 10%");
    fs::remove_file(&file).unwrap();
    world.eventually("the file is missed", 20, || refusals(&world) == 1);
    // The whole folder is made anew.
    let folder = file.parent().unwrap();
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir(folder).unwrap();
    fs::write(&file, text("20%")).unwrap();
    reloaded(&world, "step 10% -> 20%");
    assert_eq!(world.events("ConfigurationChanged").len(), 3);

    world.daemon.hang_up();
    world.eventually("an answer", 20, || world.log_says("was read again; it changes: nothing that counts"));
}

#[test]
fn scenario_22_services_and_namespaces_come_and_go_with_the_file() {
    let world = World::steady(&Configuration::default());
    let other = format!("{}-other", world.namespace);
    ground().prepare(&other);
    let mut file: Value = serde_json::from_str(&Configuration::default().text(&world.namespace)).unwrap();
    let alone = file.to_string();
    let services = file["services"].as_array_mut().unwrap();
    services.push(json!({ "name": "bar", "namespace": other }));
    file["socket"] = "/elsewhere.sock".into();
    file["listen"] = "127.0.0.1:1".into();
    world.daemon.configure(&file.to_string());
    world.eventually("bar", 20, || world.phases().contains_key("bar"));
    let manifest = Manifest::new("worker:v1").named("bar").text();
    let arguments = ["apply", "-f", "-", &format!("--namespace={other}")];
    ground().kubectl(Identity::Ci, &arguments, Some(&manifest)).checked().unwrap();
    world.eventually("bar is adopted", 60, || world.phases()["bar"] == "steady");
    let changes = world.whole_status()["daemon"]["configuration"]["changes"].to_string();
    assert!(changes.contains(&format!("namespace {other} is watched")), "{changes}");
    assert!(changes.contains("listen none -> 127.0.0.1:1 takes effect with a restart"), "{changes}");
    assert!(!changes.contains("socket"), "the command line says it: {changes}");

    world.daemon.configure(&alone);
    let is_left_behind = || {
        let left = world.whole_status()["left_behind"].to_string();
        left.contains("/bar: it has a record") && !world.phases().contains_key("bar")
    };
    world.eventually("bar is left behind", 20, is_left_behind);
    world.reconfigure(&Configuration::default().with("warm-up", "3s"));
    world.eventually("another change", 20, || {
        world.whole_status()["daemon"]["configuration"]["changes"].to_string().contains("warm-up 2s -> 3s")
    });
    assert!(is_left_behind(), "it stays so");
    assert_eq!(world.whole_status()["daemon"]["not_ready"], json!([]), "nobody waits for the lists of the other");
    world.daemon.configure(&file.to_string());
    world.eventually("bar is back", 30, || world.phases().get("bar").is_some_and(|phase| phase == "steady"));
    assert_eq!(world.whole_status()["left_behind"], json!([]));
}
