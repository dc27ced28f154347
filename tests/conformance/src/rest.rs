//! What a side has come to rest at: objects without what is chance on either side (names, uids, versions, times).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::act::AVIARY;

/// What is read, in this order: what a controller has written before the Deployment's status is then in the later lists.
pub const RESOURCES: [(&str, &str); 5] = [
    ("/apis/apps/v1", "deployments"),
    ("/apis/apps/v1", "replicasets"),
    ("/api/v1", "pods"),
    ("/api/v1", "configmaps"),
    ("/apis/coordination.k8s.io/v1", "leases"),
];

/// The objects of a namespace.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Deployments.
    pub deployments: Vec<Value>,
    /// ReplicaSets.
    pub sets: Vec<Value>,
    /// Pods.
    pub pods: Vec<Value>,
    /// ConfigMaps.
    pub maps: Vec<Value>,
    /// Leases.
    pub leases: Vec<Value>,
}

impl Lists {
    /// In the order of [`RESOURCES`].
    pub fn all_mut(&mut self) -> [&mut Vec<Value>; 5] {
        [&mut self.deployments, &mut self.sets, &mut self.pods, &mut self.maps, &mut self.leases]
    }
}

/// What must be the same on both sides.
#[must_use]
pub fn essence(lists: &Lists) -> Value {
    let plain = |objects: &[Value], content: &str| -> Vec<Value> {
        let one = |object: &Value| json!({"labels": object["metadata"]["labels"], content: object[content]});
        objects.iter().map(one).collect()
    };
    let mut sets: Vec<Value> = lists.sets.iter().map(set).collect();
    sets.sort_by_key(Value::to_string);
    let mut pods: BTreeMap<String, u32> = BTreeMap::new();
    lists.pods.iter().for_each(|one| *pods.entry(pod(one)).or_default() += 1);
    json!({
        "deployments": lists.deployments.iter().map(deployment).collect::<Vec<_>>(), "sets": sets, "pods": pods,
        "records": plain(&lists.maps, "data"), "leases": plain(&lists.leases, "spec"),
    })
}

/// The names of the pods, equal ones side by side.
#[must_use]
pub fn pods_in_order(lists: &Lists) -> Vec<String> {
    let name = |one: &Value| one["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut pods: Vec<(String, String)> = lists.pods.iter().map(|one| (pod(one), name(one))).collect();
    pods.sort();
    pods.into_iter().map(|(_, name)| name).collect()
}

fn deployment(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut status = object["status"].clone();
    let conditions: BTreeMap<&str, Value> = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| (it["type"].as_str().unwrap_or_default(), json!([it["status"], reason(it)])))
        .collect();
    status["conditions"] = json!(conditions);
    json!({
        "labels": metadata["labels"], "annotations": metadata["annotations"], "generation": metadata["generation"],
        "spec": object["spec"], "status": status, "managers": managers(metadata),
    })
}

/// Why a condition holds. Which of three words stays for a rollout that is under way is a race within Kubernetes: the
/// controller's status goes by what it has seen of the ReplicaSet's.
fn reason(condition: &Value) -> &str {
    match condition["reason"].as_str().unwrap_or_default() {
        "NewReplicaSetCreated" | "FoundNewReplicaSet" | "ReplicaSetUpdated" => "under way",
        reason => reason,
    }
}

/// Who has an entry, whose `spec.replicas` is, and whether Aviary has anything.
fn managers(metadata: &Value) -> Value {
    let entries = metadata["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |entry: &&Value| {
        let subresource = entry["subresource"].as_str().unwrap_or_default();
        // Our program has all of the control plane in it, and a client calls itself by its program.
        let manager = entry["manager"].as_str().unwrap_or_default().replace("control-plane", "kube-controller-manager");
        format!("{manager} {subresource}").trim().to_owned()
    };
    let has_replicas = |entry: &&Value| entry["fieldsV1"].pointer("/f:spec/f:replicas").is_some();
    let mut all: Vec<String> = entries.iter().map(|entry| name(&entry)).collect();
    all.sort();
    let replicas: Vec<String> = entries.iter().filter(has_replicas).map(|entry| name(&entry)).collect();
    json!({"all": all, "replicas": replicas, "aviary": entries.iter().any(|entry| entry["manager"] == AVIARY)})
}

fn set(object: &Value) -> Value {
    let (spec, status) = (&object["spec"], &object["status"]);
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    let mut template = spec["template"].clone();
    without_hash(&mut template["metadata"]["labels"]);
    let mut labels = object["metadata"]["labels"].clone();
    without_hash(&mut labels);
    json!({
        "template": template, "labels": labels, "annotations": object["metadata"]["annotations"],
        "minReadySeconds": spec["minReadySeconds"], "wanted": spec["replicas"],
        "replicas": count("replicas"), "ready": count("readyReplicas"), "available": count("availableReplicas"),
    })
}

fn without_hash(labels: &mut Value) {
    if let Some(labels) = labels.as_object_mut() {
        labels.remove("pod-template-hash");
    }
}

/// A pod by what it is; which of equal ones is chance.
fn pod(object: &Value) -> String {
    let container = &object["status"]["containerStatuses"][0];
    let image = object["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    let ready = if is_ready(object) { "ready" } else { "not ready" };
    let state = match waiting(object) {
        // Both are said in turn.
        Some("ErrImagePull" | "ImagePullBackOff") => "waiting for its image",
        Some(reason) => reason,
        None if !container["state"]["running"].is_null() => "running",
        None => "nothing yet",
    };
    let phase = object["status"]["phase"].as_str().unwrap_or_default();
    let leaves = if is_leaving(object) { ", on its way out" } else { "" };
    format!("{image}: {phase}, {ready}, {state}{leaves}")
}

/// Why the container of a pod waits.
#[must_use]
pub fn waiting(pod: &Value) -> Option<&str> {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str()
}

/// Whether a pod is ready.
#[must_use]
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whether a pod is on its way out.
#[must_use]
pub fn is_leaving(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}
