//! Lives of a service, held against the invariants at every moment.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use std::time::Duration;

use aviary_core::{
    answer::{Answer, answered},
    command::{Command, commanded},
    judge::{ChangeKind, Classification, Next, Outcome, PodObservation, Track},
    lease::Lease,
    plan::{Plan, Question, RecordState, Service, plan},
    record::{Phase, Record},
    replicas::Sizes,
    settings::{Amount, OnRollback},
    time::Timestamp,
    view::View,
};
use proptest::prelude::*;
use world::{World, lease};

fn command(world: &mut World, word: Command) -> bool {
    match commanded(world.record(), word, &world.lease, world.now) {
        Ok((record, note)) => {
            world.notes.push(note);
            world.record = RecordState::Present(Box::new(record));
            true
        }
        Err(_) => false,
    }
}

/// I1 and I2 while nobody scales.
fn capacity(replicas: u32) -> impl FnMut(&World) {
    move |world| {
        let surge = Sizes::new(&world.settings, replicas).surge;
        let allowed = u32::from(surge == 0);
        assert!(world.available() + allowed >= replicas, "I1: {} of {replicas}: {:#?}", world.available(), world.notes);
        assert!(world.total() <= replicas + surge, "I2: {} of {replicas} + {surge}", world.total());
    }
}

/// What is planned where the watches show something else.
fn plan_seeing(world: &World, view: &View) -> Plan {
    let (record, lease) = (&world.record, &world.lease);
    let service = Service { namespace: "shop", name: "foo", view, record, may_adopt: true, lease };
    plan(&service, &world.settings, world.now)
}

/// A pod that does not start.
fn waiting(track: Track, reason: &str) -> PodObservation {
    PodObservation {
        name: format!("foo-{track}-1"),
        track,
        created: Timestamp(0),
        became_ready: None,
        ready: false,
        restart_count: 0,
        restarts: Vec::new(),
        waiting_reason: Some(reason.to_owned()),
        waiting_message: None,
    }
}

fn adopted(replicas: u32, surge: Amount) -> World {
    let mut world = World::new(replicas, surge);
    world.settle(capacity(replicas));
    assert!(world.steady(), "{:?}", world.record().phase);
    world
}

const QUARTER: Amount = Amount::Percent(25.0);

#[test]
fn adoption_and_release_lose_no_capacity() {
    for (replicas, surge) in [(5, QUARTER), (1, QUARTER), (10, Amount::Pods(0)), (1, Amount::Pods(0)), (0, QUARTER)] {
        let mut world = adopted(replicas, surge);
        assert_eq!(world.deployments[&Track::Original].available(), 0);
        assert!(command(&mut world, Command::Release));
        world.settle(capacity(replicas));
        assert_eq!(world.record().phase, Phase::Released);
        assert_eq!(world.deployments.keys().collect::<Vec<_>>(), [&Track::Original]);
        assert_eq!(world.available(), replicas);
    }
}

#[test]
fn a_new_image_takes_one_record_and_one_write_until_its_pods_are_asked_for() {
    let mut world = adopted(5, QUARTER);
    // The canary is created for the first one, and is there at 0 for the second.
    for image in ["worker:v2", "worker:v3"] {
        world.apply(image, None);
        assert!(world.step(), "what is it?");
        assert!(world.step(), "its first pods");
        let canary = &world.deployments[&Track::Canary];
        assert_eq!((canary.image(), &canary.spec["replicas"]), (image, &1.into()));
        world.settle(capacity(5));
        assert!(world.steady() && world.deployments[&Track::Primary].image() == image);
    }
}

#[test]
fn a_good_image_is_promoted_with_n_plus_k_pods() {
    for (replicas, surge) in
        [(5, QUARTER), (10, QUARTER), (1, QUARTER), (2, Amount::Pods(0)), (1, Amount::Pods(0)), (40, Amount::Pods(1))]
    {
        let mut world = adopted(replicas, surge);
        let before = world.started;
        world.apply("worker:v2", None);
        world.settle(capacity(replicas));
        assert!(world.steady() && world.said("Promoted"), "{:#?}", world.notes);
        assert_eq!(world.deployments[&Track::Primary].image(), "worker:v2");
        let k = Sizes::new(&world.settings, replicas).break_point;
        assert_eq!(world.started - before, replicas + k, "N = {replicas}");
    }
}

