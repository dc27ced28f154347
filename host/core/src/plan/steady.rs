//! Nothing under way: copies are kept as remembered, scaled as asked, and a new spec is looked at.

use super::{
    Note, Plan, Question,
    context::{Context, Targets},
    refusal::{autoscaled, recreated},
    replicas_asked::asked,
};
use crate::{
    diff::{diff, image_differences},
    judge::{Change, Track},
    record::{Direct, Held, Phase, Record},
    replicas::{Sizes, Walk},
    spec::{Digest, Spec},
    view::Workload,
};

pub(super) fn plan(context: &Context<'_>) -> Plan {
    scaled(context)
        .or_else(|| context.zero_original())
        .or_else(|| upkeep(context))
        .or_else(|| unsettled(context))
        .or_else(|| give_up(context))
        .or_else(|| newer_spec(context))
        .unwrap_or_else(|| match context.complete(Track::Primary) {
            true => Plan::wait("steady"),
            false => Plan::wait("waiting until the primary is complete"),
        })
        .with_problem(autoscaled(context.service))
}

/// A change that the primary takes by its own strategy.
pub(super) fn direct(context: &Context<'_>, direct: &Direct) -> Plan {
    let late = context.late(direct.high_water, "apply a version that works; the old pods serve until then");
    scaled(context)
        .or_else(|| context.zero_original())
        .or_else(|| upkeep(context))
        .or_else(|| newer_spec(context))
        .unwrap_or_else(|| direct_progress(context, direct))
        .with_problem(late)
}

fn direct_progress(context: &Context<'_>, direct: &Direct) -> Plan {
    if context.complete(Track::Primary) {
        let record = context.changed().into_phase(Phase::Steady);
        let text = format!("the primary runs {} ({})", record.accepted.images_text(), direct.reason);
        return Plan::save(record, Note::normal("DirectDone", text));
    }
    if let Some(high_water) = context.higher_water(Track::Primary, direct.high_water) {
        let mut record = context.changed();
        record.phase = Phase::Direct(Direct { high_water, ..direct.clone() });
        return Plan::save_silently(record);
    }
    let rolling = format!("the primary takes {} by its own strategy", context.record.accepted.images_text());
    Plan::wait(rolling).waking_at(Some(context.deadline(direct.high_water)).filter(|at| *at > context.now))
}

/// A number on the original that somebody asked for is the new N.
pub(super) fn scaled(context: &Context<'_>) -> Option<Plan> {
    let original = context.view.original.as_ref()?;
    let live = original.replicas();
    if live == 0 || live == context.record.replicas {
        return None;
    }
    let replicas = asked(context.view)?;
    if replicas == context.record.replicas {
        return None;
    }
    let mut record = context.changed();
    let text = format!("scaled from {} to {replicas} pods", record.replicas);
    let before = context.sizes();
    record.replicas = replicas;
    resize(&mut record, &before, &Sizes::new(context.settings, replicas), context);
    Some(Plan::save(record, Note::normal("Scaled", text)))
}

/// A rollout keeps its share of the new N; what was seen at the old size does not count for the new one.
fn resize(record: &mut Record, before: &Sizes, after: &Sizes, context: &Context<'_>) {
    if let Phase::Canary(rollout) | Phase::Promoting(rollout) = &mut record.phase {
        rollout.size = after.same_share(rollout.size, before);
        rollout.step_complete = None;
        rollout.next_check = None;
        rollout.high_water = None;
        rollout.step_started = context.now;
        record.epoch += 1;
    }
}

/// The sizes are waited for, but not that every pod gets ready: what is asked for next may be what mends it.
fn unsettled(context: &Context<'_>) -> Option<Plan> {
    let settled = |track, size| {
        context.view.workload(track).is_none_or(|workload| workload.observed() && workload.replicas() == size)
    };
    let both = settled(Track::Primary, context.record.replicas) && settled(Track::Canary, 0);
    (!both).then(|| Plan::wait("waiting until the primary has its size"))
}

