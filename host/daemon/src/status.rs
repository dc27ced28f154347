//! How things stand, as the JSON that the control socket gives and `aviary status` shows.

use std::borrow::Cow;

use aviary_cluster::ServiceKey;
use aviary_core::{
    judge::Track,
    plan::Problem,
    record::{Phase, Record, Rollout},
    replicas::Sizes,
    settings::{PolicyChoice, Settings},
    time::Timestamp,
    view::{View, Workload},
};
use aviary_policy::{Policies, PolicyInfo};
use serde_json::{Value, json};

/// How many checks of a rollout are shown.
const SHOWN_CHECKS: usize = 5;

/// How a service stands, in words.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Why it stands as it does.
    pub reason: String,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// The daemon, its policies, and the services.
pub fn whole(
    started: Timestamp,
    not_ready: &[String],
    policies: &Policies,
    notices: &[String],
    services: Vec<Value>,
) -> Value {
    let list: Vec<Value> = policies.list().iter().map(policy).collect();
    let refused: Vec<Value> = policies.problems().iter().map(|problem| json!(problem)).collect();
    json!({
        "daemon": {"version": env!("CARGO_PKG_VERSION"), "started": started, "ready": not_ready.is_empty(), "not_ready": not_ready},
        "policies": list,
        "refused": refused,
        "folder_problem": policies.folder_problem(),
        "notices": notices,
        "services": services,
    })
}

/// One service.
pub fn service(
    key: &ServiceKey,
    view: &View,
    record: Option<&Record>,
    settings: &Settings,
    standing: &Standing,
    policies: &Policies,
) -> Value {
    let tracks: serde_json::Map<String, Value> =
        Track::ALL.iter().map(|track| (track.word().to_owned(), json!(view.workload(*track).map(workload)))).collect();
    let problems: Vec<Value> =
        standing.problems.iter().map(|problem| json!({"fault": problem.fault, "remedy": problem.remedy})).collect();
    let rollout = record.and_then(Record::rollout);
    let current = settings;
    let settings = record.map_or(Cow::Borrowed(current), |record| record.settings_in_force(current));
    json!({
        "namespace": key.namespace,
        "service": key.name,
        "phase": phase(record),
        "reason": standing.reason,
        "replicas": record.map(|record| record.replicas),
        "images": {
            "accepted": record.map(|record| record.accepted.images_text()),
            "candidate": rollout.map(|rollout| rollout.candidate.images_text()),
        },
        "tracks": tracks,
        "rollout": record.zip(rollout).map(|(record, rollout)| rollout_of(record, rollout, &settings)),
        "history": record.map(|record| json!(record.history)).unwrap_or_default(),
        "rejected": record.map(|record| json!(record.rejected)).unwrap_or_default(),
        "bypass": record.is_some_and(|record| record.bypass),
        "keeps_settings": rollout.is_some() && *settings != *current,
        "policies": chosen(&settings, policies),
        "problems": problems,
    })
}

/// The word for where a service stands.
pub const fn phase(record: Option<&Record>) -> &'static str {
    let Some(record) = record else { return "unmanaged" };
    match record.phase {
        Phase::Adopting => "adopting",
        Phase::Steady => "steady",
        Phase::Direct(_) => "direct",
        Phase::Canary(_) => "canary",
        Phase::Promoting(_) => "promoting",
        Phase::RollingBack(_) => "rolling-back",
        Phase::Releasing => "releasing",
        Phase::Released => "released",
    }
}

fn workload(workload: &Workload) -> Value {
    json!({
        "wanted": workload.replicas(),
        "ready": workload.status.ready,
        "available": workload.status.available,
        "pods": workload.status.replicas,
        "image": aviary_core::spec::Spec::of(&workload.spec).images_text(),
    })
}

fn rollout_of(record: &Record, rollout: &Rollout, settings: &Settings) -> Value {
    let sizes = Sizes::new(settings, record.replicas);
    let first = rollout.checks.len().saturating_sub(SHOWN_CHECKS);
    json!({
        "id": rollout.id,
        "digest": rollout.digest,
        "reason": rollout.reason,
        "started": rollout.started,
        "step": rollout.step,
        "steps": rollout.step + sizes.steps_after(rollout.size),
        "size": rollout.size,
        "break_point": sizes.break_point,
        "step_complete": rollout.step_complete,
        "next_check": rollout.next_check,
        "paused": rollout.paused,
        "last_move": rollout.last_move,
        "checks": rollout.checks[first..],
        "checks_in_all": rollout.checks_in_all,
        "scalings": rollout.scalings,
    })
}

fn policy(info: &PolicyInfo) -> Value {
    json!({
        "name": info.identity.name,
        "kind": info.kind.to_string(),
        "version": info.identity.version,
        "digest": info.identity.digest,
        "source": info.source.to_string(),
        "summary": info.summary,
        "problem": info.problem,
    })
}

fn chosen(settings: &Settings, policies: &Policies) -> Vec<Value> {
    let list = policies.list();
    let one = |role: &str, choice: &PolicyChoice| {
        let info = list.iter().find(|info| info.identity.name == choice.name);
        json!({
            "role": role,
            "name": choice.name,
            "version": info.map(|info| info.identity.version.clone()),
            "digest": info.map(|info| info.identity.digest.clone()),
        })
    };
    let analyzers = settings.analyzers.iter().map(|choice| one("analyzer", choice));
    [one("classifier", &settings.classifier)]
        .into_iter()
        .chain(analyzers)
        .chain([one("progression", &settings.progression)])
        .collect()
}
