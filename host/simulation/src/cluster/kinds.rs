//! The kinds of objects that there are, and where the API has them.

use serde_json::{Value, json};

/// A kind of object. All of them live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Deployments.
    Deployment,
    /// ReplicaSets.
    ReplicaSet,
    /// Pods.
    Pod,
    /// ConfigMaps.
    ConfigMap,
    /// Events of the group `events.k8s.io`.
    Event,
    /// HorizontalPodAutoscalers; nothing acts on them.
    Autoscaler,
    /// Leases.
    Lease,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Deployment, Self::ReplicaSet, Self::Pod, Self::ConfigMap, Self::Event, Self::Autoscaler, Self::Lease];

    /// As objects name it in `kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.words().0
    }

    /// As paths name it.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        self.words().1
    }

    /// Its API group; empty for the core.
    #[must_use]
    pub const fn group(self) -> &'static str {
        self.words().2
    }

    pub(super) const fn version(self) -> &'static str {
        self.words().3
    }

    const fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Deployment => ("Deployment", "deployments", "apps", "v1"),
            Self::ReplicaSet => ("ReplicaSet", "replicasets", "apps", "v1"),
            Self::Pod => ("Pod", "pods", "", "v1"),
            Self::ConfigMap => ("ConfigMap", "configmaps", "", "v1"),
            Self::Event => ("Event", "events", "events.k8s.io", "v1"),
            Self::Autoscaler => ("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling", "v2"),
            Self::Lease => ("Lease", "leases", "coordination.k8s.io", "v1"),
        }
    }

    /// As people name it for short.
    pub(super) const fn short_names(self) -> &'static [&'static str] {
        match self {
            Self::Deployment => &["deploy"],
            Self::ReplicaSet => &["rs"],
            Self::Pod => &["po"],
            Self::ConfigMap => &["cm"],
            Self::Event => &["ev"],
            Self::Autoscaler => &["hpa"],
            Self::Lease => &[],
        }
    }

    /// As objects name it in `apiVersion`.
    #[must_use]
    pub fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    /// The kind of a path's resource.
    pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        let fits = |kind: &Self| kind.group() == group && kind.version() == version && kind.plural() == plural;
        Self::ALL.into_iter().find(fits)
    }

    /// The owner reference of what an object of this kind controls.
    pub(super) fn controller(self, name: &str, uid: &Value) -> Value {
        json!({
            "apiVersion": self.api_version(), "kind": self.name(), "name": name, "uid": uid, "controller": true,
            "blockOwnerDeletion": true,
        })
    }

    /// An object of this kind with nothing but its type.
    pub(super) fn bare(self) -> Value {
        json!({"apiVersion": self.api_version(), "kind": self.name()})
    }
}
