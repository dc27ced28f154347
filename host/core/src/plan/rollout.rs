//! A candidate under test, and its promotion.

use super::{
    Note, Plan, Problem, acts,
    context::{Context, Targets},
    observe,
    refusal::recreated,
    rollback::roll_back,
    steady::{classify, scaled},
};
use crate::{
    judge::{Scaling, Track},
    record::{Ending, HighWater, Pause, PausedBy, Phase, REMEMBERED, Rollout, keep_last},
    replicas::Walk,
    time::humane,
    view::Workload,
};

pub(super) fn plan(context: &Context<'_>, rollout: &Rollout) -> Plan {
    scaled(context)
        .or_else(|| context.zero_original())
        .or_else(|| set_back(context, rollout))
        .or_else(|| give_up(context, rollout))
        .or_else(|| newer_spec(context, rollout))
        .or_else(|| {
            context.copy(
                Track::Primary,
                &context.record.accepted,
                room_beside(context, Track::Canary, context.record.replicas),
            )
        })
        .or_else(|| take_candidate(context, rollout))
        .unwrap_or_else(|| step(context, rollout))
        .with_problem(paused(rollout))
}

/// A candidate that passed: the primary takes it and rolls while the canary serves, then pods walk back.
pub(super) fn promoting(context: &Context<'_>, rollout: &Rollout) -> Plan {
    let late = rollout
        .high_water
        .and_then(|mark| context.late(mark, "the canary serves on; wait, `aviary cancel`, or apply another version"));
    scaled(context)
        .or_else(|| context.zero_original())
        .or_else(|| newer_spec_while_promoting(context, rollout, late.is_some()))
        .or_else(|| make_canary_anew(context, rollout))
        .or_else(|| make_way(context, rollout))
        .or_else(|| context.copy(Track::Primary, &rollout.candidate, context.sizes().primary_beside(rollout.size)))
        .unwrap_or_else(|| walk_back(context, rollout))
        .with_problem(late)
}

fn paused(rollout: &Rollout) -> Option<Problem> {
    let pause = rollout.paused.as_ref()?;
    Some(Problem {
        fault: format!("paused: {}", pause.reason),
        remedy: "`aviary resume` or `aviary cancel`".to_owned(),
    })
}

/// What lies ahead although it was, or further than it can, was written by a clock that is ahead of this one: another
/// machine's, or this one's before it was set back. Nobody waits for the difference.
fn set_back(context: &Context<'_>, rollout: &Rollout) -> Option<Plan> {
    let now = context.now;
    let latest = now.plus(context.settings.warm_up.max(context.settings.check_interval));
    let past = [Some(rollout.step_started), rollout.step_complete, rollout.high_water.map(|mark| mark.at)];
    let ahead = past.into_iter().flatten().any(|at| at > now) || rollout.next_check.is_some_and(|at| at > latest);
    ahead.then(|| {
        let changed = Rollout {
            step_started: rollout.step_started.min(now),
            step_complete: rollout.step_complete.map(|at| at.min(now)),
            next_check: rollout.next_check.map(|at| at.min(latest)),
            high_water: rollout.high_water.map(|mark| HighWater { at: mark.at.min(now), ..mark }),
            ..rollout.clone()
        };
        Plan::save_silently(in_canary(context, changed))
    })
}

/// A service that is to be given back goes on with what is accepted.
fn give_up(context: &Context<'_>, rollout: &Rollout) -> Option<Plan> {
    context.record.release.then(|| roll_back(context, rollout, Ending::Superseded, "the service is released"))
}

fn newer_spec(context: &Context<'_>, rollout: &Rollout) -> Option<Plan> {
    let (spec, digest) = context.asked()?;
    if digest == rollout.digest {
        return None;
    }
    if digest == context.record.accepted.digest() {
        return Some(roll_back(context, rollout, Ending::Superseded, "the original is back to the accepted version"));
    }
    let unfit = context.view.original.as_ref().and_then(recreated);
    if unfit.is_some() || context.record.bypass || context.record.rejection(&digest).is_some() {
        let reason = format!("the original asks for {} now", spec.images_text());
        return Some(roll_back(context, rollout, Ending::Superseded, &reason));
    }
    Some(classify(context, &spec, digest))
}

