//! Into Aviary's care and out of it again: pods walk between original and primary.

use super::{
    Note, Plan, Problem, Service, acts,
    context::Context,
    gone::our_copy,
    observe::bad_reason,
    refusal::refusals,
    replicas_asked::{asked, set_by_aviary},
};
use crate::{
    judge::{PodObservation, Track},
    record::{Intent, Phase, Record},
    replicas::{Standing, Walk, walk},
    settings::Settings,
    spec::Spec,
    view::{Rolling, Workload},
    write::{Purpose, Write},
};

/// A service without a record.
pub(super) fn begin(service: &Service<'_>, settings: &Settings) -> Plan {
    let Some(original) = &service.view.original else {
        return Plan::problem(
            format!("there is no Deployment {} in namespace {}", service.name, service.namespace),
            "create it, or correct the name in the configuration",
        );
    };
    let problems = refusals(service, original, settings);
    if let Some(first) = problems.first() {
        return Plan { problems: problems.clone(), ..Plan::wait(format!("not adopted: {first}")) };
    }
    if !original.complete() {
        return Plan::wait(
            "not adopted yet: the original is in the middle of a rolling update, or its pods are not ready",
        );
    }
    if !service.may_adopt {
        return Plan::wait("not adopted yet: three others are being adopted");
    }
    let replicas = original.replicas();
    let record = Record::new(service.name, &original.uid, Spec::of(&original.spec), replicas);
    let text = format!("adopting {} with {replicas} pods: they walk from the original to its primary", service.name);
    Plan::save(record, Note::normal("Adopting", text))
}

/// A service whose pods walk from the original to the primary.
pub(super) fn plan(context: &Context<'_>) -> Plan {
    let Some(original) = &context.view.original else { return Plan::default() };
    wish(context, original)
        .or_else(|| newer_spec(context, original))
        .or_else(|| rolls_by_itself(original))
        .or_else(|| make_room(context))
        .or_else(|| context.copy(Track::Primary, &context.record.accepted, first_pods(context)))
        .unwrap_or_else(|| walk_pods(context, original, 0, context.record.replicas))
}

/// A service whose pods walk from the primary to the original.
pub(super) fn release(context: &Context<'_>) -> Plan {
    let Some(original) = &context.view.original else { return Plan::default() };
    wish(context, original)
        .or_else(|| take_accepted(context, original))
        .or_else(|| empty_canary(context))
        .unwrap_or_else(|| walk_pods(context, original, context.record.replicas, 0))
}

/// A canary that a late write left goes first.
fn empty_canary(context: &Context<'_>) -> Option<Plan> {
    let canary = our_copy(context, Track::Canary)?;
    let wait = || canary.may_have_pods().then(|| Plan::wait("waiting until the canary's pods are gone"));
    context.set_size(Track::Canary, 0).or_else(wait)
}

/// A number of replicas that is neither of Aviary's setting nor N is somebody's wish for another N.
fn wish(context: &Context<'_>, original: &Workload) -> Option<Plan> {
    let live = original.replicas();
    let record = context.record;
    // What was meant before may come late, as the write of a daemon that is gone.
    let set_by_us = match record.original_scaling {
        Some(intent) => set_by_aviary(original, live == intent.from || live == intent.to),
        None => set_by_aviary(original, false) || record.phase == Phase::Releasing && live == 0,
    };
    if set_by_us || live == record.replicas {
        return None;
    }
    let replicas = asked(context.view)?;
    let mut changed = context.changed();
    changed.replicas = replicas;
    changed.original_scaling = Some(Intent { from: live, to: live });
    let text = format!("somebody asked for {replicas} instead of {} pods", record.replicas);
    Some(Plan::save(changed, Note::normal("Scaled", text)))
}

/// A spec applied in the middle of an adoption is followed as soon as the original runs it.
fn newer_spec(context: &Context<'_>, original: &Workload) -> Option<Plan> {
    let spec = Spec::of(&original.spec);
    if original.replicas() == 0 || spec.digest() == context.record.accepted.digest() {
        return None;
    }
    if !original.complete() {
        return Some(Plan::wait(
            "the original takes a newer spec by its own rolling update; adoption goes on after it",
        ));
    }
    let mut record = context.changed();
    let text = format!("the original runs {} by now; the primary follows", spec.images_text());
    record.accepted = spec;
    Some(Plan::save(record, Note::normal("AdoptionFollows", text)))
}

/// Which pods of one that rolls stay when it is made smaller is its controller's choice, and may not be those that serve.
fn rolls_by_itself(original: &Workload) -> Option<Plan> {
    let rolls = original.observed() && original.rolling() != Rolling::No;
    rolls.then(|| Plan::wait("the original is in the middle of its own rolling update; adoption goes on after it"))
}

/// The pods with which the primary is created: those that walk first, unless the original has to give one before.
fn first_pods(context: &Context<'_>) -> u32 {
    let primary = Standing::empty(Track::Primary, context.record.replicas);
    let standings: Vec<Standing> = context.standing(Track::Original, 0).into_iter().chain([primary]).collect();
    let sizes = context.sizes();
    match walk(sizes.replicas, sizes.surge, &standings) {
        Walk::Scale { track: Track::Primary, to, .. } => to,
        _ => 0,
    }
}

