//! The original is deleted, or created anew.

use std::time::Duration;

use super::{Note, Plan, context::Context};
use crate::{
    judge::Track,
    record::Phase,
    time::{Timestamp, humane},
    view::Workload,
    write::Write,
};

/// How long the copies outlive the original.
const GRACE: Duration = Duration::from_secs(60);

/// The plan while the original is gone, or just came back.
pub(super) fn plan(context: &Context<'_>) -> Option<Plan> {
    match (&context.view.original, context.record.gone_since) {
        (None, None) => Some(went(context)),
        (None, Some(since)) => Some(wait_or_delete(context, since)),
        (Some(original), gone) if original.uid != context.record.uid => {
            Some(another(context, original).unwrap_or_else(|| came_back(context, original, gone)))
        }
        (Some(_), Some(_)) => Some(forget(context)),
        (Some(_), None) => None,
    }
}

fn went(context: &Context<'_>) -> Plan {
    let mut record = context.changed();
    record.gone_since = Some(context.now);
    let text = format!("the original is deleted; its copies serve for {} more, then they go too", humane(GRACE));
    Plan::save(record, Note::warning("OriginalDeleted", text))
}

fn wait_or_delete(context: &Context<'_>, since: Timestamp) -> Plan {
    let until = since.plus(GRACE);
    if context.now < until {
        return Plan::wait("the original is deleted; created anew in time, nothing is lost").waking_at(Some(until));
    }
    let copies = [Track::Canary, Track::Primary];
    let ours = copies.into_iter().find_map(|track| Some((track, our_copy(context, track)?)));
    match ours {
        Some((track, copy)) => {
            Plan::act(Write::Delete { track, uid: copy.uid.clone() }, format!("the {track} of a deleted service goes"))
        }
        None => Plan::act(Write::DeleteRecord, "the record of a deleted service goes"),
    }
}

/// One with another selector has other labels, which copies cannot take and Services may ask for: it serves by itself.
fn another(context: &Context<'_>, original: &Workload) -> Option<Plan> {
    let (name, copies) = (context.service.name, format!("{0}-primary and {0}-canary", context.service.name));
    (context.record.accepted.value()["selector"] != original.spec["selector"]).then(|| {
        Plan::problem(
            format!("{name} was created anew with another selector, so it serves by itself, and its copies of before too"),
            format!(
                "scale {name} to what it needs, then delete the Deployments {copies} and the ConfigMap {name}.aviary: it is \
                 adopted anew"
            ),
        )
    })
}

fn came_back(context: &Context<'_>, original: &Workload, gone: Option<Timestamp>) -> Plan {
    let mut record = context.changed();
    record.uid.clone_from(&original.uid);
    record.gone_since = None;
    if record.phase == Phase::Adopting {
        // Nothing of the old one is left to walk from.
        record.original_scaling = None;
    }
    let since = gone.map(|gone| format!(" after {}", humane(context.now.since(gone)))).unwrap_or_default();
    Plan::save(
        record,
        Note::normal("OriginalCreatedAnew", format!("the original was created anew{since}; its copies stay")),
    )
}

fn forget(context: &Context<'_>) -> Plan {
    let mut record = context.changed();
    record.gone_since = None;
    Plan::save_silently(record)
}

/// A copy that carries the owner's mark.
pub(super) fn our_copy<'a>(context: &Context<'a>, track: Track) -> Option<&'a Workload> {
    context.view.workload(track).filter(|copy| copy.is_copy_of(context.service.name))
}
