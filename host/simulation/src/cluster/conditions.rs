//! The conditions of a Deployment, as the deployment controller's `progress.go` and `sync.go` have them.

use aviary_core::time::Timestamp;
use serde_json::{Value, json};

use super::time_text;

/// The conditions of a Deployment with that status, which may miss `unavailable` pods and got further last at `progressed`.
pub(super) fn conditions(
    deployment: &Value,
    status: &Value,
    unavailable: u32,
    progressed: Timestamp,
    now: Timestamp,
) -> Value {
    let (available, reason) = availability(deployment, status, unavailable);
    let availability = condition(deployment, "Available", available, reason, now);
    let progress = match progress(deployment, status, progressed, now) {
        Some((holds, reason)) => condition(deployment, "Progressing", holds, reason, now),
        None => before(deployment, "Progressing").clone(),
    };
    json!([availability, progress])
}

fn before<'a>(deployment: &'a Value, name: &str) -> &'a Value {
    let all = deployment["status"]["conditions"].as_array().into_iter().flatten();
    all.into_iter().find(|condition| condition["type"] == name).unwrap_or(&Value::Null)
}

fn condition(deployment: &Value, name: &str, holds: &str, reason: &str, now: Timestamp) -> Value {
    let before = before(deployment, name);
    if before["status"] == holds && before["reason"] == reason {
        return before.clone();
    }
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

/// Nothing where it stays as it is.
fn progress(
    deployment: &Value,
    status: &Value,
    progressed: Timestamp,
    now: Timestamp,
) -> Option<(&'static str, &'static str)> {
    let spec = &deployment["spec"];
    if spec["paused"] == true {
        return Some(("Unknown", "DeploymentPaused"));
    }
    let (wanted, replicas, updated) =
        (count(spec, "replicas"), count(status, "replicas"), count(status, "updatedReplicas"));
    let available = count(status, "availableReplicas");
    let reason = before(deployment, "Progressing")["reason"].as_str().unwrap_or_default();
    // One that was complete is only scaled.
    if reason == "NewReplicaSetAvailable" && replicas == updated {
        return None;
    }
    if updated == wanted && replicas == wanted && available == wanted {
        return Some(("True", "NewReplicaSetAvailable"));
    }
    let deadline = spec["progressDeadlineSeconds"].as_u64().unwrap_or(600);
    if now.since(progressed).as_secs() >= deadline {
        return Some(("False", "ProgressDeadlineExceeded"));
    }
    Some(("True", "ReplicaSetUpdated"))
}
