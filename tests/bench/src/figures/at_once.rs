//! A hundred services get a new image at once, and what the control plane alone takes for as many.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::{Figure, app, is_ready, track};
use crate::{
    daemon::Daemon,
    outsider::Outsider,
    report::Row,
    stage::{Stage, all},
    times::Times,
};

const CHANGES: usize = 100;
const LIMIT: Duration = Duration::from_secs(120);

/// As many Deployments that nobody cares for are scaled from 0 to 1 at once.
pub async fn control_plane(stage: &Stage, namespace: &str) -> Result<Times> {
    let plain: Vec<String> = (0..CHANGES).map(|number| format!("plain-{number:02}")).collect();
    stage.deploy(namespace, &plain, 0).await?;
    let mut pods = stage.pods(namespace).await?;
    let begun = Instant::now();
    all(plain.iter().map(|name| stage.scale(namespace, name, 1)).collect()).await?;
    let is_plain = |pod: &Pod| app(pod).starts_with("plain-");
    first_pods(&mut pods, begun, is_plain).await
}

/// A hundred image changes, spread over all services.
pub async fn measure(
    stage: &Stage,
    namespace: &str,
    services: &[String],
    floor: &Times,
    daemon: &Daemon,
) -> Result<Vec<Row>> {
    let changed: Vec<&String> = services.iter().step_by(services.len() / CHANGES).collect();
    let mut pods = stage.pods(namespace).await?;
    let (audit, before, begun) = (stage.audit(), daemon.usage()?, Instant::now());
    all(changed.iter().map(|name| stage.set_image(namespace, name, "worker:v2")).collect()).await?;
    let times = first_pods(&mut pods, begun, |pod| track(pod) == Some("canary")).await?;
    let (requests, after) = (audit.requests()?, daemon.usage()?);
    let numbers = json!({"changes": times.numbers(), "control-plane": floor.numbers(), "requests": requests.by_kind,
        "processor-seconds": after.processor - before.processor, "peak-mib": after.peak});
    let what = format!("{CHANGES} new images at once among {}, until each canary's pod exists", services.len());
    let memory = format!("{:.1} MiB ({:.1})", after.resident, after.peak);
    Ok(vec![
        Row::new(Figure::AtOnce, what, times.words(), numbers.clone()).beside(floor.words()),
        Row::new(Figure::AtOnce, "... resident memory after it (peak, adoption included)", memory, numbers),
    ])
}

/// When the first pod of each service that is so was there, counted from `begun`; then waits until all are ready.
async fn first_pods(pods: &mut Outsider<Pod>, begun: Instant, so: impl Fn(&Pod) -> bool) -> Result<Times> {
    let (mut there, mut ready) = (BTreeMap::new(), std::collections::BTreeSet::new());
    pods.until("a pod of each service", LIMIT, |seen| {
        if so(&seen.object) {
            let name = app(&seen.object).to_owned();
            there.entry(name.clone()).or_insert_with(|| seen.at.duration_since(begun));
            if is_ready(&seen.object) {
                ready.insert(name);
            }
        }
        ready.len() == CHANGES
    })
    .await?;
    Ok(Times::new(there.into_values().collect()))
}
