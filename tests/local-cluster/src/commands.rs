//! The command line of each process.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::access::{Output, kubectl};
use crate::files::{AUDIT_LOG, AUDIT_POLICY, Files};
use crate::options::{Identity, Options, Process};
use crate::ports::Ports;
use crate::programs;

/// A fake node needs no heartbeat: the node life cycle is not among them.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,garbage-collector-controller,\
     namespace-controller,disruption-controller,horizontal-pod-autoscaler-controller,serviceaccount-controller";

/// All that a command line is made from.
pub(crate) struct Commands {
    pub control_plane: PathBuf,
    pub files: Files,
    pub ports: Ports,
    pub options: Options,
}

impl Commands {
    /// The command that runs a process of the cluster. Fails when its program is missing or it is not among the options.
    pub fn of(&self, process: Process) -> Result<Command> {
        let mut command = match process {
            Process::Etcd => self.etcd(),
            Process::ApiServer => self.api_server(),
            Process::ControllerManager => self.controller_manager(),
            Process::NodeAgent => self.node_agent()?,
            Process::Prometheus => self.prometheus()?,
        };
        command.stdin(Stdio::null()).env("HOME", self.files.root());
        Ok(command)
    }

    /// Runs kubectl as somebody; its caches stay in the cluster's directory.
    pub fn kubectl(&self, identity: Identity, arguments: &[&str], stdin: Option<&str>) -> Result<Output> {
        kubectl(&self.control_plane, &self.files.kubeconfig(identity), self.files.root(), arguments, stdin)
    }

    /// The keys with which the API server signs service account tokens.
    pub fn keys(&self) -> Command {
        let mut command = Command::new(&self.control_plane);
        command.arg("keys").arg("--private").arg(self.files.path("accounts.key"));
        command.arg("--public").arg(self.files.path("accounts.pub"));
        command
    }

    /// What cleans up when this program is gone: it waits for the end of its input. In a session of its own, as
    /// Ctrl-C and the end of a terminal must not reach it.
    pub fn janitor(&self) -> Command {
        let mut command = Command::new("setsid");
        command.arg(&self.control_plane).arg("janitor").arg("--directory").arg(self.files.root());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn etcd(&self) -> Command {
        let mut command = self.control_plane("etcd");
        command
            .arg(flag("data-dir", self.files.path("etcd")))
            .arg(flag("client-port", self.ports.etcd_client.to_string()))
            .arg(flag("peer-port", self.ports.etcd_peer.to_string()));
        command
    }

    fn api_server(&self) -> Command {
        let mut command = self.control_plane("kube-apiserver");
        command
            .arg(flag("etcd-servers", format!("http://127.0.0.1:{}", self.ports.etcd_client)))
            .arg(flag("secure-port", self.ports.api_server.to_string()))
            .arg(flag("cert-dir", self.files.path("certificates")))
            .arg(flag("token-auth-file", self.files.path("tokens.csv")))
            .arg(flag("service-account-key-file", self.files.path("accounts.pub")))
            .arg(flag("service-account-signing-key-file", self.files.path("accounts.key")))
            .args([
                "--bind-address=127.0.0.1",
                "--service-account-issuer=https://local-cluster.invalid",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--allow-privileged=true",
                "--endpoint-reconciler-type=none",
                "--authorization-mode=RBAC",
                "--disable-admission-plugins=ServiceAccount",
            ]);
        if self.options.audit {
            command.arg(flag("audit-policy-file", self.files.path(AUDIT_POLICY)));
            command.arg(flag("audit-log-path", self.files.path(AUDIT_LOG)));
        }
        command
    }

    fn controller_manager(&self) -> Command {
        let mut command = self.control_plane("kube-controller-manager");
        command
            .arg(flag("kubeconfig", self.files.kubeconfig(Identity::ControllerManager)))
            .arg(flag("secure-port", self.ports.controller_manager.to_string()))
            .arg(flag("cert-dir", self.files.path("controller-manager")))
            .arg(flag("service-account-private-key-file", self.files.path("accounts.key")))
            .arg(flag("controllers", CONTROLLERS))
            .args(["--bind-address=127.0.0.1", "--leader-elect=false"])
            .args(["--kube-api-qps=1000", "--kube-api-burst=2000"]);
        command
    }

    fn node_agent(&self) -> Result<Command> {
        let options = self.options.node_agent.as_ref().context("the cluster was started without a node agent")?;
        let mut command = dying_with_parent(&programs::node_agent()?);
        command
            .arg(flag("kubeconfig", self.files.kubeconfig(Identity::Kubelet)))
            .arg(flag("images", &options.images))
            .arg(flag("discovery-listen", format!("127.0.0.1:{}", self.ports.discovery)))
            .arg(flag("logs", self.files.path("pods")));
        if let Some(wait) = options.restart_backoff {
            command.arg(flag("restart-backoff", format!("{}ms", wait.as_millis())));
        }
        if options.pretend {
            command.arg("--pretend");
        }
        Ok(command)
    }

    fn prometheus(&self) -> Result<Command> {
        let mut command = dying_with_parent(&programs::prometheus()?);
        command
            .arg(flag("config.file", self.files.path("prometheus.json")))
            .arg(flag("storage.tsdb.path", self.files.path("prometheus")))
            .arg(flag("web.listen-address", format!("127.0.0.1:{}", self.ports.prometheus)));
        Ok(command)
    }

    fn control_plane(&self, name: &str) -> Command {
        let mut command = Command::new("setsid");
        command.arg(&self.control_plane).args([name, "--die-with-parent"]);
        command
    }
}

/// A session of its own holds what the program starts; the kernel ends the program with its parent.
fn dying_with_parent(program: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.args(["setpriv", "--pdeathsig", "KILL"]).arg(program);
    command
}

fn flag(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut whole = OsString::from(format!("--{name}="));
    whole.push(value);
    whole
}
