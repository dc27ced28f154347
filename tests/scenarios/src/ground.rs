//! Where the scenarios take place: on the local cluster, or on the model of one (`SCENARIOS_ON=model`). Each is told once.
//!
//! On the model run those whose name begins with `scenario_`, but for what it leaves out: server-side apply, and PromQL beyond selectors, which the
//! imported files have. A policy built outside is built once, on the cluster. What asks for
//! rights, other namespaces' limits or a scraped daemon has other names, and so has no place there.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use local_cluster::{Identity, Output};

use crate::cluster::cluster;
use crate::model::Model;

/// Something that behaves like a cluster.
#[derive(Debug)]
pub enum Ground {
    /// The real one; see [`cluster`].
    Cluster,
    /// The model. It has no namespaces to create and no rights to grant.
    Model(Model),
}

/// Where all scenarios of this process take place.
pub fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| match std::env::var("SCENARIOS_ON").as_deref() {
        Ok("model") => Ground::Model(Model::start()),
        Ok("cluster") | Err(_) => Ground::Cluster,
        Ok(other) => panic!("SCENARIOS_ON is {other}; it can be cluster or model"),
    })
}

impl Ground {
    /// Makes a namespace in which Aviary has its rights.
    pub fn prepare(&self, namespace: &str) {
        if matches!(self, Self::Cluster) {
            cluster().create_namespace(namespace).unwrap();
            cluster().apply_rbac(namespace).unwrap();
        }
    }

    /// Runs kubectl as somebody.
    #[must_use]
    pub fn kubectl(&self, identity: Identity, arguments: &[&str], stdin: Option<&str>) -> Output {
        match self {
            Self::Cluster => cluster().kubectl(identity, arguments, stdin).unwrap(),
            Self::Model(model) => model.kubectl(arguments, stdin),
        }
    }

    /// The credentials of somebody.
    #[must_use]
    pub fn kubeconfig(&self, identity: Identity) -> PathBuf {
        match self {
            Self::Cluster => cluster().kubeconfig(identity),
            Self::Model(model) => model.kubeconfig(),
        }
    }

    /// The credentials of a daemon whose lease is in a namespace, where it has its rights to that.
    #[must_use]
    pub fn home(&self, namespace: &str) -> PathBuf {
        match self {
            Self::Cluster => cluster().home(namespace).unwrap(),
            Self::Model(model) => local_cluster::kubeconfig_in(&model.kubeconfig(), namespace).unwrap(),
        }
    }

    /// Where its Prometheus is.
    #[must_use]
    pub fn prometheus_url(&self) -> String {
        match self {
            Self::Cluster => cluster().prometheus_url(),
            Self::Model(model) => model.prometheus_url().to_owned(),
        }
    }
}

/// The images that both know.
pub(crate) fn images() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../node-agent/images.json"))
}
