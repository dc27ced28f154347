//! What policies are told and what they answer, as plain values; the WIT file has the same shapes for the other side.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    diff::{Difference, ImageDifference},
    time::{Timestamp, millis},
};

/// The name by which people and policies know a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceIdentity {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Name of the original Deployment.
    pub name: String,
    /// Labels of the original Deployment.
    pub labels: Vec<(String, String)>,
}

/// Which of the three Deployments of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Track {
    /// The user's own Deployment.
    Original,
    /// Aviary's copy that runs the accepted spec.
    Primary,
    /// Aviary's copy that runs the candidate.
    Canary,
}

impl Track {
    /// All three, in the order in which people read them.
    pub const ALL: [Self; 3] = [Self::Original, Self::Primary, Self::Canary];

    /// The word for it, as in the track label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Primary => "primary",
            Self::Canary => "canary",
        }
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a classifier is asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Whose change it is.
    pub service: ServiceIdentity,
    /// Every difference between accepted and candidate.
    pub differences: Vec<Difference>,
    /// The containers whose image differs.
    pub images: Vec<ImageDifference>,
    /// N before the change.
    pub replicas_before: u32,
    /// N after the change.
    pub replicas_after: u32,
}

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Nothing to roll out; the accepted spec stays.
    Ignore,
    /// Only the number of replicas matters.
    Scale,
    /// The primary takes it and rolls by its own strategy.
    Direct,
    /// A rollout, step by step.
    Canary,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignore => "ignore",
            Self::Scale => "scale",
            Self::Direct => "direct",
            Self::Canary => "canary",
        })
    }
}

/// A classifier's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classification {
    /// What the change is.
    pub kind: ChangeKind,
    /// One sentence.
    pub reason: String,
}

/// Pods of a track as Aviary wants them and as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrackSize {
    /// `spec.replicas` as Aviary set it.
    pub wanted: u32,
    /// Pods that are ready.
    pub ready: u32,
}

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Names the rollout within its service.
    pub rollout_id: String,
    /// The time of the check.
    pub now: Timestamp,
    /// When the rollout began.
    pub started: Timestamp,
    /// From 1.
    pub step_index: u32,
    /// When the step began to be scaled.
    pub step_started: Timestamp,
    /// When the step's size was complete.
    pub step_complete: Option<Timestamp>,
    /// N.
    pub replicas: u32,
    /// The canary's size.
    pub canary: TrackSize,
    /// The primary's size.
    pub primary: TrackSize,
    /// Pods of the canary at which a candidate that passed is promoted.
    pub break_point: u32,
    /// Pods by which a step grows.
    pub step: u32,
    /// The wait after a scaling.
    #[serde(with = "millis")]
    pub warm_up: Duration,
    /// Whether that wait is over.
    pub warm_up_over: bool,
    /// The time between two checks.
    #[serde(with = "millis")]
    pub check_interval: Duration,
    /// Checks before this one in this step that were not early.
    pub checks_in_step: u32,
    /// Checks before this one in the rollout that were not early.
    pub checks_in_all: u32,
}

/// A size that Aviary itself set within a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaling {
    /// When.
    pub at: Timestamp,
    /// Pods of the canary.
    pub canary: u32,
    /// Pods of the primary.
    pub primary: u32,
}

/// One end of a container that was started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When it ended.
    pub at: Timestamp,
    /// Which container.
    pub container: String,
    /// The kubelet's word, such as `Error` or `OOMKilled`.
    pub reason: String,
    /// Its exit code.
    pub exit_code: i32,
}

/// A pod as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodObservation {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub track: Track,
    /// When it was created.
    pub created: Timestamp,
    /// When it last became ready.
    pub became_ready: Option<Timestamp>,
    /// Whether it is ready.
    pub ready: bool,
    /// Restarts of all its containers since it was created.
    pub restart_count: u32,
    /// The last end of each container that ended within this rollout, oldest first.
    pub restarts: Vec<Restart>,
    /// Such as `CrashLoopBackOff`.
    pub waiting_reason: Option<String>,
    /// The kubelet's message for it.
    pub waiting_message: Option<String>,
}

/// What a metric's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricKind {
    /// A value that goes up and down.
    Gauge,
    /// A raw counter, not rated.
    Counter,
    /// Raw histogram buckets with their `le` label.
    HistogramBucket,
    /// The past of an expression.
    Evaluated,
    /// A sample for each pod that is good.
    Condition,
}

/// Which direction of a metric is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither is.
    #[default]
    Neither,
}

