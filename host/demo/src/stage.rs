//! What a demo is played on, and what is played.

use std::path::PathBuf;

use anyhow::Result;
use aviary_core::record::Ending;
use serde_json::{Value, json};

use crate::daemon::Daemon;

/// The namespace of the demo's service.
pub const NAMESPACE: &str = "shop";
/// The demo's service.
pub const SERVICE: &str = "orders";
/// The container of its pods.
pub const CONTAINER: &str = "worker";
/// How many pods it has.
pub const REPLICAS: u32 = 5;

/// All that runs. When it is dropped, none of it does, and its files are gone.
pub trait Stage: Sized {
    /// Creates the Deployment, as a team's CI does.
    ///
    /// # Errors
    /// When the API server refuses it.
    fn deploy(&self, image: &str) -> Result<()>;

    /// Gives the Deployment another image, as a team's CI does. Returns how, as it is shown.
    ///
    /// # Errors
    /// When the API server refuses it.
    fn release(&self, image: &str) -> Result<String>;

    /// How many pods Prometheus has samples of.
    fn scraped(&self) -> usize;

    /// Starts the daemon.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start_daemon(&mut self) -> Result<()>;

    /// The daemon, once it was started.
    fn daemon(&mut self) -> Option<&mut Daemon>;

    /// The daemon's control socket.
    fn socket(&self) -> PathBuf;

    /// The kubeconfig of somebody who may see the pods.
    fn kubeconfig(&self) -> PathBuf;

    /// Where all its files are.
    fn directory(&self) -> PathBuf;
}

/// What is played.
#[derive(Debug)]
pub struct Script<S> {
    /// What stands on the stage, in words.
    pub props: &'static str,
    /// Whose rights the daemon has, in words.
    pub rights: &'static str,
    /// The image that is deployed before Aviary comes.
    pub first: &'static str,
    /// The releases.
    pub acts: Vec<Act<S>>,
}

/// One release.
#[derive(Debug)]
pub struct Act<S> {
    /// Its title.
    pub title: &'static str,
    /// What is to be seen.
    pub words: &'static str,
    /// What is released.
    pub image: &'static str,
    /// What somebody does once the second step stands, told as it is shown.
    pub meanwhile: Option<fn(&S) -> Result<String>>,
    /// How it is to end.
    pub ending: Ending,
}

/// The service's Deployment.
#[must_use]
pub fn manifest(image: &str) -> Value {
    let labels = json!({ "app": SERVICE });
    let probe = json!({ "httpGet": { "path": "/ready", "port": 8080 }, "periodSeconds": 1 });
    // By its name the port is known to serve metrics.
    let ports = json!([{ "name": "metrics", "containerPort": 8080 }]);
    let container = json!({ "name": CONTAINER, "image": image, "ports": ports, "readinessProbe": probe });
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": [container] } });
    let spec = json!({ "replicas": REPLICAS, "selector": { "matchLabels": labels }, "template": template });
    let metadata = json!({ "name": SERVICE, "namespace": NAMESPACE, "labels": labels });
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec })
}
