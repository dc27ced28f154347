//! The way back: the primary to N, the canary to 0 without waiting, then the original's spec.

use super::{Note, Plan, acts, context::Context, steady::scaled};
use crate::{
    judge::Track,
    record::{Ending, HighWater, Phase, Record, Rollback, Rollout},
    settings::OnRollback,
    spec::Spec,
    view::Workload,
    write::Purpose,
};

/// The record of a service whose rollout is taken back.
pub(super) fn roll_back(context: &Context<'_>, rollout: &Rollout, ending: Ending, reason: &str) -> Plan {
    let (record, note) = decided(context.changed(), rollout, ending, reason, context.now);
    Plan::save(record, note)
}

/// As [`roll_back`], for answers and commands.
pub(crate) fn decided(
    record: Record,
    rollout: &Rollout,
    ending: Ending,
    reason: &str,
    now: crate::time::Timestamp,
) -> (Record, Note) {
    let rollback = Rollback { rollout: rollout.clone(), ending, reason: reason.to_owned(), at: now };
    let images = rollout.candidate.images_text();
    let note = match ending {
        Ending::RolledBack => Note::warning("RollingBack", format!("rolling back {images}: {reason}")),
        _ => Note::normal("Superseded", format!("taking back {images}: {reason}")),
    };
    (record.into_phase(Phase::RollingBack(Box::new(rollback))), note)
}

pub(super) fn plan(context: &Context<'_>, rollback: &Rollback) -> Plan {
    let replicas = context.record.replicas;
    scaled(context)
        // The size first: one that rolls without surge is to miss a pod of N, not of fewer.
        .or_else(|| context.set_size(Track::Primary, replicas))
        .or_else(|| context.copy(Track::Primary, &context.record.accepted, replicas))
        .or_else(|| context.set_size(Track::Canary, 0))
        .or_else(|| context.zero_original())
        .or_else(|| revert(context, rollback))
        .or_else(|| context.give_back())
        .unwrap_or_else(|| arrived(context, rollback))
}

/// The original's spec goes back to the accepted one, if it is still the one that was rejected.
fn revert(context: &Context<'_>, rollback: &Rollback) -> Option<Plan> {
    let original = context.view.original.as_ref()?;
    let rejected = Spec::of(&original.spec).digest() == rollback.rollout.digest;
    if rollback.ending != Ending::RolledBack || !rejected || context.settings.on_rollback == OnRollback::Keep {
        return None;
    }
    let write = acts::take_spec(Track::Original, original, &context.record.accepted.value(), Purpose::Revert)?;
    Some(Plan::act(write, "the original's spec goes back to the accepted one"))
}

/// Whether the original asks for a third version by now: what is wrong with the primary may be what it mends.
fn asks_for_another(context: &Context<'_>, rollback: &Rollback) -> bool {
    let known = [context.record.accepted.digest(), rollback.rollout.digest.clone()];
    context.asked().is_some_and(|(_, digest)| !known.contains(&digest))
}

fn arrived(context: &Context<'_>, rollback: &Rollback) -> Plan {
    let emptied = context.view.canary.as_ref().is_none_or(Workload::complete);
    let mark = HighWater { available: 0, at: rollback.at };
    let late = context.late(mark, "the accepted version does not get through either; apply a version that works");
    let settled = context.complete(Track::Primary) || late.is_some() && asks_for_another(context, rollback);
    if !(emptied && settled) {
        return Plan::wait(format!("rolling back ({}): waiting until the primary is complete", rollback.reason))
            .waking_at(Some(context.deadline(mark)).filter(|at| *at > context.now))
            .with_problem(late);
    }
    let mut record = context.changed();
    record.remember(&rollback.rollout, rollback.ending, &rollback.reason, context.now);
    let images = rollback.rollout.candidate.images_text();
    let accepted = record.accepted.images_text();
    let note = match rollback.ending {
        Ending::RolledBack => {
            Note::warning("RolledBack", format!("rolled back {images} to {accepted}: {}", rollback.reason))
        }
        _ => Note::normal("TakenBack", format!("took back {images}: {}", rollback.reason)),
    };
    Plan::save(record.into_phase(Phase::Steady), note)
}