/// Samples of one label set; times and values are of one length, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The pod that the samples name, if any.
    pub pod: Option<String>,
    /// That pod's track.
    pub track: Option<Track>,
    /// The other labels.
    pub labels: Vec<(String, String)>,
    /// When.
    pub times: Vec<Timestamp>,
    /// What; NaN stays visible.
    pub values: Vec<f64>,
}

/// What Prometheus answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricStatus {
    /// There are samples.
    Samples,
    /// It answered, with nothing.
    NoData,
    /// It could not be asked or would not answer; no fault of the canary.
    Error(String),
}

/// One metric with its samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricObservation {
    /// Its name in the configuration.
    pub name: String,
    /// Such as `s` or `events/s`; free text.
    pub unit: String,
    /// What its samples are.
    pub kind: MetricKind,
    /// Which direction is good.
    pub better: Better,
    /// The least allowed value.
    pub min: Option<f64>,
    /// The greatest allowed value.
    pub max: Option<f64>,
    /// The window for rates of counters.
    #[serde(with = "millis")]
    pub window: Duration,
    /// Parameters for the analyzers, JSON.
    pub parameters: serde_json::Value,
    /// What Prometheus answered.
    pub status: MetricStatus,
    /// The samples.
    pub series: Vec<Series>,
    /// Series left out because the answer was too large.
    pub series_cut: u32,
}

/// What an analyzer is asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Whose rollout.
    pub service: ServiceIdentity,
    /// Where it stands.
    pub progress: Progress,
    /// Every size set in it.
    pub scalings: Vec<Scaling>,
    /// The pods of primary and canary.
    pub pods: Vec<PodObservation>,
    /// The metrics.
    pub metrics: Vec<MetricObservation>,
}

/// What a check says, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Conclusively good.
    Pass,
    /// Nothing can be said.
    Inconclusive,
    /// Bad.
    Fail,
    /// So bad that it is rolled back at once.
    Critical,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
            Self::Critical => "critical",
        })
    }
}

/// What one metric showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricFinding {
    /// The metric's name.
    pub metric: String,
    /// What it says.
    pub outcome: Outcome,
    /// The canary's value.
    pub canary: Option<f64>,
    /// The primary's value.
    pub primary: Option<f64>,
    /// The limit it was held against.
    pub limit: Option<f64>,
    /// Pods to blame.
    pub pods: Vec<String>,
    /// Samples the verdict rests on.
    pub samples_used: u32,
    /// Samples left out.
    pub samples_left_out: u32,
    /// Why they were, or another remark.
    pub note: String,
}

/// An analyzer's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it says.
    pub outcome: Outcome,
    /// 0 (worst) to 100 (best).
    pub score: Option<f64>,
    /// One sentence.
    pub reason: String,
    /// A line per metric.
    pub metrics: Vec<MetricFinding>,
}

/// Which policy gave an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyIdentity {
    /// Its file's stem, or the built-in name.
    pub name: String,
    /// What it says its version is.
    pub version: String,
    /// `sha256:` and the hex digest of the file.
    pub digest: String,
}

/// A finding and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalyzerFinding {
    /// The policy that made it.
    pub policy: PolicyIdentity,
    /// What it says.
    pub finding: Finding,
}

/// One look at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// When.
    pub at: Timestamp,
    /// From 1.
    pub step_index: u32,
    /// Pods of the canary.
    pub canary: u32,
    /// Taken before the warm-up was over, because a pod gave evidence: it cannot count as a pass.
    pub early: bool,
    /// The worst of the findings.
    pub outcome: Outcome,
    /// What each analyzer said.
    pub findings: Vec<AnalyzerFinding>,
}

/// What a progression is asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// Whose rollout.
    pub service: ServiceIdentity,
    /// Where it stands.
    pub progress: Progress,
    /// Every size set in it.
    pub scalings: Vec<Scaling>,
    /// The last 64 checks, oldest first; fewer, or without their lines per metric, where those would be too much to store.
    pub checks: Vec<Check>,
    /// When a person last resumed the rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Timestamp>,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Next {
    /// Check again after the interval.
    Hold,
    /// Grow the canary to this many pods.
    Advance(u32),
    /// Let the candidate become the accepted version.
    Promote,
    /// Go back to the accepted version.
    Rollback,
    /// Wait for a person.
    Pause,
}

/// A progression's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// What happens next.
    pub next: Next,
    /// One sentence.
    pub reason: String,
}