#[test]
fn a_bad_check_rolls_back_and_the_image_is_not_tried_again() {
    let mut world = adopted(10, QUARTER);
    world.outcome = Outcome::Critical;
    world.apply("worker:v2", None);
    world.settle(|_| {});
    assert!(world.steady() && world.said("RolledBack"), "{:#?}", world.notes);
    assert_eq!(world.deployments[&Track::Original].image(), "worker:v1");
    assert_eq!((world.available(), world.deployments[&Track::Primary].available()), (10, 10));
    world.apply("worker:v2", Some(10));
    world.settle(|_| {});
    assert!(world.steady() && world.said("RejectedAgain"));
    assert_eq!(world.deployments[&Track::Original].image(), "worker:v2", "not rewritten in a loop");
    assert_eq!(world.notes.iter().filter(|note| note.code == "RolloutStarted").count(), 1);
}

#[test]
fn what_never_gets_ready_is_rolled_back_at_the_deadline() {
    let mut world = adopted(5, QUARTER);
    world.apply("worker:never-ready", None);
    let began = world.now;
    world.settle(|_| {});
    assert!(world.steady() && world.said("RolledBack"), "{:#?}", world.notes);
    let note = world.notes.iter().find(|note| note.code == "RollingBack").unwrap();
    assert!(note.text.contains("0 of 1 pods of the canary are available, none more for 1m"), "{}", note.text);
    assert!(world.now.since(began).as_secs() < 90);
}

#[test]
fn a_canary_that_breaks_as_its_promotion_begins_is_rolled_back_at_the_deadline() {
    for (replicas, surge) in [(5, QUARTER), (1, QUARTER), (2, Amount::Pods(0))] {
        let mut world = adopted(replicas, surge);
        world.apply("worker:v2", None);
        while !matches!(world.record().phase, Phase::Promoting(_)) {
            world.tick();
        }
        world.deployments.get_mut(&Track::Canary).unwrap().broken = true;
        world.reconcile();
        world.settle(|_| {});
        assert!(world.steady() && world.said("RolledBack"), "N = {replicas}: {:#?}", world.notes);
        assert_eq!(world.deployments[&Track::Primary].image(), "worker:v1");
        assert_eq!(world.deployments[&Track::Primary].available(), replicas);
    }
}

#[test]
fn on_rollback_keep_leaves_the_original_alone() {
    let mut world = adopted(5, QUARTER);
    world.settings.on_rollback = OnRollback::Keep;
    world.outcome = Outcome::Fail;
    world.apply("worker:v2", None);
    world.settle(|_| {});
    assert!(world.steady());
    assert_eq!(world.deployments[&Track::Original].image(), "worker:v2");
    assert_eq!(world.deployments[&Track::Primary].image(), "worker:v1");
}

#[test]
fn a_wish_for_replicas_is_followed() {
    let mut world = adopted(5, QUARTER);
    for replicas in [9, 2, 6] {
        world.edit(Track::Original, |spec| spec["replicas"] = replicas.into());
        world.settle(|world| assert!(world.available() >= 2));
        assert_eq!((world.available(), world.total()), (replicas, replicas));
        assert!(world.steady());
    }
}

#[test]
fn scaling_in_the_middle_keeps_the_share() {
    let mut world = adopted(10, QUARTER);
    world.outcome = Outcome::Inconclusive;
    world.apply("worker:v2", None);
    for _ in 0..60 {
        world.tick();
    }
    world.edit(Track::Original, |spec| spec["replicas"] = 20.into());
    for _ in 0..60 {
        world.tick();
    }
    assert_eq!(world.deployments[&Track::Canary].available(), 4, "2 of 10 is 4 of 20");
    assert_eq!(world.available(), 20);
}