fn newer_spec_while_promoting(context: &Context<'_>, rollout: &Rollout, late: bool) -> Option<Plan> {
    let (spec, digest) = context.asked()?;
    if digest == rollout.digest {
        return None;
    }
    if digest == context.record.accepted.digest() {
        return Some(roll_back(context, rollout, Ending::Superseded, "the original is back to the accepted version"));
    }
    // A candidate that passed is not thrown away for a newer one, unless it does not get through.
    late.then(|| {
        let reason = format!("its promotion is stuck, and the original asks for {} now", spec.images_text());
        roll_back(context, rollout, Ending::Superseded, &reason)
    })
}

/// The pods of a copy that is made anew: as many as it should have, as far as the other one leaves room.
fn room_beside(context: &Context<'_>, other: Track, wanted: u32) -> u32 {
    let sizes = context.sizes();
    let present = context.standing(other, 0).map_or(0, |other| other.present);
    (sizes.replicas + sizes.surge).saturating_sub(present).min(wanted)
}

/// The canary runs the candidate; pods of another version are walked away first.
fn take_candidate(context: &Context<'_>, rollout: &Rollout) -> Option<Plan> {
    let canary = context.view.canary.as_ref();
    if canary.is_some_and(Workload::may_have_pods) && !context.runs(Track::Canary, &rollout.candidate) {
        return Some(clear(context));
    }
    let replicas = announced(context, rollout);
    match canary.filter(|_| replicas > 0) {
        Some(canary) => take_candidate_with_pods(context, rollout, canary, replicas),
        None => context.copy(Track::Canary, &rollout.candidate, replicas),
    }
}

/// The first pods of an empty canary, where the record has announced just them: template and pods are one write then.
fn announced(context: &Context<'_>, rollout: &Rollout) -> u32 {
    let settled = context.view.canary.as_ref().is_none_or(|canary| canary.replicas() == 0 && canary.complete());
    let targets = Targets { primary: context.sizes().primary_beside(rollout.size), canary: rollout.size };
    match context.walk_with_empty_canary(targets) {
        Walk::Scale { track: Track::Canary, to, .. }
            if settled && last_scaling_is(context, rollout, Track::Canary, to) =>
        {
            to
        }
        _ => 0,
    }
}

fn take_candidate_with_pods(
    context: &Context<'_>,
    rollout: &Rollout,
    canary: &Workload,
    replicas: u32,
) -> Option<Plan> {
    let wanted = rollout.candidate.copy_spec(Track::Canary, context.settings.surge);
    let write = acts::take_spec_and_scale(Track::Canary, canary, &wanted, replicas)?;
    Some(Plan::act(write, format!("the canary takes {} with {replicas} pods", rollout.candidate.images_text())))
}

fn clear(context: &Context<'_>) -> Plan {
    match context.walk(Targets { primary: context.record.replicas, canary: 0 }) {
        Walk::Scale { track, to, .. } => context.set_size(track, to).unwrap_or_default(),
        Walk::WaitFor(track) => Plan::wait(format!("the canary of another version makes way: waiting for the {track}")),
        Walk::Arrived => Plan::wait("the canary of another version makes way"),
    }
}

fn step(context: &Context<'_>, rollout: &Rollout) -> Plan {
    let targets = Targets { primary: context.sizes().primary_beside(rollout.size), canary: rollout.size };
    if let Some(plan) = observe::early(context, rollout) {
        return plan;
    }
    match context.walk(targets) {
        Walk::Scale { track, to, .. } => scale(context, rollout, track, to),
        Walk::WaitFor(track) if rollout.step_complete.is_none() => wait_for(context, rollout, track),
        Walk::Arrived if rollout.step_complete.is_none() => complete(context, rollout),
        Walk::WaitFor(_) | Walk::Arrived => {
            context.give_back().or_else(|| too_long(context, rollout)).unwrap_or_else(|| observe::due(context, rollout))
        }
    }
}

