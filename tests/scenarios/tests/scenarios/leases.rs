//! Two daemons with the same services: one acts, and the other one takes over when it is gone.

use scenarios::{Configuration, Daemon, Identity, Manifest, Patience, World, figure, milliseconds, wait_until};
use serde_json::{Value, json};

/// What a daemon says of the lease; null while it does not answer.
fn lease(daemon: &Daemon) -> Value {
    daemon.ask("status", None).map(|answer| answer["result"]["daemon"]["lease"].clone()).unwrap_or_default()
}

#[track_caller]
fn wait_for(daemon: &Daemon, state: &str) -> Value {
    let so = || Some(lease(daemon)).filter(|lease| lease["state"] == state);
    wait_until(Patience::keen(60), so)
        .unwrap_or_else(|waited| panic!("{state}: not within {waited:?}: {}\n{}", lease(daemon), daemon.log()))
}

/// What a daemon wrote so far, by its own count: everything but the Lease and questions about its rights.
fn writes(daemon: &Daemon) -> f64 {
    let page = daemon.get("/metrics");
    let counted = page.lines().filter(|line| line.starts_with("aviary_api_requests_total"));
    let others = counted.filter(|line| !line.contains("\"leases\"") && !line.contains("\"selfsubjectaccessreviews\""));
    let written = others.filter(|line| ["create", "update", "patch", "delete"].iter().any(|verb| line.contains(verb)));
    written.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// The epoch of the lease under which the record of the service was written.
fn written_under(world: &World) -> u64 {
    let record = world.get("configmap", "foo.aviary");
    let record: Value = serde_json::from_str(record["data"]["record.json"].as_str().unwrap()).unwrap();
    record["lease"]["epoch"].as_u64().unwrap()
}

fn admin(world: &World, arguments: &[&str]) {
    world.kubectl(Identity::Admin, arguments, None).checked().unwrap();
}

/// A steady service, the daemon that acts, and a second one that stands by.
fn two(configuration: &Configuration) -> (World, Daemon) {
    let mut world = World::new(configuration);
    world.daemon.listen();
    world.deploy(&Manifest::new("worker:v1"));
    world.start();
    let mut second = world.another_daemon(configuration);
    second.listen();
    second.start();
    wait_for(&second, "standby");
    (world, second)
}

#[test]
fn lease_one_of_two_acts_and_the_other_one_ends_what_it_began_after_sigkill() {
    let (mut world, mut second) = two(&Configuration::default());
    let holder = lease(&second)["holder"].as_str().unwrap().to_owned();
    world.eventually("the one that stands by is ready", 30, || {
        let ready = second.answer("/readyz");
        ready.contains(" 200 OK") && ready.contains(&format!("{holder} holds the lease"))
    });
    let refused = second.ask("cancel", Some("foo")).unwrap()["error"].to_string();
    assert!(refused.contains(&holder) && refused.contains("say it there"), "{refused}");
    world.apply(&Manifest::new("worker:v2"));
    world.wait_for_step("worker:v2", 1, 60);
    assert_eq!((writes(&second), written_under(&world)), (0.0, 1));

    let since = world.now();
    world.daemon.kill();
    let taken = wait_for(&second, "held");
    figure("16", "SIGKILL to the other daemon holding the lease", &milliseconds(since.elapsed()), "ms");
    assert_eq!(taken["epoch"], 2);
    std::mem::swap(&mut world.daemon, &mut second);
    let status = world.wait_for_ending("promoted", "worker:v2", 90);
    assert_eq!(status["history"].as_array().unwrap().len(), 1, "one rollout, told once");
    world.wait_for_available(5);
    world.capacity_was_held(5);
    assert_eq!(written_under(&world), 2);
    // The one that was killed comes back, and finds that another one acts.
    second.start();
    wait_for(&second, "standby");
}

#[test]
fn lease_the_other_one_acts_at_once_after_sigterm() {
    let (mut world, mut second) = two(&Configuration::default());
    world.apply(&Manifest::new("worker:v2"));
    world.wait_for_step("worker:v2", 1, 60);
    let since = world.now();
    world.daemon.terminate();
    wait_for(&second, "held");
    figure("16", "SIGTERM to the other daemon holding the lease", &milliseconds(since.elapsed()), "ms");
    std::mem::swap(&mut world.daemon, &mut second);
    let planning = |status: &Value| status["phase"] == "canary" && !status["reason"].to_string().contains("lease");
    world.wait_keenly("the other daemon goes on", 30, planning);
    figure("16", "SIGTERM to the other daemon going on with a rollout", &milliseconds(since.elapsed()), "ms");
    world.wait_for_ending("promoted", "worker:v2", 90);
    world.capacity_was_held(5);
    let given_back = world.get("lease", "aviary");
    assert_eq!(given_back["spec"]["leaseTransitions"], json!(2), "taken twice: {given_back}");
}

#[test]
fn lease_a_daemon_that_was_stopped_for_longer_than_the_lease_writes_nothing_any_more() {
    // Long enough in a step that the one that is stopped has nothing to write when it is.
    let configuration = Configuration::default().with("warm-up", "12s").lease("5s");
    let (mut world, mut second) = two(&configuration);
    world.apply(&Manifest::new("worker:v2"));
    world.wait_for_step("worker:v2", 1, 60);
    world.eventually("its last event is written", 10, || !world.events("Step1Ready").is_empty());
    let before = writes(&world.daemon);
    world.daemon.signal("STOP");
    let since = world.now();
    wait_for(&second, "held");
    figure("16", "SIGSTOP to the other daemon holding a lease of 5 s", &milliseconds(since.elapsed()), "ms");
    std::mem::swap(&mut world.daemon, &mut second);
    world.wait_for_step("worker:v2", 2, 60);
    second.signal("CONT");
    wait_for(&second, "standby");
    world.wait_for_ending("promoted", "worker:v2", 90);
    assert_eq!(writes(&second), before, "{}", second.log());
    world.capacity_was_held(5);
}

#[test]
fn lease_deleted_by_hand_is_taken_anew_and_one_that_is_forbidden_is_said() {
    let mut world = World::new(&Configuration::default().lease("5s"));
    world.daemon.listen();
    world.deploy(&Manifest::new("worker:v1"));
    admin(&world, &["delete", "rolebinding", "aviary-lease-user"]);
    world.daemon.start();
    wait_for(&world.daemon, "unknown");
    world.eventually("what is forbidden is said", 30, || {
        let ready = world.daemon.answer("/readyz");
        ready.contains(" 503 ") && ready.contains("config/kustomize/role.yaml") && ready.contains("leases")
    });
    assert!(world.operator(&["status"]).contains("lease shop-"), "{}", world.operator(&["status"]));
    assert!(world.get("configmap", "foo.aviary").is_null(), "it acts without the lease");
    admin(&world, &["create", "rolebinding", "aviary-lease-user", "--role=aviary-lease", "--user=aviary"]);
    world.wait_for_phase("steady", 60);

    admin(&world, &["delete", "lease", "aviary"]);
    world.apply(&Manifest::new("worker:v2"));
    world.wait_for_ending("promoted", "worker:v2", 90);
    assert_eq!(written_under(&world), 2, "{}", world.told());

    // What kept it from being renewed may have kept the watches from telling.
    admin(&world, &["delete", "rolebinding", "aviary-lease-user"]);
    world.eventually("nothing is begun", 30, || world.status()["reason"].to_string().contains("not renewed in time"));
    admin(&world, &["create", "rolebinding", "aviary-lease-user", "--role=aviary-lease", "--user=aviary"]);
    world.eventually("it is listed anew", 30, || world.log_says("is held again; everything is listed anew"));
    world.apply(&Manifest::new("worker:v3"));
    world.wait_for_ending("promoted", "worker:v3", 90);
    assert_eq!(written_under(&world), 2, "{}", world.told());
    world.capacity_was_held(5);
}