/// The size of one that is to take another spec: where it rolls with a surge, that leaves room beside all pods of the
/// other; where it rolls without, it misses a pod, so the walk must miss none. Nothing where there is room already.
fn room(context: &Context<'_>, roller: &Workload, other: Track) -> Option<u32> {
    let beside = |pods: u32| context.record.replicas.saturating_sub(pods);
    let (wanted, surge, other) = (roller.replicas(), roller.has_surge(), context.view.workload(other));
    if roller.observed() && roller.rolling() == Rolling::WithSurge {
        // Somebody made it roll. Smaller, it could lose pods that serve: it is turned round at once, as in a rollout.
        return None;
    }
    if !roller.observed() || other.is_some_and(|other| !other.observed()) {
        return Some(wanted);
    }
    let serving = beside(other.map_or(0, |other| other.replicas().min(other.status.available)));
    let present = beside(other.map_or(0, Workload::pods_at_most));
    let fits = roller.pods_at_most() <= if surge { present } else { 0 } || !surge && wanted >= serving;
    let size = if surge { wanted.min(serving) } else { wanted.max(present) };
    (!fits).then_some(size)
}

/// Makes room for a primary that is to take another spec.
fn make_room(context: &Context<'_>) -> Option<Plan> {
    let primary = context.view.primary.as_ref()?;
    if context.runs(Track::Primary, &context.record.accepted) {
        return None;
    }
    let size = room(context, primary, Track::Original)?;
    let wait = || Plan::wait("waiting until the primary is ready for its rolling update");
    Some(context.set_size(Track::Primary, size).unwrap_or_else(wait))
}

/// The original takes the accepted spec; what else it runs makes room for that.
fn take_accepted(context: &Context<'_>, original: &Workload) -> Option<Plan> {
    let write = acts::take_spec(Track::Original, original, &context.record.accepted.value(), Purpose::Revert)?;
    let from = original.replicas();
    Some(match room(context, original, Track::Primary) {
        Some(to) if to == from => Plan::wait("waiting until the original is ready for its rolling update"),
        Some(to) => scale_original(context, original, Intent { from, to }),
        None => Plan::act(write, "the original takes the accepted spec"),
    })
}

fn walk_pods(context: &Context<'_>, original: &Workload, original_target: u32, primary_target: u32) -> Plan {
    let standings: Vec<Standing> = [(Track::Original, original_target), (Track::Primary, primary_target)]
        .into_iter()
        .filter_map(|(track, target)| context.standing(track, target))
        .collect();
    let sizes = context.sizes();
    match walk(sizes.replicas, sizes.surge, &standings) {
        Walk::Arrived => arrived(context),
        Walk::WaitFor(track) => Plan::wait(format!("waiting until the {track} is complete ({})", count(context)))
            .with_problem(stuck(context, track)),
        Walk::Scale { track: Track::Original, from, to } => scale_original(context, original, Intent { from, to }),
        Walk::Scale { track, to, .. } => context.set_size(track, to).unwrap_or_default(),
    }
}

/// A version that ran may not start again: its image is gone, or what it mounts.
fn stuck(context: &Context<'_>, track: Track) -> Option<Problem> {
    let faults = |pod: &PodObservation| Some(format!("{} waits with {}", pod.name, bad_reason(pod)?));
    let fault = context.view.pods.iter().filter(|pod| pod.track == track).find_map(faults)?;
    let remedy = "find out why by `kubectl describe pod`; the walk goes on once it starts";
    Some(Problem { fault, remedy: remedy.to_owned() })
}

fn count(context: &Context<'_>) -> String {
    let available = |track| context.available(track);
    format!(
        "original {}, primary {} of {}",
        available(Track::Original),
        available(Track::Primary),
        context.record.replicas
    )
}

/// What the original is set to is remembered first, so that it is not taken for somebody's wish.
fn scale_original(context: &Context<'_>, original: &Workload, intent: Intent) -> Plan {
    if context.record.original_scaling == Some(intent) {
        let reason = format!("the original goes from {} to {} pods", intent.from, intent.to);
        return Plan::act(acts::scale(Track::Original, original, intent.to), reason);
    }
    let mut record = context.changed();
    record.original_scaling = Some(intent);
    Plan::save_silently(record)
}

fn arrived(context: &Context<'_>) -> Plan {
    if let Some(plan) = context.give_back() {
        return plan;
    }
    if context.record.phase == Phase::Releasing {
        return leave(context);
    }
    let mut record = context.changed().into_phase(Phase::Steady);
    record.original_scaling = None;
    let text =
        format!("adopted: the primary serves with {} pods of {}", record.replicas, record.accepted.images_text());
    Plan::save(record, Note::normal("Adopted", text))
}

/// A service that was given back. A write that arrives late can still leave a copy, or take the original's pods.
pub(super) fn released(context: &Context<'_>) -> Plan {
    let done = || Plan::wait("given back; `aviary adopt` takes it in again");
    delete_copy(context).or_else(|| release_again(context)).unwrap_or_else(done)
}

/// All fields of the original were given back: an entry of Aviary's among their managers is of a late write.
fn release_again(context: &Context<'_>) -> Option<Plan> {
    acts::own_entry(context.view.original.as_ref()?)?;
    let record = context.changed().into_phase(Phase::Releasing);
    let text =
        "a write of a daemon that is gone came after the release and changed the original: it is released once more";
    Some(Plan::save(record, Note::warning("Releasing", text)))
}

fn delete_copy(context: &Context<'_>) -> Option<Plan> {
    let copies = [Track::Canary, Track::Primary];
    let (track, copy) = copies.into_iter().find_map(|track| Some((track, our_copy(context, track)?)))?;
    let reason = format!("the {track} of a released service goes");
    Some(Plan::act(Write::Delete { track, uid: copy.uid.clone() }, reason))
}

fn leave(context: &Context<'_>) -> Plan {
    if let Some(plan) = delete_copy(context) {
        return plan;
    }
    let mut record = context.changed().into_phase(Phase::Released);
    (record.original_scaling, record.release, record.bypass) = (None, false, false);
    let text = format!("released: the original serves by itself again with {} pods", record.replicas);
    Plan::save(record, Note::normal("Released", text))
}
