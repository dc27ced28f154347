//! What can be asked of a local cluster: its parts, its processes, who may do what.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What to start. The default is the control plane alone, in a new directory.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where its files go; must not exist yet and is removed at the end. None: a new temporary directory.
    pub directory: Option<PathBuf>,
    /// Namespaces to create besides those Kubernetes makes.
    pub namespaces: Vec<String>,
    /// The node agent, which runs pods as processes. None: pods stay pending.
    pub node_agent: Option<NodeAgent>,
    /// The Prometheus that scrapes the pods. None: no metrics.
    pub prometheus: Option<Prometheus>,
    /// Whether the API server notes each request of the user `aviary` ([`crate::LocalCluster::audit_log`]).
    pub audit: bool,
}

/// How to start the node agent.
#[derive(Clone, Debug)]
pub struct NodeAgent {
    /// The table of images: which command each name stands for.
    pub images: PathBuf,
    /// The first wait before a container that exited is started again. None: the agent's own, 10 s.
    pub restart_backoff: Option<Duration>,
    /// Report pods as ready after 0.3 s and start nothing: for thousands of pods.
    pub pretend: bool,
}

/// How to start Prometheus.
#[derive(Clone, Debug, Default)]
pub struct Prometheus {
    /// Addresses (`host:port`) to scrape besides what the node agent discovers.
    pub targets: Vec<String>,
    /// Read all pods from the node agent in one scrape, seen within 2 s; otherwise pod by pod as the agent
    /// discovers them, where a new pod may take 5 s more.
    pub federate: bool,
}

/// One process of the cluster, in the order in which they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// The store behind the API server.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager: deployments, replica sets, garbage collection and more.
    ControllerManager,
    /// The node agent of this project.
    NodeAgent,
    /// Prometheus.
    Prometheus,
}

impl Process {
    /// Every process, in the order in which they start.
    pub const ALL: [Process; 5] =
        [Process::Etcd, Process::ApiServer, Process::ControllerManager, Process::NodeAgent, Process::Prometheus];

    /// The name of the program, as in logs and file names.
    pub fn name(self) -> &'static str {
        match self {
            Process::Etcd => "etcd",
            Process::ApiServer => "kube-apiserver",
            Process::ControllerManager => "kube-controller-manager",
            Process::NodeAgent => "node-agent",
            Process::Prometheus => "prometheus",
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Somebody who speaks to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// May do everything.
    Admin,
    /// The daemon under test: may do nothing until [`crate::LocalCluster::apply_rbac`] grants it the project's role.
    Aviary,
    /// A team's CI: everything on Deployments, in all namespaces, and reading what they own.
    Ci,
    /// The node agent: may do everything, as a node's own rights need the node authorizer.
    Kubelet,
    /// The controller manager: may do everything.
    ControllerManager,
}

impl Identity {
    /// Everybody there is.
    pub const ALL: [Identity; 5] =
        [Identity::Admin, Identity::Aviary, Identity::Ci, Identity::Kubelet, Identity::ControllerManager];

    /// The user name, as the API server knows it.
    pub fn user(self) -> &'static str {
        match self {
            Identity::Admin => "admin",
            Identity::Aviary => "aviary",
            Identity::Ci => "ci",
            Identity::Kubelet => "kubelet",
            Identity::ControllerManager => "controller-manager",
        }
    }

    pub(crate) fn group(self) -> &'static str {
        match self {
            Identity::Admin | Identity::Kubelet | Identity::ControllerManager => "system:masters",
            Identity::Aviary | Identity::Ci => "",
        }
    }
}
