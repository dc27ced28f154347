//! Pods on a real control plane: they serve, fail and end as they would on a node with a kubelet.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use local_cluster::{Identity, LocalCluster, NodeAgent, Options, Process, Prometheus};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_secs(30);

/// A cluster with a node agent, its image table in a folder of its own, and an administrator's client.
struct Bench {
    cluster: LocalCluster,
    client: Client,
    folder: TempDir,
}

impl Bench {
    async fn start(pretend: bool) -> Self {
        Self::start_with(pretend, None).await
    }

    async fn start_with(pretend: bool, prometheus: Option<Prometheus>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images.json");
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/images.json"), &images).unwrap();
        let agent = NodeAgent { images, restart_backoff: Some(Duration::from_secs(2)), pretend };
        let options = Options { node_agent: Some(agent), prometheus, ..Options::default() };
        let cluster = tokio::task::spawn_blocking(|| LocalCluster::start(options)).await.unwrap().unwrap();
        let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig(Identity::Admin)).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Self { cluster, client: Client::try_from(config).unwrap(), folder }
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::default_namespaced(self.client.clone())
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    async fn deploy(&self, name: &str, image: &str, replicas: u32) {
        let deployment = serde_json::from_value(deployment(name, image, replicas)).unwrap();
        self.deployments().create(&PostParams::default(), &deployment).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        self.deployments().delete(name, &DeleteParams::background()).await.unwrap();
    }

    async fn available(&self, name: &str) -> i32 {
        self.deployments().get(name).await.unwrap().status.and_then(|status| status.available_replicas).unwrap_or(0)
    }

    /// The pods of a Deployment, as JSON.
    async fn pods_of(&self, name: &str) -> Vec<Value> {
        let list = self.pods().list(&ListParams::default().labels(&format!("app={name}"))).await.unwrap();
        list.items.iter().map(|pod| serde_json::to_value(pod).unwrap()).collect()
    }

    /// Waits until the only pod of a Deployment shows `expected` at `pointer` of its first container's status.
    async fn container_shows(&self, name: &str, pointer: &str, expected: Value) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let pods = self.pods_of(name).await;
            let shown = pods.first().map(|pod| pod["status"]["containerStatuses"][0].clone()).unwrap_or_default();
            if shown.pointer(pointer) == Some(&expected) {
                return pods[0].clone();
            }
            assert!(Instant::now() < deadline, "{name} shows no {expected} at {pointer}: {shown:#}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn get(&self, path: &str) -> String {
        fetch(&format!("{}{path}", self.cluster.node_agent_url())).await
    }

    /// Whether Prometheus has samples of all 5 pods.
    async fn seen_by_prometheus(&self) -> bool {
        let query = "count(worker_events_total{track=\"primary\",app=\"foo\"})";
        let url = format!("{}/api/v1/query?query={query}", self.cluster.prometheus_url());
        let answer: Value = serde_json::from_str(&fetch(&url).await).unwrap();
        answer["data"]["result"][0]["value"][1] == "5"
    }

    fn add_image(&self, name: &str, image: Value) {
        let path: PathBuf = self.folder.path().join("images.json");
        let mut table: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        table[name] = image;
        fs::write(path, table.to_string()).unwrap();
    }
}

async fn fetch(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

fn deployment(name: &str, image: &str, replicas: u32) -> Value {
    let probe = json!({"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1});
    let ports = json!([{"name": "metrics", "containerPort": 8080}]);
    let container = json!({"name": "main", "image": image, "ports": ports, "readinessProbe": probe});
    json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name, "aviary.dev/track": "primary"}},
                "spec": {"containers": [container]},
            },
        },
    })
}

/// The processes of a pod: its name is in their environment.
fn processes_of(pod: &str) -> usize {
    let wanted = format!("HOSTNAME={pod}");
    let carries = |environment: Vec<u8>| environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|process| fs::read(process.path().join("environ")).is_ok_and(carries)).count()
}