#[test]
fn errors_hold_then_pause_and_an_operator_resumes() {
    let mut world = adopted(5, QUARTER);
    world.outcome = Outcome::Inconclusive;
    world.apply("worker:v2", None);
    for _ in 0..700 {
        world.tick();
    }
    assert!(world.said("Paused"), "{:#?}", world.notes);
    world.outcome = Outcome::Pass;
    for _ in 0..60 {
        world.tick();
    }
    assert!(matches!(world.record().phase, Phase::Canary(_)), "a paused rollout is not promoted");
    assert!(command(&mut world, Command::Resume));
    world.settle(capacity(5));
    assert!(world.said("Promoted"));
}

#[test]
fn what_a_progression_may_not_say_is_held_and_told_once() {
    for (next, why) in [
        (Next::Promote, "promote needs a check that passed at the break-point, 2 pods"),
        (Next::Advance(1), "advance to 1 from 1 pods is no step ahead; the break-point is 2"),
    ] {
        let mut world = adopted(5, QUARTER);
        world.next = Some(next);
        world.apply("worker:v2", None);
        (0..100).for_each(|_| _ = world.tick());
        assert!(
            matches!(&world.record().phase, Phase::Canary(rollout) if rollout.size == 1 && rollout.checks_in_all > 5)
        );
        let told: Vec<_> = world.notes.iter().filter(|note| note.code == "Overruled").collect();
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].text.contains(why), "{}", told[0].text);
    }
}

#[test]
fn a_spec_that_must_not_run_beside_another_gets_no_canary_in_the_middle_either() {
    let mut world = adopted(5, QUARTER);
    world.outcome = Outcome::Inconclusive;
    world.apply("worker:v2", None);
    (0..40).for_each(|_| _ = world.tick());
    assert_eq!(world.deployments[&Track::Canary].available(), 1);
    world.edit(Track::Original, |spec| {
        spec["strategy"] = serde_json::json!({"type": "Recreate"});
        spec["template"]["spec"]["containers"][0]["image"] = "worker:v3".into();
    });
    world.settle(capacity(5));
    assert!(world.said("Superseded"));
    assert_eq!(world.deployments[&Track::Canary].image(), "worker:v2", "it never ran");
    assert!(world.plan().problems[0].fault.contains("Recreate"));
}

#[test]
fn a_canary_that_is_larger_than_a_lowered_break_point_is_promoted() {
    let mut world = adopted(5, QUARTER);
    let reach = |world: &mut World, size| {
        while !matches!(&world.record().phase, Phase::Canary(rollout) if rollout.size == size && rollout.step_complete.is_some())
        {
            world.tick();
        }
    };
    world.apply("worker:v2", None);
    reach(&mut world, 1);
    world.settings.break_point = Amount::Percent(80.0);
    reach(&mut world, 3);
    world.settings.break_point = Amount::Percent(40.0);
    world.next = Some(Next::Promote);
    world.settle(capacity(5));
    assert!(world.said("Promoted"), "{:#?}", world.notes);
}

#[test]
fn pods_speak_against_a_candidate_only_once_its_controller_has_seen_it() {
    let mut world = adopted(5, QUARTER);
    world.apply("worker:v2", None);
    assert!(world.step() && world.step(), "the first pod is asked for");
    let asked = |world: &World| {
        let mut view = world.view();
        view.pods.push(waiting(Track::Canary, "CrashLoopBackOff"));
        plan_seeing(world, &view)
    };
    let asks = |world: &World| matches!(asked(world).question, Some(Question::Observe { early: true, .. }));
    assert!(!asks(&world), "it may be a pod of the version before");
    world.reconcile();
    assert!(asks(&world));
    assert!(asked(&world).wake_at.is_some_and(|at| at > world.now), "it may be too long for the step");
    let now = world.now;
    world.now = now.plus(world.settings.longest_step);
    assert!(asks(&world) && asked(&world).wake_at.is_none(), "the answer is waited for, and nothing else");
    world.now = now;
    world.deployments.get_mut(&Track::Canary).unwrap().generation += 1;
    assert!(!asks(&world), "which template its controller runs is not known again");
}

