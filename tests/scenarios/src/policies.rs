//! Policies to drop into a daemon's folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::cluster::repository;

/// A default policy's file, as `plugins/build` wrote it.
#[must_use]
pub fn built_in(name: &str) -> Vec<u8> {
    read(repository().join("target/policies").join(format!("{name}.wasm")))
}

/// A policy of the scenarios' own: `refuse-all` or `panics`. Built by who asks first.
#[must_use]
pub fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    read(BUILT.get_or_init(build).join(format!("{name}.wasm")))
}

fn build() -> PathBuf {
    let folder = repository().join("target/scenarios-policies");
    let mut command = Command::new(repository().join("plugins/build"));
    command.args(["-p", "refuse-all", "-p", "panics", "--to"]).arg(&folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "plugins/build failed: {}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn read(path: PathBuf) -> Vec<u8> {
    fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}; run plugins/build", path.display()))
}
