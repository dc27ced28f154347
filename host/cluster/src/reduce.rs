//! From objects as kube gives them to what the index keeps of them.

use std::{cmp::Reverse, collections::BTreeMap};

use aviary_core::{
    judge::Restart,
    spec::as_served_now,
    time::Timestamp,
    view::{FieldManager, Workload, WorkloadStatus},
};
use k8s_openapi::{
    api::{
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{ConfigMap, ContainerState, ContainerStatus, Pod, PodStatus},
    },
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, OwnerReference, Time},
};
use kube::core::{DynamicObject, ObjectMeta, PartialObjectMeta};
use serde_json::Value;

use crate::input::{AutoscalerObject, DeploymentObject, Kind, PodObject, RecordObject, ReplicaSetObject};

/// The key of a record's document within the data of its ConfigMap.
pub const RECORD_KEY: &str = "record.json";

/// The end of a record's name. It has a dot, which the names that people give to ConfigMaps seldom have.
pub const RECORD_SUFFIX: &str = ".aviary";

/// The deployment controller's annotation on a Deployment and on each of its ReplicaSets: equal on the one that has the
/// template of the Deployment, which gets the highest number, also where it had a lower one before.
pub const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

/// Reasons for which a container waits that are no fault.
const ORDINARY_WAITING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// The kubelet's words for an image that cannot be had.
const IMAGE_WAITING: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// The kubelet's words for a container that cannot be made.
const CONFIGURATION_WAITING: [&str; 3] = ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"];

/// An object without a field that every object of its kind has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: an object ({name}) without {field} was left out")]
pub struct ReduceError {
    kind: Kind,
    name: String,
    field: &'static str,
}

/// A Deployment with its raw spec.
///
/// # Errors
/// [`ReduceError`] without namespace, name, uid or spec.
pub fn deployment(mut object: DynamicObject) -> Result<DeploymentObject, ReduceError> {
    let identity = identity(Kind::Deployment, &object.metadata)?;
    let spec = object.data.get_mut("spec").map(Value::take);
    let spec = spec.ok_or_else(|| missing(Kind::Deployment, &object.metadata, "spec"))?;
    let status = workload_status(&object.data["status"]);
    let metadata = object.metadata;
    let workload = Workload {
        name: identity.name,
        uid: identity.uid,
        resource_version: metadata.resource_version.unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        deleting: metadata.deletion_timestamp.is_some(),
        controller: controller(metadata.owner_references.as_deref())
            .map(|owner| format!("{}/{}", owner.kind, owner.name)),
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
        field_managers: metadata.managed_fields.unwrap_or_default().into_iter().map(field_manager).collect(),
        spec: as_served_now(spec),
        status,
    };
    Ok(DeploymentObject { namespace: identity.namespace, workload })
}

/// A ReplicaSet, of which only the metadata are watched.
///
/// # Errors
/// [`ReduceError`] without namespace, name or uid.
pub fn replica_set<K>(object: &PartialObjectMeta<K>) -> Result<ReplicaSetObject, ReduceError> {
    let Identity { namespace, name, uid } = identity(Kind::ReplicaSet, &object.metadata)?;
    let revision = object.metadata.annotations.as_ref().and_then(revision);
    Ok(ReplicaSetObject { namespace, name, uid, owner_uid: owner_uid(&object.metadata, "Deployment"), revision })
}

/// The revision that annotations tell.
#[must_use]
pub fn revision(annotations: &BTreeMap<String, String>) -> Option<u64> {
    annotations.get(REVISION_ANNOTATION)?.parse().ok()
}

/// A pod.
///
/// # Errors
/// [`ReduceError`] without namespace, name or uid.
pub fn pod(object: &Pod) -> Result<PodObject, ReduceError> {
    let Identity { namespace, name, uid } = identity(Kind::Pod, &object.metadata)?;
    let nothing = PodStatus::default();
    let status = object.status.as_ref().unwrap_or(&nothing);
    let ready = ready_since(status);
    let (waiting_reason, waiting_message) = worst_waiting(status).unzip();
    Ok(PodObject {
        namespace,
        name,
        uid,
        owner_uid: owner_uid(&object.metadata, "ReplicaSet"),
        inactive: object.metadata.deletion_timestamp.is_some() || has_ended(status),
        created: object.metadata.creation_timestamp.as_ref().map(timestamp).unwrap_or_default(),
        became_ready: ready.flatten(),
        ready: ready.is_some(),
        restart_count: restart_count(status),
        restarts: restarts(status),
        waiting_reason,
        waiting_message: waiting_message.flatten(),
    })
}

/// A HorizontalPodAutoscaler.
///
/// # Errors
/// [`ReduceError`] without namespace, name, uid or spec.
pub fn autoscaler(object: &HorizontalPodAutoscaler) -> Result<AutoscalerObject, ReduceError> {
    let Identity { namespace, name, .. } = identity(Kind::Autoscaler, &object.metadata)?;
    let spec = object.spec.as_ref().ok_or_else(|| missing(Kind::Autoscaler, &object.metadata, "spec"))?;
    let target = &spec.scale_target_ref;
    Ok(AutoscalerObject { namespace, name, target_kind: target.kind.clone(), target_name: target.name.clone() })
}

/// A record.
///
/// # Errors
/// [`ReduceError`] without namespace, name or uid, or with a name that is none of a record: somebody's copy of one.
pub fn record(object: &ConfigMap) -> Result<RecordObject, ReduceError> {
    let metadata = &object.metadata;
    let Identity { namespace, .. } = identity(Kind::Record, metadata)?;
    let name = name(Kind::Record, metadata);
    let name = name.ok_or_else(|| missing(Kind::Record, metadata, "a name that ends with .aviary"))?;
    let text = object.data.as_ref().and_then(|data| data.get(RECORD_KEY)).cloned().unwrap_or_default();
    Ok(RecordObject { namespace, name, resource_version: metadata.resource_version.clone().unwrap_or_default(), text })
}

