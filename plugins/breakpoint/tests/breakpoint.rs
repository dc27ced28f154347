//! How a rollout goes on after its checks.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aviary_policy_sdk::{
    Attribute, Move, NextStep,
    Outcome::{self, Critical, Fail, Inconclusive, Pass},
    Progression,
    parameters::read,
    testing::{NOW, SituationBuilder},
};
use breakpoint::{Breakpoint, Settings};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

fn next(situation: SituationBuilder, parameters: &str) -> Move {
    Breakpoint::next(&situation.build(), &read(parameters).unwrap())
}

/// Step 2, with 2 pods on the way to 5 by 2.
fn step() -> SituationBuilder {
    SituationBuilder::new().step(2).sizes(2, 5, 2)
}

#[test]
fn checks_decide_what_comes_next() {
    use NextStep::{Advance, Hold, Pause, Promote, Rollback};
    let three = r#"{"passes":3}"#;
    let table = [
        ("none yet", step(), "", Hold, "no check has been taken yet"),
        ("a pass", step().check(Pass), "", Advance(4), "1 pass in step 2: the canary grows from 2 to 4 of 5 pods"),
        ("one of three", step().check(Pass), three, Hold, "pass 1 of 3 in step 2"),
        ("three of three", step().checks([Pass; 3]), three, Advance(4), "3 passes in step 2"),
        (
            "undecided in between",
            step().checks([Pass, Inconclusive, Pass, Pass]),
            three,
            Advance(4),
            "3 passes in step 2",
        ),
        (
            "the last part",
            SituationBuilder::new().sizes(4, 5, 2).check(Pass),
            "",
            Advance(5),
            "grows from 4 to 5 of 5 pods",
        ),
        (
            "the break-point",
            SituationBuilder::new().sizes(5, 5, 2).check(Pass),
            "",
            Promote,
            "at its break-point of 5 pods",
        ),
        ("early pass", step().early(Pass), "", Hold, "the warm-up is not over"),
        ("early doubt", step().early(Inconclusive), r#"{"inconclusive":"pause"}"#, Hold, "the warm-up is not over"),
        ("early passes do not count", step().early(Pass).early(Pass).check(Pass), three, Hold, "pass 1 of 3"),
        ("critical", step().checks([Pass, Critical]), "", Rollback, "critical: threshold: it was critical"),
        ("early critical", step().early(Critical), "", Rollback, "critical: threshold: it was critical"),
        ("a failure", step().checks([Pass, Fail]), "", Rollback, "threshold: it was fail"),
        (
            "doubt",
            step().checks([Pass, Inconclusive]),
            "",
            Hold,
            "inconclusive for 1 min of at most 30 min: threshold: it was",
        ),
        ("doubt, pause", step().check(Inconclusive), r#"{"inconclusive":"pause"}"#, Pause, "inconclusive: threshold"),
        (
            "doubt, fail",
            step().check(Inconclusive),
            r#"{"inconclusive":"fail"}"#,
            Rollback,
            "threshold: it was inconclusive",
        ),
        (
            "earlier step's pass",
            SituationBuilder::new().sizes(2, 5, 2).checks([Pass; 2]).step(2).check(Pass),
            three,
            Hold,
            "pass 1 of 3",
        ),
        (
            "earlier size's pass",
            SituationBuilder::new().sizes(1, 5, 2).checks([Pass; 2]).sizes(2, 5, 2).check(Pass),
            three,
            Hold,
            "pass 1 of 3",
        ),
    ];
    for (case, situation, parameters, step, reason) in table {
        let found = next(situation, parameters);
        assert!(same(found.next, step), "{case}: {:?} {}", found.next, found.reason);
        assert!(found.reason.contains(reason), "{case}: {}", found.reason);
    }
}

#[test]
fn failures_are_tolerated_within_their_window_only() {
    let parameters = r#"{"tolerated-failures":1,"failure-window":120000}"#;
    let held = next(step().checks([Pass, Fail]), parameters);
    assert!(same(held.next, NextStep::Hold));
    assert_eq!(held.reason, "failure 1 of 1 tolerated within 2 min: threshold: it was fail");
    let back = next(step().checks([Fail, Pass, Fail]), parameters);
    assert!(same(back.next, NextStep::Rollback));
    assert_eq!(back.reason, "2 failed checks within 2 min (steps 2, 2), 1 tolerated; the last: threshold: it was fail");
    assert!(same(next(step().checks([Fail, Pass, Pass, Fail]), parameters).next, NextStep::Hold));
    let whole = r#"{"tolerated-failures":1}"#;
    assert!(same(next(step().checks([Fail, Pass, Pass, Fail]), whole).next, NextStep::Rollback));
}

#[test]
fn passes_start_anew_after_a_failure() {
    let parameters = r#"{"passes":2,"tolerated-failures":1}"#;
    let held = next(step().checks([Pass, Pass, Fail, Pass]), parameters);
    assert_eq!(held.reason, "pass 1 of 2 in step 2");
    assert!(same(next(step().checks([Pass, Fail, Pass, Pass]), parameters).next, NextStep::Advance(4)));
}

#[test]
fn passes_can_be_asked_to_last() {
    let parameters = r#"{"pass-duration":120000}"#;
    let held = next(step().checks([Pass, Pass]), parameters);
    assert_eq!((held.reason.as_str(), same(held.next, NextStep::Hold)), ("passing for 1 min of 2 min in step 2", true));
    assert!(same(next(step().checks([Pass, Pass, Pass]), parameters).next, NextStep::Advance(4)));
}

#[test]
fn doubt_ends_at_its_limit() {
    let doubt = |count| step().check(Pass).checks(vec![Inconclusive; count]);
    let parameters = r#"{"inconclusive-limit":300000}"#;
    assert!(same(next(doubt(4), parameters).next, NextStep::Hold));
    let paused = next(doubt(5), parameters);
    assert_eq!(paused.reason, "inconclusive for 5 min, the limit is 5 min: threshold: it was inconclusive");
    assert!(same(paused.next, NextStep::Pause));
    assert!(same(next(doubt(60), r#"{"inconclusive-limit":0}"#).next, NextStep::Hold));
    let resumed = doubt(9).with(|situation| {
        let (key, value) = ("resumed-at".to_owned(), (NOW - 2 * MINUTE).to_string());
        situation.attributes.push(Attribute { key, value });
    });
    assert!(same(next(resumed, parameters).next, NextStep::Hold));
}

#[test]
fn doubt_is_counted_from_the_end_of_the_warm_up() {
    let parameters = r#"{"inconclusive-limit":180000}"#;
    let doubt = |count| step().checks(vec![Inconclusive; count]);
    assert!(same(next(doubt(3), parameters).next, NextStep::Hold));
    assert!(same(next(doubt(4), parameters).next, NextStep::Pause));
}

/// Checks that are a minute apart, so many before the newest that they are not all remembered.
fn long(outcomes: impl IntoIterator<Item = Outcome>) -> SituationBuilder {
    step().checks(outcomes).forgetting()
}

#[test]
fn passes_that_are_forgotten_are_said_to_be() {
    let parameters = r#"{"pass-duration":4000000}"#;
    let held = next(long([Pass; 90]), parameters);
    assert!(same(held.next, NextStep::Hold));
    assert_eq!(
        held.reason,
        "passing for 64 min of 66 min in step 2, but only the last 64 checks are remembered: ask for a shorter \
         `pass-duration`, or check less often"
    );
    assert!(same(next(long([Pass; 90]), r#"{"pass-duration":3840000}"#).next, NextStep::Advance(4)));
    let failed_in_between = (0..90).map(|index| if index == 60 { Fail } else { Pass });
    let held = next(long(failed_in_between), r#"{"pass-duration":4000000,"tolerated-failures":1}"#);
    assert_eq!(held.reason, "passing for 28 min of 66 min in step 2");
    let of_two_steps = SituationBuilder::new().sizes(2, 5, 2).checks([Pass; 60]).step(2).checks([Pass; 30]);
    let held = next(of_two_steps.forgetting(), parameters);
    assert_eq!(held.reason, "passing for 29 min of 66 min in step 2");
}

#[test]
fn a_failure_is_not_tolerated_where_earlier_ones_may_be_forgotten() {
    let failing = |count: usize| (0..count).map(move |index| if index + 1 == count { Fail } else { Pass });
    let parameters = |window: u64| format!(r#"{{"tolerated-failures":3,"failure-window":{window}}}"#);
    let back = next(long(failing(90)), &parameters(7_200_000));
    assert!(same(back.next, NextStep::Rollback));
    assert_eq!(
        back.reason,
        "a failed check, 3 tolerated within 120 min, of which only 64 min are remembered: what is forgotten may have failed \
         as often; threshold: it was fail"
    );
    for (checks, window) in [(90, 3_840_000), (90, 0), (60, 7_200_000)] {
        let held = next(long(failing(checks)), &parameters(window));
        assert!(same(held.next, NextStep::Hold), "{checks} {window}: {}", held.reason);
    }
    let passes = (0..90).map(|index| if index == 80 { Fail } else { Pass });
    assert!(same(next(long(passes), &parameters(7_200_000)).next, NextStep::Advance(4)));
}

#[test]
fn more_than_is_remembered_is_refused_at_the_door() {
    let refused = |parameters: &str| Breakpoint::check(&read(parameters).unwrap()).unwrap_err();
    let fault = "parameter `passes` must be at most 64: no more checks are remembered";
    assert_eq!(refused(r#"{"passes":65}"#), fault);
    assert_eq!(
        refused(r#"{"tolerated-failures":64}"#),
        "parameter `tolerated-failures` must be below 64: no more checks are remembered, so that failures would never be \
         too many"
    );
    Breakpoint::check(&read(r#"{"passes":64,"tolerated-failures":63}"#).unwrap()).unwrap();
}

#[test]
fn no_pass_needed_is_refused_at_the_door() {
    let settings: Settings = read(r#"{"passes":0}"#).unwrap();
    assert!(Breakpoint::check(&settings).unwrap_err().starts_with("parameter `passes` must be at least 1"));
    Breakpoint::check(&Settings::default()).unwrap();
}

fn same(one: NextStep, other: NextStep) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![4 => Just(Pass), 2 => Just(Inconclusive), 1 => Just(Fail), 1 => Just(Critical)]
}

prop_compose! {
    fn settings()(passes in 0_u32..5, pass_duration in 0_u64..200_000, tolerated_failures in 0_u32..4,
        failure_window in 0_u64..400_000, fail in any::<bool>(), inconclusive_limit in 0_u64..400_000) -> Settings {
        let inconclusive = if fail { breakpoint::Inconclusive::Fail } else { breakpoint::Inconclusive::Hold };
        Settings { passes, pass_duration, tolerated_failures, failure_window, inconclusive, inconclusive_limit }
    }
}

proptest! {
    #[test]
    fn whatever_is_forgotten_no_more_failures_are_tolerated_than_asked(
        failed in prop::collection::vec(prop::bool::weighted(0.025), 70..130), tolerated in 0_u32..3, minutes in 50_i64..120,
    ) {
        let failure_window = u64::try_from(minutes * MINUTE).unwrap();
        let settings = Settings { passes: 64, tolerated_failures: tolerated, failure_window, ..Settings::default() };
        for taken in 1..=failed.len() {
            let outcomes = failed[..taken].iter().map(|failed| if *failed { Fail } else { Pass });
            let found = Breakpoint::next(&long(outcomes).build(), &settings);
            if same(found.next, NextStep::Rollback) {
                break;
            }
            let window = taken.saturating_sub(usize::try_from(minutes).unwrap() + 1)..taken;
            let failures = failed[window].iter().filter(|failed| **failed).count();
            prop_assert!(failures <= tolerated as usize, "{failures} at {taken}: {}", found.reason);
        }
    }

    #[test]
    fn it_never_goes_beyond_the_break_point_nor_on_without_a_pass(
        settings in settings(), canary in 0_u32..200, break_point in 1_u32..200, step in 0_u32..300,
        checks in prop::collection::vec((outcome(), any::<bool>()), 0..12),
    ) {
        let builder = SituationBuilder::new().sizes(canary, break_point, step);
        let situation = checks.iter().fold(builder, |builder, (outcome, early)| {
            if *early { builder.early(*outcome) } else { builder.check(*outcome) }
        });
        let passes = checks.iter().rev().take_while(|(outcome, _)| *outcome < Fail);
        let passes = passes.filter(|(outcome, early)| *outcome == Pass && !early).count();
        let found = Breakpoint::next(&situation.build(), &settings);
        match found.next {
            NextStep::Advance(size) => {
                prop_assert!(size > canary && size <= break_point && size <= canary + step.max(1));
                prop_assert!(passes >= settings.passes.max(1) as usize);
            }
            NextStep::Promote => prop_assert!(canary >= break_point && passes >= settings.passes.max(1) as usize),
            NextStep::Rollback => prop_assert!(checks.iter().any(|(outcome, _)| *outcome != Pass)),
            NextStep::Hold | NextStep::Pause => {}
        }
        if checks.last().is_some_and(|(outcome, _)| *outcome == Critical) {
            prop_assert!(same(found.next, NextStep::Rollback));
        }
    }
}
