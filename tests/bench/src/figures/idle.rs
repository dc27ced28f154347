//! What the daemon takes while nothing happens.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::Figure;
use crate::{daemon::Daemon, report::Row, stage::Stage};

/// How long nothing happens.
const WINDOW: Duration = Duration::from_secs(60);
/// After the last adoption: events are written, watches have told their last.
const SETTLING: Duration = Duration::from_secs(5);

/// A minute of nothing, right after the services were adopted.
pub async fn measure(figure: Figure, services: &str, stage: &Stage, daemon: &Daemon) -> Result<Vec<Row>> {
    tokio::time::sleep(SETTLING).await;
    let (audit, before) = (stage.audit(), daemon.usage()?);
    tokio::time::sleep(WINDOW).await;
    let (requests, after) = (audit.requests()?, daemon.usage()?);
    let processor = after.processor - before.processor;
    let numbers = json!({"requests-a-minute": requests.count(), "watches-a-minute": requests.watches,
        "resident-mib": after.resident, "peak-mib": after.peak, "processor-seconds-a-minute": processor});
    let row = |what: &str, measured| Row::new(figure, format!("{services} idle: {what}"), measured, numbers.clone());
    let watches = requests.watches;
    let asked = match requests.count() {
        0 => format!("0 ({watches} watches renewed)"),
        count => format!("{count} ({}; {watches} watches renewed)", requests.words()),
    };
    Ok(vec![
        row("API requests in 60 s besides watches", asked),
        row("resident memory (peak, adoption included)", format!("{:.1} MiB ({:.1})", after.resident, after.peak)),
        row("CPU-seconds in 60 s", format!("{processor:.2}")),
    ])
}
