//! What people, CI, Aviary and the cluster itself do, as data; each becomes one request.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Amount, Call, Change, Image,
    change::{set, set_or_remove},
};

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON: &str = "application/json";
/// A resourceVersion that no object ever has.
const STALE: &str = "4000000000";

/// Who manages what Aviary writes.
pub const AVIARY: &str = "aviary";

/// A Deployment as it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Its image.
    pub image: Image,
    /// Its replicas, where it says them.
    pub replicas: Option<u8>,
    /// Its maxSurge and maxUnavailable, where it says them.
    pub rolling: Option<(Amount, Amount)>,
    /// What else it says.
    pub also: Option<Change>,
}

/// How a guard of a write stands to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// It holds.
    Right,
    /// The uid is another one.
    Uid,
    /// The generation is another one.
    Generation,
    /// The old replicas are others.
    Replicas,
}

/// The resourceVersion that a write names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// That of the object as it is.
    Right,
    /// Another one.
    Stale,
    /// None.
    None,
}

/// How the subresource `scale` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// A merge patch, as kubectl does it.
    Merge,
    /// A JSON patch.
    Json,
    /// PUT, as an autoscaler does it.
    Put,
}

/// What is done with a ConfigMap, as with a record of Aviary's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// Created, with that content.
    Create(u8),
    /// Replaced by that content.
    Replace(u8, Version),
    /// Deleted.
    Delete(Version),
}

/// What is done with a Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lease {
    /// Created, held by that daemon.
    Create(u8),
    /// Replaced, held by that daemon.
    Replace(u8, Version),
    /// Deleted.
    Delete,
}

/// One act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The Deployment is created.
    Create(Manifest),
    /// A JSON patch of Aviary's, with its guards.
    Patch(Guard, Change),
    /// A merge patch.
    Merge(Change),
    /// PUT.
    Put(Version, Change),
    /// The subresource `scale` is written.
    Scale(Scaling, u8),
    /// The subresource `scale` is read.
    ReadScale,
    /// Aviary's own entry is taken out of managedFields.
    GiveBack,
    /// The Deployment is deleted; only that of the uid, if one is named.
    Delete(Option<Guard>),
    /// It is deleted in the foreground.
    DeleteInForeground,
    /// A pod is deleted.
    DeletePod(u8),
    /// Pods of the image that crashes later do so.
    Crash,
    /// Something with a ConfigMap.
    Record(Record),
    /// Something with a Lease.
    Lease(Lease),
}

/// What one side has told last.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The Deployment, the record or the Lease that an act is about; null where there is none.
    pub object: Value,
    /// The names of the pods, equal ones side by side; only where an act is about one.
    pub pods: Vec<String>,
}

impl Act {
    /// Whether a rollout may come to a stand by it, as far as it has got: pods that never get ready, or a pause.
    #[must_use]
    pub fn stalls(&self) -> bool {
        let change = |change: Change| match change {
            Change::Image(image) | Change::ImageAndReplicas(image, _) => !image.serves(),
            Change::Paused(paused) => paused,
            _ => false,
        };
        match *self {
            Self::Create(manifest) => !manifest.image.serves() || manifest.also.is_some_and(change),
            Self::Patch(_, what) | Self::Merge(what) | Self::Put(_, what) => change(what),
            _ => false,
        }
    }

    /// Where the object is that the act is about.
    #[must_use]
    pub fn path(&self, namespace: &str) -> String {
        match self {
            Self::Record(_) => format!("{}/foo.aviary", records(namespace)),
            Self::Lease(_) => format!("{}/aviary", leases(namespace)),
            _ => format!("{}/foo", deployments(namespace)),
        }
    }

    /// Whether it needs both sides at rest before it: it is about pods, which are named by what they are.
    #[must_use]
    pub const fn needs_rest(&self) -> bool {
        matches!(self, Self::DeletePod(_) | Self::Crash)
    }

    /// Whether it names the resourceVersion that it has read: while anything moves, it has to be tried again.
    #[must_use]
    pub const fn swaps(&self) -> bool {
        matches!(self, Self::Put(Version::Right, _))
    }

