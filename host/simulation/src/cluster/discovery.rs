//! What the API server tells of itself, so that kubectl finds its way.

use serde_json::{Value, json};

use super::kinds::Kind;

/// The version of Kubernetes whose behaviour this is.
const VERSION: &str = "v1.37.1";

/// What is at a path that names no object; nothing for those that do.
pub(super) fn discovered(path: &str) -> Option<Value> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["version"] => Some(json!({"major": "1", "minor": "37", "gitVersion": VERSION, "platform": "simulation"})),
        ["healthz" | "livez" | "readyz"] => Some(json!("ok")),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["apis"] => Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups()})),
        ["api", "v1"] => resources("v1"),
        ["apis", group, version] => resources(&format!("{group}/{version}")),
        _ => None,
    }
}

fn groups() -> Vec<Value> {
    let kinds = Kind::ALL.into_iter().filter(|kind| !kind.group().is_empty());
    let mut groups: Vec<Value> = kinds
        .map(|kind| {
            let version = json!({"groupVersion": kind.api_version(), "version": kind.version()});
            json!({"name": kind.group(), "versions": [version], "preferredVersion": version})
        })
        .collect();
    groups.dedup();
    groups
}

fn resources(group_version: &str) -> Option<Value> {
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.api_version() == group_version).collect();
    let resources: Vec<Value> = kinds.iter().flat_map(|kind| of_kind(*kind)).collect();
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
        })
    })
}

fn of_kind(kind: Kind) -> Vec<Value> {
    let resource = |name: &str, verbs: &[&str]| {
        json!({
            "name": name, "singularName": kind.name().to_lowercase(), "namespaced": true, "kind": kind.name(),
            "verbs": verbs,
        })
    };
    let verbs: &[&str] = match kind {
        Kind::ReplicaSet => &["get", "list", "watch"],
        Kind::Pod => &["get", "list", "watch", "delete"],
        _ => &["create", "delete", "get", "list", "patch", "update", "watch"],
    };
    let mut whole = resource(kind.plural(), verbs);
    whole["shortNames"] = json!(kind.short_names());
    if matches!(kind, Kind::Deployment | Kind::ReplicaSet | Kind::Pod) {
        whole["categories"] = json!(["all"]);
    }
    let mut all = vec![whole];
    if kind == Kind::Deployment {
        let mut scale = resource("deployments/scale", &["get", "patch", "update"]);
        (scale["kind"], scale["group"], scale["version"]) = (json!("Scale"), json!("autoscaling"), json!("v1"));
        all.push(scale);
    }
    all
}
