//! The API server, as far as a node needs it: its own Node, the watch on pods, bindings, statuses and deletions.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Node, Pod, PodStatus};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{WatchStreamExt, utils::Backoff, watcher},
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

/// Every call ends within this time; a watch notices a dead connection 5 s after [`WATCH_SECONDS`].
const CALL_LIMIT: Duration = Duration::from_secs(10);
const WATCH_SECONDS: u32 = 20;
/// Writes under way at once: each has a connection of its own.
const WRITES_AT_ONCE: usize = 24;
const FIELD_MANAGER: &str = "node-agent";

/// A pod in the API, safe from being mistaken for a later one of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// The API server, seen by one node.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    node: Arc<str>,
    writes: Arc<Semaphore>,
}

impl Key {
    pub fn of(pod: &Pod) -> Self {
        let meta = &pod.metadata;
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
        }
    }
}

impl Cluster {
    /// Prepares a client; nothing is asked yet.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read or used.
    pub async fn open(kubeconfig: &Path, node: &str) -> Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig)
            .with_context(|| format!("cannot read the kubeconfig {}", kubeconfig.display()))?;
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        // Retried here, with the newest status rather than with the one that failed.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(2));
        let client = Client::try_from(config).context("cannot make a client from the kubeconfig")?;
        Ok(Self { client, node: node.into(), writes: Arc::new(Semaphore::new(WRITES_AT_ONCE)) })
    }

    /// Registers the node, ready and roomy.
    ///
    /// # Errors
    /// When the API server does not answer or refuses.
    pub async fn register(&self, address: &str) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let limit = |what| format!("the API server did not {what} the node within {CALL_LIMIT:?}");
        let identity = node(&self.node);
        timeout(CALL_LIMIT, nodes.patch(&self.node, &parameters, &Patch::Apply(identity)))
            .await
            .with_context(|| limit("register"))??;
        let status = node_status(&self.node, address);
        timeout(CALL_LIMIT, nodes.patch_status(&self.node, &parameters, &Patch::Apply(status)))
            .await
            .with_context(|| limit("update"))??;
        Ok(())
    }

    /// All pods of the cluster, for ever: a lost API server is tried again within a second.
    pub fn watch(&self) -> impl Stream<Item = watcher::Result<watcher::Event<Pod>>> + use<> {
        let configuration = watcher::Config::default().timeout(WATCH_SECONDS);
        watcher(Api::all(self.client.clone()), configuration).backoff(Impatient(Duration::ZERO)).boxed()
    }

    /// Gives a pod to this node.
    ///
    /// # Errors
    /// Whatever the API server says; somebody else may have been quicker.
    pub async fn bind(&self, pod: &Key) -> Result<()> {
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": &*self.node},
        });
        let (pods, parameters) = (self.pods(pod), PostParams::default());
        let call = pods.create_subresource::<_, Value>("binding", &pod.name, &parameters, &binding);
        self.limited(call).await.map(drop)
    }

    /// Replaces what the API shows of a pod.
    ///
    /// # Errors
    /// Whatever the API server says.
    pub async fn report(&self, pod: &Key, status: &PodStatus) -> Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"uid": pod.uid}, "status": status}));
        let (pods, parameters) = (self.pods(pod), PatchParams::default());
        self.limited(pods.patch_status(&pod.name, &parameters, &patch)).await.map(drop)
    }

    /// Lets a pod's object go: its processes have ended.
    ///
    /// # Errors
    /// Whatever the API server says.
    pub async fn delete(&self, pod: &Key) -> Result<()> {
        let preconditions = Preconditions { uid: Some(pod.uid.clone()), ..Preconditions::default() };
        let parameters = DeleteParams::default().grace_period(0).preconditions(preconditions);
        self.limited(self.pods(pod).delete(&pod.name, &parameters)).await.map(drop)
    }

    fn pods(&self, pod: &Key) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &pod.namespace)
    }

    async fn limited<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T> {
        let _permit = self.writes.acquire().await?;
        Ok(timeout(CALL_LIMIT, call).await.with_context(|| format!("no answer within {CALL_LIMIT:?}"))??)
    }
}

/// Waits between attempts to watch: short, because tests stop API servers and want to go on.
struct Impatient(Duration);

impl Iterator for Impatient {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0 = (self.0 * 2).clamp(Duration::from_millis(50), Duration::from_secs(1));
        Some(self.0)
    }
}

impl Backoff for Impatient {
    fn reset(&mut self) {
        self.0 = Duration::ZERO;
    }
}

fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
    })
}

fn node_status(name: &str, address: &str) -> Value {
    let resources = json!({"cpu": "64", "memory": "256Gi", "pods": "10000"});
    let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the node agent runs"});
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {
            "capacity": resources, "allocatable": resources, "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        },
    })
}
