//! A real cluster as the demo's stage: with the daemon, the worker's Deployment and the folder of policies.

use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aviary_demo::{CONTAINER, Daemon, NAMESPACE, SERVICE, Stage, manifest};
use local_cluster::{Identity, LocalCluster, NodeAgent, Options, Prometheus};
use serde_json::Value;

const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// All that runs. When it is dropped, none of it does, and its files are gone.
pub struct RealCluster {
    // Before the cluster, so that it ends before it.
    daemon: Option<Daemon>,
    cluster: LocalCluster,
    folder: PathBuf,
    /// The daemon's kubeconfig.
    home: PathBuf,
}

impl RealCluster {
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
        let home = cluster.home(NAMESPACE)?;
        let stage = Self { daemon: None, cluster, folder, home };
        fs::write(stage.configuration(), configuration(&stage.cluster.prometheus_url()))?;
        Ok(stage)
    }

    /// Drops a policy that was built before into the daemon's folder, under the name of the one it replaces. Returns the
    /// command.
    ///
    /// # Errors
    /// When it was not built.
    pub fn drop_policy(&self, built: &str, name: &str) -> Result<String> {
        let from = beside(&format!("../demo/{built}.wasm"))?;
        let to = self.folder.join("policies").join(format!("{name}.wasm"));
        fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        Ok(format!("$ cp {built}.wasm policies/{name}.wasm"))
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("aviary.yaml")
    }
}

impl Stage for RealCluster {
    fn deploy(&self, image: &str) -> Result<()> {
        self.cluster.apply(Identity::Ci, &manifest(image).to_string())
    }

    fn release(&self, image: &str) -> Result<String> {
        let (deployment, container) = (format!("deployment/{SERVICE}"), format!("{CONTAINER}={image}"));
        let arguments = ["set", "image", &deployment, &container, "--namespace", NAMESPACE];
        self.cluster.kubectl(Identity::Ci, &arguments, None)?.checked()?;
        Ok(format!("$ kubectl {}", arguments.join(" ")))
    }

    /// None while it does not answer: it takes some seconds after its start.
    fn scraped(&self) -> usize {
        count_samples(&self.cluster.prometheus_url()).unwrap_or_default()
    }

    fn start_daemon(&mut self) -> Result<()> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(beside("aviary")?).arg("run");
        command.arg("--config").arg(self.configuration()).arg("--policies").arg(self.folder.join("policies"));
        command.arg("--socket").arg(self.socket()).env("KUBECONFIG", &self.home);
        let daemon = Daemon::start(command, self.folder.join("aviary.log"));
        self.daemon = Some(daemon.context("is util-linux (setpriv) installed?")?);
        Ok(())
    }

    fn daemon(&mut self) -> Option<&mut Daemon> {
        self.daemon.as_mut()
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("aviary.sock")
    }

    fn directory(&self) -> PathBuf {
        self.cluster.directory().to_owned()
    }

    fn kubeconfig(&self) -> PathBuf {
        self.cluster.kubeconfig(Identity::Admin)
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
