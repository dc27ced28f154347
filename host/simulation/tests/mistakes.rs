//! The exploration is not blind: each of these mistakes, planted around the core, is found with a way to it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use aviary_core::{
    answer::Answer,
    judge::{ChangeKind, Next, Outcome, Track},
    record::{Phase, Record},
    view::{View, Workload},
    write::Write,
};
use aviary_simulation::{
    alterations::{Alterations, DaemonMistake},
    explore::{Bounds, explore},
    mind::Mind,
    setting::Setting,
    specs::Behaviour,
    words::told,
};
use serde_json::{Value, json};

const NONE: Alterations =
    Alterations { view: None, record: None, write: None, answer: None, answered: None, daemon: None };

fn setting(replicas: u8, second: Behaviour, acts: u8, faults: u8) -> Setting {
    Setting {
        replicas,
        surge: true,
        second,
        keep: true,
        acts,
        faults,
        adopted: false,
        two_daemons: false,
        second_comes: false,
    }
}

/// The mistake is found, as a violation of one of `invariants`, and the way to it can be told.
fn is_found(what: &str, setting: Setting, alterations: Alterations, invariants: &[&str]) {
    let mut mind = Mind::new(setting, alterations);
    let report = explore(&mut mind, Bounds { worlds: 3_000_000, violations: 1 });
    let found = report.found.first().unwrap_or_else(|| panic!("{what}: not found in {} worlds", report.worlds));
    let story = told(&found.path, &mut mind).join("\n");
    let invariant = found.violation.invariant;
    println!("{what}: {} steps to {invariant}: {}\n{story}\n", found.path.len(), found.violation.said);
    assert!(invariants.contains(&invariant), "{what}: {:?}\n{story}", found.violation);
    assert!(!story.contains("cannot happen"), "{what}: {story}");
}

fn seems_complete(workload: Option<&mut Workload>) {
    let Some(workload) = workload else { return };
    let wanted = workload.replicas();
    let status = &mut workload.status;
    status.observed_generation = workload.generation;
    (status.replicas, status.updated, status.ready, status.available) = (wanted, wanted, wanted, wanted);
}

#[test]
fn the_original_is_zeroed_before_the_primary_is_complete() {
    let view = |view: &mut View, _: Option<&Record>| seems_complete(view.primary.as_mut());
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("zeroed early", setting(2, Behaviour::Good, 0, 0), alterations, &["I1"]);
}

#[test]
fn n_is_inferred_from_counts() {
    let record = |record: &mut Record, view: &View| {
        let wanted = Track::ALL.into_iter().filter_map(|track| view.workload(track)).map(Workload::replicas).sum();
        record.replicas = wanted;
    };
    let alterations = Alterations { record: Some(record), ..NONE };
    is_found("N from counts", setting(2, Behaviour::Good, 1, 0), alterations, &["I1", "I2", "I8"]);
}

