//! What a daemon sees of the world, as few numbers, and as the core wants it.

use std::cmp::Ordering;

use aviary_core::{
    judge::{PodObservation, Track},
    lease::Lease,
    view::{FieldManager, MANAGER, OWNER_ANNOTATION, View, Workload, WorkloadStatus, workload_name},
};
use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, Managers, ReplicasOwner, Status},
    records::{NOW, RecordId, lease},
    specs::{SpecId, Specs},
};

/// The service that is explored.
pub const SERVICE: &str = "worker";
/// Its namespace.
pub const NAMESPACE: &str = "shop";

/// What the watches show of a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Its uid.
    pub uid: u8,
    /// Its generation.
    pub generation: u8,
    /// Whether it has Aviary's owner mark.
    pub ours: bool,
    /// Its spec.
    pub spec: SpecId,
    /// `spec.replicas`.
    pub replicas: u8,
    /// `spec.paused`.
    pub paused: bool,
    /// Who manages what.
    pub managers: Managers,
    /// Its status.
    pub status: Status,
}

/// The three Deployments as the watches show them, in the order of [`Track::ALL`].
pub type Deployments = [Option<Seen>; 3];

impl From<Deployment> for Seen {
    fn from(deployment: Deployment) -> Self {
        let Deployment { uid, generation, ours, spec, replicas, paused, managers, status, .. } = deployment;
        Self { uid, generation, ours, spec, replicas, paused, managers, status }
    }
}

/// The lease of a daemon beside that under which the record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tenure {
    /// The same, or there is no record.
    #[default]
    Same,
    /// The record is of before.
    Newer,
    /// Another daemon has taken over since.
    Older,
}

impl Tenure {
    /// Of a daemon with the epoch `lease`, and a record of the epoch `record`.
    #[must_use]
    pub fn of(lease: u8, record: Option<u8>) -> Self {
        match record.map(|record| lease.cmp(&record)) {
            None | Some(Ordering::Equal) => Self::Same,
            Some(Ordering::Greater) => Self::Newer,
            Some(Ordering::Less) => Self::Older,
        }
    }

    /// The lease of a daemon, where the record was written under [`lease`].
    #[must_use]
    pub fn lease(self) -> Lease {
        let written = lease();
        let epoch = match self {
            Self::Same => written.epoch,
            Self::Newer => written.epoch + 1,
            Self::Older => written.epoch - 1,
        };
        Lease { epoch, ..written }
    }
}

/// All that a plan depends on, but for the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sight {
    /// The Deployments.
    pub deployments: Deployments,
    /// Pods of the canary that crash, of the version that it runs.
    pub crashed: u8,
    /// The record.
    pub record: Option<RecordId>,
    /// Whether the lease is the daemon's.
    pub tenure: Tenure,
}

impl Sight {
    /// The same for all that plan alike: only whether generations differ matters, and only the original's uid.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        for (index, seen) in self.deployments.iter_mut().enumerate() {
            let Some(seen) = seen else { continue };
            let observed = seen.status.observed >= seen.generation;
            seen.generation = seen.generation.min(2);
            seen.status.observed = if observed { seen.generation } else { 0 };
            seen.status.template = 0;
            if index > 0 {
                seen.uid = 1;
            }
        }
        self
    }

    /// As the core wants it.
    #[must_use]
    pub fn view(&self, specs: &Specs) -> View {
        let workload = |track: Track| self.deployments[track as usize].map(|seen| seen.workload(track, specs));
        View {
            original: workload(Track::Original),
            primary: workload(Track::Primary),
            canary: workload(Track::Canary),
            pods: (0..self.crashed).map(crashing_pod).collect(),
            autoscalers: Vec::new(),
        }
    }
}

impl Seen {
    /// The raw `spec`.
    #[must_use]
    pub fn raw_spec(&self, specs: &Specs) -> Value {
        let mut spec = specs.get(self.spec).spec.value();
        spec["replicas"] = json!(self.replicas);
        if self.paused {
            spec["paused"] = json!(true);
        }
        spec
    }

    /// The parts of the object that patches touch.
    #[must_use]
    pub fn document(&self, specs: &Specs) -> Value {
        let managers: Vec<Value> =
            self.field_managers().iter().map(|manager| json!({"manager": manager.manager})).collect();
        let metadata = json!({"uid": uid(self.uid), "generation": self.generation, "managedFields": managers});
        json!({"metadata": metadata, "spec": self.raw_spec(specs)})
    }

    fn field_managers(&self) -> Vec<FieldManager> {
        let entry = |manager: &str, subresource: &str, owner: ReplicasOwner| FieldManager {
            manager: manager.to_owned(),
            operation: "Update".to_owned(),
            subresource: subresource.to_owned(),
            owns_replicas: self.managers.replicas == owner,
        };
        let mut managers = vec![entry("kubectl-client-side-apply", "", ReplicasOwner::Apply)];
        if self.managers.replicas == ReplicasOwner::Scale {
            managers.push(entry("kubectl", "scale", ReplicasOwner::Scale));
        }
        if self.managers.aviary {
            managers.push(entry(MANAGER, "", ReplicasOwner::Aviary));
        }
        managers
    }

    fn workload(&self, track: Track, specs: &Specs) -> Workload {
        let applied = if self.managers.applied_replicas { json!({"replicas": 1}) } else { json!({}) };
        let last_applied = "kubectl.kubernetes.io/last-applied-configuration".to_owned();
        let mark = self.ours.then(|| (OWNER_ANNOTATION.to_owned(), SERVICE.to_owned()));
        let status = self.status;
        Workload {
            name: workload_name(SERVICE, track),
            uid: uid(self.uid),
            resource_version: String::new(),
            generation: i64::from(self.generation),
            deleting: false,
            labels: std::iter::empty().collect(),
            annotations: [(last_applied, json!({"spec": applied}).to_string())].into_iter().chain(mark).collect(),
            field_managers: self.field_managers(),
            controller: None,
            spec: self.raw_spec(specs),
            status: WorkloadStatus {
                observed_generation: i64::from(status.observed),
                replicas: u32::from(status.replicas),
                updated: u32::from(status.updated),
                ready: u32::from(status.available),
                available: u32::from(status.available),
            },
        }
    }
}

/// The uid of that number, as the API server gives it.
#[must_use]
pub fn uid(number: u8) -> String {
    format!("uid-{number}")
}

fn crashing_pod(index: u8) -> PodObservation {
    PodObservation {
        name: format!("worker-canary-{index}"),
        track: Track::Canary,
        created: NOW,
        became_ready: None,
        ready: false,
        restart_count: 1,
        restarts: Vec::new(),
        waiting_reason: Some("CrashLoopBackOff".to_owned()),
        waiting_message: None,
    }
}
