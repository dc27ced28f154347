//! Each kind of object as the API server writes it, and what the index keeps of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aviary_core::view::OWNER_ANNOTATION;
use k8s_openapi::api::apps::v1::ReplicaSet;
use serde_json::json;

use super::*;

const T0: &str = "2026-11-23T10:00:00Z";
const T1: &str = "2026-11-23T10:00:01Z";
const MILLIS_T0: i64 = 1_795_428_000_000;

fn pod_with(status: Value) -> PodObject {
    let object = json!({
        "metadata": {
            "namespace": "shop", "name": "foo-1-a", "uid": "p", "creationTimestamp": T0,
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "other"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "foo-1", "uid": "r", "controller": true},
            ],
        },
        "status": status,
    });
    pod(&serde_json::from_value(object).unwrap()).unwrap()
}

fn container(name: &str, restarts: i32, state: Value, last_state: Value) -> Value {
    json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": restarts,
        "state": state, "lastState": last_state})
}

fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": format!("because of {reason}")}})
}

fn ended(at: &str, code: i32, reason: &str) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason, "finishedAt": at}})
}

fn running() -> Value {
    json!({"running": {"startedAt": T0}})
}

#[test]
fn a_pod_without_status_is_not_ready_and_has_an_owner() {
    let pod = pod_with(json!({}));
    assert_eq!((pod.owner_uid.as_deref(), pod.ready, pod.became_ready), (Some("r"), false, None));
    assert_eq!((pod.created, pod.restart_count, pod.inactive), (Timestamp(MILLIS_T0), 0, false));
    assert_eq!(pod.waiting_reason, None);
}

#[test]
fn a_pod_that_was_evicted_or_ended_with_its_node_is_none_of_its_replica_set_any_more() {
    for (phase, inactive) in
        [("Pending", false), ("Running", false), ("Unknown", false), ("Failed", true), ("Succeeded", true)]
    {
        let ends = [container("app", 0, ended(T1, 137, "Error"), json!({}))];
        let pod = pod_with(json!({"phase": phase, "reason": "Evicted", "containerStatuses": ends}));
        assert_eq!(pod.inactive, inactive, "{phase}");
    }
}

#[test]
fn a_pod_is_ready_by_its_condition() {
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": T1});
    let table = [
        (json!([condition("Ready", "True")]), true, Some(Timestamp(MILLIS_T0 + 1_000))),
        (json!([{"type": "Ready", "status": "True"}]), true, None),
        (json!([condition("Ready", "False")]), false, None),
        (json!([condition("Ready", "Unknown")]), false, None),
        (json!([condition("ContainersReady", "True")]), false, None),
    ];
    for (conditions, ready, since) in table {
        let pod = pod_with(json!({"conditions": conditions}));
        assert_eq!((pod.ready, pod.became_ready), (ready, since), "{conditions}");
    }
}

#[test]
fn restarts_come_from_both_states_of_every_container_oldest_first() {
    let pod = pod_with(json!({
        "initContainerStatuses": [
            container("done", 0, ended(T0, 0, "Completed"), json!({})),
            container("broken", 1, ended(T1, 2, "Error"), json!({})),
        ],
        "containerStatuses": [
            container("main", 3, ended(T1, 1, "Error"), ended(T0, 137, "OOMKilled")),
            container("side", 1, running(), ended(T0, 0, "Completed")),
            container("odd", 1, running(), json!({"terminated": {"exitCode": 1}})),
        ],
    }));
    assert_eq!(pod.restart_count, 6);
    let restarts: Vec<_> = pod
        .restarts
        .iter()
        .map(|r| (r.at.0 - MILLIS_T0, r.container.as_str(), r.exit_code, r.reason.as_str()))
        .collect();
    let expected = [
        (0, "main", 137, "OOMKilled"),
        (0, "side", 0, "Completed"),
        (1_000, "broken", 2, "Error"),
        (1_000, "main", 1, "Error"),
    ];
    assert_eq!(restarts, expected);
}

#[test]
fn the_worst_reason_for_waiting_is_told() {
    let table: [(&[&str], &[&str], Option<&str>); 8] = [
        (&[], &["ContainerCreating"], None),
        (&["PodInitializing"], &[], None),
        (&[], &["ContainerCreating", "CrashLoopBackOff"], Some("CrashLoopBackOff")),
        (&[], &["ImagePullBackOff", "CrashLoopBackOff"], Some("CrashLoopBackOff")),
        (&[], &["CreateContainerConfigError", "ErrImagePull"], Some("ErrImagePull")),
        (&[], &["SomethingNew", "CreateContainerError"], Some("CreateContainerError")),
        (&[], &["SomethingNew"], Some("SomethingNew")),
        (&["CrashLoopBackOff"], &["PodInitializing"], Some("CrashLoopBackOff")),
    ];
    for (init, main, expected) in table {
        let of = |reasons: &[&str]| -> Vec<Value> {
            reasons.iter().map(|reason| container(reason, 0, waiting(reason), json!({}))).collect()
        };
        let pod = pod_with(json!({"initContainerStatuses": of(init), "containerStatuses": of(main)}));
        assert_eq!(pod.waiting_reason.as_deref(), expected, "{init:?} {main:?}");
        assert_eq!(pod.waiting_message, expected.map(|reason| format!("because of {reason}")));
    }
}

fn deployment_json() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "namespace": "shop", "name": "foo", "uid": "d", "resourceVersion": "17", "generation": 4,
            "labels": {"app": "foo"}, "annotations": {"team": "a"},
            "ownerReferences": [{"apiVersion": "x/v1", "kind": "Tenant", "name": "t", "uid": "t", "controller": true}],
            "managedFields": [
                {"manager": "ci", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}}},
                {"manager": "aviary", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
            ],
        },
        "spec": {"replicas": 2, "aFieldOfTomorrow": {"kept": true}},
        "status": {"observedGeneration": 3, "replicas": 5, "updatedReplicas": 1, "readyReplicas": 2,
            "availableReplicas": -1},
    })
}

