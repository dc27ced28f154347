use super::*;
use crate::{
    setting::{Setting, settings},
    specs::{Behaviour, Image, SpecId},
};

struct Case {
    specs: Specs,
    first: SpecId,
    second: SpecId,
}

fn case() -> Case {
    let mut specs = Specs::default();
    let (first, second) = (specs.original(Image::First, false), specs.original(Image::Second, false));
    Case { specs, first, second }
}

/// Every pod that can gets ready, and the controllers have their turns, until nothing moves.
fn run(mut deployment: Deployment, specs: &Specs) -> (Deployment, u8, u8) {
    let (mut most, mut least) = (deployment.pods(), deployment.available());
    loop {
        let ready = |it: &Deployment| (0..usize::from(it.set_count)).find_map(|set| it.pod_moves(set, Behaviour::Good));
        let next = turn(deployment, specs);
        let next = if next == deployment { ready(&deployment).unwrap_or(next) } else { next };
        if next == deployment {
            return (deployment, most, least);
        }
        deployment = next;
        (most, least) = (most.max(deployment.pods()), least.min(deployment.available()));
    }
}

fn serving(case: &Case, replicas: u8) -> Deployment {
    run(Deployment::new(1, case.first, replicas), &case.specs).0
}

#[test]
fn a_deployment_has_the_revision_of_its_new_version_once_it_is_seen_and_of_one_that_comes_back_a_turn_later() {
    let case = case();
    let template = |spec| case.specs.get(spec).template;
    let mut deployment = serving(&case, 2);
    assert_eq!(deployment.status.template, template(case.first));
    deployment.change(|it| it.spec = case.second);
    assert_eq!(deployment.status.template, template(case.first));
    deployment = turn(deployment, &case.specs);
    assert_eq!(deployment.status.template, template(case.second));
    deployment.change(|it| it.spec = case.first);
    deployment = turn(deployment, &case.specs);
    assert_eq!(deployment.status.observed, deployment.generation);
    assert_eq!(deployment.status.template, template(case.second), "its ReplicaSet is given the highest revision first");
    deployment = turn(deployment, &case.specs);
    assert_eq!(deployment.status.template, template(case.first));
    // While it is scaled no ReplicaSet is made.
    deployment = run(deployment, &case.specs).0;
    deployment.forget_history(template(case.first), 0);
    deployment.change(|it| (it.spec, it.replicas) = (case.second, 1));
    deployment = turn(deployment, &case.specs);
    assert_eq!(deployment.status.template, template(case.first));
}

#[test]
fn a_rolling_update_keeps_to_surge_and_unavailable() {
    let case = case();
    for replicas in 1..=4 {
        let mut rolling = serving(&case, replicas);
        rolling.change(|it| it.spec = case.second);
        let (done, most, least) = run(rolling, &case.specs);
        assert_eq!((most, least), (replicas + 1, replicas));
        assert!(done.truly_complete(case.specs.get(case.second).template));
        assert_eq!(done.status.updated, replicas);
    }
}

#[test]
fn an_idle_deployment_starts_all_pods_of_a_new_image_at_once() {
    let case = case();
    let mut idle = run(Deployment::new(1, case.first, 0), &case.specs).0;
    idle.change(|it| (it.spec, it.replicas) = (case.second, 4));
    let (after, _, _) = (turn(turn(idle, &case.specs), &case.specs), 0, 0);
    assert_eq!(after.pods(), 4);
    assert_eq!(after.set_of(case.specs.get(case.second).template), Some(1));
}

#[test]
fn a_paused_one_starts_the_older_revision() {
    let case = case();
    let mut idle = run(Deployment::new(1, case.first, 0), &case.specs).0;
    idle.change(|it| (it.spec, it.replicas, it.paused) = (case.second, 2, true));
    let (after, _, _) = run(idle, &case.specs);
    assert_eq!((after.sets[0].pods.ready, after.set_count, after.status.updated), (2, 1, 0));
}

#[test]
fn template_and_replicas_in_one_write_scale_the_old_version_first() {
    let case = case();
    let mut both = serving(&case, 2);
    both.change(|it| (it.spec, it.replicas) = (case.second, 3));
    let scaled = turn(both, &case.specs);
    assert_eq!((scaled.sets[0].wanted, scaled.set_count), (3, 1));
    assert!(run(scaled, &case.specs).0.truly_complete(case.specs.get(case.second).template));
}

#[test]
fn scaling_in_the_middle_of_a_rolling_update_is_in_proportion() {
    let case = case();
    let mut rolling = serving(&case, 4);
    rolling.change(|it| it.spec = case.second);
    rolling = turn(turn(rolling, &case.specs), &case.specs);
    assert_eq!((rolling.sets[0].wanted, rolling.sets[1].wanted), (4, 1));
    rolling.change(|it| it.replicas = 2);
    let scaled = turn(rolling, &case.specs);
    assert_eq!(scaled.sets[0].wanted + scaled.sets[1].wanted, 3, "N and the surge");
    assert!(run(scaled, &case.specs).0.truly_complete(case.specs.get(case.second).template));
}

#[test]
fn what_has_been_seen_is_told_with_the_counts_from_before() {
    let case = case();
    let mut grown = serving(&case, 2);
    grown.change(|it| it.replicas = 3);
    let seen = turn(grown, &case.specs);
    assert_eq!((seen.status.observed, seen.status.replicas, seen.sets[0].wanted), (seen.generation, 2, 3));
}

#[test]
fn settings_are_told_apart() {
    let all: Vec<String> = settings(false).iter().map(Setting::to_string).collect();
    let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}
