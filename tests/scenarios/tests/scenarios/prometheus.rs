//! A Prometheus that does not answer is no failure of the canary.

use std::cell::RefCell;
use std::collections::BTreeMap;

use scenarios::{Answering, Configuration, Manifest, Proxy, World, ground};
use serde_json::Value;

fn checks(status: &Value) -> u64 {
    status["rollout"]["checks_in_all"].as_u64().unwrap_or(0)
}

/// The next so many checks: each one's outcome and findings, by its time. The status shows only the latest few.
fn next_checks(world: &World, what: &str, more: u64) -> BTreeMap<u64, Value> {
    let (before, seen) = (checks(&world.status()), RefCell::new(BTreeMap::new()));
    world.wait(what, 60, |status| {
        // One check may have asked already when Prometheus changed its mind.
        let fresh = checks(status).saturating_sub(before + 1);
        let latest = status["rollout"]["checks"].as_array().into_iter().flatten().rev();
        for check in latest.take(usize::try_from(fresh).unwrap()) {
            seen.borrow_mut().insert(check["at"].as_u64().unwrap(), check.clone());
        }
        fresh >= more
    });
    seen.into_inner()
}

#[test]
fn scenario_14_a_prometheus_that_fails_holds_and_then_it_goes_on() {
    let proxy = Proxy::before(&ground().prometheus_url());
    let configuration = Configuration::default().prometheus(proxy.url()).with("longest-step", "10m");
    let world = World::steady(&configuration);
    let since = world.now();
    proxy.set(Answering::Refusing);
    world.apply(&Manifest::new("worker:v2"));
    world.wait_for_step("worker:v2", 1, 60);
    for answering in [Answering::Refusing, Answering::Failing, Answering::Empty] {
        proxy.set(answering);
        let held = next_checks(&world, &format!("ten checks while {answering:?}"), 10);
        assert!(held.len() >= 10, "{held:#?}");
        assert!(held.values().all(|check| check["outcome"] == "inconclusive"), "{answering:?}: {held:#?}");
        let status = world.status();
        assert_eq!((&status["phase"], &status["rollout"]["size"]), (&"canary".into(), &1.into()), "{answering:?}");
        if answering != Answering::Refusing {
            assert!(proxy.answered() >= 10, "{} requests while {answering:?}", proxy.answered());
        }
        eprintln!("while {answering:?}: {}", held.values().next_back().unwrap()["findings"]);
    }
    proxy.set(Answering::Truly);
    world.wait_for_ending("promoted", "worker:v2", 90);
    world.wait_for_available(5);
    let story = world.outsider.story_since(since);
    story.never_fewer_available_than(5);
    story.never_more_pods_for_long_than(7);
}
