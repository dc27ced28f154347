//! Where nothing is done: what must be so where nothing moves any more, and what is never waited with.

use aviary_core::{command::Command, judge::Track};

use super::{
    Violation, broken,
    facts::{did, held, standing},
};
use crate::{
    action::{Act, Action, Which},
    deployment::Deployment,
    mind::{Decision, Mind, PhaseKind, Standing},
    specs::{Behaviour, Image},
    world::World,
};

/// What must be so where nothing moves any more.
///
/// # Errors
/// What is not.
pub fn at_rest(world: &World, mind: &mut Mind) -> Result<(), Violation> {
    let stuck = |said: &str| Err(broken("I8", format!("nothing moves any more, but {said}")));
    let original = world.deployment(Track::Original);
    let asks_for_bad = original.is_some_and(|it| is_bad(mind.specs.get(it.spec).image, mind) || it.paused);
    let copies = [Track::Primary, Track::Canary].map(|track| world.deployment(track));
    let ours = copies.iter().flatten().any(|copy| copy.ours);
    let strangers = copies.iter().flatten().any(|copy| !copy.ours);
    let Some(stored) = world.record else {
        return match original {
            None if ours => stuck("the copies of a deleted service are still there"),
            Some(_) if ours => stuck("there are copies without a record"),
            Some(_) if !asks_for_bad && !strangers => stuck("the service is not adopted"),
            _ => Ok(()),
        };
    };
    let standing = mind.standing(stored.record);
    let accepted_bad = is_bad(standing.accepted, mind);
    match standing.phase {
        _ if strangers => Ok(()),
        PhaseKind::Released if original.is_none() && !ours => Ok(()),
        _ if original.is_none() => stuck("the original is deleted, and its record is still there"),
        PhaseKind::Steady | PhaseKind::Released if original.is_some_and(|it| it.managers.aviary) => {
            stuck("fields of the original are Aviary's")
        }
        PhaseKind::Steady => steady(world, &standing, mind),
        PhaseKind::Released if ours => stuck("it is released, and there are copies"),
        PhaseKind::Released => Ok(()),
        PhaseKind::Canary if standing.paused => paused(world, &standing, mind),
        PhaseKind::Canary => stuck("a rollout is under way, and not paused"),
        PhaseKind::Adopting | PhaseKind::Releasing if asks_for_bad || accepted_bad => Ok(()),
        PhaseKind::Direct | PhaseKind::RollingBack if accepted_bad => bad_primary(world, &standing),
        phase => stuck(&format!("it is {phase:?}")),
    }
}

fn steady(world: &World, standing: &Standing, mind: &mut Mind) -> Result<(), Violation> {
    let stuck = |said: String| Err(broken("I8", format!("it is steady, but {said}")));
    let primary_spec = mind.copy(standing.accepted_spec, Track::Primary);
    let template = mind.specs.get(primary_spec).template;
    let Some(primary) = world.deployment(Track::Primary) else { return stuck("there is no primary".to_owned()) };
    if primary.replicas != standing.replicas || !primary.truly_complete(template) {
        return stuck(format!("the primary is not {} pods of the accepted version", standing.replicas));
    }
    let Some(original) = world.deployment(Track::Original) else { return Ok(()) };
    if original.replicas > 0 {
        return stuck(format!("the original has {} pods", original.replicas));
    }
    if world.deployment(Track::Canary).is_some_and(|canary| canary.replicas > 0 || canary.pods() > 0) {
        return stuck("the canary has pods".to_owned());
    }
    let image = mind.specs.get(original.spec).image;
    if original.spec != standing.accepted_spec && !(standing.held && standing.rejected & image.bit() > 0) {
        return stuck("nothing is done about what the original asks for".to_owned());
    }
    let cancelled = || did(world, mind, |act| *act == Act::Say(Command::Cancel));
    let wronged =
        |image: &Image| standing.rejected & image.bit() > 0 && mind.setting.behaviour(*image) == Behaviour::Good;
    if let Some(image) = Image::ALL.into_iter().find(wronged).filter(|_| !world.disturbed && !cancelled()) {
        return stuck(format!("{} was rolled back, and nothing spoke against it", image.name()));
    }
    if let Some(wish) = world.past.wish.filter(|wish| *wish != standing.replicas) {
        return stuck(format!("{wish} pods were asked for last, N is {}", standing.replicas));
    }
    Ok(())
}