#[test]
fn a_newer_image_starts_again_and_the_accepted_one_ends_it() {
    let mut world = adopted(10, QUARTER);
    world.outcome = Outcome::Inconclusive;
    world.apply("worker:v2", None);
    for _ in 0..40 {
        world.tick();
    }
    world.apply("worker:v3", None);
    world.outcome = Outcome::Pass;
    world.settle(capacity(10));
    assert!(world.said("Superseded"));
    assert_eq!(world.deployments[&Track::Primary].image(), "worker:v3");
    world.outcome = Outcome::Inconclusive;
    world.apply("worker:v4", None);
    for _ in 0..40 {
        world.tick();
    }
    world.apply("worker:v3", Some(10));
    world.settle(|_| {});
    assert!(world.steady() && world.record().rejected.is_empty(), "{:#?}", world.notes);
    assert_eq!(world.deployments[&Track::Canary].available(), 0);
}

#[test]
fn a_stranger_with_the_name_of_a_copy_is_left_alone() {
    for track in [Track::Primary, Track::Canary] {
        let mut world = adopted(5, QUARTER);
        world.apply("worker:v2", None);
        (0..10).for_each(|_| _ = world.tick());
        world.deployments.get_mut(&track).unwrap().copy = false;
        let plan = world.plan();
        assert!(plan.record.is_none() && plan.act.is_none() && plan.question.is_none(), "{plan:?}");
        assert!(plan.problems[0].fault.contains("that Aviary did not make"), "{plan:?}");
    }
}

#[test]
fn bypass_goes_direct_once() {
    let mut world = adopted(5, QUARTER);
    assert!(command(&mut world, Command::Bypass));
    world.apply("worker:hotfix", None);
    world.settle(capacity(5));
    assert_eq!(world.deployments[&Track::Primary].image(), "worker:hotfix");
    assert!(!world.deployments.contains_key(&Track::Canary) && !world.record().bypass);
    world.apply("worker:v2", None);
    world.tick();
    world.tick();
    assert!(matches!(world.record().phase, Phase::Canary(_)));
}

#[test]
fn a_bypass_that_waits_for_a_hotfix_does_not_bring_back_what_was_rolled_back_meanwhile() {
    let mut world = adopted(5, QUARTER);
    world.settings.on_rollback = OnRollback::Keep;
    world.outcome = Outcome::Inconclusive;
    world.apply("worker:v2", None);
    (0..40).for_each(|_| _ = world.tick());
    assert!(command(&mut world, Command::Bypass));
    world.outcome = Outcome::Critical;
    world.settle(|_| {});
    assert!(world.said("RejectedAgain") && !world.said("Bypassed"), "{:#?}", world.notes);
    assert_eq!(world.deployments[&Track::Primary].image(), "worker:v1");
    let mut insists = world.clone();
    world.apply("worker:hotfix", None);
    world.settle(capacity(5));
    assert_eq!(world.deployments[&Track::Primary].image(), "worker:hotfix");
    assert!(!world.record().bypass && world.said("Bypassed"));
    // Said again, it is for the one that is held.
    assert!(command(&mut insists, Command::Bypass) && !command(&mut insists, Command::Bypass));
    insists.settle(capacity(5));
    assert_eq!(insists.deployments[&Track::Primary].image(), "worker:v2");
}

