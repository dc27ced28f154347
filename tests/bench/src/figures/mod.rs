//! The figures, each by the name under which it can be asked for.

mod adoption;
mod at_once;
mod change;
mod idle;
pub mod policy_call;
mod policy_drop;
mod rollout;
mod window;

use std::fmt;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{report::Report, stage::Stage};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// From a new image to the canary's pod, one service at a time.
    Change,
    /// How long unproven pods live that an apply with image and replicas starts.
    Window,
    /// A good rollout of 10 replicas: capacity and pods.
    Rollout,
    /// A policy's file that is dropped, until it decides.
    PolicyDrop,
    /// One call of a policy.
    PolicyCall,
    /// Memory, processor and requests with 80 services.
    #[value(name = "idle-80")]
    Idle80,
    /// Start with 80 services that are adopted already, and the program's size.
    Start,
    /// Time and requests until 1,000 services are adopted.
    #[value(name = "adopt-1000")]
    Adopt1000,
    /// Memory, processor and requests with 1,000 services.
    #[value(name = "idle-1000")]
    Idle1000,
    /// 100 new images at once among 1,000 services.
    AtOnce,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// Which figures are measured in this run.
#[derive(Debug, Clone)]
pub struct Measured(Vec<Figure>);

impl Measured {
    /// Only these, or all if none is named.
    pub fn wanted(only: &[Figure]) -> Self {
        Self(if only.is_empty() { Figure::value_variants().to_vec() } else { only.to_vec() })
    }

    /// Whether this one is.
    pub fn has(&self, figure: Figure) -> bool {
        self.0.contains(&figure)
    }

    /// Whether any of these is.
    pub fn has_any(&self, figures: &[Figure]) -> bool {
        figures.iter().any(|figure| self.has(*figure))
    }

    /// Whether anything is measured on a cluster.
    pub fn needs_a_cluster(&self) -> bool {
        self.0.iter().any(|figure| *figure != Figure::PolicyCall)
    }
}

/// Measures all that needs a cluster, the small first.
///
/// # Errors
/// When something does not come about that is to be measured.
pub async fn measure(stage: &Stage, wanted: &Measured, report: &mut Report) -> Result<()> {
    if wanted.has(Figure::Change) {
        report.add(change::measure(stage).await.context("change")?);
    }
    if wanted.has(Figure::Window) {
        report.add(window::measure(stage).await.context("window")?);
    }
    if wanted.has_any(&[Figure::Rollout, Figure::PolicyDrop]) {
        rollout::measure(stage, wanted, report).await.context("rollout")?;
    }
    if wanted.has_any(&[Figure::Idle80, Figure::Start]) {
        adoption::with_80(stage, wanted, report).await.context("80 services")?;
    }
    if wanted.has_any(&[Figure::Adopt1000, Figure::Idle1000, Figure::AtOnce]) {
        adoption::with_1000(stage, wanted, report).await.context("1,000 services")?;
    }
    Ok(())
}

/// The defaults of a configuration in which nothing is checked for as long as the bench runs.
fn long_warm_up() -> Value {
    json!({"warm-up": "1h", "longest-step": "4h", "analyzers": [{"policy": "health"}]})
}

/// The service of a pod, by its label.
fn app(pod: &Pod) -> &str {
    pod.labels().get(crate::stage::APP).map_or("", String::as_str)
}

/// `primary` or `canary`; nothing of a pod that Aviary has nothing to do with.
fn track(pod: &Pod) -> Option<&str> {
    pod.labels().get("aviary.dev/track").map(String::as_str)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
