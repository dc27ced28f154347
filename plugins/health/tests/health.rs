//! What health says of pods in every state they can be in.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aviary_policy_sdk::{
    Analyzer, Finding, Outcome, Track,
    parameters::read,
    testing::{NOW, ObservationBuilder},
};
use health::{Health, Settings};

fn judge(observation: ObservationBuilder) -> Finding {
    judge_with(observation, "")
}

fn judge_with(observation: ObservationBuilder, parameters: &str) -> Finding {
    Health::analyze(&observation.build(), &read(parameters).unwrap())
}

fn good() -> ObservationBuilder {
    ObservationBuilder::new().pod("c", Track::Canary).pod("p", Track::Primary)
}

#[test]
fn pods_in_every_state() {
    use Outcome::{Critical, Inconclusive, Pass};
    let table = [
        ("ready", good(), Pass, "1 of 1 canary pods are ready"),
        ("warming up", good().warming_up(), Pass, "1 of 1 canary pods are ready"),
        ("none", ObservationBuilder::new().pod("p", Track::Primary), Inconclusive, "no canary pod to judge"),
        (
            "starting",
            good().waiting("d", Track::Canary, "ContainerCreating"),
            Inconclusive,
            "1 of 2 canary pods are ready; d",
        ),
        ("one restart", good().restarted("d", Track::Canary, 1, "Error", 1), Inconclusive, "1 restart of canary pods"),
        ("two restarts", good().restarted("d", Track::Canary, 2, "Error", 1), Critical, "more than the 1 allowed"),
        ("the primary's", good().restarted("q", Track::Primary, 9, "Error", 1), Pass, "none restarted"),
        ("out of memory", good().restarted("d", Track::Canary, 1, "OOMKilled", 137), Critical, "OOMKilled"),
        (
            "pull, first time",
            good().waiting("d", Track::Canary, "ErrImagePull"),
            Inconclusive,
            "d waits with ErrImagePull",
        ),
        ("the primary's pull", good().waiting("q", Track::Primary, "ImagePullBackOff"), Pass, "are ready"),
    ];
    for (case, observation, outcome, reason) in table {
        let finding = judge(observation);
        assert_eq!(finding.outcome, outcome, "{case}: {}", finding.reason);
        assert!(finding.reason.contains(reason), "{case}: {}", finding.reason);
    }
}

#[test]
fn what_waits_for_good_is_critical_at_once() {
    for reason in [
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    ] {
        let observation = good().warming_up().waiting("d", Track::Canary, reason);
        let observation = observation.with(|it| it.pods[2].waiting_message = Some("no such image\nmore".to_owned()));
        let finding = judge(observation);
        assert_eq!((finding.outcome, finding.score), (Outcome::Critical, Some(50.0)));
        assert_eq!(finding.reason, format!("d waits with {reason}: no such image..."));
    }
}

#[test]
fn restarts_of_all_canary_pods_are_added_up_and_the_primarys_are_mentioned() {
    let twice = good().restarted("d", Track::Canary, 1, "Error", 3).restarted("e", Track::Canary, 1, "Error", 3);
    let others = ["r", "s"].into_iter().fold(twice, |all, name| all.pod(name, Track::Primary));
    let finding = judge(others.restarted("q", Track::Primary, 1, "Error", 3));
    assert_eq!(finding.outcome, Outcome::Critical);
    assert_eq!(
        finding.reason,
        "2 restarts of canary pods in this rollout, last with Error (exit code 3) in container worker, on e \
         (pods of the primary: 1): more than the 1 allowed"
    );
}

#[test]
fn the_number_of_restarts_can_be_set() {
    let restarted = |count| good().restarted("d", Track::Canary, count, "Error", 1);
    for (parameters, count, outcome) in [
        (r#"{"max-restarts":0}"#, 1, Outcome::Critical),
        (r#"{"max-restarts":3}"#, 3, Outcome::Inconclusive),
        (r#"{"max-restarts":3}"#, 4, Outcome::Critical),
        (r#"{"settle-duration":60000}"#, 1, Outcome::Pass),
        (r#"{"settle-duration":60001}"#, 1, Outcome::Inconclusive),
    ] {
        assert_eq!(judge_with(restarted(count), parameters).outcome, outcome, "{parameters} {count}");
    }
}

#[test]
fn restarts_from_before_the_rollout_do_not_count() {
    let old = good().pod_with("d", Track::Canary, |pod| {
        (pod.created, pod.restart_count) = (NOW - 86_400_000, 7);
    });
    assert_eq!(judge(old).outcome, Outcome::Pass);
}

#[test]
fn restarts_of_a_pod_that_was_created_with_the_rollout_all_count_though_it_looks_older_by_a_part_of_a_second() {
    let started = good().build().progress.started;
    let first = |created| good().pod_with("d", Track::Canary, |pod| (pod.created, pod.restart_count) = (created, 5));
    assert_eq!(judge(first(started - 999)).outcome, Outcome::Critical);
    assert_eq!(judge(first(started - 1000)).outcome, Outcome::Pass);
}

#[test]
fn a_pod_that_is_missing_is_not_passed_over() {
    let mut observation = good().build();
    observation.progress.canary.wanted = 2;
    let finding = Health::analyze(&observation, &Settings::default());
    assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Inconclusive, "1 of 2 canary pods are ready"));
}

#[test]
fn parameters_that_are_wrong_are_sentences() {
    let fault = read::<Settings>(r#"{"max-restart":2}"#).unwrap_err();
    assert_eq!(
        fault,
        "parameter `max-restart` is unknown: known are `max-restarts`, `settle-duration`; correct it or leave it out"
    );
}

#[test]
fn what_the_accepted_version_does_as_well_does_not_speak_against_the_new_one() {
    let restarts = |observation: ObservationBuilder, of_primary: usize| {
        let restarted = |all: ObservationBuilder, name: &&str| all.restarted(name, Track::Primary, 1, "Error", 1);
        ["q", "r", "s"].iter().take(of_primary).fold(observation, restarted)
    };
    let canary = || ObservationBuilder::new().restarted("c", Track::Canary, 3, "Error", 1).pod("p", Track::Primary);
    let loops = || canary().with(|it| it.pods[0].waiting_reason = Some("CrashLoopBackOff".to_owned()));
    for (of_primary, outcome) in
        [(0, Outcome::Critical), (1, Outcome::Inconclusive), (2, Outcome::Inconclusive), (3, Outcome::Inconclusive)]
    {
        for observation in [canary(), loops()] {
            let finding = judge(restarts(observation, of_primary));
            assert_eq!(finding.outcome, outcome, "{of_primary}: {}", finding.reason);
        }
    }
    let settled = r#"{"settle-duration":60000}"#;
    assert_eq!(judge_with(restarts(canary(), 1), settled).outcome, Outcome::Pass, "it is over");
    let alone = ["t", "u"].iter().fold(restarts(canary(), 1), |all, name| all.pod(name, Track::Primary));
    assert_eq!(judge(alone).outcome, Outcome::Critical, "one of four restarts, and every canary pod");
}
