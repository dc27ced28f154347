//! Services that are adopted, and what is measured on 80 and on 1,000 of them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::{Figure, Measured, at_once, idle, long_warm_up};
use crate::{
    built,
    daemon::Daemon,
    outsider::Outsider,
    report::{Report, Row},
    stage::{Stage, names},
    times::written,
};

const REPLICAS: u32 = 2;
const LIMIT: Duration = Duration::from_secs(900);
/// How often a start is repeated.
const STARTS: usize = 5;

/// Waits until `count` services of a namespace are steady, as their records say.
pub async fn wait(stage: &Stage, namespace: &str, count: usize) -> Result<()> {
    let mut records = stage.records(namespace).await?;
    until_steady(&mut records, count).await
}

async fn until_steady(records: &mut Outsider<ConfigMap>, count: usize) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    let mut steady = BTreeSet::new();
    while steady.len() < count {
        let seen = records.next(deadline).await.with_context(|| format!("{} of {count} are adopted", steady.len()))?;
        if record(&seen.object)["phase"] == "steady" {
            steady.insert(seen.object.name_any());
        }
    }
    Ok(())
}

/// The document in a record; null where there is none.
pub fn record(object: &ConfigMap) -> Value {
    let text = object.data.as_ref().and_then(|data| data.get("record.json"));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Idle with 80 services, and starts with them.
pub async fn with_80(stage: &Stage, wanted: &Measured, report: &mut Report) -> Result<()> {
    const NAMESPACE: &str = "eighty";
    let services = names(80);
    stage.namespace(NAMESPACE)?;
    stage.deploy(NAMESPACE, &services, REPLICAS).await?;
    let mut daemon = Daemon::start(stage, NAMESPACE, &services, &long_warm_up())?;
    wait(stage, NAMESPACE, services.len()).await?;
    if wanted.has(Figure::Idle80) {
        report.add(idle::measure(Figure::Idle80, "80 services", stage, &daemon).await?);
    }
    if wanted.has(Figure::Start) {
        report.add(starts(&mut daemon).await?);
    }
    Ok(())
}

async fn starts(daemon: &mut Daemon) -> Result<Vec<Row>> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        daemon.restart()?;
        times.push(daemon.ready()?);
    }
    times.sort();
    let (median, usage) = (times[STARTS / 2], daemon.usage()?);
    let size = std::fs::metadata(built()?.join("aviary"))?.len();
    let mebibytes = size as f64 / (1024.0 * 1024.0);
    let numbers = json!({"ready-ms": median.as_millis(), "peak-mib": usage.peak, "bytes": size});
    let what = format!("started with 80 services, until it is ready, median of {STARTS}");
    Ok(vec![
        Row::new(Figure::Start, what, format!("{}; peak {:.1} MiB", written(median), usage.peak), numbers.clone()),
        Row::new(Figure::Start, "size of the program, default policies in it", format!("{mebibytes:.1} MiB"), numbers),
    ])
}

/// Adoption of 1,000 services, idle with them, and 100 changes at once.
pub async fn with_1000(stage: &Stage, wanted: &Measured, report: &mut Report) -> Result<()> {
    const NAMESPACE: &str = "thousand";
    let services = names(1000);
    stage.namespace(NAMESPACE)?;
    stage.deploy(NAMESPACE, &services, REPLICAS).await?;
    let floor = match wanted.has(Figure::AtOnce) {
        true => Some(at_once::control_plane(stage, NAMESPACE).await?),
        false => None,
    };
    let mut records = stage.records(NAMESPACE).await?;
    let (audit, begun) = (stage.audit(), Instant::now());
    let daemon = Daemon::start(stage, NAMESPACE, &services, &long_warm_up())?;
    until_steady(&mut records, services.len()).await?;
    let (took, requests) = (begun.elapsed(), audit.requests()?);
    drop(records);
    if wanted.has(Figure::Adopt1000) {
        let each = requests.count() as f64 / services.len() as f64;
        let usage = daemon.usage()?;
        let numbers = json!({"seconds": took.as_secs_f64(), "requests": requests.by_kind, "requests-in-all": requests.count(),
            "processor-seconds": usage.processor, "peak-mib": usage.peak});
        let measured =
            format!("{}, {} requests ({each:.1} each), {:.1} CPU-s", written(took), requests.count(), usage.processor);
        eprintln!("  requests: {}", requests.words());
        report.add(vec![Row::new(Figure::Adopt1000, "1,000 services of 2 pods adopted", measured, numbers)]);
    }
    if wanted.has(Figure::Idle1000) {
        report.add(idle::measure(Figure::Idle1000, "1,000 services", stage, &daemon).await?);
    }
    if let Some(floor) = floor {
        report.add(at_once::measure(stage, NAMESPACE, &services, &floor, &daemon).await?);
    }
    Ok(())
}