/// The primary at N with the accepted spec, the canary at 0, the original's fields its own. One that is larger than it should
/// be is made smaller before it rolls.
fn upkeep(context: &Context<'_>) -> Option<Plan> {
    let replicas = context.record.replicas;
    sizes(context, Targets { primary: replicas, canary: 0 })
        .or_else(|| {
            context.copy(Track::Primary, &context.record.accepted, replicas).map(|roll| once_grown(context, roll))
        })
        .or_else(|| context.give_back())
}

/// Without surge a pod is missed while it rolls: one that is to have more pods gets them before, as soon as its controller has
/// seen what it wants now.
fn once_grown(context: &Context<'_>, roll: Plan) -> Plan {
    let grows = |primary: &Workload| primary.replicas() < context.record.replicas && !primary.observed();
    if context.sizes().surge == 0 && context.view.primary.as_ref().is_some_and(grows) {
        return Plan::wait("waiting until the primary may grow before it rolls");
    }
    roll
}

/// The next scaling towards `targets`; nothing where every size is right, complete or not.
pub(super) fn sizes(context: &Context<'_>, targets: Targets) -> Option<Plan> {
    match context.walk(targets) {
        Walk::Scale { track, to, .. } => context.set_size(track, to),
        Walk::WaitFor(_) | Walk::Arrived => None,
    }
}

/// A service that is to be given back leaves as soon as it is steady and its original has no pods: those that the walk has
/// not started would not be counted.
fn give_up(context: &Context<'_>) -> Option<Plan> {
    context.record.release.then(|| {
        if !context.complete(Track::Original) {
            return Plan::wait("to be released: waiting until the original's own pods are gone");
        }
        let record = context.changed().into_phase(Phase::Releasing);
        let text = "released: pods walk from the primary to the original";
        Plan::save(record, Note::normal("Releasing", text))
    })
}

fn newer_spec(context: &Context<'_>) -> Option<Plan> {
    let original = context.view.original.as_ref()?;
    let (spec, digest) = context.asked()?;
    if digest == context.record.accepted.digest() {
        return forget_held(context);
    }
    if let Some(problem) = recreated(original).or_else(|| autoscaled(context.service)) {
        return Some(Plan { problems: vec![problem.clone()], ..Plan::wait(format!("not rolled out: {problem}")) });
    }
    if context.record.bypass && context.record.rejection(&digest).is_none() {
        return Some(bypass(context, spec));
    }
    Some(hold(context, &digest).unwrap_or_else(|| classify(context, &spec, digest)))
}

fn forget_held(context: &Context<'_>) -> Option<Plan> {
    context.record.held.as_ref()?;
    let mut record = context.changed();
    record.held = None;
    Some(Plan::save_silently(record))
}

fn bypass(context: &Context<'_>, spec: Spec) -> Plan {
    let mut record = context.changed().taking_directly(spec, "an operator let it bypass the canary", context.now);
    record.bypass = false;
    let text = format!("{} goes direct: an operator let it bypass the canary", record.accepted.images_text());
    Plan::save(record, Note::warning("Bypassed", text))
}

/// A spec that nothing is done about: rolled back before, or classified so. It is said once.
fn hold(context: &Context<'_>, digest: &Digest) -> Option<Plan> {
    if let Some(held) = context.record.held.as_ref().filter(|held| held.digest == *digest) {
        return Some(Plan::wait(held.reason.clone()));
    }
    let rejected = context.record.rejection(digest)?;
    let reason = format!(
        "{} was rolled back before ({}) and is not tried again; apply another version, or run `aviary bypass`",
        rejected.images, rejected.reason
    );
    let mut record = context.changed();
    record.held = Some(Held { digest: digest.clone(), reason: reason.clone() });
    Some(Plan::save(record, Note::warning("RejectedAgain", reason)))
}

/// Asks what a change is.
pub(super) fn classify(context: &Context<'_>, spec: &Spec, digest: Digest) -> Plan {
    let (accepted, asked) = (context.record.accepted.value(), spec.value());
    let change = Change {
        service: context.identity(),
        differences: diff(&accepted, &asked),
        images: image_differences(&accepted, &asked),
        replicas_before: context.record.replicas,
        replicas_after: context.record.replicas,
    };
    let classifier = context.settings.classifier.clone();
    let question = Question::Classify { epoch: context.record.epoch, digest, change: Box::new(change), classifier };
    Plan::ask(question, "asking what the change is")
}
