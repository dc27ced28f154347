//! What is measured on: a control plane with pods that are pretended, and services as a team's CI leaves them.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use local_cluster::{Identity, LocalCluster, NodeAgent, Options};
use serde_json::{Value, json};

use crate::{audit::Audit, outsider::Outsider};

/// The label by which a service's pods are told from those of others.
pub const APP: &str = "app";
/// How many calls of CI are under way at once.
const AT_ONCE: usize = 24;
/// Environment variables of each container.
const VARIABLES: u32 = 20;
const AS_KUBECTL: &str = "kubectl-client-side-apply";
const COMPLETE_WITHIN: Duration = Duration::from_secs(180);

/// The cluster, and who speaks to it.
pub struct Stage {
    /// Its processes and files; all gone when it is dropped.
    pub cluster: LocalCluster,
    admin: Client,
    ci: Client,
}

impl Stage {
    /// Starts the cluster, without metrics: what is measured here does not need them.
    ///
    /// # Errors
    /// When a part of it does not start.
    pub async fn start() -> Result<Self> {
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("node-agent").join("images.json");
        let agent = NodeAgent { images, restart_backoff: None, pretend: true };
        let cluster = LocalCluster::start(Options { node_agent: Some(agent), audit: true, ..Options::default() })?;
        let (admin, ci) = (client(&cluster, Identity::Admin).await?, client(&cluster, Identity::Ci).await?);
        Ok(Self { cluster, admin, ci })
    }

    /// A new namespace in which Aviary has its rights.
    pub fn namespace(&self, name: &str) -> Result<()> {
        self.cluster.create_namespace(name)?;
        self.cluster.apply_rbac(name)
    }

    /// The daemon's requests from now on.
    pub fn audit(&self) -> Audit {
        Audit::begin(self.cluster.audit_log())
    }

    /// The outsider who watches pods.
    pub async fn pods(&self, namespace: &str) -> Result<Outsider<Pod>> {
        Outsider::of(Api::namespaced(self.admin.clone(), namespace), "").await
    }

    /// The outsider who watches Deployments.
    pub async fn deployments(&self, namespace: &str) -> Result<Outsider<Deployment>> {
        Outsider::of(Api::namespaced(self.admin.clone(), namespace), "").await
    }

    /// The outsider who watches Aviary's records.
    pub async fn records(&self, namespace: &str) -> Result<Outsider<ConfigMap>> {
        Outsider::of(Api::namespaced(self.admin.clone(), namespace), "aviary.dev/record=true").await
    }

    /// Applies Deployments of `replicas` pods each, as `kubectl apply` leaves them, and waits until all are available.
    ///
    /// # Errors
    /// When the API server refuses one, or its pods do not come.
    pub async fn deploy(&self, namespace: &str, names: &[String], replicas: u32) -> Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.ci.clone(), namespace);
        let parameters = PostParams { field_manager: Some(AS_KUBECTL.to_owned()), ..PostParams::default() };
        let mut outsider = self.deployments(namespace).await?;
        let create = |name: &String| {
            let object = serde_json::from_value(manifest(name, "worker:v1", replicas));
            let (api, parameters) = (api.clone(), parameters.clone());
            async move { anyhow::Ok(api.create(&parameters, &object?).await.map(drop)?) }
        };
        let creations: Vec<_> = names.iter().map(create).collect();
        all(creations).await.context("a Deployment is not created")?;
        let mut missing: std::collections::BTreeSet<String> = names.iter().cloned().collect();
        let wanted = i32::try_from(replicas)?;
        while !missing.is_empty() {
            let seen = outsider.until("Deployments to be available", COMPLETE_WITHIN, |seen| {
                let available = seen.object.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
                available == wanted
            });
            missing.remove(&seen.await?.object.metadata.name.unwrap_or_default());
        }
        Ok(())
    }

    /// Gives a Deployment another image, as `kubectl set image` does.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn set_image(&self, namespace: &str, name: &str, image: &str) -> Result<()> {
        let container = json!({"name": "worker", "image": image});
        self.patch(namespace, name, json!({"spec": {"template": {"spec": {"containers": [container]}}}})).await
    }

    /// Applies a manifest with another image that also gives the number of replicas, as CI does.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, namespace: &str, name: &str, image: &str, replicas: u32) -> Result<()> {
        self.patch(namespace, name, manifest(name, image, replicas)).await
    }

    /// Scales a Deployment.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn scale(&self, namespace: &str, name: &str, replicas: u32) -> Result<()> {
        self.patch(namespace, name, json!({"spec": {"replicas": replicas}})).await
    }

    async fn patch(&self, namespace: &str, name: &str, patch: Value) -> Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.ci.clone(), namespace);
        let parameters = PatchParams { field_manager: Some(AS_KUBECTL.to_owned()), ..PatchParams::default() };
        let patched = api.patch(name, &parameters, &Patch::Strategic(patch)).await;
        patched.map(drop).with_context(|| format!("{namespace}/{name} is not changed"))
    }
}

/// Runs many calls, some at once.
///
/// # Errors
/// The first that fails.
pub async fn all(calls: Vec<impl Future<Output = Result<()>>>) -> Result<()> {
    futures::stream::iter(calls).buffer_unordered(AT_ONCE).try_collect().await
}

/// So many names, `worker-0000` and on.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("worker-{number:04}")).collect()
}

async fn client(cluster: &LocalCluster, identity: Identity) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig(identity))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Client::try_from(config).context("cannot make a client from the kubeconfig")
}

/// A Deployment of some substance, with what `kubectl apply` notes on it.
fn manifest(name: &str, image: &str, replicas: u32) -> Value {
    let mut object = plain_manifest(name, image, replicas);
    let applied = object.to_string();
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": applied});
    object
}

fn plain_manifest(name: &str, image: &str, replicas: u32) -> Value {
    let labels = json!({APP: name, "team": "shop", "app.kubernetes.io/part-of": "shop"});
    let variable =
        |number| json!({"name": format!("SETTING_{number:02}"), "value": format!("{name}-value-{number:02}")});
    let probe = json!({"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5});
    let resources = json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}});
    let container = json!({
        "name": "worker", "image": image, "env": (0..VARIABLES).map(variable).collect::<Vec<_>>(),
        "ports": [{"name": "metrics", "containerPort": 8080}], "readinessProbe": probe, "resources": resources,
    });
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
    let spec = json!({"replicas": replicas, "selector": {"matchLabels": {APP: name}}, "template": template});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec})
}
