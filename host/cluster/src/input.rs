//! What the watches tell the index: objects reduced to what is needed, and how the watches themselves fare.

use std::fmt;

use aviary_core::{judge::Restart, time::Timestamp, view::Workload};

/// The name of a service: that of its original Deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Name of the original.
    pub name: String,
}

impl ServiceKey {
    /// The key of the original `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is watched in each namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Deployments, with their raw spec.
    Deployment,
    /// ReplicaSets, metadata only: they lead from Deployments to pods.
    ReplicaSet,
    /// Pods.
    Pod,
    /// HorizontalPodAutoscalers.
    Autoscaler,
    /// Aviary's own ConfigMaps.
    Record,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Deployment, Self::ReplicaSet, Self::Pod, Self::Autoscaler, Self::Record];

    /// The API's word for it, in the plural.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replicasets",
            Self::Pod => "pods",
            Self::Autoscaler => "horizontalpodautoscalers",
            Self::Record => "configmaps",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural())
    }
}

/// A Deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentObject {
    /// Kubernetes namespace.
    pub namespace: String,
    /// The rest of it.
    pub workload: Workload,
}

/// A ReplicaSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSetObject {
    /// Kubernetes namespace.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// Uid of the Deployment that controls it.
    pub owner_uid: Option<String>,
    /// Which revision of its Deployment it is, as the deployment controller counts them.
    pub revision: Option<u64>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodObject {
    /// Kubernetes namespace.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// Uid of the ReplicaSet that controls it.
    pub owner_uid: Option<String>,
    /// Whether it is none of its ReplicaSet's any more: it is deleted, or has ended for good.
    pub inactive: bool,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// Since when it is ready; none if it is not.
    pub became_ready: Option<Timestamp>,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Restarts of all its containers since it was created.
    pub restart_count: u32,
    /// The ends of its containers that the kubelet still knows, oldest first.
    pub restarts: Vec<Restart>,
    /// The worst reason for which a container waits, if it is one worth naming.
    pub waiting_reason: Option<String>,
    /// The kubelet's message for it.
    pub waiting_message: Option<String>,
}

/// A HorizontalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoscalerObject {
    /// Kubernetes namespace.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.scaleTargetRef.kind`.
    pub target_kind: String,
    /// `spec.scaleTargetRef.name`.
    pub target_name: String,
}

/// The record of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordObject {
    /// Kubernetes namespace.
    pub namespace: String,
    /// The name of the service, not of the ConfigMap.
    pub name: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The document, as stored; empty if the ConfigMap has none.
    pub text: String,
}

/// A watched object, reduced.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A Deployment.
    Deployment(Box<DeploymentObject>),
    /// A ReplicaSet.
    ReplicaSet(ReplicaSetObject),
    /// A pod.
    Pod(PodObject),
    /// A HorizontalPodAutoscaler.
    Autoscaler(AutoscalerObject),
    /// A record.
    Record(RecordObject),
}

impl Object {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Deployment(_) => Kind::Deployment,
            Self::ReplicaSet(_) => Kind::ReplicaSet,
            Self::Pod(_) => Kind::Pod,
            Self::Autoscaler(_) => Kind::Autoscaler,
            Self::Record(_) => Kind::Record,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Deployment(object) => &object.namespace,
            Self::ReplicaSet(object) => &object.namespace,
            Self::Pod(object) => &object.namespace,
            Self::Autoscaler(object) => &object.namespace,
            Self::Record(object) => &object.namespace,
        }
    }

    /// Its name; a record has the name of its service.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Deployment(object) => &object.workload.name,
            Self::ReplicaSet(object) => &object.name,
            Self::Pod(object) => &object.name,
            Self::Autoscaler(object) => &object.name,
            Self::Record(object) => &object.name,
        }
    }
}

/// One thing that a watch tells; the inputs of one watch are in order, those of several come in any.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterInput {
    /// An object appeared or changed.
    Applied(Object),
    /// An object is gone.
    Deleted {
        /// What it was.
        kind: Kind,
        /// Where it was.
        namespace: String,
        /// Its name, as [`Object::name`] gives it.
        name: String,
        /// The version at which it was deleted.
        resource_version: String,
    },
    /// All objects of a kind as they are now; what is missing was deleted.
    Relisted {
        /// What was listed.
        kind: Kind,
        /// Where.
        namespace: String,
        /// All of them.
        objects: Vec<Object>,
    },
    /// A watch does not work at the moment; what it told before stays, and it lists anew when it works again.
    WatchFailed {
        /// What it watches.
        kind: Kind,
        /// Where.
        namespace: String,
        /// Whether the API server refused it for want of a right (401, 403).
        forbidden: bool,
        /// What went wrong.
        error: String,
    },
    /// Which rights for writing are missing, in place of what was told before.
    Permissions {
        /// Where.
        namespace: String,
        /// A sentence each; none if all is well.
        missing: Vec<String>,
    },
}

impl ClusterInput {
    /// The namespace that it is about.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Applied(object) => object.namespace(),
            Self::Deleted { namespace, .. }
            | Self::Relisted { namespace, .. }
            | Self::WatchFailed { namespace, .. }
            | Self::Permissions { namespace, .. } => namespace,
        }
    }
}

/// A `metadata.resourceVersion` as the number that it is: those of one kind grow with each write (KEP-5504). 0 if it is none.
#[must_use]
pub fn version_number(resource_version: &str) -> u64 {
    resource_version.parse().unwrap_or(0)
}
