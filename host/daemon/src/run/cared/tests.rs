use std::path::Path;

use aviary_cluster::{ClusterInput, Kind, Object};
use aviary_core::{command::Command, judge::Track, spec::Spec};
use serde_json::json;
use tokio::sync::oneshot;

use super::*;
use crate::{clock::Clock, configuration::Configuration, telemetry::Telemetry};

const START: Timestamp = Timestamp(1_000_000);

fn cared() -> Cared {
    let configuration =
        Configuration::parse("services: [{ name: foo, namespace: shop }]", Path::new("/etc/aviary.yaml"));
    let configuration = configuration.unwrap_or_else(|faults| panic!("{faults}"));
    let entry = configuration.service("shop", "foo", &Default::default()).unwrap();
    let tracked = Telemetry::new(START, Clock::Wall).track(&ServiceKey::new("shop", "foo"), &entry.settings);
    Cared::new(entry.settings.clone(), entry.in_force.clone(), tracked)
}

fn scaling(generation: u64, replicas: u32) -> Write {
    let operations = vec![
        json!({"op": "test", "path": "/metadata/generation", "value": generation}),
        json!({"op": "replace", "path": "/spec/replicas", "value": replicas}),
    ];
    Write::Patch {
        track: Track::Primary,
        uid: "uid".to_owned(),
        purpose: aviary_core::write::Purpose::Scale,
        operations,
    }
}

#[test]
fn what_somebody_undoes_is_put_off_and_never_given_up() {
    let (mut cared, now) = (cared(), START);
    for generation in 0..u64::from(SAME_WRITES) {
        assert_eq!(cared.put_off(&scaling(generation, 5), now), None);
        cared.wrote(&scaling(generation, 5), now);
    }
    let mut at = now;
    for generation in 5..10 {
        assert_eq!(cared.put_off(&scaling(generation, 5), at), Some(at.plus(PUT_OFF)));
        assert!(
            cared.standing().problems[0].fault.contains("somebody else undoes it"),
            "{:?}",
            cared.standing().problems
        );
        assert_eq!(cared.put_off(&scaling(generation, 4), at), None, "something else is not the same");
        at = at.plus(PUT_OFF);
        assert_eq!(cared.put_off(&scaling(generation, 5), at), None);
        cared.wrote(&scaling(generation, 5), at);
        assert_eq!(cared.standing().problems, []);
    }
    // Months later the same is nothing that is fought about.
    let later = at.plus(PUT_OFF * 2);
    cared.wrote(&scaling(99, 5), later);
    assert_eq!(cared.put_off(&scaling(100, 5), later), None);
}

#[test]
fn what_is_refused_again_and_again_is_a_problem_until_it_is_done_or_not_needed() {
    let mut cared = cared();
    let refuse = |cared: &mut Cared, times: u32| {
        for _ in 0..times {
            assert_eq!(cared.put_off(&scaling(1, 5), START), None, "what was never made is nobody's to undo");
            cared.failed("not allowed".to_owned(), START);
        }
        cared.standing().problems.len()
    };
    assert_eq!(refuse(&mut cared, TOLD_FAILURES - 1), 0);
    assert_eq!(refuse(&mut cared, 1), 1);
    assert_eq!(cared.standing().problems[0].fault, "not allowed");
    cared.wrote(&scaling(1, 5), START);
    assert_eq!(cared.standing().problems, []);
    assert_eq!(refuse(&mut cared, 99), 1);
    cared.is_untroubled();
    assert_eq!(cared.standing().problems, []);
}

#[test]
fn a_service_whose_first_record_may_be_stored_keeps_its_place() {
    let mut cared = cared();
    let record = Record::new("foo", "uid", Spec::of(&json!({})), 3);
    assert_eq!(cared.place(), Place::No);
    cared.unsure = Some(Unsure::Saving(Box::new(Saving { record, notes: Vec::new(), asked_by: None })));
    assert_eq!(cared.place(), Place::Walks, "until it is read back it counts");
    (0..TOLD_FAILURES).for_each(|_| cared.failed("not read back".to_owned(), START));
    assert_eq!(cared.place(), Place::Walks, "however long that takes");
    cared.unsure = None;
    assert_eq!(cared.place(), Place::No);
}

