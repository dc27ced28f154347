//! A small exploration of the core as it is; `make explore` does the large one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use aviary_simulation::{
    alterations::Alterations,
    explore::{Bounds, explore},
    mind::Mind,
    setting::{Setting, settings},
    specs::Behaviour,
    trace::Trace,
    words::told,
};

fn holds(setting: Setting) {
    let mut mind = Mind::new(setting, Alterations::default());
    let report = explore(&mut mind, Bounds { worlds: 2_000_000, violations: 1 });
    if let Some(found) = report.found.first() {
        let story = told(&found.path, &mut mind).join("\n");
        panic!("{setting}\n{:?}\n{story}\n{}", found.violation, Trace::new(setting, found).text());
    }
    assert_eq!(report.left, 0, "{setting}: not explored to its end");
    println!("{setting}: {} worlds, {} transitions", report.worlds, report.transitions);
}

fn explored(quick: bool, fits: impl Fn(&Setting) -> bool) {
    let chosen: Vec<Setting> = settings(quick).into_iter().filter(|setting| fits(setting)).collect();
    assert!(!chosen.is_empty());
    chosen.into_iter().for_each(holds);
}

#[test]
fn one_act_of_people_breaks_nothing() {
    explored(true, |it| it.faults == 0);
}

#[test]
fn one_act_and_one_fault_break_nothing_with_one_pod() {
    explored(true, |it| it.faults == 1 && it.replicas == 1);
}

#[test]
fn two_acts_break_nothing_with_one_pod_of_a_version_that_hangs() {
    let hangs = |it: &Setting| it.second == Behaviour::Hanging && it.surge;
    explored(false, |it| (it.acts, it.faults, it.replicas) == (2, 0, 1) && hangs(it));
}

#[test]
fn what_broke_once_does_not_break_again() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let trace: Trace = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        trace.replay().unwrap_or_else(|violation| panic!("{}: {violation:?}", path.display()));
        count += 1;
    }
    assert!(count > 0);
}