#[test]
fn the_canary_is_removed_before_the_primary_is_complete() {
    let view = |view: &mut View, record: Option<&Record>| {
        if record.is_some_and(|record| matches!(record.phase, Phase::Promoting(_))) {
            seems_complete(view.primary.as_mut());
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("canary removed early", setting(2, Behaviour::Good, 1, 0), alterations, &["I1", "I2", "I5"]);
}

#[test]
fn a_stale_observed_generation_is_trusted() {
    let view = |view: &mut View, _: Option<&Record>| {
        for workload in [&mut view.original, &mut view.primary, &mut view.canary].into_iter().flatten() {
            workload.status.observed_generation = workload.generation;
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("observedGeneration", setting(2, Behaviour::Good, 1, 0), alterations, &["I1", "I2", "I3", "I5"]);
}

#[test]
fn available_is_taken_for_complete() {
    let view = |view: &mut View, _: Option<&Record>| {
        let enough = |copy: &&mut Workload| copy.status.available + 1 >= copy.replicas() && copy.observed();
        seems_complete(view.primary.as_mut().filter(enough));
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("the condition Available", setting(2, Behaviour::Good, 0, 0), alterations, &["I1"]);
}

#[test]
fn a_lost_answer_is_retried_blindly() {
    let alterations = Alterations { daemon: Some(DaemonMistake::RetriesBlindly), ..NONE };
    is_found("blind retry", setting(1, Behaviour::Good, 1, 1), alterations, &["I1", "I4", "I6", "I8", "I9"]);
}

#[test]
fn an_answer_of_an_old_epoch_is_used() {
    let alterations = Alterations { daemon: Some(DaemonMistake::IgnoresEpochs), ..NONE };
    is_found(
        "an old answer",
        setting(1, Behaviour::Good, 1, 1),
        Alterations { answer: Some(to_epoch), ..alterations },
        &["I7"],
    );
}

/// The core itself looks at the epoch, so the answer has to lie about it.
fn to_epoch(answer: &mut Answer) {
    let (Answer::Classified { epoch, .. } | Answer::Checked { epoch, .. }) = answer;
    *epoch = aviary_simulation::records::EPOCH;
}

#[test]
fn no_verdict_is_taken_for_a_pass() {
    let answer = |answer: &mut Answer| {
        if let Answer::Checked { check, said: Some(Ok((said, _))), .. } = answer
            && check.outcome == Outcome::Inconclusive
        {
            (check.outcome, said.next) = (Outcome::Pass, Next::Promote);
        }
    };
    let alterations = Alterations { answer: Some(answer), ..NONE };
    is_found("no verdict", setting(1, Behaviour::Good, 1, 1), alterations, &["I10"]);
}

#[test]
fn the_record_is_written_after_the_act() {
    let alterations = Alterations { daemon: Some(DaemonMistake::ActsBeforeItRemembers), ..NONE };
    is_found("written after", setting(2, Behaviour::Good, 0, 1), alterations, &["I1", "I2", "I8"]);
}

#[test]
fn writes_have_no_guards() {
    let write = |write: &mut Write, _: &View| {
        if let Write::Patch { operations, .. } = write {
            operations.retain(|operation| operation["op"] != "test");
        }
    };
    let alterations = Alterations { write: Some(write), ..NONE };
    is_found("no guards", setting(2, Behaviour::Good, 1, 0), alterations, &["I1", "I6", "I8"]);
}

#[test]
fn a_killed_daemon_throws_everything_away() {
    let alterations = Alterations { daemon: Some(DaemonMistake::ForgetsAtRestart), ..NONE };
    is_found("thrown away", setting(1, Behaviour::Good, 0, 1), alterations, &["I8"]);
}

#[test]
fn it_plans_before_it_sees_its_own_write() {
    let alterations = Alterations { daemon: Some(DaemonMistake::DoesNotReadItsWrites), ..NONE };
    is_found("its own write", setting(1, Behaviour::Good, 1, 1), alterations, &["I1"]);
}

#[test]
fn the_canary_takes_the_replicas_of_the_original() {
    let write = |write: &mut Write, view: &View| {
        let Write::Patch { track: Track::Canary, operations, .. } = write else { return };
        let Some(primary) = &view.primary else { return };
        for operation in operations.iter_mut().filter(|it| it["op"] == "replace" && it["value"] != json!(0)) {
            operation["value"] = Value::from(primary.replicas() + 1);
        }
    };
    let alterations = Alterations { write: Some(write), ..NONE };
    is_found("the original's replicas", setting(2, Behaviour::Good, 1, 0), alterations, &["I4"]);
}

#[test]
fn a_rejected_version_is_tried_again_and_again() {
    let record = |record: &mut Record, _: &View| record.rejected.clear();
    let alterations = Alterations { record: Some(record), ..NONE };
    is_found("no memory of rejects", setting(1, Behaviour::Failing, 1, 0), alterations, &["I8"]);
}

#[test]
fn a_new_image_is_classified_as_direct() {
    let answer = |answer: &mut Answer| {
        if let Answer::Classified { classification, .. } = answer {
            classification.kind = ChangeKind::Direct;
        }
    };
    let alterations = Alterations { answer: Some(answer), ..NONE };
    is_found("unproven", setting(1, Behaviour::Good, 1, 0), alterations, &["I3"]);
}

#[test]
fn it_promotes_after_any_check() {
    let answered = |record: &mut Record| {
        if let Phase::Canary(rollout) = &record.phase
            && !rollout.checks.is_empty()
        {
            record.phase = Phase::Promoting(rollout.clone());
        }
    };
    let alterations = Alterations { answered: Some(answered), ..NONE };
    is_found("any check", setting(3, Behaviour::Good, 1, 0), alterations, &["I10"]);
}

#[test]
fn pods_of_the_version_before_are_taken_for_evidence() {
    let alterations = Alterations { daemon: Some(DaemonMistake::JudgesTheVersionBefore), ..NONE };
    is_found("the version before", adopted(1, Behaviour::Crashing, 2, 1), alterations, &["I8", "I9"]);
}

#[test]
fn a_copy_is_deleted_whatever_its_uid() {
    let write = |write: &mut Write, _: &View| {
        if let Write::Delete { uid, .. } = write {
            uid.clear();
        }
    };
    let alterations = Alterations { write: Some(write), ..NONE };
    is_found("no uid", setting(1, Behaviour::Good, 2, 0), alterations, &["I6"]);
}

#[test]
fn a_lost_answer_is_not_read_back() {
    let alterations = Alterations { daemon: Some(DaemonMistake::DoesNotReadBack), ..NONE };
    is_found("not read back", setting(1, Behaviour::Good, 1, 2), alterations, &["I1", "I2", "I8", "I9"]);
}

#[test]
fn a_daemon_that_was_deposed_acts_on_its_old_lease() {
    let alterations = Alterations { daemon: Some(DaemonMistake::ActsOnAnOldLease), ..NONE };
    is_found("an old lease", setting(1, Behaviour::Good, 1, 1), alterations, &["I1", "I2", "I8", "I9"]);
}

#[test]
fn a_record_is_stored_over_that_of_a_successor() {
    let alterations = Alterations { daemon: Some(DaemonMistake::RecordIsNotFenced), ..NONE };
    is_found("no fence", setting(1, Behaviour::Good, 1, 1), alterations, &["I7"]);
}

/// What the lease is for: without one, two daemons harm each other.
#[test]
fn two_daemons_act_without_a_lease() {
    let two = Setting { two_daemons: true, ..setting(1, Behaviour::Good, 1, 1) };
    is_found("two daemons", two, NONE, &["I1", "I8", "I9"]);
}

/// As `setting`, adopted already.
fn adopted(replicas: u8, second: Behaviour, acts: u8, faults: u8) -> Setting {
    Setting { adopted: true, ..setting(replicas, second, acts, faults) }
}

#[test]
fn a_service_that_was_scaled_down_is_taken_for_complete() {
    let view = |view: &mut View, record: Option<&Record>| {
        if record.is_some_and(|record| record.replicas < 2) {
            seems_complete(view.primary.as_mut());
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("complete after a scaling", setting(2, Behaviour::Good, 1, 0), alterations, &["I1"]);
}

#[test]
fn the_canary_is_removed_early_after_a_scaling() {
    let view = |view: &mut View, record: Option<&Record>| {
        let Some(original) = &view.original else { return };
        let scaled = !original.annotations.values().any(|applied| applied.contains("replicas"));
        if scaled && record.is_some_and(|it| matches!(it.phase, Phase::Promoting(_)) && it.replicas == 2) {
            seems_complete(view.primary.as_mut());
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("canary removed after a scaling", adopted(1, Behaviour::Good, 2, 0), alterations, &["I1", "I2", "I5"]);
}

#[test]
fn a_primary_that_is_made_anew_takes_all_its_pods_at_once() {
    let write = |write: &mut Write, view: &View| {
        if let Write::Create { track: Track::Primary, manifest } = write
            && view.original.as_ref().is_some_and(|original| original.generation > 1)
        {
            manifest["spec"]["replicas"] = json!(3);
        }
    };
    let alterations = Alterations { write: Some(write), ..NONE };
    is_found("made anew", setting(3, Behaviour::Good, 1, 0), alterations, &["I2"]);
}

#[test]
fn a_canary_that_is_taken_back_waits_for_the_primary() {
    let view = |view: &mut View, record: Option<&Record>| {
        let complete = view.primary.as_ref().is_some_and(Workload::complete);
        if let Some(canary) = &mut view.canary
            && record.is_some_and(|record| matches!(record.phase, Phase::RollingBack(_)))
            && !complete
        {
            canary.spec["replicas"] = json!(0);
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("a rollback that waits", setting(2, Behaviour::Failing, 1, 0), alterations, &["I4"]);
}

#[test]
fn a_canary_is_taken_back_before_the_primary_is_told_to_make_up_for_it() {
    let view = |view: &mut View, record: Option<&Record>| {
        if record.is_some_and(|record| matches!(record.phase, Phase::RollingBack(_)))
            && view.canary.as_ref().is_some_and(|canary| canary.replicas() > 0)
            && let (Some(primary), Some(record)) = (&mut view.primary, record)
        {
            primary.spec["replicas"] = json!(record.replicas);
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("a rollback in the wrong order", setting(2, Behaviour::Failing, 1, 0), alterations, &["I1"]);
}

#[test]
fn a_step_is_larger_than_the_break_point() {
    let record = |record: &mut Record, _: &View| {
        let replicas = record.replicas;
        if let Phase::Canary(rollout) = &mut record.phase {
            rollout.size = replicas;
        }
    };
    let alterations = Alterations { record: Some(record), ..NONE };
    is_found("a large step", setting(3, Behaviour::Good, 1, 0), alterations, &["I4"]);
}

#[test]
fn a_good_version_is_rolled_back() {
    let answer = |answer: &mut Answer| {
        if let Answer::Checked { said: Some(Ok((said, _))), .. } = answer {
            said.next = Next::Rollback;
        }
    };
    let alterations = Alterations { answer: Some(answer), ..NONE };
    is_found("a good version", setting(1, Behaviour::Good, 1, 0), alterations, &["I8"]);
}

#[test]
fn a_new_image_is_ignored() {
    let answer = |answer: &mut Answer| {
        if let Answer::Classified { classification, .. } = answer {
            classification.kind = ChangeKind::Ignore;
        }
    };
    let alterations = Alterations { answer: Some(answer), ..NONE };
    is_found("ignored", setting(1, Behaviour::Good, 1, 0), alterations, &["I8"]);
}

#[test]
fn the_copies_are_deleted_of_a_service_that_came_back() {
    let view = |view: &mut View, record: Option<&Record>| {
        if record.is_some_and(|record| record.gone_since.is_some()) {
            view.original = None;
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("came back", adopted(1, Behaviour::Good, 2, 0), alterations, &["I6"]);
}

#[test]
fn unproven_pods_of_the_original_wait_for_the_primary() {
    let view = |view: &mut View, record: Option<&Record>| {
        let complete = view.primary.as_ref().is_some_and(Workload::complete);
        if let Some(original) = &mut view.original
            && record.is_some_and(|record| record.phase == Phase::Steady)
            && !complete
        {
            original.spec["replicas"] = json!(0);
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("unproven pods", adopted(1, Behaviour::Good, 1, 1), alterations, &["I5"]);
}

#[test]
fn a_paused_rollout_does_not_walk_on() {
    let view = |view: &mut View, record: Option<&Record>| {
        let Some((Phase::Canary(rollout), replicas)) = record.map(|record| (&record.phase, record.replicas)) else {
            return;
        };
        let (Some(primary), Some(canary)) = (&mut view.primary, &mut view.canary) else { return };
        if rollout.paused.is_some() {
            canary.spec["replicas"] = json!(rollout.size);
            primary.spec["replicas"] = json!(replicas - rollout.size);
            [primary, canary].into_iter().for_each(|copy| seems_complete(Some(copy)));
        }
    };
    let alterations = Alterations { view: Some(view), ..NONE };
    is_found("paused in a walk", adopted(2, Behaviour::Good, 2, 0), alterations, &["I8"]);
}
