//! What Prometheus is told: `/discovery` for http_sd, and `/federate` with the samples of all running pods in one.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::{agent::Input, exposition::Exposition};

/// A pod that does not answer by then is left out, and counted as down.
const SCRAPE_LIMIT: Duration = Duration::from_millis(500);
const SCRAPES_AT_ONCE: usize = 64;
const TRACK: &str = "aviary.dev/track";
/// The labels that `/federate` adds to each sample.
const FEDERATED: [&str; 4] = ["pod", "namespace", "track", "app"];

/// Where one pod's metrics are.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub address: Ipv4Addr,
    pub port: u16,
    pub path: String,
    pub labels: BTreeMap<String, String>,
}

/// What the HTTP handlers need.
#[derive(Clone)]
pub struct Discovery {
    pub inputs: mpsc::UnboundedSender<Input>,
    pub http: reqwest::Client,
}

impl Target {
    /// The target of a pod, if it has a port named `metrics` or the annotation `prometheus.io/port`.
    pub fn of(pod: &Pod, node: &str, address: Ipv4Addr) -> Option<Self> {
        let annotation = |key: &str| pod.metadata.annotations.as_ref()?.get(key).map(String::as_str);
        let port = annotation("prometheus.io/port").and_then(|port| port.parse().ok()).or_else(|| named_port(pod))?;
        let path = annotation("prometheus.io/path").unwrap_or("/metrics").to_owned();
        Some(Self { address, port, path, labels: labels(pod, node) })
    }

    fn json(&self) -> Value {
        let mut labels = self.labels.clone();
        labels.insert("__metrics_path__".into(), self.path.clone());
        json!({"targets": [SocketAddrV4::new(self.address, self.port)], "labels": labels})
    }

    async fn scrape(self, http: reqwest::Client) -> (Self, Option<String>) {
        let url = format!("http://{}:{}{}", self.address, self.port, self.path);
        let answer = async { http.get(url).timeout(SCRAPE_LIMIT).send().await?.error_for_status()?.text().await };
        let text = answer.await.inspect_err(|error| tracing::debug!("cannot scrape a pod: {error}")).ok();
        (self, text)
    }
}

impl Discovery {
    /// The pages.
    pub fn router(self) -> Router {
        Router::new()
            .route("/discovery", get(discovery))
            .route("/federate", get(federate))
            .route("/metrics", get(federate))
            .route("/healthz", get(|| async { "ok" }))
            .with_state(self)
    }

    async fn targets(&self) -> Result<Vec<Target>, StatusCode> {
        let (ask, answer) = oneshot::channel();
        self.inputs.send(Input::Targets(ask)).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        answer.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
    }
}

async fn discovery(State(discovery): State<Discovery>) -> Result<Json<Vec<Value>>, StatusCode> {
    Ok(Json(discovery.targets().await?.iter().map(Target::json).collect()))
}

async fn federate(State(discovery): State<Discovery>) -> Result<impl IntoResponse, StatusCode> {
    let scrapes = discovery.targets().await?.into_iter().map(|target| target.scrape(discovery.http.clone()));
    let answers: Vec<_> = stream::iter(scrapes).buffered(SCRAPES_AT_ONCE).collect().await;
    let mut all = Exposition::default();
    for (target, text) in answers {
        let mut labels = target.labels;
        labels.retain(|label, _| FEDERATED.contains(&label.as_str()));
        let up = u8::from(text.is_some());
        all.add(&format!("# TYPE node_agent_pod_up gauge\nnode_agent_pod_up {up}\n"), &labels);
        all.add(text.as_deref().unwrap_or_default(), &labels);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], all.render()))
}

fn named_port(pod: &Pod) -> Option<u16> {
    let containers = &pod.spec.as_ref()?.containers;
    let mut ports = containers.iter().flat_map(|container| container.ports.iter().flatten());
    let port = ports.find(|port| port.name.as_deref() == Some("metrics"))?;
    u16::try_from(port.container_port).ok()
}

fn labels(pod: &Pod, node: &str) -> BTreeMap<String, String> {
    let own = pod.metadata.labels.iter().flatten();
    let mut labels: BTreeMap<String, String> =
        own.clone().filter(|(key, _)| *key != TRACK).map(|(key, value)| (sanitised(key), value.clone())).collect();
    let track = own.clone().find(|(key, _)| *key == TRACK).map(|(_, track)| track.clone());
    labels.extend(track.map(|track| ("track".to_owned(), track)));
    labels.insert("pod".into(), pod.metadata.name.clone().unwrap_or_default());
    labels.insert("namespace".into(), pod.metadata.namespace.clone().unwrap_or_default());
    labels.insert("node".into(), node.to_owned());
    labels
}

/// A label's name as Prometheus allows it.
fn sanitised(key: &str) -> String {
    let name: String = key.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if name.starts_with(|letter: char| letter.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(annotations: Value, ports: Value) -> Pod {
        let labels =
            json!({"app": "foo", "aviary.dev/track": "canary", "app.kubernetes.io/name": "foo", "pod": "fake"});
        serde_json::from_value(json!({
            "metadata": {"name": "foo-1", "namespace": "shop", "labels": labels, "annotations": annotations},
            "spec": {"containers": [{"name": "main", "ports": ports}]},
        }))
        .unwrap()
    }

    fn target(annotations: Value, ports: Value) -> Option<Target> {
        Target::of(&pod(annotations, ports), "node-1", Ipv4Addr::new(127, 77, 0, 2))
    }

    #[test]
    fn labels_tell_who_it_is() {
        let ports = json!([{"name": "http", "containerPort": 80}, {"name": "metrics", "containerPort": 9100}]);
        let expected = json!({"targets": ["127.77.0.2:9100"], "labels": {
            "pod": "foo-1", "namespace": "shop", "node": "node-1", "track": "canary", "app": "foo",
            "app_kubernetes_io_name": "foo", "__metrics_path__": "/metrics",
        }});
        assert_eq!(target(json!({}), ports).unwrap().json(), expected);
    }

    #[test]
    fn an_annotation_names_port_and_path() {
        let annotations = json!({"prometheus.io/port": "81", "prometheus.io/path": "/m"});
        let target = target(annotations, json!([])).unwrap();
        assert_eq!((target.port, target.path.as_str()), (81, "/m"));
    }

    #[test]
    fn a_pod_without_metrics_is_no_target() {
        assert_eq!(target(json!({}), json!([{"name": "http", "containerPort": 80}])), None);
    }
}
