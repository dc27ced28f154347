//! The invariants: what must be so in every world, at every write, and where nothing moves any more.

mod facts;
mod rest;
mod writes;

use aviary_core::{command::Command, judge::Track};

use crate::{
    action::{Act, Action, Fault, Which},
    deed::Deed,
    mind::{Mind, PhaseKind, Standing},
    world::{Effect, World},
};

pub use facts::{carried, did, standing};
use facts::{original_counts, phase, serving};
pub use rest::at_rest;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name in the design, `I1` to `I10`.
    pub invariant: &'static str,
    /// What is wrong.
    pub said: String,
}

fn broken(invariant: &'static str, said: impl Into<String>) -> Violation {
    Violation { invariant, said: said.into() }
}

/// Brings up to date what is remembered to judge by.
pub fn remember(before: &World, action: Action, after: &mut World, mind: &mut Mind) {
    let touches = matches!(action, Action::Act(_) | Action::Fault(Fault::Touched(_)));
    let changed = touches && before.deployments != after.deployments;
    after.past.unseen = after.lag.deployments.is_some() && (before.past.unseen || changed);
    let old = standing(before, mind);
    match action {
        Action::Act(act) => remember_act(before, act, old.as_ref(), after, mind.setting.replicas),
        Action::Answer(which, index, verdict) => {
            if let Some(passed) = passed(before, which, index, verdict, mind) {
                after.past.passed |= passed;
            }
        }
        _ => {}
    }
    let new = standing(after, mind);
    follow_record(before, old.as_ref(), new.as_ref(), after, mind);
    prove(new.as_ref(), after, mind);
}

fn remember_act(before: &World, act: Act, standing: Option<&Standing>, after: &mut World, replicas: u8) {
    let number = |world: &World| world.deployment(Track::Original).map(|original| original.replicas);
    let (old, new) = (number(before), number(after));
    match act {
        // A wish for the very number that the original is held at for the moment leaves no trace.
        Act::Apply(_, Some(wish)) | Act::Scale(wish) if old != Some(wish) => after.past.wish = Some(wish),
        // A default is nobody's wish, and takes away one that may or may not have been taken up.
        Act::Apply(_, None) if old != new && standing.map(|it| it.replicas) != before.past.wish => {
            after.past.wish = None;
        }
        Act::Create(_) | Act::Recreate(_) => after.past.wish = Some(replicas),
        Act::Say(Command::Bypass) => after.past.bypass = true,
        _ => {}
    }
    if standing.is_none() && new.is_some() {
        // Nobody holds it at 0: it has what it says.
        after.past.wish = new;
    }
}

fn passed(before: &World, which: Which, index: u8, verdict: crate::policies::Verdict, mind: &mut Mind) -> Option<u8> {
    let daemon = before.daemon(which == Which::Second)?;
    let asked = daemon.asked[usize::from(index)]?;
    let known = daemon.record.filter(|known| known.epoch == asked.epoch)?;
    let standing = mind.standing(known.record);
    let (candidate, break_point) = (standing.candidate?, mind.setting.break_point(standing.replicas));
    mind.answers.passed(asked.question, verdict, break_point).then(|| mind.specs.get(candidate).image.bit())
}

/// What an original runs by itself is proven.
fn prove(standing: Option<&Standing>, after: &mut World, mind: &Mind) {
    if let Some(original) = after.deployment(Track::Original)
        && original_counts(phase(standing))
        && original.truly_complete(mind.specs.get(original.spec).template)
    {
        after.past.proven |= mind.specs.get(original.spec).image.bit();
    }
}

/// What a record that was just stored changes: a check counts for the candidate and the N that it was taken of, and a candidate
/// is proven from its promotion on, until it is rolled back.
fn follow_record(before: &World, old: Option<&Standing>, new: Option<&Standing>, after: &mut World, mind: &Mind) {
    if before.record == after.record {
        return;
    }
    let Some(new) = new else { return };
    let tested = |standing: &Standing| (standing.candidate.filter(|_| standing.is_rollout()), standing.replicas);
    if old.map(tested) != Some(tested(new)) {
        after.past.passed = 0;
    }
    let bit = |spec| mind.specs.get(spec).image.bit();
    match new.phase {
        PhaseKind::Promoting => after.past.proven |= after.past.passed & new.candidate.map_or(0, bit),
        PhaseKind::RollingBack => {
            let rejected = new.candidate.map_or(0, bit) & !new.accepted.bit();
            after.past.proven &= !rejected;
        }
        PhaseKind::Direct if after.past.bypass && old.is_some_and(|old| old.bypass) && !new.bypass => {
            after.past.proven |= new.accepted.bit();
            after.past.bypass = false;
        }
        _ => {}
    }
    if let (None, Some(original)) = (old, after.deployment(Track::Original)) {
        // The API server's default counts for a service that is not adopted yet, and not for one that is: then the number before
        // it stays, which a watch that is behind may still show.
        let before_default = || Some(new.replicas).filter(|_| after.lag.deployments.is_none());
        after.past.wish = if original.managers.is_default() { before_default() } else { Some(original.replicas) };
    }
}

