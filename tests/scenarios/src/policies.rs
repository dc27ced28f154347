//! Policies to drop into a daemon's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::cluster::{program, repository};

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
    let build = repository().join("plugins/build");
    run(Command::new(build).args(["-p", "refuse-all", "-p", "panics", "--to"]).arg(&folder));
    folder
}

/// A policy of a team's own, as `aviary policy new` begins it: in a crate outside this workspace, tested and built there by
/// what it came with.
#[must_use]
pub fn new_policy(name: &str, kind: &str) -> PathBuf {
    let folder = repository().join("target/scenarios-outside");
    let (crate_folder, kept) = (folder.join(name), folder.join(format!("{name}-target")));
    fs::create_dir_all(&folder).unwrap();
    if crate_folder.exists() {
        // What was compiled before is worth a minute; all else is written anew.
        let _ = fs::rename(crate_folder.join("target"), &kept);
        fs::remove_dir_all(&crate_folder).unwrap();
    }
    run(Command::new(program("aviary")).args(["policy", "new", name, "--kind", kind, "--to"]).arg(&folder));
    let _ = fs::rename(&kept, crate_folder.join("target"));
    // The versions that this workspace has: they are fetched, and the same tomorrow.
    fs::copy(repository().join("Cargo.lock"), crate_folder.join("Cargo.lock")).unwrap();
    run(outside(&crate_folder, "cargo").arg("test"));
    run(&mut outside(&crate_folder, "./build"));
    crate_folder.join(format!("target/policies/{name}.wasm"))
}

/// What `aviary policy check` says of a file, as JSON; it must say that the daemon would take it.
#[must_use]
pub fn checked(file: &Path) -> Value {
    let output = run(Command::new(program("aviary")).args(["policy", "check", "--output", "json"]).arg(file));
    serde_json::from_str(&output).unwrap()
}

/// As a person there would.
fn outside(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("CARGO_TARGET_DIR");
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn read(path: PathBuf) -> Vec<u8> {
    fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}; run plugins/build", path.display()))
}
