//! A kubelet that pretends: it says of pods what becomes of them by their image, at once, and starts nothing.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{Call, Image, real::Http, rest::is_leaving};

/// Writes under way at once.
const AT_ONCE: usize = 16;
const MERGE_PATCH: &str = "application/merge-patch+json";
/// How long pods of [`Image::Slow`] take.
const SLOW: Duration = Duration::from_millis(150);

/// The kubelet; it is told of every change of a pod.
#[derive(Debug)]
pub struct Kubelet {
    http: Http,
    at_once: Arc<Semaphore>,
    begun: HashSet<String>,
    ended: HashSet<String>,
}

impl Kubelet {
    /// One that has seen no pod.
    pub fn new(http: Http) -> Self {
        Self { http, at_once: Arc::new(Semaphore::new(AT_ONCE)), begun: HashSet::new(), ended: HashSet::new() }
    }

    /// A pod is there, or has changed.
    pub fn sees(&mut self, pod: &Value) {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let calls = if is_leaving(pod) {
            if self.ended.insert(uid) { vec![end(pod)] } else { vec![] }
        } else if self.begun.insert(uid) {
            vec![bind(pod), says(pod, &begun(image(pod), 0))]
        } else {
            vec![]
        };
        let (http, at_once, slow) = (self.http.clone(), self.at_once.clone(), image(pod) == Image::Slow);
        if calls.is_empty() {
            return;
        }
        tokio::spawn(async move {
            for call in calls {
                if slow && call.method == "PATCH" {
                    tokio::time::sleep(SLOW).await;
                }
                let _permit = at_once.acquire().await;
                // Whoever has deleted a pod meanwhile does not need to hear of it.
                let _ = http.ask(&call).await;
            }
        });
    }

    /// A pod is gone.
    pub fn forgets(&mut self, pod: &Value) {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        self.begun.remove(uid);
        self.ended.remove(uid);
    }
}

fn image(pod: &Value) -> Image {
    Image::of(pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default())
}

fn path(pod: &Value, part: &str) -> String {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    format!("/api/v1/namespaces/{}/pods/{}{part}", text("namespace"), text("name"))
}

fn bind(pod: &Value) -> Call {
    let metadata = json!({"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]});
    let body = json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata,
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node"}});
    Call { method: "POST", path: path(pod, "/binding"), query: String::new(), content_type: "application/json", body }
}

/// What a pod's status says from now on.
pub fn says(pod: &Value, status: &Value) -> Call {
    let body = json!({"metadata": {"uid": pod["metadata"]["uid"]}, "status": status});
    Call { method: "PATCH", path: path(pod, "/status"), query: String::new(), content_type: MERGE_PATCH, body }
}

fn end(pod: &Value) -> Call {
    let body = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}});
    Call { method: "DELETE", path: path(pod, ""), query: String::new(), content_type: "application/json", body }
}

/// The status of a pod once it has become what its image makes of it, after so many restarts.
fn begun(image: Image, restarts: u32) -> Value {
    match image {
        Image::Hangs => status("Running", false, &json!({"running": {}}), restarts),
        Image::Crashes => status("Running", false, &json!({"waiting": {"reason": "CrashLoopBackOff"}}), 1),
        Image::Missing => status("Pending", false, &json!({"waiting": {"reason": "ImagePullBackOff"}}), restarts),
        _ => status("Running", true, &json!({"running": {}}), restarts),
    }
}

/// The statuses of a pod of [`Image::Later`] as its container ends and starts again.
pub fn crashed() -> [Value; 2] {
    [status("Running", false, &json!({"waiting": {"reason": "ContainerCreating"}}), 0), begun(Image::Later, 1)]
}

fn status(phase: &str, ready: bool, state: &Value, restarts: u32) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |name: &str, holds: bool| json!({"type": name, "status": if holds { "True" } else { "False" }, "lastTransitionTime": now});
    json!({
        "phase": phase,
        "conditions": [
            condition("Initialized", true), condition("Ready", ready), condition("ContainersReady", ready),
            condition("PodScheduled", true),
        ],
        "containerStatuses": [{"name": "main", "image": "", "imageID": "", "ready": ready, "restartCount": restarts,
            "state": state}],
    })
}
