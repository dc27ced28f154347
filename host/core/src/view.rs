//! A service as the watches show it at one moment.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::judge::{PodObservation, Track};

/// Label on copies and their pods that tells the track.
pub const TRACK_LABEL: &str = "aviary.dev/track";
/// Annotation on copies that tells whose they are: the name of the original.
pub const OWNER_ANNOTATION: &str = "aviary.dev/original";
/// Label on everything that Aviary creates, with the value [`MANAGER`].
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Aviary's name as a manager of objects and fields.
pub const MANAGER: &str = "aviary";

/// The parts of a Deployment's status that tell how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkloadStatus {
    /// The newest generation the controller has acted on.
    pub observed_generation: i64,
    /// Pods that are not terminating.
    pub replicas: u32,
    /// Of these, those of the newest template.
    pub updated: u32,
    /// Ready pods.
    pub ready: u32,
    /// Available pods.
    pub available: u32,
}

/// An entry of `metadata.managedFields`, as far as ownership matters here; in the order of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldManager {
    /// Its name, such as `kubectl-client-side-apply`.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// Empty, `scale` or `status`.
    pub subresource: String,
    /// Whether it owns `spec.replicas`.
    pub owns_replicas: bool,
}

/// Whether a Deployment replaces its pods by itself, or may: which ones stay when it is made smaller is its controller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rolling {
    /// It does not.
    No,
    /// With more pods than wanted meanwhile.
    WithSurge,
    /// By missing a pod. One whose size is lowered meanwhile, though not to 0, may never go on: its controller takes it for
    /// scaled for ever (v1.37.1).
    WithoutSurge,
}

/// One Deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.managedFields`.
    pub field_managers: Vec<FieldManager>,
    /// `Kind/name` of the controller that owns it.
    pub controller: Option<String>,
    /// The raw `spec`, as the API server has it.
    pub spec: Value,
    /// Its status.
    pub status: WorkloadStatus,
}

impl Workload {
    /// `spec.replicas`; the API server always fills it in.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.spec["replicas"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(1)
    }

    /// Whether it carries the owner's mark of a service: one of its copies.
    #[must_use]
    pub fn is_copy_of(&self, service: &str) -> bool {
        self.annotations.get(OWNER_ANNOTATION).is_some_and(|owner| owner == service)
    }

    /// Whether Aviary made it, by any mark that is left: labels and annotations can be edited, a selector cannot.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.labels.contains_key(TRACK_LABEL)
            || self.labels.get(MANAGED_BY_LABEL).is_some_and(|manager| manager == MANAGER)
            || self.annotations.contains_key(OWNER_ANNOTATION)
            || self.spec["selector"]["matchLabels"].get(TRACK_LABEL).is_some()
    }

    /// Pods that are wanted or still there, the greater of both.
    #[must_use]
    pub fn pods_at_most(&self) -> u32 {
        self.replicas().max(self.status.replicas)
    }

    /// Whether the controller has seen the newest generation.
    #[must_use]
    pub const fn observed(&self) -> bool {
        self.status.observed_generation >= self.generation
    }

    /// Whether it has pods, or may still start some: until its controller has seen its size nobody knows.
    #[must_use]
    pub fn may_have_pods(&self) -> bool {
        !self.observed() || self.pods_at_most() > 0
    }

    /// Whether some of its pods are of another template than the newest, or may be, and what it does about it.
    #[must_use]
    pub fn rolling(&self) -> Rolling {
        let may_roll = self.pods_at_most() > 0 && (!self.observed() || self.status.updated < self.status.replicas);
        match may_roll {
            false => Rolling::No,
            true if self.has_surge() => Rolling::WithSurge,
            true => Rolling::WithoutSurge,
        }
    }

    /// Whether its strategy lets it have more pods than wanted while it rolls.
    #[must_use]
    pub fn has_surge(&self) -> bool {
        let surge = &self.spec["strategy"]["rollingUpdate"]["maxSurge"];
        surge != 0 && surge != "0%"
    }

    /// The one readiness that counts: generation observed, and updated = available = total = wanted.
    #[must_use]
    pub fn complete(&self) -> bool {
        let status = self.status;
        let wanted = self.replicas();
        self.observed() && status.updated == wanted && status.available == wanted && status.replicas == wanted
    }
}

/// A service as the watches show it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// The user's Deployment.
    pub original: Option<Workload>,
    /// Aviary's copy that runs the accepted spec, or whatever has its name.
    pub primary: Option<Workload>,
    /// Aviary's copy that runs the candidate, or whatever has its name.
    pub canary: Option<Workload>,
    /// The pods of all three that are not terminating, by owner references; of the copies those of the version that they run.
    pub pods: Vec<PodObservation>,
    /// `Kind/name` of each autoscaler that targets the original or a copy.
    pub autoscalers: Vec<String>,
}

impl View {
    /// The Deployment of a track.
    #[must_use]
    pub const fn workload(&self, track: Track) -> Option<&Workload> {
        match track {
            Track::Original => self.original.as_ref(),
            Track::Primary => self.primary.as_ref(),
            Track::Canary => self.canary.as_ref(),
        }
    }
}

/// The name of a track's Deployment for the original `name`.
#[must_use]
pub fn workload_name(name: &str, track: Track) -> String {
    match track {
        Track::Original => name.to_owned(),
        Track::Primary | Track::Canary => format!("{name}-{track}"),
    }
}
