//! What is so in a world: all that the invariants are told in.

use aviary_core::judge::Track;

use crate::{
    action::{Act, Action, Fault, Which},
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

/// Whether the copies serve and the original is held at 0.
pub(super) const fn held(phase: PhaseKind) -> bool {
    !original_counts(Some(phase))
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

/// Whether people did something of that kind.
pub fn did(world: &World, mind: &Mind, is_it: impl Fn(&Act) -> bool) -> bool {
    let done = world.acts.iter().filter_map(|act| mind.acts.get(usize::from(*act).checked_sub(1)?));
    done.into_iter().any(is_it)
}

/// Pods that are available, and pods in all, of those Deployments that are to serve.
pub(super) fn serving(world: &World, phase: Option<PhaseKind>) -> (u8, u8) {
    let own = |track: Track| {
        let counts = |it: &&Deployment| it.ours || track == Track::Original && original_counts(phase);
        world.deployment(track).filter(counts)
    };
    let counted = Track::ALL.into_iter().filter_map(own);
    counted.fold((0, 0), |(available, pods), it| (available + it.available(), pods + it.pods()))
}
