//! What happens to services.

use aviary_cluster::ServiceKey;
use aviary_core::{
    record::{Ending, PausedBy},
    time::Timestamp,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{Durations, seconds};

/// Seconds to hours: what a phase may take.
const PHASE_BUCKETS: [f64; 12] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0];
const START_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndingLabels {
    namespace: String,
    ending: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    namespace: String,
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    namespace: String,
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PausedLabels {
    namespace: String,
    service: String,
    by: &'static str,
}

/// Why a rollout is rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A check was critical.
    Critical,
    /// The progression said so.
    Checks,
    /// Its pods did not become available by the deadline.
    NotReady,
    /// An operator cancelled it.
    Operator,
}

impl Cause {
    const ALL: [Self; 4] = [Self::Critical, Self::Checks, Self::NotReady, Self::Operator];

    const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Checks => "checks",
            Self::NotReady => "not-ready",
            Self::Operator => "operator",
        }
    }
}

/// What the gauges show of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// The word for its phase.
    pub phase: &'static str,
    /// Whether a person should look.
    pub troubled: bool,
    /// Its rollout, if it has one.
    pub rollout: Option<ShownRollout>,
}

/// What the gauges show of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownRollout {
    /// From 1.
    pub step: u32,
    /// Pods the canary is to have.
    pub canary: u32,
    /// When it began.
    pub started: Timestamp,
    /// Who paused it, if it is paused.
    pub paused: Option<PausedBy>,
}

/// What happens to services.
#[derive(Debug)]
pub struct Services {
    phases: Family<PhaseLabels, Gauge>,
    troubled: Family<PhaseLabels, Gauge>,
    endings: Family<EndingLabels, Counter>,
    rollbacks: Family<CauseLabels, Counter>,
    phase_durations: Durations<PhaseLabels>,
    canary_starts: Histogram,
    steps: Family<ServiceLabels, Gauge>,
    canaries: Family<ServiceLabels, Gauge>,
    started: Family<ServiceLabels, Gauge>,
    paused: Family<PausedLabels, Gauge>,
}

impl Services {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let services = Self {
            phases: Family::default(),
            troubled: Family::default(),
            endings: Family::default(),
            rollbacks: Family::default(),
            phase_durations: Family::new_with_constructor(|| Histogram::new(PHASE_BUCKETS)),
            canary_starts: Histogram::new(START_BUCKETS),
            steps: Family::default(),
            canaries: Family::default(),
            started: Family::default(),
            paused: Family::default(),
        };
        services.register_all(registry);
        services.register_rollouts(registry);
        services
    }

    fn register_all(&self, registry: &mut Registry) {
        registry.register("services", "Services that are cared for, by phase", self.phases.clone());
        registry.register(
            "services_with_problems",
            "Services that a person should look at; those unmanaged are refused",
            self.troubled.clone(),
        );
        registry.register("rollouts", "Rollouts that ended", self.endings.clone());
        registry.register(
            "rollbacks",
            "Rollbacks that were decided: critical (a check), checks (the progression), not-ready (the deadline) or operator",
            self.rollbacks.clone(),
        );
        registry.register(
            "phase_duration_seconds",
            "How long a phase that ended took; steady and the like are not timed",
            self.phase_durations.clone(),
        );
        registry.register(
            "canary_start_seconds",
            "From seeing a new spec to asking for the canary's first pod",
            self.canary_starts.clone(),
        );
    }

    fn register_rollouts(&self, registry: &mut Registry) {
        registry.register("rollout_step", "Step of a rollout under way, from 1", self.steps.clone());
        registry.register(
            "rollout_canary_replicas",
            "Pods that the canary of a rollout under way is to have in this step",
            self.canaries.clone(),
        );
        registry.register("rollout_started_timestamp_seconds", "When a rollout under way began", self.started.clone());
        registry.register(
            "rollout_paused",
            "1 while a rollout waits for a person, by who paused it: operator, policy or host",
            self.paused.clone(),
        );
    }

    /// What may be counted in a namespace.
    pub(super) fn expect(&self, namespace: &str) {
        for ending in [Ending::Promoted, Ending::RolledBack, Ending::Superseded] {
            drop(self.endings.get_or_create(&ending_labels(namespace, ending)));
        }
        for cause in Cause::ALL {
            drop(self.rollbacks.get_or_create(&cause_labels(namespace, cause)));
        }
    }

    pub(super) fn ended(&self, namespace: &str, ending: Ending) {
        self.endings.get_or_create(&ending_labels(namespace, ending)).inc();
    }

    pub(super) fn rolls_back(&self, namespace: &str, cause: Cause) {
        self.rollbacks.get_or_create(&cause_labels(namespace, cause)).inc();
    }

    pub(super) fn phase_took(&self, phase: &'static str, took: std::time::Duration) {
        self.phase_durations.get_or_create(&PhaseLabels { phase }).observe(seconds(took));
    }

    pub(super) fn canary_started(&self, took: std::time::Duration) {
        self.canary_starts.observe(seconds(took));
    }

    /// The gauges show `after` of a service, where they showed `before`.
    pub(super) fn show(&self, key: &ServiceKey, before: Option<&Shown>, after: Option<&Shown>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.count(before, -1);
        }
        if let Some(after) = after {
            self.count(after, 1);
        }
        let rollout = |shown: Option<&Shown>| shown.and_then(|shown| shown.rollout.clone());
        self.show_rollout(key, rollout(before), rollout(after));
    }

    fn count(&self, shown: &Shown, by: i64) {
        let labels = PhaseLabels { phase: shown.phase };
        self.phases.get_or_create(&labels).inc_by(by);
        self.troubled.get_or_create(&labels).inc_by(if shown.troubled { by } else { 0 });
    }

    fn show_rollout(&self, key: &ServiceKey, before: Option<ShownRollout>, after: Option<ShownRollout>) {
        let labels = ServiceLabels { namespace: key.namespace.clone(), service: key.name.clone() };
        if let Some(by) = before.and_then(|before| before.paused) {
            self.paused.remove(&paused_labels(key, by));
        }
        let Some(after) = after else {
            for family in [&self.steps, &self.canaries, &self.started] {
                family.remove(&labels);
            }
            return;
        };
        self.steps.get_or_create(&labels).set(after.step.into());
        self.canaries.get_or_create(&labels).set(after.canary.into());
        self.started.get_or_create(&labels).set(after.started.0.div_euclid(1000));
        if let Some(by) = after.paused {
            self.paused.get_or_create(&paused_labels(key, by)).set(1);
        }
    }
}

fn ending_labels(namespace: &str, ending: Ending) -> EndingLabels {
    let ending = match ending {
        Ending::Promoted => "promoted",
        Ending::RolledBack => "rolled-back",
        Ending::Superseded => "superseded",
    };
    EndingLabels { namespace: namespace.to_owned(), ending }
}

fn cause_labels(namespace: &str, cause: Cause) -> CauseLabels {
    CauseLabels { namespace: namespace.to_owned(), cause: cause.word() }
}

fn paused_labels(key: &ServiceKey, by: PausedBy) -> PausedLabels {
    let by = match by {
        PausedBy::Operator => "operator",
        PausedBy::Policy => "policy",
        PausedBy::Host => "host",
    };
    PausedLabels { namespace: key.namespace.clone(), service: key.name.clone(), by }
}
