//! The conditions of a Deployment, as the deployment controller's `progress.go` and `sync.go` have them.

use std::time::Duration;

use aviary_core::time::Timestamp;
use serde_json::{Value, json};

use super::time_text;

const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";

/// What a turn of the controller was about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// How many pods may be missing.
    pub unavailable: u32,
    /// Whether it rolled; otherwise it scaled, or the Deployment is paused.
    pub rolled: bool,
    /// Whether it found a ReplicaSet for the template.
    pub found: bool,
    /// Whether it made a ReplicaSet.
    pub created: bool,
    /// When it is.
    pub now: Timestamp,
}

/// The conditions of a Deployment that gets that status, and when they change by themselves.
pub(super) fn conditions(deployment: &Value, status: &Value, turn: Turn) -> (Value, Option<Timestamp>) {
    let (available, reason) = availability(deployment, status, turn.unavailable);
    let available = condition(before(deployment, AVAILABLE), AVAILABLE, available, reason, turn.now);
    let (progressing, deadline) = progressing(deployment, status, turn);
    let all = [Some(available), progressing].into_iter().flatten().collect();
    (Value::Array(all), deadline)
}

fn before<'a>(deployment: &'a Value, name: &str) -> &'a Value {
    let all = deployment["status"]["conditions"].as_array().into_iter().flatten();
    all.into_iter().find(|condition| condition["type"] == name).unwrap_or(&Value::Null)
}

/// A condition; as it was before if it says the same.
fn condition(before: &Value, name: &str, holds: &str, reason: &str, now: Timestamp) -> Value {
    if before["status"] == holds && before["reason"] == reason {
        return before.clone();
    }
    renewed(before, name, holds, reason, now)
}

fn renewed(before: &Value, name: &str, holds: &str, reason: &str, now: Timestamp) -> Value {
    let since = if before["status"] == holds { before["lastTransitionTime"].clone() } else { json!(time_text(now)) };
    json!({
        "type": name, "status": holds, "reason": reason, "lastUpdateTime": time_text(now), "lastTransitionTime": since,
    })
}

fn count(object: &Value, field: &str) -> u32 {
    object[field].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn availability(deployment: &Value, status: &Value, unavailable: u32) -> (&'static str, &'static str) {
    let least = count(&deployment["spec"], "replicas").saturating_sub(unavailable);
    if count(status, "availableReplicas") >= least {
        ("True", "MinimumReplicasAvailable")
    } else {
        ("False", "MinimumReplicasUnavailable")
    }
}

/// The condition Progressing, and when its deadline is over.
fn progressing(deployment: &Value, status: &Value, turn: Turn) -> (Option<Value>, Option<Timestamp>) {
    let now = turn.now;
    let is = |before: Value, holds: &str, reason: &str| condition(&before, PROGRESSING, holds, reason, now);
    let mut told = before(deployment, PROGRESSING).clone();
    let paused = deployment["spec"]["paused"] == true;
    if paused && told["reason"] != "ProgressDeadlineExceeded" {
        told = is(told, "Unknown", "DeploymentPaused");
    } else if !paused && told["reason"] == "DeploymentPaused" {
        told = is(told, "Unknown", "DeploymentResumed");
    }
    if turn.created {
        told = is(told, "True", "NewReplicaSetCreated");
    } else if turn.found && told.is_null() {
        told = is(told, "True", "FoundNewReplicaSet");
    }
    if !turn.rolled {
        return (Some(told).filter(|told| !told.is_null()), None);
    }
    let is_over = told["reason"] == "NewReplicaSetAvailable" && status["replicas"] == status["updatedReplicas"];
    if is_over {
        return (Some(told), None);
    }
    if is_complete(deployment, status) {
        return (Some(is(told, "True", "NewReplicaSetAvailable")), None);
    }
    if got_further(&deployment["status"], status) {
        told = renewed(&told, PROGRESSING, "True", "ReplicaSetUpdated", now);
    }
    let Some(deadline) = deadline(deployment, &told) else { return (Some(told), None) };
    if deadline < now {
        return (Some(is(told, "False", "ProgressDeadlineExceeded")), None);
    }
    (Some(told), Some(deadline.plus(Duration::from_secs(1))))
}

/// Whether a Deployment has all that it wants by that status.
pub(super) fn is_complete(deployment: &Value, status: &Value) -> bool {
    let wanted = count(&deployment["spec"], "replicas");
    ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|field| count(status, field) == wanted)
        && status["observedGeneration"] == deployment["metadata"]["generation"]
}

fn got_further(before: &Value, status: &Value) -> bool {
    let old = |status: &Value| i64::from(count(status, "replicas")) - i64::from(count(status, "updatedReplicas"));
    let more = |field: &&str| count(status, field) > count(before, field);
    ["updatedReplicas", "readyReplicas", "availableReplicas"].iter().any(more) || old(status) < old(before)
}

/// When no progress is too little; never for one that is over, or where it was too little already.
fn deadline(deployment: &Value, told: &Value) -> Option<Timestamp> {
    if matches!(told["reason"].as_str()?, "NewReplicaSetAvailable" | "ProgressDeadlineExceeded") {
        return None;
    }
    let since: jiff::Timestamp = told["lastUpdateTime"].as_str()?.parse().ok()?;
    let seconds = deployment["spec"]["progressDeadlineSeconds"].as_u64().unwrap_or(600);
    Some(Timestamp(since.as_millisecond()).plus(Duration::from_secs(seconds)))
}