fn names(pods: &[Value]) -> Vec<String> {
    pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// Looks until it is so, and tells how long that took.
async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !so().await {
        assert!(start.elapsed() < LIMIT, "{what} within {LIMIT:?}");
        sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

#[tokio::test]
async fn a_deployment_serves_and_ends() {
    let bench = Bench::start_with(false, Some(Prometheus { federate: true, ..Prometheus::default() })).await;
    bench.deploy("foo", "worker:v1", 5).await;
    let took = eventually("5 pods are available", async || bench.available("foo").await == 5).await;
    println!("5 pods available after {took:?}");

    let pods = bench.pods_of("foo").await;
    let targets: Value = serde_json::from_str(&bench.get("/discovery").await).unwrap();
    assert_eq!(targets.as_array().unwrap().len(), 5);
    let samples = bench.get("/federate").await;
    for pod in names(&pods) {
        let start =
            format!("worker_events_total{{app=\"foo\",namespace=\"default\",pod=\"{pod}\",track=\"primary\"}} ");
        assert!(samples.contains(&start), "no {start} in\n{samples}");
        assert_eq!(processes_of(&pod), 1);
    }
    let took = eventually("Prometheus has samples of 5 pods", async || bench.seen_by_prometheus().await).await;
    println!("Prometheus has samples of all 5 pods after {took:?} more");

    bench.cluster.kill_process(Process::ApiServer).unwrap();
    bench.cluster.start_process(Process::ApiServer).unwrap();
    bench.delete("foo").await;
    let took = eventually("all pods are gone", async || bench.pods_of("foo").await.is_empty()).await;
    println!("5 pods gone after {took:?}, with a new API server");
    assert!(names(&pods).iter().all(|pod| processes_of(pod) == 0));
}

#[tokio::test]
async fn failures_show_as_a_kubelet_shows_them() {
    let bench = Bench::start(false).await;
    let images = ["exits", "oom", "unpullable", "unknown", "never-ready"];
    for image in images {
        bench.deploy(image, &format!("worker:{image}"), 1).await;
    }
    let pod = bench.container_shows("exits", "/state/waiting/reason", json!("CrashLoopBackOff")).await;
    let container = &pod["status"]["containerStatuses"][0];
    assert_eq!((&container["restartCount"], &container["lastState"]["terminated"]["exitCode"]), (&json!(1), &json!(1)));
    assert_eq!(pod["status"]["phase"], "Running");
    bench.container_shows("exits", "/restartCount", json!(2)).await;
    bench.container_shows("oom", "/lastState/terminated/reason", json!("OOMKilled")).await;
    bench.container_shows("unpullable", "/state/waiting/reason", json!("ImagePullBackOff")).await;
    bench.container_shows("unknown", "/state/waiting/reason", json!("ImagePullBackOff")).await;
    let pod = bench.container_shows("never-ready", "/started", json!(true)).await;
    assert_eq!(pod["status"]["containerStatuses"][0]["ready"], false);
    assert_eq!(bench.available("never-ready").await, 0);

    bench.add_image("worker:unknown", json!({"command": ["{bin}/worker"], "env": {"POD_IP": "{ip}"}}));
    eventually("an image added later is pulled", async || bench.available("unknown").await == 1).await;
}

#[tokio::test]
async fn nothing_outlives_the_agent_and_a_new_one_goes_on() {
    let bench = Bench::start(false).await;
    let command = json!(["sh", "-c", "setsid sleep 600 & sleep 600 & exec {bin}/worker"]);
    bench.add_image("worker:with-children", json!({"command": command, "env": {"POD_IP": "{ip}"}}));
    bench.deploy("foo", "worker:with-children", 2).await;
    eventually("2 pods are available", async || bench.available("foo").await == 2).await;
    let pods = names(&bench.pods_of("foo").await);
    assert_eq!(pods.iter().map(|pod| processes_of(pod)).sum::<usize>(), 6);
    bench.cluster.kill_process(Process::NodeAgent).unwrap();
    eventually("all processes end", async || pods.iter().all(|pod| processes_of(pod) == 0)).await;

    bench.cluster.start_process(Process::NodeAgent).unwrap();
    let restarted = async || {
        let pods = bench.pods_of("foo").await;
        pods.iter().all(|pod| pod["status"]["containerStatuses"][0]["restartCount"] == 1)
            && bench.available("foo").await == 2
    };
    eventually("the same pods run again", restarted).await;
    assert_eq!(names(&bench.pods_of("foo").await), pods);
}

#[tokio::test]
async fn a_thousand_pods_can_be_pretended() {
    let bench = Bench::start(true).await;
    bench.deploy("foo", "worker:v1", 1000).await;
    let took = eventually("1000 pods are available", async || bench.available("foo").await == 1000).await;
    println!("1000 pretended pods available after {took:?}");
    bench.delete("foo").await;
    let took = eventually("all pods are gone", async || bench.pods_of("foo").await.is_empty()).await;
    println!("1000 pretended pods gone after {took:?}");
}
