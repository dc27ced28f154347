//! From the patch of an image until the canary's pod exists, and the control plane's own part of it.

use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;

use super::{Figure, adoption, app, is_ready, long_warm_up, track};
use crate::{daemon::Daemon, outsider::Outsider, report::Row, stage::Stage, times::Times};

const NAMESPACE: &str = "change";
const CHANGES: usize = 50;
const LIMIT: Duration = Duration::from_secs(30);

/// One service at a time; before each, a Deployment of the same kind that nobody cares for is scaled from 0 to 1.
pub async fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let services: Vec<String> = (0..CHANGES).map(|number| format!("service-{number:02}")).collect();
    let plain: Vec<String> = (0..CHANGES).map(|number| format!("plain-{number:02}")).collect();
    stage.namespace(NAMESPACE)?;
    stage.deploy(NAMESPACE, &services, 2).await?;
    stage.deploy(NAMESPACE, &plain, 0).await?;
    let mut daemon = Daemon::start(stage, NAMESPACE, &services, &long_warm_up())?;
    daemon.ready()?;
    adoption::wait(stage, NAMESPACE, CHANGES).await?;
    let mut pods = stage.pods(NAMESPACE).await?;
    let audit = stage.audit();
    let (mut changes, mut floors) = (Vec::new(), Vec::new());
    for (service, plain) in services.iter().zip(&plain) {
        let begun = Instant::now();
        stage.scale(NAMESPACE, plain, 1).await?;
        floors.push(pod_after(&mut pods, begun, |pod| app(pod) == plain.as_str()).await?);
        let begun = Instant::now();
        stage.set_image(NAMESPACE, service, "worker:v2").await?;
        changes.push(
            pod_after(&mut pods, begun, |pod| app(pod) == service.as_str() && track(pod) == Some("canary")).await?,
        );
    }
    let (changes, floors) = (Times::new(changes), Times::new(floors));
    let requests = audit.requests()?;
    let numbers = serde_json::json!({"change": changes.numbers(), "control-plane": floors.numbers(),
        "requests": requests.by_kind});
    let what = format!("from a new image until the canary's pod exists, {} changes", changes.count());
    Ok(vec![Row::new(Figure::Change, what, changes.words(), numbers).beside(floors.words())])
}

/// How long after `begun` such a pod was there; then waits until it is ready, so that the machine is quiet again.
async fn pod_after(pods: &mut Outsider<Pod>, begun: Instant, so: impl Fn(&Pod) -> bool) -> Result<Duration> {
    let there = pods.until("a pod", LIMIT, |seen| so(&seen.object)).await?;
    if !is_ready(&there.object) {
        pods.until("a pod to be ready", LIMIT, |seen| so(&seen.object) && is_ready(&seen.object)).await?;
    }
    Ok(there.at.duration_since(begun))
}