fn is_bad(image: Image, mind: &Mind) -> bool {
    matches!(mind.setting.behaviour(image), Behaviour::Hanging | Behaviour::Crashing)
}

/// A rollout that waits for a person waits with the pods of its step and no others.
fn paused(world: &World, standing: &Standing, mind: &Mind) -> Result<(), Violation> {
    let stuck = |said: String| Err(broken("I8", format!("a rollout is paused, but {said}")));
    let wanted = |track: Track| world.deployment(track).map_or(0, |deployment| deployment.replicas);
    let [original, primary, canary] = Track::ALL.map(wanted);
    if original > 0 {
        return stuck(format!("the original has {original} pods"));
    }
    if canary > standing.size {
        return stuck(format!("the canary has {canary} pods, its step allows {}", standing.size));
    }
    let lone = standing.replicas == 1 && mind.setting.surge;
    let beside = if lone { 1 } else { standing.replicas.saturating_sub(canary) };
    // One that does not get ready takes nothing from the primary but what it had to have first; without surge that is all, unless
    // somebody has scaled meanwhile.
    let scales = |act: &Act| matches!(act, Act::ScaleCopy(Track::Canary, _) | Act::Scale(_) | Act::Apply(_, Some(_)));
    let beside_it = mind.setting.surge || did(world, mind, scales);
    let waits = u8::from(beside_it && primary > beside && canary > 0);
    let bad = standing.candidate.is_none_or(|candidate| is_bad(mind.specs.get(candidate).image, mind));
    let arrived = canary == standing.size && primary == beside || bad && primary == beside + waits;
    if !arrived {
        return stuck(format!("primary and canary want {primary} and {canary} pods, N is {}", standing.replicas));
    }
    Ok(())
}

/// A primary that does not get ready is waited for with the pods that it should have, and nothing beside it.
fn bad_primary(world: &World, standing: &Standing) -> Result<(), Violation> {
    let stuck = |said: &str| Err(broken("I8", format!("the primary is waited for, but {said}")));
    if world.deployment(Track::Primary).is_none_or(|primary| primary.replicas != standing.replicas) {
        return stuck("it is not told to have N pods");
    }
    if world.deployment(Track::Canary).is_some_and(|canary| canary.replicas > 0) {
        return stuck("the canary has pods");
    }
    let unproven = |original: &Deployment| original.replicas > 0 && original.spec != standing.accepted_spec;
    if world.deployment(Track::Original).is_some_and(unproven) {
        return stuck("the original has unproven pods");
    }
    Ok(())
}

/// What is not waited with: a canary that is taken back stops at once (I4), and so do unproven pods of the original (I5).
///
/// # Errors
/// What is waited with.
pub(super) fn never_waits(before: &World, action: Action, mind: &mut Mind) -> Result<(), Violation> {
    if !matches!(action, Action::Controllers(_) | Action::Pod(..) | Action::Wait | Action::Answer(..)) {
        return Ok(());
    }
    let Some(standing) = standing(before, mind).filter(|it| held(it.phase)) else { return Ok(()) };
    let has_pods = |it: &&Deployment| it.replicas > 0;
    let canary = before.deployment(Track::Canary).filter(has_pods).is_some();
    let canary = canary && standing.phase == PhaseKind::RollingBack;
    let original = before.deployment(Track::Original).filter(has_pods);
    let original = original.is_some_and(|it| it.spec != standing.accepted_spec);
    if !(canary || original) || !is_free_to_see(before) {
        return Ok(());
    }
    let decision = mind.sight(before, Which::First).map(|sight| mind.think(sight).decision);
    match decision {
        Some(Decision::Rest) if canary => Err(broken("I4", "a canary that is taken back goes on")),
        Some(Decision::Rest | Decision::Ask { .. }) if original => {
            Err(broken("I5", "unproven pods of the original go on"))
        }
        _ => Ok(()),
    }
}

/// Whether the daemon could act on what is so; where somebody else has the name of a copy it may not.
fn is_free_to_see(world: &World) -> bool {
    let daemon = &world.daemon;
    let strangers = [Track::Primary, Track::Canary].iter().filter_map(|track| world.deployment(*track));
    daemon.effect.is_none()
        && !daemon.expecting
        && daemon.record == world.record
        && world.deployment(Track::Original).is_some()
        && strangers.into_iter().all(|copy| copy.ours)
        && !world.past.unseen
}
