//! What people, CI and autoscalers can do, and what it does to the world.

use aviary_core::{
    command::{Command, may_readopt},
    judge::Track,
};

use crate::{
    action::{Act, Which},
    deed::Deed,
    deployment::{Deployment, ReplicasOwner},
    mind::{Mind, PhaseKind},
    sight::{SERVICE, Tenure},
    specs::Image,
    world::{Effect, World},
};

/// The world after an act; nothing where it cannot be done or changes nothing.
pub fn act(world: &World, act: Act, mind: &mut Mind) -> Option<World> {
    let mut after = *world;
    match act {
        Act::Say(command) => say(&mut after, command, mind)?,
        Act::Delete => *after.deployment_mut(Track::Original) = after.deployment(Track::Original).and(None),
        Act::Create(image) => {
            world.deployments[0].is_none().then_some(())?;
            create(&mut after, image, mind);
        }
        Act::Recreate(image) => {
            world.deployments[0]?;
            create(&mut after, image, mind);
        }
        Act::ScaleCopy(track, replicas) => {
            after.deployment_mut(track).as_mut()?.change(|copy| copy.replicas = replicas);
        }
        Act::EditCopy(track, image) => {
            let original = mind.specs.original(image, false);
            let spec = mind.copy(original, track);
            after.deployment_mut(track).as_mut()?.change(|copy| copy.spec = spec);
        }
        Act::DeleteCopy(track) => {
            after.deployment(track)?;
            *after.deployment_mut(track) = None;
        }
        Act::Usurp(track) => usurp(&mut after, track, mind),
        _ => on_original(&mut after, act, mind)?,
    }
    (after != *world).then_some(after)
}

fn on_original(after: &mut World, act: Act, mind: &mut Mind) -> Option<()> {
    let previous = after.previous;
    let live = after.deployment_mut(Track::Original).as_mut()?;
    let before = *live;
    let (image, restarted) = (mind.specs.get(live.spec).image, mind.specs.get(live.spec).restarted);
    match act {
        Act::Apply(image, replicas) => {
            let spec = mind.specs.original(image, restarted);
            apply(live, spec, replicas);
        }
        Act::Scale(replicas) => {
            live.change(|live| live.replicas = replicas);
            // A scaling of what nobody owns leaves no owner.
            if live.replicas != before.replicas && before.managers.replicas != ReplicasOwner::Nobody {
                live.managers.replicas = ReplicasOwner::Scale;
            }
        }
        // kubectl refuses both for a paused one.
        Act::Restart | Act::Undo if live.paused => return None,
        Act::Restart => {
            let spec = mind.specs.original(image, true);
            live.change(|live| live.spec = spec);
        }
        Act::Undo => live.change(|live| live.spec = previous.unwrap_or(live.spec)),
        Act::TogglePause => live.change(|live| live.paused = !live.paused),
        _ => return None,
    }
    let spec = live.spec;
    if spec != before.spec {
        after.previous = Some(before.spec);
    }
    Some(())
}

/// A client-side apply: a field that the last manifest had and this one has not is removed, so it gets its default.
fn apply(live: &mut Deployment, spec: u8, replicas: Option<u8>) {
    let dropped = live.managers.applied_replicas && replicas.is_none();
    let before = live.replicas;
    live.change(|live| {
        live.spec = spec;
        live.replicas = replicas.unwrap_or(if dropped { 1 } else { live.replicas });
    });
    if live.replicas != before {
        live.managers.replicas = ReplicasOwner::Apply;
    }
    live.managers.applied_replicas = replicas.is_some();
}

/// A Deployment as `kubectl apply` creates it.
pub fn create(world: &mut World, image: Image, mind: &mut Mind) {
    let uid = world.new_uid(Track::Original);
    let spec = mind.specs.original(image, false);
    let mut created = Deployment::new(uid, spec, mind.setting.replicas);
    created.managers.replicas = ReplicasOwner::Apply;
    created.managers.applied_replicas = true;
    world.previous = None;
    *world.deployment_mut(Track::Original) = Some(created);
}

fn usurp(world: &mut World, track: Track, mind: &mut Mind) {
    let uid = world.new_uid(track);
    let spec = mind.specs.original(Image::Third, true);
    *world.deployment_mut(track) = Some(Deployment::new(uid, spec, 1));
}

/// An operator's word waits until the daemon is free; one that is refused changes nothing.
fn say(after: &mut World, command: Command, mind: &mut Mind) -> Option<()> {
    let known = after.daemon.record?;
    if after.daemon.effect.is_some() || after.daemon.expecting {
        return None;
    }
    let released = mind.standing(known.record).phase == PhaseKind::Released;
    if released && command == Command::Adopt {
        // As every write of a daemon that has just got the lease.
        after.late.is_none().then_some(())?;
        may_readopt(SERVICE, &mind.sight(after, Which::First)?.view(&mind.specs)).ok()?;
        after.daemon.effect = Some(Effect::Write { deed: Deed::DeleteRecord, record: known.version });
        return Some(());
    }
    let (record, rise) = mind.obey(known.record, command, Tenure::of(after.daemon.lease, Some(known.lease)))?;
    after.daemon.effect =
        Some(Effect::Save { record, epoch: known.epoch + rise, lease: after.daemon.lease, expected: known.version });
    Some(())
}

#[cfg(test)]
mod tests;