    /// The request; nothing where the act is none, or there is nothing to do it with.
    #[must_use]
    pub fn call(&self, namespace: &str, told: &Told) -> Option<Call> {
        let path = self.path(namespace);
        let call = |method, path, query: &str, content_type, body| {
            Some(Call { method, path, query: query.to_owned(), content_type, body })
        };
        match *self {
            Self::Create(manifest) => call("POST", deployments(namespace), "fieldManager=ci", JSON, manifest.object()),
            Self::Patch(guard, change) => {
                call("PATCH", path, "fieldManager=aviary", JSON_PATCH, guarded(&told.object, guard, change))
            }
            Self::Merge(change) => {
                call("PATCH", path, "fieldManager=ci", MERGE_PATCH, merge_patch(&told.object, change))
            }
            Self::Put(version, change) => {
                // Where there is none it is tried none the less.
                let none = told.object.is_null();
                let mut object = if none { Manifest::PLAIN.object() } else { versioned(told.object.clone(), version) };
                edit(&mut object, change);
                call("PUT", path, "fieldManager=ci", JSON, object)
            }
            Self::Scale(scaling, replicas) => {
                let (method, content_type, body) = scaling.write(&told.object, replicas);
                call(method, format!("{path}/scale"), "fieldManager=kubectl", content_type, body)
            }
            Self::ReadScale => Some(Call::get(format!("{path}/scale"))),
            Self::GiveBack => call("PATCH", path, "fieldManager=aviary", JSON_PATCH, give_back(&told.object)?),
            Self::Delete(guard) => call("DELETE", path, "", JSON, delete_options(&told.object, guard)),
            Self::DeleteInForeground => call("DELETE", path, "", JSON, json!({"propagationPolicy": "Foreground"})),
            Self::DeletePod(which) => {
                let name = told.pods.get(usize::from(which) % told.pods.len().max(1))?;
                call("DELETE", format!("/api/v1/namespaces/{namespace}/pods/{name}"), "", JSON, Value::Null)
            }
            Self::Crash => None,
            Self::Record(record) => Some(record.call(namespace, path, told)),
            Self::Lease(lease) => Some(lease.call(namespace, path, told)),
        }
    }
}

fn deployments(namespace: &str) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/deployments")
}

fn records(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

fn leases(namespace: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
}

impl Manifest {
    const PLAIN: Self = Self { image: Image::One, replicas: None, rolling: None, also: None };

    fn object(self) -> Value {
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "foo", "labels": {"app": "foo"}},
            "spec": {
                "selector": {"matchLabels": {"app": "foo"}},
                "template": {
                    "metadata": {"labels": {"app": "foo"}},
                    "spec": {"containers": [{"name": "main", "image": self.image.name()}]},
                },
            },
        });
        let rolling = self.rolling.map(|(surge, unavailable)| Change::Rolling(surge, unavailable));
        self.replicas.map(Change::Replicas).into_iter().chain(rolling).chain(self.also).for_each(|change| {
            edit(&mut object, change);
        });
        object
    }
}

fn edit(object: &mut Value, change: Change) {
    change.edits().into_iter().for_each(|(pointer, value)| set_or_remove(object, pointer, value));
}

/// A JSON patch with guards, as Aviary writes it: whole objects where something on the way may be missing.
fn guarded(live: &Value, guard: Guard, change: Change) -> Value {
    let off = |wrong: Guard| i64::from(guard == wrong);
    let uid = if guard == Guard::Uid { json!("another") } else { live["metadata"]["uid"].clone() };
    let number = |value: &Value, off: i64| json!(value.as_i64().unwrap_or(0) + off);
    let guards = [
        json!({"op": "test", "path": "/metadata/uid", "value": uid}),
        json!({"op": "test", "path": "/metadata/generation",
            "value": number(&live["metadata"]["generation"], off(Guard::Generation))}),
        json!({"op": "test", "path": "/spec/replicas", "value": number(&live["spec"]["replicas"], off(Guard::Replicas))}),
    ];
    let operations = change.edits().into_iter().map(|(pointer, value)| {
        if value.is_null() {
            return json!({"op": "remove", "path": pointer});
        }
        let (pointer, value) = grown(live, pointer, value);
        json!({"op": "add", "path": pointer, "value": value})
    });
    guards.into_iter().chain(operations).collect()
}

/// The highest field that is missing on the way to `pointer`, with all below it.
fn grown(live: &Value, pointer: &str, value: Value) -> (String, Value) {
    let mut end = pointer.len();
    let mut grown = value;
    while let Some(slash) = pointer[..end].rfind('/').filter(|slash| *slash > 0) {
        if live.pointer(&pointer[..slash]).is_some_and(|parent| parent.is_object() || parent.is_array()) {
            break;
        }
        let name = pointer[slash + 1..end].replace("~1", "/");
        grown = json!({ name: grown });
        end = slash;
    }
    (pointer[..end].to_owned(), grown)
}

/// A merge patch cannot reach into lists: they are given whole.
fn merge_patch(live: &Value, change: Change) -> Value {
    let mut changed = live.clone();
    edit(&mut changed, change);
    let mut patch = json!({});
    for (pointer, _) in change.edits() {
        let end = pointer.find("/0").unwrap_or(pointer.len());
        let value = changed.pointer(&pointer[..end]).cloned().unwrap_or(Value::Null);
        set(&mut patch, &pointer[..end], value);
    }
    patch
}

fn versioned(mut object: Value, version: Version) -> Value {
    match version {
        Version::Right => {}
        Version::Stale => object["metadata"]["resourceVersion"] = json!(STALE),
        Version::None => set_or_remove(&mut object, "/metadata/resourceVersion", Value::Null),
    }
    object
}

