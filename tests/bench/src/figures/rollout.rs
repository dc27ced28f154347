//! A good rollout of ten replicas, from one image to the next: capacity, pods above N, and pods started.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::json;

use super::{Figure, Measured, adoption, is_ready, policy_drop};
use crate::{
    daemon::Daemon,
    outsider::Seen,
    report::{Report, Row},
    stage::{Stage, names},
    times::written,
};

const NAMESPACE: &str = "rollout";
const REPLICAS: u32 = 10;
const LIMIT: Duration = Duration::from_secs(120);

/// The pods of the only service there is, and the extremes of what was seen of them.
#[derive(Debug)]
struct Capacity {
    /// Whether each pod that is not terminating is ready.
    pods: BTreeMap<String, bool>,
    before: BTreeSet<String>,
    least_ready: usize,
    most: usize,
    started: BTreeSet<String>,
}

/// One service, one rollout; then, with the same daemon, policies that are dropped.
pub async fn measure(stage: &Stage, wanted: &Measured, report: &mut Report) -> Result<()> {
    let services = names(1);
    stage.namespace(NAMESPACE)?;
    stage.deploy(NAMESPACE, &services, REPLICAS).await?;
    let defaults =
        json!({"warm-up": "0s", "check-interval": "100ms", "passes": 1, "analyzers": [{"policy": "health"}]});
    let mut daemon = Daemon::start(stage, NAMESPACE, &services, &defaults)?;
    daemon.ready()?;
    adoption::wait(stage, NAMESPACE, services.len()).await?;
    if wanted.has(Figure::Rollout) {
        report.add(roll(stage, &services[0]).await?);
    }
    if wanted.has(Figure::PolicyDrop) {
        report.add(policy_drop::measure(&daemon)?);
    }
    Ok(())
}

async fn roll(stage: &Stage, service: &str) -> Result<Vec<Row>> {
    let (mut pods, mut records) = (stage.pods(NAMESPACE).await?, stage.records(NAMESPACE).await?);
    let mut capacity = Capacity::of(&mut pods).await?;
    let begun = Instant::now();
    stage.set_image(NAMESPACE, service, "worker:v2").await?;
    let promoted = |record: &serde_json::Value| {
        record["phase"] == "steady" && record["history"].as_array().is_some_and(|history| !history.is_empty())
    };
    let ended = records.until("the promotion", LIMIT, |seen| promoted(&adoption::record(&seen.object))).await?;
    // The watch on pods may be behind that on records: all pods of the canary have to be seen going.
    pods.until("the end of the canary's pods", LIMIT, |seen| {
        capacity.take(seen);
        capacity.pods.len() == REPLICAS as usize && !capacity.pods.keys().any(|name| name.contains("-canary-"))
    })
    .await?;
    let over = capacity.most.saturating_sub(REPLICAS as usize);
    let (least, starts) = (capacity.least_ready, capacity.started.len());
    let took = ended.at.duration_since(begun);
    let numbers =
        json!({"least-available": least, "most-over": over, "pod-starts": starts, "seconds": took.as_secs_f64()});
    let what = "a good rollout of 10 replicas (steps of 2 to 5): pods over 10 / least available / pod starts";
    let measured = format!("+{over} / {least} / {starts} in {}", written(took));
    Ok(vec![Row::new(Figure::Rollout, what, measured, numbers)])
}

impl Capacity {
    async fn of(pods: &mut crate::outsider::Outsider<Pod>) -> Result<Self> {
        let (least_ready, most) = (usize::MAX, 0);
        let (pods_now, before, started) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let mut capacity = Self { pods: pods_now, before, least_ready, most, started };
        pods.until("the pods before", LIMIT, |seen| {
            capacity.take(seen);
            capacity.pods.values().filter(|ready| **ready).count() == REPLICAS as usize
        })
        .await?;
        capacity.before = capacity.pods.keys().cloned().collect();
        (capacity.least_ready, capacity.most) = (REPLICAS as usize, REPLICAS as usize);
        capacity.started.clear();
        Ok(capacity)
    }

    fn take(&mut self, seen: &Seen<Pod>) {
        let name = seen.object.name_any();
        if seen.gone || seen.object.metadata.deletion_timestamp.is_some() {
            self.pods.remove(&name);
        } else {
            if !self.before.contains(&name) {
                self.started.insert(name.clone());
            }
            self.pods.insert(name, is_ready(&seen.object));
        }
        self.least_ready = self.least_ready.min(self.pods.values().filter(|ready| **ready).count());
        self.most = self.most.max(self.pods.len());
    }
}