/// What must be so after an action.
///
/// # Errors
/// What is not.
pub fn check(before: &World, action: Action, after: &World, mind: &mut Mind) -> Result<(), Violation> {
    capacity(after, mind)?;
    if let Action::Answer(which, index, _) = action {
        old_answer(before, after, which, index)?;
    }
    if let Action::Plan(which) = action
        && let Some(Effect::Write { deed, .. }) = after.daemon(which == Which::Second).and_then(|daemon| daemon.effect)
    {
        writes::begun(before, deed, mind)?;
    }
    rest::never_waits(before, action, mind)?;
    match carried(before, action) {
        Some(Effect::Save { lease, .. }) => {
            old_lease(before, after, lease)?;
            rollout(before, after, mind)
        }
        Some(Effect::Write { deed, .. }) if before.deployments != after.deployments => touched(before, deed),
        _ => Ok(()),
    }
}

/// I1 and I2, as long as people have neither touched pods nor asked for another N, and no pod has died.
fn capacity(after: &World, mind: &mut Mind) -> Result<(), Violation> {
    let standing = standing(after, mind);
    let phase = phase(standing.as_ref());
    let harmless = if original_counts(phase) { mind.words } else { mind.harmless };
    let another = standing.is_some_and(|standing| standing.replicas != mind.setting.replicas);
    if another || after.disturbed || !after.acts.iter().all(|act| harmless >> act & 1 == 1) {
        return Ok(());
    }
    let replicas = mind.setting.replicas;
    // A bad version stops at once; its pods are missing until the primary has made up for them.
    let taken_back = standing.filter(|it| it.phase == PhaseKind::RollingBack).map_or(0, |it| it.size);
    let (available, pods) = serving(after, phase);
    if available + taken_back + u8::from(!mind.setting.surge) < replicas {
        return Err(broken("I1", format!("{available} of {replicas} pods serve, and nobody took any")));
    }
    let most = replicas + taken_back + u8::from(mind.setting.surge);
    if pods > most {
        return Err(broken("I2", format!("{pods} pods, at most {most} are allowed")));
    }
    Ok(())
}

fn old_answer(before: &World, after: &World, which: Which, index: u8) -> Result<(), Violation> {
    let Some(daemon) = before.daemon(which == Which::Second) else { return Ok(()) };
    let taken = after.daemon(which == Which::Second).is_some_and(|daemon| daemon.effect.is_some());
    let epochs = (daemon.asked[usize::from(index)].map(|asked| asked.epoch), daemon.record.map(|known| known.epoch));
    if taken && epochs.0 != epochs.1 {
        return Err(broken("I7", "an answer to a question of an older epoch changes the record"));
    }
    Ok(())
}

fn old_lease(before: &World, after: &World, lease: u8) -> Result<(), Violation> {
    if before.record != after.record && before.record.is_some_and(|stored| stored.lease > lease) {
        return Err(broken("I7", "a daemon that was deposed stores a record over that of its successor"));
    }
    Ok(())
}

fn rollout(before: &World, after: &World, mind: &mut Mind) -> Result<(), Violation> {
    let (old, Some(new)) = (standing(before, mind), standing(after, mind)) else { return Ok(()) };
    let most = mind.setting.break_point(new.replicas);
    if new.is_rollout() && !(1..=most).contains(&new.size) {
        return Err(broken("I4", format!("a step of {} pods, the break-point is at {most}", new.size)));
    }
    if new.phase != PhaseKind::Promoting || phase(old.as_ref()) == Some(PhaseKind::Promoting) {
        return Ok(());
    }
    let image = new.candidate.map(|candidate| mind.specs.get(candidate).image);
    match image {
        Some(image) if after.past.passed & image.bit() == 0 => {
            Err(broken("I10", format!("{} is promoted without a check that passed at the break-point", image.name())))
        }
        _ => Ok(()),
    }
}

/// Only where its uid and owner mark are Aviary's.
fn touched(before: &World, deed: Deed) -> Result<(), Violation> {
    let track = match deed {
        Deed::Create { track, .. } | Deed::Patch { track, .. } | Deed::Delete { track, .. } => track,
        Deed::DeleteRecord | Deed::Unfit => return Ok(()),
    };
    if track != Track::Original && before.deployment(track).is_some_and(|old| !old.ours) {
        return Err(broken("I6", format!("the Deployment that has the name of the {track} is not Aviary's")));
    }
    Ok(())
}
