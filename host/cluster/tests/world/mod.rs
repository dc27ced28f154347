//! A namespace on a real API server, and what the daemon's user sees and does in it.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use aviary_cluster::{Client, ClusterInput, Index, ServiceKey, connect_with, missing_permissions, watch_namespace};
use local_cluster::{Identity, LocalCluster, Options, Output};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{self, Receiver},
    task::{JoinSet, block_in_place},
    time::{Instant, sleep, timeout, timeout_at},
};

/// A namespace of its own, with the daemon's client.
pub struct World<'cluster> {
    pub cluster: &'cluster LocalCluster,
    pub namespace: String,
    pub client: Client,
}

/// A new cluster: the control plane alone.
pub fn start_cluster() -> LocalCluster {
    LocalCluster::start(Options::default()).unwrap_or_else(|error| panic!("{error:#}"))
}

impl<'cluster> World<'cluster> {
    /// A namespace in which the daemon may do nothing.
    pub async fn without_role(cluster: &'cluster LocalCluster) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let namespace = format!("shop-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        block_in_place(|| cluster.create_namespace(&namespace)).unwrap();
        // Only the first of a process installs it; the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = connect_with(&cluster.kubeconfig(Identity::Aviary), "0.0.0-test").await.unwrap();
        Self { cluster, namespace, client }
    }

    /// A namespace in which the daemon may do what config/kustomize-rights/role.yaml says.
    pub async fn new(cluster: &'cluster LocalCluster) -> Self {
        let world = Self::without_role(cluster).await;
        world.grant().await;
        world
    }

    /// Grants the role and waits until the API server knows it.
    pub async fn grant(&self) {
        block_in_place(|| self.cluster.apply_rbac(&self.namespace)).unwrap();
        let granted = || async { missing_permissions(&self.client, &self.namespace).await == Ok(Vec::new()) };
        eventually("the rights of config/kustomize-rights/role.yaml", granted).await;
    }

    pub fn key(&self, name: &str) -> ServiceKey {
        ServiceKey::new(self.namespace.clone(), name)
    }

    /// kubectl in the namespace, as somebody.
    pub fn kubectl(&self, identity: Identity, arguments: &[&str]) -> Output {
        let namespace = format!("--namespace={}", self.namespace);
        let arguments: Vec<&str> = arguments.iter().copied().chain([namespace.as_str()]).collect();
        block_in_place(|| self.cluster.kubectl(identity, &arguments, None)).unwrap()
    }

    /// An object as the administrator sees it.
    pub fn object(&self, kind: &str, name: &str) -> Value {
        let text = self.kubectl(Identity::Admin, &["get", kind, name, "--output=json", "--show-managed-fields"]);
        serde_json::from_str(&text.checked().unwrap()).unwrap()
    }

    /// CI deploys.
    pub fn deploy(&self, name: &str, replicas: u32) {
        let mut manifest = manifest(name, replicas);
        manifest["metadata"]["namespace"] = json!(self.namespace);
        block_in_place(|| self.cluster.apply(Identity::Ci, &manifest.to_string())).unwrap();
    }

    /// Watches the namespace.
    pub fn watch(&self) -> Watching {
        let (sender, inputs) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        watch_namespace(&self.client, &self.namespace, &sender, &mut tasks);
        Watching { index: Index::default(), namespace: self.namespace.clone(), inputs, _tasks: tasks }
    }
}

/// A Deployment whose pods nobody starts.
pub fn manifest(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "worker", "image": "worker:1"}]},
            },
        },
    })
}

/// What the watches of a namespace have told.
pub struct Watching {
    pub index: Index,
    namespace: String,
    inputs: Receiver<ClusterInput>,
    _tasks: JoinSet<()>,
}

impl Watching {
    /// Takes in what is told until `condition` holds.
    pub async fn until(&mut self, what: &str, limit: Duration, condition: impl Fn(&Index) -> bool) {
        let deadline = Instant::now() + limit;
        while !condition(&self.index) {
            match timeout_at(deadline, self.inputs.recv()).await {
                Ok(input) => _ = self.index.apply(input.unwrap()),
                Err(_) => panic!("no {what} within {limit:?}; not ready: {:?}", self.not_ready()),
            }
        }
    }

    /// Takes in what is told until the namespace is seen whole.
    pub async fn until_ready(&mut self, limit: Duration) {
        let namespace = self.namespace.clone();
        self.until("sight of the whole namespace", limit, |index| index.not_ready(&namespace).is_empty()).await;
    }

    /// Takes in what is told until a reason for not being ready has these words.
    pub async fn until_told(&mut self, words: &str, limit: Duration) {
        let namespace = self.namespace.clone();
        let told = |index: &Index| index.not_ready(&namespace).iter().any(|reason| reason.contains(words));
        self.until(words, limit, told).await;
    }

    pub fn not_ready(&self) -> Vec<String> {
        self.index.not_ready(&self.namespace)
    }

    /// What is told within the time, unseen by the index.
    pub async fn all_within(&mut self, time: Duration) -> Vec<ClusterInput> {
        let (deadline, mut told) = (Instant::now() + time, Vec::new());
        while let Ok(Some(input)) = timeout_at(deadline, self.inputs.recv()).await {
            told.push(input);
        }
        told
    }
}

/// Looks until it is so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, so: impl Fn() -> F) {
    let look = async {
        while !so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), look).await.unwrap_or_else(|_| panic!("no {what} within 30 s"));
}