/// What is about to be set is remembered first.
fn scale(context: &Context<'_>, rollout: &Rollout, track: Track, to: u32) -> Plan {
    if last_scaling_is(context, rollout, track, to) {
        return context.set_size(track, to).unwrap_or_default();
    }
    let (primary, canary) = sizes_with(context, track, to);
    let mut changed = rollout.clone();
    changed.scalings.push(Scaling { at: context.now, canary, primary });
    keep_last(&mut changed.scalings, REMEMBERED);
    changed.high_water = Some(context.mark(Track::Canary));
    Plan::save_silently(in_canary(context, changed))
}

/// Whether the record says that `track` is about to get `to` pods.
fn last_scaling_is(context: &Context<'_>, rollout: &Rollout, track: Track, to: u32) -> bool {
    rollout.scalings.last().is_some_and(|last| (last.primary, last.canary) == sizes_with(context, track, to))
}

/// Primary and canary as they are wanted, but for `track` with `to` pods.
fn sizes_with(context: &Context<'_>, track: Track, to: u32) -> (u32, u32) {
    let wanted = |other| context.view.workload(other).map_or(0, Workload::replicas);
    let size = |other| if other == track { to } else { wanted(other) };
    (size(Track::Primary), size(Track::Canary))
}

fn wait_for(context: &Context<'_>, rollout: &Rollout, track: Track) -> Plan {
    let Some(mark) = rollout.high_water else {
        let mark = context.mark(Track::Canary);
        return Plan::save_silently(in_canary(context, Rollout { high_water: Some(mark), ..rollout.clone() }));
    };
    if let Some(mark) = context.higher_water(Track::Canary, mark) {
        return Plan::save_silently(in_canary(context, Rollout { high_water: Some(mark), ..rollout.clone() }));
    }
    let deadline = context.deadline(mark);
    let canary_waits = track == Track::Canary || !context.complete(Track::Canary);
    if canary_waits && context.now >= deadline {
        return roll_back(context, rollout, Ending::RolledBack, &context.not_ready(Track::Canary, mark));
    }
    if let Some(plan) = too_long(context, rollout) {
        return plan;
    }
    let reason = format!("step {}: waiting until the {track} is complete", rollout.step);
    Plan::wait(reason).waking_at(canary_waits.then_some(deadline)).waking_at(observe::step_ends(context, rollout))
}

fn complete(context: &Context<'_>, rollout: &Rollout) -> Plan {
    let first = context.now.plus(context.settings.warm_up);
    let changed = Rollout { step_complete: Some(context.now), next_check: Some(first), ..rollout.clone() };
    let text = format!(
        "step {}: {} of {} pods run {}; first check after a warm-up of {}",
        rollout.step,
        rollout.size,
        context.record.replicas,
        rollout.candidate.images_text(),
        humane(context.settings.warm_up)
    );
    Plan::save(in_canary(context, changed), Note::normal(format!("Step{}Ready", rollout.step), text))
}

/// A step that takes too long waits for a person: no verdict is never success.
fn too_long(context: &Context<'_>, rollout: &Rollout) -> Option<Plan> {
    (rollout.paused.is_none() && context.now >= rollout.step_started.plus(context.settings.longest_step))
        .then_some(())?;
    let longest = humane(context.settings.longest_step);
    let reason = format!("step {} has had no verdict for {longest}, the longest a step may take", rollout.step);
    let pause = Pause { by: PausedBy::Host, at: context.now, reason: reason.clone() };
    let changed = Rollout { paused: Some(pause), ..rollout.clone() };
    Some(Plan::save(in_canary(context, changed), Note::warning("Paused", format!("paused: {reason}"))))
}

fn in_canary(context: &Context<'_>, rollout: Rollout) -> crate::record::Record {
    let mut record = context.changed();
    record.phase = Phase::Canary(Box::new(rollout));
    record
}

/// A canary that is gone serves again, as far as there is room.
fn make_canary_anew(context: &Context<'_>, rollout: &Rollout) -> Option<Plan> {
    let pods = room_beside(context, Track::Primary, rollout.size);
    context.view.canary.is_none().then(|| context.copy(Track::Canary, &rollout.candidate, pods)).flatten()
}

