//! What is so in a world: all that the invariants are told in.

use aviary_core::judge::Track;

use crate::{
    action::{Action, Fault, Which},
    deployment::Deployment,
    mind::{Mind, PhaseKind, Standing},
    world::{Effect, World},
};

/// What the stored record says.
pub fn standing(world: &World, mind: &mut Mind) -> Option<Standing> {
    world.record.map(|stored| mind.standing(stored.record))
}

pub(super) fn phase(standing: Option<&Standing>) -> Option<PhaseKind> {
    standing.map(|standing| standing.phase)
}

/// Whether the original's pods are its own business, or walk.
pub(super) const fn original_counts(phase: Option<PhaseKind>) -> bool {
    matches!(phase, None | Some(PhaseKind::Adopting | PhaseKind::Releasing | PhaseKind::Released))
}

/// The write that an action carries out, if any.
#[must_use]
pub fn carried(before: &World, action: Action) -> Option<Effect> {
    match action {
        Action::Carry(which) => before.daemon(which == Which::Second)?.effect,
        Action::Land => before.late,
        Action::Fault(Fault::CrashAfterWrite | Fault::AnswerLost) => before.daemon.effect,
        _ => None,
    }
}

pub(super) fn lowered(before: &World, after: &World, track: Track) -> u8 {
    let wanted = |world: &World| world.deployment(track).map_or(0, |deployment| deployment.replicas);
    wanted(before).saturating_sub(wanted(after))
}

/// Whether an image may become the primary's.
fn is_proven(world: &World, template: u8, mind: &Mind) -> bool {
    mind.specs.image_of_template(template).bit() & world.past.proven != 0
}

/// Available pods that serve: those of the copies, and those of the original that are proven or its own business.
pub(super) fn useful(world: &World, standing: Option<&Standing>, mind: &Mind) -> u8 {
    let counts = |template: u8| original_counts(phase(standing)) || is_proven(world, template, mind);
    let of_track = |track: Track| {
        let Some(deployment) = world.deployment(track) else { return 0 };
        let original = track == Track::Original;
        let sets = deployment.sets().iter().filter(|set| deployment.ours || original && counts(set.template));
        sets.map(|set| set.pods.ready).sum()
    };
    Track::ALL.into_iter().map(of_track).sum()
}

/// Available pods that are to stay, for all that anybody has asked for so far; of one whose controller has not seen its size
/// yet nobody knows which will.
pub(super) fn lasting(world: &World, standing: Option<&Standing>, mind: &Mind) -> u8 {
    let of_track = |track: Track| {
        let counts = |it: &&Deployment| it.ours || track == Track::Original && original_counts(phase(standing));
        let seen = |it: &&Deployment| it.status.observed >= it.generation;
        // An original that is given back goes to the accepted version: what else it runs is to go at once.
        let goes = track == Track::Original && phase(standing) == Some(PhaseKind::Releasing);
        let Some(deployment) = world.deployment(track).filter(counts).filter(seen) else { return 0 };
        let stay = deployment.sets().iter().filter(|set| !goes || is_proven(world, set.template, mind));
        let pods: u8 = stay.map(|set| set.pods.ready.min(set.wanted)).sum();
        pods.min(deployment.replicas)
    };
    Track::ALL.into_iter().map(of_track).sum()
}

/// Whether every Deployment is what it should be and says so, and nothing is under way.
pub(super) fn is_complete(world: &World, mind: &Mind) -> bool {
    let quiet = world.daemon.effect.is_none() && world.late.is_none() && world.second.is_none() && !world.lag.is_any();
    quiet
        && world.deployments.iter().flatten().all(|deployment| {
            let status = deployment.status;
            let told = status.observed >= deployment.generation
                && status.replicas == deployment.replicas
                && status.available == deployment.replicas;
            told && deployment.truly_complete(mind.specs.get(deployment.spec).template)
        })
}

/// Whether the copies run what the record says, and nothing that somebody gave them by hand.
pub(super) fn runs_as_remembered(world: &World, standing: Option<&Standing>, mind: &mut Mind) -> bool {
    let Some(standing) = standing else { return true };
    let taken = matches!(standing.phase, PhaseKind::Promoting | PhaseKind::RollingBack);
    let accepted = Some(standing.accepted_spec);
    let primary = [accepted, standing.candidate.filter(|_| taken)];
    [(Track::Primary, primary), (Track::Canary, [accepted, standing.candidate])].into_iter().all(|(track, known)| {
        let Some(copy) = world.deployment(track).filter(|copy| copy.replicas > 0) else { return true };
        known.into_iter().flatten().any(|spec| mind.copy(spec, track) == copy.spec)
    })
}

pub(super) fn pods(world: &World, standing: Option<&Standing>) -> u8 {
    let own = |track: Track| move |deployment: &&Deployment| track == Track::Original || deployment.ours;
    let of = |track: Track| world.deployment(track).filter(own(track)).map_or(0, Deployment::pods);
    let original = if original_counts(phase(standing)) { of(Track::Original) } else { 0 };
    original + of(Track::Primary) + of(Track::Canary)
}

/// N and surge; on the way back the canary's pods too, and what is excused.
pub(super) fn most(world: &World, standing: Option<&Standing>, surge: bool) -> u8 {
    let phase = phase(standing);
    let wanted = standing.map_or(0, |standing| standing.replicas).max(world.past.wish);
    let taken_back = match phase {
        Some(PhaseKind::RollingBack) => world.deployment(Track::Canary).map_or(0, Deployment::pods),
        _ => 0,
    };
    // The original's own rolling update uses a pod more, whatever the setting of its copies.
    wanted + u8::from(surge || original_counts(phase)) + taken_back + world.past.extra
}
