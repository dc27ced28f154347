//! What was measured: on stderr, and as JSON lines in `target/scenarios-figures.jsonl`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::target;

/// A duration as a figure: milliseconds.
#[must_use]
pub fn milliseconds(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) as f64 / 1000.0)
}

/// Tells a figure of a scenario; `unit` is written out.
pub fn figure(scenario: &str, name: &str, value: &Value, unit: &str) {
    eprintln!("{scenario}: {name} {value} {unit}");
    let line = json!({ "scenario": scenario, "figure": name, "value": value, "unit": unit });
    let mut file = OpenOptions::new().create(true).append(true).open(path()).unwrap();
    // In one write: other scenarios append beside this one.
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// In the folder that cargo builds into.
fn path() -> PathBuf {
    target().join("scenarios-figures.jsonl")
}