/// The same operations as Aviary's own.
fn give_back(live: &Value) -> Option<Value> {
    let entries = live["metadata"]["managedFields"].as_array()?;
    let index = entries.iter().position(|entry| entry["manager"] == AVIARY)?;
    let entry = format!("/metadata/managedFields/{index}");
    Some(json!([
        {"op": "test", "path": "/metadata/uid", "value": live["metadata"]["uid"]},
        {"op": "test", "path": "/metadata/generation", "value": live["metadata"]["generation"]},
        {"op": "test", "path": format!("{entry}/manager"), "value": AVIARY},
        {"op": "remove", "path": entry},
    ]))
}

fn delete_options(live: &Value, guard: Option<Guard>) -> Value {
    let uid = match guard {
        None => return Value::Null,
        Some(Guard::Right) => live["metadata"]["uid"].clone(),
        Some(_) => json!("another"),
    };
    json!({"propagationPolicy": "Background", "preconditions": {"uid": uid}})
}

impl Scaling {
    fn write(self, live: &Value, replicas: u8) -> (&'static str, &'static str, Value) {
        match self {
            Self::Merge => ("PATCH", MERGE_PATCH, json!({"spec": {"replicas": replicas}})),
            Self::Json => {
                ("PATCH", JSON_PATCH, json!([{"op": "replace", "path": "/spec/replicas", "value": replicas}]))
            }
            Self::Put => {
                let metadata = &live["metadata"];
                let named = json!({"name": "foo", "namespace": metadata["namespace"]});
                let body = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": named,
                    "spec": {"replicas": replicas}});
                ("PUT", JSON, body)
            }
        }
    }
}

impl Record {
    fn call(self, namespace: &str, path: String, told: &Told) -> Call {
        let object = |content: u8| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "foo.aviary", "labels": {"aviary.dev/record": "v1"}},
                "data": {"record": content.to_string()}})
        };
        let (method, path, body) = match self {
            Self::Create(content) => ("POST", records(namespace), object(content)),
            Self::Replace(content, version) => ("PUT", path, replacing(object(content), told, version)),
            Self::Delete(version) => ("DELETE", path, record_preconditions(told, version)),
        };
        Call { method, path, query: "fieldManager=aviary".to_owned(), content_type: JSON, body }
    }
}

impl Lease {
    fn call(self, namespace: &str, path: String, told: &Told) -> Call {
        let object = |holder: u8| {
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "aviary"},
                "spec": {"holderIdentity": format!("daemon-{holder}"), "leaseDurationSeconds": 15,
                    "leaseTransitions": holder, "renewTime": "2026-01-01T00:00:00.000000Z"}})
        };
        let (method, path, body) = match self {
            Self::Create(holder) => ("POST", leases(namespace), object(holder)),
            Self::Replace(holder, version) => ("PUT", path, replacing(object(holder), told, version)),
            Self::Delete => ("DELETE", path, Value::Null),
        };
        Call { method, path, query: "fieldManager=aviary".to_owned(), content_type: JSON, body }
    }
}

fn replacing(mut object: Value, told: &Told, version: Version) -> Value {
    object["metadata"]["resourceVersion"] = told.object["metadata"]["resourceVersion"].clone();
    if told.object.is_null() {
        object["metadata"]["resourceVersion"] = json!(STALE);
    }
    versioned(object, version)
}

fn record_preconditions(told: &Told, version: Version) -> Value {
    let version = match version {
        Version::Right => told.object["metadata"]["resourceVersion"].clone(),
        Version::Stale => json!(STALE),
        Version::None => return Value::Null,
    };
    json!({"preconditions": {"resourceVersion": version}})
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(manifest) => write!(f, "create {manifest}"),
            Self::Patch(Guard::Right, change) => write!(f, "json patch {change}"),
            Self::Patch(guard, change) => write!(f, "json patch {change} with a test of {guard:?} that fails"),
            Self::Merge(change) => write!(f, "merge patch {change}"),
            Self::Put(version, change) => write!(f, "put {change}, resourceVersion {version:?}"),
            Self::Scale(scaling, replicas) => write!(f, "scale to {replicas} ({scaling:?})"),
            Self::ReadScale => write!(f, "read the scale"),
            Self::GiveBack => write!(f, "take out Aviary's entry of managedFields"),
            Self::Delete(None) => write!(f, "delete"),
            Self::Delete(Some(Guard::Right)) => write!(f, "delete by uid"),
            Self::Delete(Some(_)) => write!(f, "delete by another uid"),
            Self::DeleteInForeground => write!(f, "delete in the foreground"),
            Self::DeletePod(which) => write!(f, "delete pod {which}"),
            Self::Crash => write!(f, "{} crashes", Image::Later),
            Self::Record(record) => write!(f, "record: {record:?}"),
            Self::Lease(lease) => write!(f, "lease: {lease:?}"),
        }
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.image)?;
        if let Some(replicas) = self.replicas {
            write!(f, ", replicas={replicas}")?;
        }
        if let Some((surge, unavailable)) = self.rolling {
            write!(f, ", {}", Change::Rolling(surge, unavailable))?;
        }
        self.also.map_or(Ok(()), |also| write!(f, ", {also}"))
    }
}
