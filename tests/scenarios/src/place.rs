//! A namespace in which Aviary has its rights: people in it, and an outsider who watches it.

use local_cluster::{Identity, Output};
use serde_json::Value;

use crate::ground::ground;
use crate::outsider::Outsider;

/// A namespace of the cluster; it goes with that.
#[derive(Debug)]
pub struct Place {
    /// The namespace.
    pub namespace: String,
    /// Who watches.
    pub outsider: Outsider,
}

impl Place {
    /// A new namespace with nothing in it; `watched` begins to watch it.
    #[must_use]
    pub fn new(namespace: &str, watched: impl FnOnce(&str) -> Outsider) -> Self {
        ground().prepare(namespace);
        Self { namespace: namespace.to_owned(), outsider: watched(namespace) }
    }

    /// kubectl in the namespace, as somebody.
    #[must_use]
    pub fn kubectl(&self, identity: Identity, arguments: &[&str], stdin: Option<&str>) -> Output {
        let namespace = format!("--namespace={}", self.namespace);
        let arguments: Vec<&str> = arguments.iter().copied().chain([namespace.as_str()]).collect();
        ground().kubectl(identity, &arguments, stdin)
    }

    /// An object, as an administrator sees it; null where there is none.
    #[must_use]
    pub fn get(&self, kind: &str, name: &str) -> Value {
        let output = self.kubectl(Identity::Admin, &["get", kind, name, "--output=json"], None);
        serde_json::from_str(&output.stdout).unwrap_or_default()
    }

    /// The messages of the events on a Deployment with this reason.
    #[must_use]
    pub fn events_of(&self, name: &str, reason: &str) -> Vec<String> {
        let output = self.kubectl(Identity::Admin, &["get", "events.v1.events.k8s.io", "--output=json"], None);
        let list: Value = serde_json::from_str(&output.checked().unwrap()).unwrap();
        let events = list["items"].as_array().unwrap().iter();
        let ours = events.filter(|event| event["reason"] == reason && event["regarding"]["name"] == name);
        ours.map(|event| event["note"].as_str().unwrap_or_default().to_owned()).collect()
    }
}