/// The name under which the index keeps an object: its own; that of its service for a record.
#[must_use]
pub fn name(kind: Kind, metadata: &ObjectMeta) -> Option<String> {
    let own = metadata.name.as_deref()?;
    let name = if kind == Kind::Record { own.strip_suffix(RECORD_SUFFIX)? } else { own };
    Some(name.to_owned())
}

struct Identity {
    namespace: String,
    name: String,
    uid: String,
}

fn identity(kind: Kind, metadata: &ObjectMeta) -> Result<Identity, ReduceError> {
    let field = |value: &Option<String>, field| value.clone().ok_or_else(|| missing(kind, metadata, field));
    Ok(Identity {
        namespace: field(&metadata.namespace, "a namespace")?,
        name: field(&metadata.name, "a name")?,
        uid: field(&metadata.uid, "a uid")?,
    })
}

fn missing(kind: Kind, metadata: &ObjectMeta, field: &'static str) -> ReduceError {
    ReduceError { kind, name: metadata.name.clone().unwrap_or_default(), field }
}

fn controller(owners: Option<&[OwnerReference]>) -> Option<&OwnerReference> {
    owners.unwrap_or_default().iter().find(|owner| owner.controller == Some(true))
}

fn owner_uid(metadata: &ObjectMeta, kind: &str) -> Option<String> {
    let owner = controller(metadata.owner_references.as_deref()).filter(|owner| owner.kind == kind)?;
    Some(owner.uid.clone())
}

fn workload_status(status: &Value) -> WorkloadStatus {
    let count = |field: &str| status[field].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    WorkloadStatus {
        observed_generation: status["observedGeneration"].as_i64().unwrap_or(0),
        replicas: count("replicas"),
        updated: count("updatedReplicas"),
        ready: count("readyReplicas"),
        available: count("availableReplicas"),
    }
}

fn field_manager(entry: ManagedFieldsEntry) -> FieldManager {
    let owned = entry.fields_v1.map(|fields| fields.0).unwrap_or_default();
    FieldManager {
        manager: entry.manager.unwrap_or_default(),
        operation: entry.operation.unwrap_or_default(),
        subresource: entry.subresource.unwrap_or_default(),
        owns_replicas: owned.pointer("/f:spec/f:replicas").is_some(),
    }
}

fn timestamp(time: &Time) -> Timestamp {
    Timestamp(time.0.as_millisecond())
}

/// The outer option tells whether the pod is ready, the inner since when.
fn ready_since(status: &PodStatus) -> Option<Option<Timestamp>> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    Some(ready.last_transition_time.as_ref().map(timestamp))
}

fn init_statuses(status: &PodStatus) -> &[ContainerStatus] {
    status.init_container_statuses.as_deref().unwrap_or_default()
}

fn main_statuses(status: &PodStatus) -> &[ContainerStatus] {
    status.container_statuses.as_deref().unwrap_or_default()
}

/// Evicted, refused by its node or ended with it: its ReplicaSet starts another one in its place (IsPodActive in
/// pkg/controller/controller_utils.go), while it is kept and says nothing of the version that it ran.
fn has_ended(status: &PodStatus) -> bool {
    matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"))
}

fn restart_count(status: &PodStatus) -> u32 {
    let containers = init_statuses(status).iter().chain(main_statuses(status));
    containers.map(|container| u32::try_from(container.restart_count).unwrap_or(0)).fold(0, u32::saturating_add)
}

fn restarts(status: &PodStatus) -> Vec<Restart> {
    // An init container that has done its work ended, and nothing was started again.
    let init = init_statuses(status).iter().flat_map(|container| {
        let done = end(container, container.state.as_ref()).filter(|restart| restart.exit_code != 0);
        [end(container, container.last_state.as_ref()), done]
    });
    let main = main_statuses(status)
        .iter()
        .flat_map(|container| [&container.last_state, &container.state].map(|state| end(container, state.as_ref())));
    let mut restarts: Vec<Restart> = init.chain(main).flatten().collect();
    restarts.sort_by(|one, other| (one.at, &one.container).cmp(&(other.at, &other.container)));
    restarts
}

fn end(container: &ContainerStatus, state: Option<&ContainerState>) -> Option<Restart> {
    let ended = state?.terminated.as_ref()?;
    Some(Restart {
        at: timestamp(ended.finished_at.as_ref()?),
        container: container.name.clone(),
        reason: ended.reason.clone().unwrap_or_default(),
        exit_code: ended.exit_code,
    })
}

fn worst_waiting(status: &PodStatus) -> Option<(String, Option<String>)> {
    let containers = init_statuses(status).iter().chain(main_statuses(status));
    let waiting = containers.filter_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        Some((waiting.reason.as_deref()?, waiting.message.clone()))
    });
    let worth_naming = waiting.filter(|(reason, _)| !reason.is_empty() && !ORDINARY_WAITING.contains(reason));
    let worst = worth_naming.min_by_key(|(reason, _)| Reverse(badness(reason)))?;
    Some((worst.0.to_owned(), worst.1))
}

fn badness(reason: &str) -> u8 {
    if reason == "CrashLoopBackOff" {
        3
    } else if IMAGE_WAITING.contains(&reason) {
        2
    } else {
        u8::from(CONFIGURATION_WAITING.contains(&reason))
    }
}

#[cfg(test)]
mod tests;