/// Before the primary takes the candidate's template, the canary runs it and both have the pods that they should have: for
/// more there would be no room, and with fewer too many would be missing. A lone primary gives away its pod.
fn make_way(context: &Context<'_>, rollout: &Rollout) -> Option<Plan> {
    if context.runs(Track::Primary, &rollout.candidate) {
        return None;
    }
    let beside = context.sizes().primary_beside(rollout.size);
    let primary = if beside + rollout.size > context.record.replicas { 0 } else { beside };
    let right = |track, pods| context.view.workload(track).is_none_or(|copy| copy.replicas() == pods);
    let canary_serves = context.view.canary.as_ref().is_none_or(Workload::complete);
    take_candidate(context, rollout).or_else(|| {
        if right(Track::Primary, primary) && right(Track::Canary, rollout.size) && canary_serves {
            // What was waited for is over; the primary has a deadline of its own.
            return rollout.high_water.map(|_| mark_promotion(context, rollout, None));
        }
        match context.walk(Targets { primary, canary: rollout.size }) {
            Walk::Scale { track, to, .. } => context.set_size(track, to),
            Walk::WaitFor(_) if !canary_serves => Some(wait_for_canary(context, rollout)),
            Walk::WaitFor(track) => Some(Plan::wait(format!("promoting: waiting until the {track} is complete"))),
            Walk::Arrived => None,
        }
    })
}

/// A canary that passed and does not get complete again is rolled back as in a step: the primary still runs what is accepted.
fn wait_for_canary(context: &Context<'_>, rollout: &Rollout) -> Plan {
    marked(context, rollout, Track::Canary, |mark| {
        let deadline = context.deadline(mark);
        if context.now >= deadline {
            return roll_back(context, rollout, Ending::RolledBack, &context.not_ready(Track::Canary, mark));
        }
        Plan::wait("promoting: waiting until the canary is complete").waking_at(Some(deadline))
    })
}

fn walk_back(context: &Context<'_>, rollout: &Rollout) -> Plan {
    marked(context, rollout, Track::Primary, |mark| {
        if !context.complete(Track::Primary) {
            let wake = Some(context.deadline(mark)).filter(|at| *at > context.now);
            return Plan::wait("promoting: the primary takes the candidate while the canary serves").waking_at(wake);
        }
        match context.walk(Targets { primary: context.record.replicas, canary: 0 }) {
            Walk::Scale { track, to, .. } => context.set_size(track, to).unwrap_or_default(),
            Walk::WaitFor(track) => Plan::wait(format!("promoting: waiting until the {track} is complete")),
            Walk::Arrived => context.give_back().unwrap_or_else(|| promoted(context, rollout)),
        }
    })
}

/// Goes on with the most pods of `track` that the promotion has seen available, once that is remembered.
fn marked(context: &Context<'_>, rollout: &Rollout, track: Track, go_on: impl FnOnce(HighWater) -> Plan) -> Plan {
    let higher = rollout.high_water.map_or_else(|| Some(context.mark(track)), |mark| context.higher_water(track, mark));
    match (higher, rollout.high_water) {
        (None, Some(mark)) => go_on(mark),
        (higher, _) => mark_promotion(context, rollout, higher),
    }
}

fn mark_promotion(context: &Context<'_>, rollout: &Rollout, high_water: Option<HighWater>) -> Plan {
    let mut record = context.changed();
    record.phase = Phase::Promoting(Box::new(Rollout { high_water, ..rollout.clone() }));
    Plan::save_silently(record)
}

fn promoted(context: &Context<'_>, rollout: &Rollout) -> Plan {
    let mut record = context.changed();
    let took = humane(context.now.since(rollout.started));
    let how = format!("on {} pods after {took}", record.replicas);
    let text = format!("promoted {} {how}", rollout.candidate.images_text());
    record.accepted = rollout.candidate.clone();
    record.remember(rollout, Ending::Promoted, &how, context.now);
    Plan::save(record.into_phase(Phase::Steady), Note::normal("Promoted", text))
}