#[test]
fn what_is_wrong_with_the_primary_keeps_no_newer_version_from_it() {
    let mut world = adopted(5, QUARTER);
    world.outcome = Outcome::Inconclusive;
    world.apply("worker:v2", None);
    let asks = |world: &World| {
        let mut view = world.view();
        view.primary.as_mut().unwrap().status.available = 3;
        plan_seeing(world, &view)
    };
    assert!(matches!(asks(&world).question, Some(Question::Classify { .. })), "steady");
    let mut resized = world.view();
    let primary = resized.primary.as_mut().unwrap();
    (primary.generation, primary.spec["replicas"]) = (primary.generation + 1, 4.into());
    assert!(plan_seeing(&world, &resized).question.is_none(), "it is to have its size first");
    (0..40).for_each(|_| _ = world.tick());
    assert!(command(&mut world, Command::Cancel));
    while world.plan().record.is_none_or(|record| record.phase != Phase::Steady) {
        world.tick();
    }
    let mut mended = world.clone();
    mended.apply("worker:v3", None);
    assert!(asks(&mended).record.is_none(), "it may still get complete");
    (world.now, mended.now) =
        (world.now.plus(world.settings.ready_deadline), mended.now.plus(world.settings.ready_deadline));
    assert!(asks(&world).record.is_none(), "rolling back, and nothing else to be tried");
    assert!(asks(&world).problems[0].fault.starts_with("3 of 5 pods of the primary are available"));
    assert_eq!(asks(&mended).record.unwrap().phase, Phase::Steady);
}

/// Most of its old pods serve all the time: that there are no more of them says nothing.
#[test]
fn a_promotion_that_goes_on_pod_by_pod_is_not_late_and_not_given_up_for_a_newer_image() {
    for surge in [Amount::Pods(0), Amount::Pods(1)] {
        let mut world = adopted(40, surge);
        world.settings.ready_deadline = Duration::from_secs(8);
        world.apply("worker:v2", None);
        while !matches!(world.record().phase, Phase::Promoting(_)) {
            world.tick();
        }
        let began = world.now;
        world.apply("worker:v3", None);
        while matches!(world.record().phase, Phase::Promoting(_)) {
            assert_eq!(world.plan().problems, []);
            world.tick();
        }
        assert!(world.now.since(began) > 2 * world.settings.ready_deadline, "it took longer than the deadline");
        assert!(world.said("Promoted") && !world.said("RollingBack"), "{:#?}", world.notes);
    }
}

#[test]
fn pods_that_must_be_ready_for_a_while_have_that_time_too() {
    let mut world = adopted(5, QUARTER);
    world.edit(Track::Original, |spec| {
        spec["minReadySeconds"] = 600.into();
        spec["template"]["spec"]["containers"][0]["image"] = "worker:never-ready".into();
    });
    let began = world.now;
    while !world.said("RollingBack") {
        world.tick();
    }
    let took = world.now.since(began);
    assert!(took >= Duration::from_secs(600) + world.settings.ready_deadline, "{took:?}");
}

#[test]
fn what_an_autoscaler_sets_is_nobodys_wish() {
    let mut world = adopted(5, QUARTER);
    world.edit(Track::Original, |spec| spec["replicas"] = 2.into());
    let mut view = world.view();
    assert_eq!(plan_seeing(&world, &view).record.unwrap().replicas, 2);
    view.autoscalers.push("HorizontalPodAutoscaler/keda-hpa-foo".to_owned());
    let plan = plan_seeing(&world, &view);
    assert!(plan.record.is_none() && plan.reason.contains("the original goes back to 0"), "{plan:?}");
    assert!(plan.problems[0].fault.contains("keda-hpa-foo"));
}

#[test]
fn a_clock_that_is_behind_the_one_before_waits_no_longer_for_that() {
    let mut world = adopted(5, QUARTER);
    world.apply("worker:v2", None);
    while !matches!(&world.record().phase, Phase::Canary(rollout) if rollout.step_complete.is_some()) {
        world.tick();
    }
    world.now = Timestamp(world.now.0 - 3_600_000);
    let began = world.now;
    while !matches!(&world.record().phase, Phase::Canary(rollout) if rollout.checks_in_all > 0) {
        world.tick();
    }
    assert!(world.now.since(began) <= world.settings.warm_up + Duration::from_secs(2));
    world.settle(capacity(5));
    assert!(world.said("Promoted"));
}

#[test]
fn an_adoption_whose_pods_do_not_start_again_says_so() {
    let mut world = World::new(5, QUARTER);
    while world.deployments.get(&Track::Primary).is_none_or(|primary| primary.available() > 0) {
        world.step();
    }
    let mut view = world.view();
    assert_eq!(plan_seeing(&world, &view).problems, []);
    view.pods.push(waiting(Track::Primary, "ImagePullBackOff"));
    assert_eq!(plan_seeing(&world, &view).problems[0].fault, "foo-primary-1 waits with ImagePullBackOff");
}

