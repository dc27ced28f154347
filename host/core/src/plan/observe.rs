//! When a rollout is looked at, and what the policies are told then.

use super::{Plan, Question, context::Context};
use crate::{
    judge::{Observation, Outcome, PodObservation, Progress, Track, TrackSize},
    record::{Record, Rollout},
    settings::Settings,
    time::{Timestamp, humane},
    view::{View, Workload},
};

/// Reasons for which a container waits that do not pass by themselves (kubelet's images and containers).
const BAD_REASONS: [&str; 8] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// A check at once when a pod of the canary gives new evidence.
pub(super) fn early(context: &Context<'_>, rollout: &Rollout) -> Option<Plan> {
    let evidence = evidence(context.view);
    if evidence.is_empty() || evidence == rollout.evidence {
        return None;
    }
    let warm = warm_up_over(context.settings, rollout, context.now);
    Some(ask(context, rollout, !warm, evidence))
}

/// The check that is due, or the wait for it.
pub(super) fn due(context: &Context<'_>, rollout: &Rollout) -> Plan {
    let at = rollout.next_check.unwrap_or(context.now);
    if context.now >= at {
        return ask(context, rollout, false, rollout.evidence.clone());
    }
    Plan::wait(format!("step {}: {}", rollout.step, standing(context, rollout)))
        .waking_at(Some(at))
        .waking_at(step_ends(context, rollout))
}

/// When a step that has no verdict is paused. One that should be by now is as soon as what is asked is answered.
pub(super) fn step_ends(context: &Context<'_>, rollout: &Rollout) -> Option<Timestamp> {
    let ends = rollout.step_started.plus(context.settings.longest_step);
    (rollout.paused.is_none() && context.now < ends).then_some(ends)
}

fn standing(context: &Context<'_>, rollout: &Rollout) -> String {
    if !warm_up_over(context.settings, rollout, context.now) {
        return format!("warming up for {}", humane(context.settings.warm_up));
    }
    rollout.last_move.as_ref().map_or_else(|| "waiting for the first check".to_owned(), |last| last.said.reason.clone())
}

fn ask(context: &Context<'_>, rollout: &Rollout, early: bool, evidence: String) -> Plan {
    let observation = Observation {
        service: context.identity(),
        progress: progress(context.record, context.view, rollout, context.settings, context.now),
        scalings: rollout.scalings.clone(),
        pods: judged_pods(context.view, rollout.started),
        metrics: Vec::new(),
    };
    let question = Question::Observe {
        epoch: context.record.epoch,
        number: rollout.checks_in_all,
        early,
        evidence,
        observation: Box::new(observation),
        checks: rollout.checks.clone(),
        resumed: rollout.resumed,
        settings: Box::new(context.settings.clone()),
    };
    Plan::ask(question, format!("step {}: checking", rollout.step)).waking_at(step_ends(context, rollout))
}

/// Where a rollout stands.
#[must_use]
pub fn progress(record: &Record, view: &View, rollout: &Rollout, settings: &Settings, now: Timestamp) -> Progress {
    let sizes = crate::replicas::Sizes::new(settings, record.replicas);
    Progress {
        rollout_id: rollout.id.clone(),
        now,
        started: rollout.started,
        step_index: rollout.step,
        step_started: rollout.step_started,
        step_complete: rollout.step_complete,
        replicas: record.replicas,
        canary: track_size(view, Track::Canary, rollout.size),
        primary: track_size(view, Track::Primary, sizes.primary_beside(rollout.size)),
        break_point: sizes.break_point,
        step: sizes.step,
        warm_up: settings.warm_up,
        warm_up_over: warm_up_over(settings, rollout, now),
        check_interval: settings.check_interval,
        checks_in_step: in_step(rollout),
        checks_in_all: rollout.checks_in_all,
    }
}

fn in_step(rollout: &Rollout) -> u32 {
    let counted = rollout.checks.iter().filter(|check| !check.early && check.step_index == rollout.step);
    u32::try_from(counted.count()).unwrap_or(u32::MAX)
}

fn track_size(view: &View, track: Track, wanted: u32) -> TrackSize {
    TrackSize { wanted, ready: view.workload(track).map_or(0, |workload| workload.status.ready) }
}

fn warm_up_over(settings: &Settings, rollout: &Rollout, now: Timestamp) -> bool {
    rollout.step_complete.is_some_and(|complete| now >= complete.plus(settings.warm_up))
}

/// The pods of both copies, with the restarts that fall within the rollout.
fn judged_pods(view: &View, started: Timestamp) -> Vec<PodObservation> {
    let within = |pod: &PodObservation| {
        let restarts = pod.restarts.iter().filter(|restart| restart.at >= started).cloned().collect();
        PodObservation { restarts, ..pod.clone() }
    };
    view.pods.iter().filter(|pod| pod.track != Track::Original).map(within).collect()
}

/// For what a pod waits that does not pass by itself.
pub(super) fn bad_reason(pod: &PodObservation) -> Option<&str> {
    pod.waiting_reason.as_deref().filter(|reason| BAD_REASONS.contains(reason))
}

/// What the canary's pods show of restarts and bad waiting reasons; empty where they show nothing.
fn evidence(view: &View) -> String {
    // Until its controller has seen the newest template, the pods may be of the one before.
    let observed = view.canary.as_ref().is_some_and(Workload::observed);
    let canary = view.pods.iter().filter(|pod| observed && pod.track == Track::Canary);
    let lines = canary.filter_map(|pod| {
        let reason = bad_reason(pod);
        (pod.restart_count > 0 || reason.is_some())
            .then(|| format!("{} {} {}", pod.name, pod.restart_count, reason.unwrap_or_default()))
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// Whether a candidate may be promoted: a conclusive pass at the break-point size, or a larger one that the break-point had
/// before, since that size was complete.
#[must_use]
pub(crate) fn may_promote(rollout: &Rollout, break_point: u32) -> bool {
    let Some(complete) = rollout.step_complete else { return false };
    let passed = |check: &crate::judge::Check| {
        !check.early && check.outcome == Outcome::Pass && check.canary == rollout.size && check.at >= complete
    };
    rollout.size >= break_point && rollout.checks.iter().any(passed)
}
