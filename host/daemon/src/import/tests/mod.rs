//! The import from outside: the example that is shipped, what settings come to mean, what is refused, and any file at all.

mod faulty;
mod good;
mod properties;

use std::path::Path;

use super::{Imported, import};
use crate::configuration::Configuration;

fn imported(text: &str) -> Result<Imported, String> {
    import(text, Path::new("/tmp/canaries.yaml")).map_err(|faults| faults.to_string())
}

fn good(text: &str) -> Imported {
    imported(text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Ours, as the daemon would read it.
fn read(yaml: &str) -> Configuration {
    Configuration::parse(yaml, Path::new("aviary.yaml")).unwrap_or_else(|faults| panic!("{faults}\n{yaml}"))
}

/// A file with one Deployment `worker`, some of whose fields are other than usual.
fn worker(changes: &[(&str, &str)]) -> String {
    let usual = [
        ("step", "10%"),
        ("breakpoint", "50%"),
        ("abort", "120s"),
        ("max_step_duration", "10m"),
        ("check_success_step_duration", "60s"),
        ("success", "[]"),
    ];
    let unchanged = usual.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let line = |(name, value): &(&str, &str)| format!("  {name}: {value}\n");
    let fields: String = unchanged.chain(changes.iter().filter(|(_, value)| !value.is_empty())).map(line).collect();
    format!("prometheus-base-url: http://p:9090\nnamespace: shop\nworker:\n{fields}")
}
