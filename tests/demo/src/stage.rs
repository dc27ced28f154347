//! What the demo plays on: the cluster, the daemon, the worker's Deployment and the folder of policies.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use local_cluster::{Identity, LocalCluster, NodeAgent, Options, Prometheus};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// The namespace of the demo's service.
pub const NAMESPACE: &str = "shop";
/// The demo's service.
pub const SERVICE: &str = "orders";
const CONTAINER: &str = "worker";
/// How many pods it has.
pub const REPLICAS: u32 = 5;

const STOPS_WITHIN: Duration = Duration::from_secs(10);
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
const LINES_OF_LOG: usize = 12;

/// All that runs. When it is dropped, none of it does, and its files are gone.
pub struct Stage {
    // Before the cluster, so that it ends before it.
    daemon: Option<Daemon>,
    cluster: LocalCluster,
    folder: PathBuf,
}

/// A running `aviary run`.
#[derive(Debug)]
struct Daemon(Child);

impl Stage {
    /// Starts the cluster with the demo's images.
    ///
    /// # Errors
    /// When a part of it does not start.
    pub fn start() -> Result<Self> {
        let images = here().join("images.json");
        let cluster = LocalCluster::start(Options {
            namespaces: vec![NAMESPACE.to_owned()],
            node_agent: Some(NodeAgent { images, restart_backoff: None, pretend: false }),
            prometheus: Some(Prometheus { federate: true, ..Prometheus::default() }),
            ..Options::default()
        })?;
        let folder = cluster.directory().join("demo");
        fs::create_dir_all(folder.join("policies"))?;
        cluster.apply_rbac(NAMESPACE)?;
        let stage = Self { daemon: None, cluster, folder };
        fs::write(stage.configuration(), configuration(&stage.cluster.prometheus_url()))?;
        Ok(stage)
    }

    /// Starts `aviary run` with the rights that the project ships.
    ///
    /// # Errors
    /// When it is not built.
    pub fn start_daemon(&mut self) -> Result<()> {
        let log = File::create(self.log())?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(beside("aviary")?).arg("run");
        command.arg("--config").arg(self.configuration()).arg("--policies").arg(self.folder.join("policies"));
        command.arg("--socket").arg(self.socket()).env("KUBECONFIG", self.cluster.kubeconfig(Identity::Aviary));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C is for the demo, which then stops the daemon.
        command.process_group(0);
        let child = command.spawn().context("cannot start aviary; is util-linux (setpriv) installed?")?;
        self.daemon = Some(Daemon(child));
        Ok(())
    }

    /// Fails with the end of its log if the daemon has ended by itself.
    pub fn check_daemon(&mut self) -> Result<()> {
        let Some(Daemon(child)) = &mut self.daemon else { return Ok(()) };
        if let Some(status) = child.try_wait()? {
            self.daemon = None;
            bail!("aviary ended by itself ({status}); its last lines:\n{}", self.last_lines());
        }
        Ok(())
    }

    /// The end of the daemon's log.
    pub fn last_lines(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_OF_LOG)..].join("\n")
    }

    /// Creates the Deployment, as a team's CI does.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn deploy(&self, image: &str) -> Result<()> {
        self.cluster.apply(Identity::Ci, &manifest(image))
    }

    /// How many pods Prometheus has samples of; none while it does not answer. It takes some seconds after its start.
    pub fn scraped(&self) -> usize {
        count_samples(&self.cluster.prometheus_url()).unwrap_or_default()
    }

    /// Gives the Deployment another image, as a team's CI does. Returns the command.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn release(&self, image: &str) -> Result<String> {
        let (deployment, container) = (format!("deployment/{SERVICE}"), format!("{CONTAINER}={image}"));
        let arguments = ["set", "image", &deployment, &container, "--namespace", NAMESPACE];
        self.cluster.kubectl(Identity::Ci, &arguments, None)?.checked()?;
        Ok(format!("kubectl {}", arguments.join(" ")))
    }

    /// Drops a policy that was built before into the daemon's folder, under the name of the one it replaces.
    ///
    /// # Errors
    /// When it was not built.
    pub fn drop_policy(&self, built: &str, name: &str) -> Result<()> {
        let from = beside(&format!("../demo/{built}.wasm"))?;
        let to = self.folder.join("policies").join(format!("{name}.wasm"));
        fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        Ok(())
    }

    /// The daemon's control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("aviary.sock")
    }

    /// Where all files of the demo are.
    pub fn directory(&self) -> PathBuf {
        self.cluster.directory().to_owned()
    }

    /// The kubeconfig of somebody who may see everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.cluster.kubeconfig(Identity::Admin)
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("aviary.yaml")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("aviary.log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Self(child) = self;
        // Not waited for yet, so the number is still this child's.
        let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
        let deadline = Instant::now() + STOPS_WITHIN;
        while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Of a metric that each worker serves.
fn count_samples(prometheus: &str) -> Option<usize> {
    let address = prometheus.strip_prefix("http://")?;
    let mut connection = TcpStream::connect(address).ok()?;
    connection.set_read_timeout(Some(ANSWERS_WITHIN)).ok()?;
    connection.write_all(b"GET /api/v1/query?query=worker_events_total HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let body: Value = serde_json::from_str(body).ok()?;
    body["data"]["result"].as_array().map(Vec::len)
}

/// The demo's own folder in the repository.
fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What was built beside this program.
fn beside(name: &str) -> Result<PathBuf> {
    let running = env::current_exe().context("cannot tell where the running program is")?;
    let file = running.with_file_name(name);
    if !file.is_file() {
        bail!("there is no {}; `make demo` builds it", file.display());
    }
    Ok(file)
}

/// Short times, so that a rollout takes half a minute; a team would take hours.
fn configuration(prometheus: &str) -> String {
    format!(
        r#"prometheus:
  url: {prometheus}
  timeout: 2s
defaults:
  step: 20%
  break-point: 60%
  surge: 25%
  warm-up: 4s
  check-interval: 2s
  passes: 2
  tolerated-failures: 1
  failure-window: 1m
  ready-deadline: 30s
  metrics:
    - name: errors
      series: 'worker_errors_total{{namespace="{{namespace}}",pod=~"{{pods}}"}}'
      kind: counter
      unit: errors/s
      better: lower
      max: 10
      window: 5s
services:
  - name: {SERVICE}
    namespace: {NAMESPACE}
"#
    )
}

fn manifest(image: &str) -> String {
    let labels = json!({ "app": SERVICE });
    let probe = json!({ "httpGet": { "path": "/ready", "port": 8080 }, "periodSeconds": 1 });
    // By its name the port is known to serve metrics.
    let ports = json!([{ "name": "metrics", "containerPort": 8080 }]);
    let container = json!({ "name": CONTAINER, "image": image, "ports": ports, "readinessProbe": probe });
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": [container] } });
    let spec = json!({ "replicas": REPLICAS, "selector": { "matchLabels": labels }, "template": template });
    let metadata = json!({ "name": SERVICE, "namespace": NAMESPACE, "labels": labels });
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec }).to_string()
}
