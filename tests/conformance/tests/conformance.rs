//! The model against the real API server with its controllers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{env, sync::OnceLock};

use conformance::{Run, run};
use local_cluster::{Identity, LocalCluster, Options};

/// The shared cluster; it ends with the process.
fn cluster() -> &'static LocalCluster {
    static CLUSTER: OnceLock<LocalCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| LocalCluster::start(Options::default()).unwrap_or_else(|error| panic!("{error:#}")))
}

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn random_sequences_end_on_the_model_as_on_kubernetes() {
    let sequences = number("CONFORMANCE_SEQUENCES", 300).try_into().unwrap();
    let seed = number("CONFORMANCE_SEED", 1);
    let report = run(&cluster().kubeconfig(Identity::Admin), Run { sequences, seed }).await.unwrap();
    println!("{report}");
    assert!(report.differing == 0, "the model is not as Kubernetes is");
}
