//! The demo on a real control plane with real processes as pods and a real Prometheus: Aviary with a good release, a bad
//! one, and a policy that is swapped in the middle of a third. It ends as it began: with nothing.

mod stage;

use std::process::ExitCode;

use aviary_demo::{Act, Ending, Script, perform};

use crate::stage::RealCluster;

fn main() -> ExitCode {
    // Fails only where it was done already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    perform(&script(), RealCluster::start)
}

fn script() -> Script<RealCluster> {
    Script {
        props: "etcd, kube-apiserver, kube-controller-manager, a node agent and Prometheus",
        rights: "with the rights of config/kustomize-rights/role.yaml and no more",
        first: "orders:1.0",
        acts: vec![
            Act {
                title: "1 of 3, a good release",
                words: "orders:1.1 is as good as what it replaces",
                image: "orders:1.1",
                meanwhile: None,
                ending: Ending::Promoted,
            },
            Act {
                title: "2 of 3, a bad release",
                words: "orders:1.2 has 20 times as many errors, twice the limit",
                image: "orders:1.2",
                meanwhile: None,
                ending: Ending::RolledBack,
            },
            Act {
                title: "3 of 3, a policy swapped",
                words: "orders:1.3 has 5 times as many errors, half the limit: it passes, until a stricter policy comes",
                image: "orders:1.3",
                meanwhile: Some(|stage| stage.drop_policy("no-worse", "threshold")),
                ending: Ending::RolledBack,
            },
        ],
    }
}