#[test]
fn an_adoption_that_hangs_or_is_refused_gives_its_place_until_it_goes_on() {
    let mut cared = cared();
    cared.stored(Record::new("foo", "uid", Spec::of(&json!({})), 3), "1".to_owned(), false, START);
    assert_eq!(cared.place(), Place::Walks);
    cared.hangs = true;
    assert_eq!(cared.place(), Place::Hangs);
    cared.hangs = false;
    (0..TOLD_FAILURES).for_each(|_| cared.failed("not allowed".to_owned(), START));
    assert_eq!(cared.place(), Place::Hangs);
    cared.wrote(&scaling(1, 5), START);
    assert_eq!(cared.place(), Place::Walks);
}

#[test]
fn an_adoption_in_which_nothing_comes_about_is_a_problem_at_the_deadline() {
    let (mut cared, plan) = (cared(), Plan { reason: "waiting".to_owned(), ..Plan::default() });
    assert_eq!((cared.late_adoption(&plan, START), cared.wake), (None, None), "it is not adopted");
    let record = Record::new("foo", "uid", Spec::of(&json!({})), 3);
    cared.stored(record.clone(), "1".to_owned(), false, START);
    let deadline = START.plus(cared.settings.ready_deadline);
    assert_eq!((cared.late_adoption(&plan, START), cared.wake), (None, Some(deadline)));
    let late = cared.late_adoption(&plan, deadline).map(|problem| problem.fault);
    assert_eq!(late.as_deref(), Some("its adoption has not gone on for 10m: waiting"));
    cared.wrote(&scaling(1, 5), deadline);
    assert_eq!(cared.late_adoption(&plan, deadline), None);
    cared.stored(record.into_phase(Phase::Steady), "2".to_owned(), false, START);
    assert_eq!(cared.late_adoption(&plan, deadline.plus(PATIENCE)), None);
}

#[test]
fn a_record_whose_answer_was_lost_is_known_by_its_text_once_it_is_newer() {
    let (mut cared, mut index, key) = (cared(), Index::default(), ServiceKey::new("shop", "foo"));
    let record = |replicas| Record::new("foo", "uid", Spec::of(&json!({})), replicas);
    cared.stored(record(3), "7".to_owned(), false, START);
    let saving = Saving { record: record(4), notes: Vec::new(), asked_by: None };
    cared.unsure = Some(Unsure::Saving(Box::new(saving)));
    for (case, version, replicas, known) in [
        ("what was before", "6", 4, false),
        ("somebody else's", "8", 5, false),
        ("it", "8", 4, true),
        ("it again", "8", 4, false),
    ] {
        let (namespace, name) = (key.namespace.clone(), key.name.clone());
        let stored =
            RecordObject { namespace, name, resource_version: version.to_owned(), text: record(replicas).text() };
        let objects = vec![Object::Record(stored)];
        let (kind, namespace) = (Kind::Record, key.namespace.clone());
        index.apply(ClusterInput::Relisted { kind, namespace, objects });
        let shown = cared.shown_to_be_stored(&key, &index).map(|(saving, version)| (saving.record, version));
        assert_eq!(shown, known.then(|| (record(4), "8".to_owned())), "{case}");
    }
}

#[test]
fn a_word_for_which_nobody_waits_is_not_carried_out() {
    let mut cared = cared();
    let receivers = [Command::Bypass, Command::Cancel, Command::Pause].map(|command| {
        let (answer, receiver) = oneshot::channel();
        cared.commands.push_back(Waiting { command, answer });
        (command, receiver)
    });
    let waits = |(command, receiver)| (command == Command::Cancel).then_some(receiver);
    let _waiting: Vec<_> = receivers.into_iter().filter_map(waits).collect();
    assert_eq!(cared.next_command().map(|waiting| waiting.command), Some(Command::Cancel));
    assert!(cared.next_command().is_none());
}
