//! The window of rule 10: an apply with a new image and a number of replicas starts unproven pods until the original is
//! back at 0.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::ResourceExt as _;
use serde_json::json;

use super::{Figure, adoption, app, long_warm_up, track};
use crate::{
    daemon::Daemon,
    outsider::{Outsider, Seen},
    report::Row,
    stage::{Stage, names},
    times::Times,
};

const NAMESPACE: &str = "window";
const APPLIES: usize = 10;
const REPLICAS: u32 = 10;
const UNPROVEN: &str = "worker:v2";
const LIMIT: Duration = Duration::from_secs(30);

/// What was seen of one apply.
#[derive(Debug, Default)]
struct Opened {
    /// Until the original was back at 0.
    until_zero: Duration,
    /// Until the last unproven pod was gone or terminating; zero if there was none.
    until_gone: Duration,
    /// How many unproven pods were created.
    created: usize,
}

/// Ten services, one apply each.
pub async fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let services = names(APPLIES);
    stage.namespace(NAMESPACE)?;
    stage.deploy(NAMESPACE, &services, REPLICAS).await?;
    let mut daemon = Daemon::start(stage, NAMESPACE, &services, &long_warm_up())?;
    daemon.ready()?;
    adoption::wait(stage, NAMESPACE, APPLIES).await?;
    let (mut pods, mut deployments) = (stage.pods(NAMESPACE).await?, stage.deployments(NAMESPACE).await?);
    let mut opened = Vec::new();
    for service in &services {
        let begun = Instant::now();
        stage.apply(NAMESPACE, service, UNPROVEN, REPLICAS).await?;
        opened.push(follow(&mut pods, &mut deployments, service, begun).await?);
    }
    let times = |time: fn(&Opened) -> Duration| Times::new(opened.iter().map(time).collect());
    let (zero, gone) = (times(|opened| opened.until_zero), times(|opened| opened.until_gone));
    let created: Vec<usize> = opened.iter().map(|opened| opened.created).collect();
    let numbers = json!({"until-zero": zero.numbers(), "until-gone": gone.numbers(), "unproven-pods": created});
    let most = created.iter().max().copied().unwrap_or(0);
    let total: usize = created.iter().sum();
    let row = |what: &str, measured| {
        Row::new(Figure::Window, format!("{what}, {APPLIES} applies"), measured, numbers.clone())
    };
    Ok(vec![
        row("apply with image and replicas: 10, until the original is back at 0", zero.words()),
        row("... until the last unproven pod is gone or terminating", gone.words()),
        row("... unproven pods created", format!("{total} in all, at most {most} of 10 at a time")),
    ])
}

async fn follow(
    pods: &mut Outsider<Pod>,
    deployments: &mut Outsider<Deployment>,
    service: &str,
    begun: Instant,
) -> Result<Opened> {
    let original = |seen: &Seen<Deployment>| seen.object.name_any() == service && seen.at >= begun;
    let replicas = |seen: &Seen<Deployment>| seen.object.spec.as_ref().and_then(|spec| spec.replicas);
    deployments.until("the apply", LIMIT, |seen| original(seen) && replicas(seen) != Some(0)).await?;
    let zero =
        deployments.until("the original at 0", LIMIT, |seen| original(seen) && replicas(seen) == Some(0)).await?;
    deployments.until("the original without pods", LIMIT, |seen| original(seen) && is_empty(&seen.object)).await?;
    let mut opened = Opened { until_zero: zero.at.duration_since(begun), ..Opened::default() };
    let (mut created, mut live) = (BTreeSet::new(), BTreeSet::new());
    // The canary's pod is made after all of them: what is seen before it is all there is.
    pods.until("the canary's pod and the end of the unproven ones", LIMIT, |seen| {
        let pod = &seen.object;
        if app(pod) != service {
            return false;
        }
        if track(pod).is_none() && image(pod) == Some(UNPROVEN) {
            let ends = seen.gone || pod.metadata.deletion_timestamp.is_some();
            created.insert(pod.name_any());
            if !ends {
                live.insert(pod.name_any());
            } else if live.remove(&pod.name_any()) && live.is_empty() {
                opened.until_gone = seen.at.duration_since(begun);
            }
        }
        track(pod) == Some("canary") && super::is_ready(pod) && live.is_empty()
    })
    .await?;
    opened.created = created.len();
    Ok(opened)
}

fn image(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.containers.first()?.image.as_deref()
}

/// Whether the controller has seen that no pods are wanted, and there are none.
fn is_empty(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation) >= deployment.metadata.generation;
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    observed && wanted == Some(0) && status.and_then(|status| status.replicas).unwrap_or(0) == 0
}