fn deployment_of(object: Value) -> Result<DeploymentObject, ReduceError> {
    deployment(serde_json::from_value(object).unwrap())
}

#[test]
fn a_deployment_keeps_its_raw_spec_and_who_manages_it() {
    let DeploymentObject { namespace, workload } = deployment_of(deployment_json()).unwrap();
    let identity = (namespace.as_str(), workload.name.as_str(), workload.uid.as_str());
    assert_eq!(identity, ("shop", "foo", "d"));
    assert_eq!((workload.resource_version.as_str(), workload.generation, workload.deleting), ("17", 4, false));
    assert_eq!(workload.spec, json!({"replicas": 2, "aFieldOfTomorrow": {"kept": true}}));
    assert_eq!(workload.controller.as_deref(), Some("Tenant/t"));
    let status = WorkloadStatus { observed_generation: 3, replicas: 5, updated: 1, ready: 2, available: 0 };
    assert_eq!(workload.status, status);
    let managers: Vec<_> = workload
        .field_managers
        .iter()
        .map(|m| (m.manager.as_str(), m.operation.as_str(), m.subresource.as_str(), m.owns_replicas))
        .collect();
    let expected = [
        ("ci", "Apply", "", false),
        ("aviary", "Update", "", true),
        ("kube-controller-manager", "Update", "status", false),
    ];
    assert_eq!(managers, expected);
}

#[test]
fn what_is_missing_is_named() {
    for (path, field) in [("/metadata/uid", "a uid"), ("/spec", "spec"), ("/metadata/namespace", "a namespace")] {
        let mut object = deployment_json();
        let (parent, name) = path.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        let error = deployment_of(object).unwrap_err().to_string();
        assert!(error.contains("deployments") && error.contains("(foo)") && error.contains(field), "{error}");
    }
    let mut new = deployment_json();
    new.as_object_mut().unwrap().remove("status");
    assert_eq!(deployment_of(new).unwrap().workload.status, WorkloadStatus::default());
}

#[test]
fn a_replica_set_belongs_to_the_deployment_that_controls_it() {
    let owner = |kind: &str, controller: bool| {
        let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {
            "namespace": "shop", "name": "foo-1", "uid": "r",
            "ownerReferences": [{"apiVersion": "v1", "kind": kind, "name": "x", "uid": "d", "controller": controller}],
        }});
        let object: PartialObjectMeta<ReplicaSet> = serde_json::from_value(object).unwrap();
        replica_set(&object).unwrap().owner_uid
    };
    assert_eq!(owner("Deployment", true).as_deref(), Some("d"));
    assert_eq!(owner("Deployment", false), None);
    assert_eq!(owner("Rollout", true), None);
}

#[test]
fn a_replica_set_has_the_revision_that_the_deployment_controller_gave_it() {
    let revision = |annotations: Value| {
        let metadata = json!({"namespace": "shop", "name": "foo-1", "uid": "r", "annotations": annotations});
        let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata});
        let object: PartialObjectMeta<ReplicaSet> = serde_json::from_value(object).unwrap();
        replica_set(&object).unwrap().revision
    };
    assert_eq!(revision(json!({"deployment.kubernetes.io/revision": "12"})), Some(12));
    assert_eq!(revision(json!({"deployment.kubernetes.io/revision": "by hand"})), None);
    assert_eq!(revision(Value::Null), None);
}

#[test]
fn an_autoscaler_names_its_target() {
    let object = json!({"metadata": {"namespace": "shop", "name": "h", "uid": "h"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "foo"}}});
    let target = autoscaler(&serde_json::from_value(object).unwrap()).unwrap();
    assert_eq!((target.target_kind.as_str(), target.target_name.as_str()), ("Deployment", "foo"));
}

fn record_of(name: &str, annotations: Value, data: Value) -> Result<RecordObject, ReduceError> {
    let metadata = json!({"namespace": "shop", "name": name, "uid": "c", "resourceVersion": "9",
        "annotations": annotations});
    record(&serde_json::from_value(json!({"metadata": metadata, "data": data})).unwrap())
}

#[test]
fn a_record_names_its_service() {
    let whole = record_of("foo.aviary", json!({OWNER_ANNOTATION: "foo"}), json!({RECORD_KEY: "{}"})).unwrap();
    let expected =
        RecordObject { namespace: "shop".into(), name: "foo".into(), resource_version: "9".into(), text: "{}".into() };
    assert_eq!(whole, expected);
    assert_eq!(
        record_of("foo.aviary", json!({}), json!({})).unwrap(),
        RecordObject { text: String::new(), ..expected }
    );
    // Somebody's copy of it is not it, whatever it says of itself.
    let error = record_of("foo.aviary-backup", json!({OWNER_ANNOTATION: "foo"}), json!({})).unwrap_err().to_string();
    assert!(error.contains("foo.aviary-backup") && error.contains("ends with .aviary"), "{error}");
}

#[test]
fn what_was_deleted_has_a_name_even_if_it_was_not_whole() {
    let metadata = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    assert_eq!(name(Kind::Deployment, &metadata("foo")).as_deref(), Some("foo"));
    assert_eq!(name(Kind::Record, &metadata("foo.aviary")).as_deref(), Some("foo"));
    assert_eq!(name(Kind::Record, &metadata("settings")), None);
    assert_eq!(name(Kind::Pod, &ObjectMeta::default()), None);
}