#[test]
fn an_original_that_comes_back_with_another_selector_serves_by_itself() {
    let mut world = adopted(5, QUARTER);
    let mut original = world.deployments.remove(&Track::Original).unwrap();
    (0..5).for_each(|_| _ = world.tick());
    original.uid = "anew".to_owned();
    original.spec["selector"]["matchLabels"]["app"] = "bar".into();
    original.spec["template"]["metadata"]["labels"]["app"] = "bar".into();
    original.spec["replicas"] = 3.into();
    world.deployments.insert(Track::Original, original);
    (0..100).for_each(|_| _ = world.tick());
    assert!(world.plan().problems[0].fault.contains("another selector"), "{:?}", world.plan());
    assert_eq!(world.deployments[&Track::Original].available(), 3, "whoever asks for its labels finds it");
    assert_eq!(world.deployments[&Track::Primary].available(), 5, "and who asks for those of before, them");
}

#[test]
fn the_copies_outlive_a_deleted_original_by_the_grace() {
    let mut world = adopted(5, QUARTER);
    let original = world.deployments.remove(&Track::Original).unwrap();
    for _ in 0..30 {
        world.tick();
    }
    assert_eq!(world.available(), 5);
    let mut anew = original.clone();
    (anew.uid, anew.generation, anew.observed) = ("uid-anew".to_owned(), 1, 0);
    anew.spec["replicas"] = 5.into();
    world.deployments.insert(Track::Original, anew);
    world.settle(|world| assert!(world.available() >= 5));
    assert!(world.steady() && world.available() == 5);
    world.deployments.remove(&Track::Original);
    world.settle(|_| {});
    assert_eq!((world.deployments.len(), &world.record), (0, &RecordState::Absent));
}

fn canary_sizes(world: &mut World) -> Vec<u64> {
    let mut sizes = Vec::new();
    world.settle(|world| {
        let canary = world.deployments.get(&Track::Canary);
        sizes.extend(canary.map(|canary| canary.spec["replicas"].as_u64().unwrap()));
    });
    sizes.dedup();
    sizes
}

type Reload = fn(&mut World);

#[test]
fn a_rollout_goes_on_with_what_it_began_with_and_only_gets_stricter() {
    let loosened = |world: &mut World| {
        (world.settings.step, world.settings.break_point) = (Amount::Percent(100.0), Amount::Percent(10.0));
        (world.settings.warm_up, world.settings.analyzers) = (Duration::ZERO, Vec::new());
    };
    let tightened = |world: &mut World| {
        (world.settings.step, world.settings.break_point) = (Amount::Percent(10.0), Amount::Percent(50.0));
    };
    let left_alone = |_: &mut World| {};
    let table: [(&str, Reload, &[u64]); 3] = [
        ("left alone", left_alone, &[2, 4, 1]),
        ("loosened", loosened, &[2, 4, 1]),
        ("tightened", tightened, &[2, 3, 4, 5]),
    ];
    for (what, reload, sizes) in table {
        let mut world = adopted(10, QUARTER);
        world.apply("worker:v2", None);
        while !matches!(world.record().phase, Phase::Canary(_)) {
            world.tick();
        }
        reload(&mut world);
        let seen = canary_sizes(&mut world);
        assert!(world.steady() && world.said("Promoted"), "{what}: {:#?}", world.notes);
        assert!(seen.starts_with(sizes), "{what}: {seen:?}");
        world.apply("worker:v3", None);
        let seen = canary_sizes(&mut world);
        let first = Sizes::new(&world.settings, 10).next_step(0);
        assert!(seen.contains(&first.into()), "{what}: the next rollout begins with the current ones: {seen:?}");
    }
}

