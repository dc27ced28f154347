//! What a configuration says of one service, already validated; written by the daemon, read by every room.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    judge::{Better, MetricKind},
    time::millis,
};

mod stricter;

/// The built-in progression, to which the configuration's passes and failures are parameters.
pub const BREAKPOINT: &str = "breakpoint";

/// A number of pods, or a share of N.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// So many pods.
    Pods(u32),
    /// So many percent of N, from 0 to 100; rounded up to whole pods.
    Percent(f64),
}

/// What becomes of the original after a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRollback {
    /// Its spec goes back to the accepted one.
    #[default]
    Revert,
    /// It is left alone, for GitOps, whose self-heal would fight a revert.
    Keep,
}

/// A policy by name, with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyChoice {
    /// The stem of its file, or a built-in name.
    pub name: String,
    /// A JSON object.
    pub parameters: serde_json::Value,
}

/// How a metric is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricSource {
    /// A selector, fetched raw by an instant query of `selector[window]`.
    Series(String),
    /// Any PromQL, fetched by a range query.
    Query(String),
    /// PromQL that returns a sample for a good pod.
    Condition(String),
}

/// One metric of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricSettings {
    /// Its name.
    pub name: String,
    /// Free text.
    pub unit: String,
    /// How it is asked for; placeholders are still in it.
    pub source: MetricSource,
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
    /// For the analyzers; a JSON object.
    pub parameters: serde_json::Value,
}

/// Everything that holds for one service. Records keep those of a rollout under way: a field that comes later needs a default
/// for reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// By how much the canary grows in a step.
    pub step: Amount,
    /// The canary share at which a candidate that passed is promoted.
    pub break_point: Amount,
    /// How many pods above N a walk may use.
    pub surge: Amount,
    /// The wait after each scaling before the first check counts.
    #[serde(with = "millis")]
    pub warm_up: Duration,
    /// The time between two checks.
    #[serde(with = "millis")]
    pub check_interval: Duration,
    /// How long pods may take until one more of them is available.
    #[serde(with = "millis")]
    pub ready_deadline: Duration,
    /// How long a step may take until it is paused.
    #[serde(with = "millis")]
    pub longest_step: Duration,
    /// What becomes of the original after a rollback.
    pub on_rollback: OnRollback,
    /// The team says that its volume claims can be mounted by many pods.
    pub shared_claims: bool,
    /// What is a change?
    pub classifier: PolicyChoice,
    /// What does a check say?
    pub analyzers: Vec<PolicyChoice>,
    /// What now?
    pub progression: PolicyChoice,
    /// What is fetched for the analyzers.
    pub metrics: Vec<MetricSettings>,
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// Settings for tests: steps of 20 % up to 40 %, checks each 10 s.
    pub(crate) fn settings() -> Settings {
        let policy = |name: &str| PolicyChoice { name: name.to_owned(), parameters: json!({}) };
        Settings {
            step: Amount::Percent(20.0),
            break_point: Amount::Percent(40.0),
            surge: Amount::Percent(25.0),
            warm_up: Duration::from_secs(20),
            check_interval: Duration::from_secs(10),
            ready_deadline: Duration::from_secs(300),
            longest_step: Duration::from_secs(3600),
            on_rollback: OnRollback::Revert,
            shared_claims: false,
            classifier: policy("image-change"),
            analyzers: vec![policy("health"), policy("threshold")],
            progression: policy("breakpoint"),
            metrics: Vec::new(),
        }
    }
}
