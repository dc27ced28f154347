//! The cluster that all scenarios of a test binary share.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use local_cluster::{LocalCluster, NodeAgent, Options, Prometheus};

/// The repository's folder.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate is two folders deep")
}

/// The shared cluster; started by who asks first. It ends with the process: its janitor takes all away then.
pub fn cluster() -> &'static LocalCluster {
    static CLUSTER: OnceLock<LocalCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| LocalCluster::start(options()).unwrap_or_else(|error| panic!("{error:#}")))
}

fn options() -> Options {
    let images = crate::ground::images().to_owned();
    let agent = NodeAgent { images, restart_backoff: Some(Duration::from_secs(1)), pretend: false };
    Options {
        node_agent: Some(agent),
        prometheus: Some(Prometheus { federate: true, ..Prometheus::default() }),
        ..Options::default()
    }
}

/// The folder of the programs that cargo built beside the one that runs: target/PROFILE.
fn programs() -> PathBuf {
    let running = std::env::current_exe().unwrap();
    let folder = running.parent().expect("what runs is in a folder");
    // Tests are in a folder of their own in it.
    folder.parent().filter(|_| folder.ends_with("deps")).unwrap_or(folder).to_owned()
}

/// The folder that cargo builds into: what is to be kept goes there.
#[must_use]
pub fn target() -> PathBuf {
    programs().with_file_name("")
}

/// A program that cargo built.
pub(crate) fn program(name: &str) -> PathBuf {
    let program = programs().join(name);
    assert!(program.is_file(), "no {}; build it: cargo build -p aviary -p node-agent", program.display());
    program
}