#[test]
fn what_says_nothing_of_the_candidate_is_followed_at_once() {
    let mut world = adopted(10, QUARTER);
    world.outcome = Outcome::Inconclusive;
    world.apply("worker:v2", None);
    for _ in 0..20 {
        world.tick();
    }
    world.settings.on_rollback = OnRollback::Keep;
    world.settings.surge = Amount::Pods(1);
    world.outcome = Outcome::Critical;
    world.settle(|_| {});
    assert!(world.said("RolledBack"));
    assert_eq!(world.deployments[&Track::Original].image(), "worker:v2");
    assert_eq!(world.deployments[&Track::Primary].spec["strategy"]["rollingUpdate"]["maxSurge"], 1);
}

/// Records of before settings were remembered in them.
#[test]
fn a_rollout_that_began_without_remembering_follows_the_current_settings() {
    let mut world = adopted(10, QUARTER);
    world.apply("worker:v2", None);
    while !matches!(world.record().phase, Phase::Canary(_)) {
        world.tick();
    }
    let mut document: serde_json::Value = serde_json::from_str(&world.record().text()).unwrap();
    document["phase"]["canary"].as_object_mut().unwrap().remove("settings").unwrap();
    world.record = RecordState::Present(Box::new(Record::parse(&document.to_string()).unwrap()));
    (world.settings.step, world.settings.break_point) = (Amount::Percent(30.0), Amount::Percent(60.0));
    assert_eq!(&canary_sizes(&mut world)[..2], [2, 5], "{:#?}", world.notes);
    assert!(world.steady() && world.said("Promoted"));
}

#[derive(Debug, Clone)]
enum Deed {
    Apply(u8, Option<u32>),
    Scale(u32),
    Command(Command),
    Outcome(Outcome),
    EditPrimary(u32),
    DeleteCanary,
    Reload(u32, u32),
    TakeOver,
    Wait(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let word = prop::sample::select(vec![
        Command::Cancel,
        Command::Bypass,
        Command::Pause,
        Command::Resume,
        Command::ClearBypass,
    ]);
    let outcome = prop::sample::select(vec![Outcome::Pass, Outcome::Inconclusive, Outcome::Fail, Outcome::Critical]);
    prop_oneof![
        3 => (0..4u8, prop::option::of(2..12u32)).prop_map(|(image, replicas)| Deed::Apply(image, replicas)),
        1 => (2..12u32).prop_map(Deed::Scale),
        2 => word.prop_map(Deed::Command),
        1 => outcome.prop_map(Deed::Outcome),
        1 => (0..12u32).prop_map(Deed::EditPrimary),
        1 => Just(Deed::DeleteCanary),
        1 => (1..=100u32, 1..=100u32).prop_map(|(step, break_point)| Deed::Reload(step, break_point)),
        2 => Just(Deed::TakeOver),
        5 => (0..40u8).prop_map(Deed::Wait),
    ]
}

fn perform(world: &mut World, deed: &Deed) {
    match deed {
        Deed::Apply(image, replicas) => {
            let image = ["worker:v1", "worker:v2", "worker:v3", "worker:never-ready"][usize::from(*image)];
            world.apply(image, *replicas);
        }
        Deed::Scale(replicas) => world.edit(Track::Original, |spec| spec["replicas"] = (*replicas).into()),
        Deed::Command(word) => drop(command(world, *word)),
        Deed::Outcome(outcome) => world.outcome = *outcome,
        Deed::EditPrimary(replicas) => world.edit(Track::Primary, |spec| spec["replicas"] = (*replicas).into()),
        Deed::Reload(step, break_point) => {
            world.settings.step = Amount::Percent((*step).into());
            world.settings.break_point = Amount::Percent((*break_point).into());
        }
        Deed::DeleteCanary => drop(world.deployments.remove(&Track::Canary)),
        Deed::TakeOver => world.lease.epoch += 1,
        Deed::Wait(ticks) => (0..*ticks).for_each(|_| _ = world.tick()),
    }
}

#[test]
fn a_takeover_of_a_service_at_rest_costs_no_write_and_a_change_one() {
    let mut world = adopted(5, QUARTER);
    world.lease = lease(2);
    assert!(!world.step(), "{:?}", world.plan());
    assert_eq!(world.record().lease, Some(lease(1)));
    world.apply("worker:v2", None);
    // What it is, said under the new lease, is all it takes: the canary's first pods are asked for at once.
    assert!(world.step() && world.record().lease == Some(lease(2)));
    assert!(world.plan().act.is_some(), "{:?}", world.plan());
}

#[test]
fn the_record_is_stored_anew_before_the_first_act_under_another_lease() {
    let mut world = adopted(5, QUARTER);
    world.apply("worker:v2", None);
    assert!(world.step());
    let before = world.plan();
    assert!(before.act.is_some(), "{before:?}");
    world.lease = lease(2);
    let fence = world.plan();
    assert_eq!(fence.record, Some(Box::new(world.record().clone().under(&lease(2)))));
    assert!(fence.act.is_none() && fence.notes.is_empty(), "{fence:?}");
    assert!(world.step());
    assert_eq!((world.plan(), world.plan_under(&lease(1)).act), (before, None));
    world.settle(capacity(5));
}

#[test]
fn a_deposed_daemon_does_nothing_whatever_is_answered_or_asked_for() {
    let mut world = adopted(5, QUARTER);
    world.apply("worker:v2", None);
    assert!(world.step());
    let (record, deposed) = (world.record().clone(), lease(0));
    let plan = world.plan_under(&deposed);
    assert!(plan.record.is_none() && plan.act.is_none() && plan.question.is_none() && plan.wake_at.is_none());
    assert!(plan.reason.starts_with("deposed: the record was written under epoch 1 of"), "{}", plan.reason);
    let said = commanded(&record, Command::Cancel, &deposed, world.now).unwrap_err();
    assert!(said.starts_with("deposed: "), "{said}");
    let classification = Classification { kind: ChangeKind::Direct, reason: String::new() };
    let (epoch, candidate) = (record.epoch, Box::new(record.accepted.clone()));
    let answer = Answer::Classified { epoch, digest: candidate.digest(), candidate, classification };
    assert_eq!(answered(&record, &world.settings, answer.clone(), &deposed, world.now), None);
    let (stored, _) = answered(&record, &world.settings, answer, &lease(7), world.now).unwrap();
    assert_eq!(stored.lease, Some(lease(7)));
}

#[test]
fn a_service_of_another_lease_is_left_alone_until_an_operator_wants_it_taken_over() {
    let mut world = adopted(5, QUARTER);
    world.apply("worker:v2", None);
    world.lease = Lease { name: "laptop/aviary".to_owned(), epoch: 1 };
    let plan = world.plan();
    assert!(plan.record.is_none() && plan.act.is_none() && plan.question.is_none() && plan.problems.len() == 1);
    assert!(!command(&mut world, Command::Bypass));
    assert!(command(&mut world, Command::Adopt) && world.said("TakenOver"));
    world.settle(capacity(5));
    assert!(world.steady() && world.deployments[&Track::Primary].image() == "worker:v2");
    assert!(!command(&mut world, Command::Adopt), "it is adopted already");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// I8: whatever people did, when they are quiet and checks say something, it comes to rest at N pods of one version.
    #[test]
    fn every_life_comes_to_rest(replicas in 2..12u32, no_surge in any::<bool>(), deeds in prop::collection::vec(deed(), 0..12)) {
        let mut world = adopted(replicas, if no_surge { Amount::Pods(0) } else { QUARTER });
        for deed in &deeds {
            perform(&mut world, deed);
        }
        if world.deployments[&Track::Original].image().contains("never-ready") && world.record().bypass {
            return Ok(());
        }
        world.outcome = Outcome::Pass;
        command(&mut world, Command::Resume);
        world.settle(|_| {});
        if world.deployments[&Track::Primary].image().contains("never-ready") {
            return Ok(());
        }
        prop_assert!(world.steady(), "{:?} {:#?}", world.plan(), world.notes);
        prop_assert_eq!(world.available(), world.record().replicas);
        prop_assert_eq!(world.deployments[&Track::Original].available(), 0);
        prop_assert!(world.deployments.get(&Track::Canary).is_none_or(|canary| canary.available() == 0));
    }
}
