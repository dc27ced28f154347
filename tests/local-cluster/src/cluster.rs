//! A local cluster: started in order, at the caller's hands, and gone without a trace.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::commands::Commands;
use crate::files::{AUDIT_LOG, Files};
use crate::options::{Identity, Options, Process};
use crate::ports::Ports;
use crate::processes::{Processes, end};
use crate::programs;
use crate::spawner::spawn;
use crate::stamp::Stamp;
use crate::wait::until;

const READY_WITHIN: Duration = Duration::from_secs(60);
const CLEAN_WITHIN: Duration = Duration::from_secs(30);

/// A running cluster. When it is dropped, its processes and files are gone.
pub struct LocalCluster {
    commands: Commands,
    processes: Processes,
    janitor: Child,
}

impl LocalCluster {
    /// Starts the cluster and waits until all of it is ready, some 5 s. The first time on a machine the control plane
    /// is built, which takes minutes.
    ///
    /// # Errors
    /// When a program is missing or does not get ready: with the last lines of its log.
    pub fn start(options: Options) -> Result<LocalCluster> {
        let control_plane = programs::control_plane()?;
        let (ports, files) = (Ports::find()?, Files::create(options.directory.as_deref())?);
        let commands = Commands { control_plane, files: files.clone(), ports, options };
        let janitor = spawn(commands.janitor()).inspect_err(|_| drop(fs::remove_dir_all(files.root())));
        let janitor = janitor.context("cannot start the janitor; is util-linux (setsid) installed?")?;
        let cluster = LocalCluster { processes: Processes::new(files), commands, janitor };
        cluster.write_files()?;
        cluster.start_all()?;
        Ok(cluster)
    }

    /// Starts a process that was stopped or killed, on the same ports with the same data, and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already, or does not get ready.
    pub fn start_process(&self, process: Process) -> Result<()> {
        self.processes.start(process, self.commands.of(process)?)?;
        until(&format!("{process} getting ready"), READY_WITHIN, || {
            self.processes.check(process)?;
            self.is_ready(process)
        })
        .with_context(|| format!("cannot start {process}; the end of its log:\n{}", self.processes.last_lines(process)))
    }

    /// Asks a process to end (SIGTERM; SIGKILL after 15 s) and waits for its end. Does nothing when it does not run.
    pub fn stop_process(&self, process: Process) -> Result<()> {
        self.processes.stop(process)
    }

    /// Kills a process (SIGKILL) and waits for its end. Does nothing when it does not run.
    pub fn kill_process(&self, process: Process) -> Result<()> {
        self.processes.kill(process)
    }

    /// Makes a process stand still (SIGSTOP) with its connections open. Fails when it does not run.
    pub fn freeze_process(&self, process: Process) -> Result<()> {
        self.processes.freeze(process)
    }

    /// Lets a frozen process go on (SIGCONT). Fails when it does not run.
    pub fn thaw_process(&self, process: Process) -> Result<()> {
        self.processes.thaw(process)
    }

    /// The number of a running process.
    pub fn process_id(&self, process: Process) -> Option<u32> {
        self.processes.id(process)
    }

    /// The log of a process, all its runs in one.
    pub fn log(&self, process: Process) -> PathBuf {
        self.commands.files.log(process)
    }

    /// Where the API server notes the requests of the user `aviary`, a JSON document a line, each when it is answered.
    /// There is none before the first request, nor in a cluster that was started without `audit`.
    pub fn audit_log(&self) -> PathBuf {
        self.commands.files.path(AUDIT_LOG)
    }

    /// The kubeconfig file of somebody.
    pub fn kubeconfig(&self, identity: Identity) -> PathBuf {
        self.commands.files.kubeconfig(identity)
    }

    /// Where the API server answers.
    pub fn api_server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.commands.ports.api_server)
    }

    /// Where Prometheus answers; nobody does when the cluster was started without one.
    pub fn prometheus_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.commands.ports.prometheus)
    }

    /// Has Prometheus scrape `/metrics` of an address (`host:port`) from now on, as the job of this name.
    ///
    /// # Errors
    /// When the file that tells it cannot be written.
    pub fn scrape(&self, job: &str, address: &str) -> Result<()> {
        self.commands.files.write_target(job, address)
    }

    /// Where the node agent serves `/discovery` and `/federate`; nobody does when the cluster was started without one.
    pub fn node_agent_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.commands.ports.discovery)
    }

    /// The directory of all its files.
    pub fn directory(&self) -> &Path {
        self.commands.files.root()
    }

    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    fn write_files(&self) -> Result<()> {
        let Commands { files, ports, options, .. } = &self.commands;
        let own = Stamp::of(std::process::id().cast_signed()).context("cannot read /proc; is this Linux?")?;
        fs::write(files.path("owner"), own.line())?;
        files.write_identities(*ports)?;
        if options.audit {
            files.write_audit_policy()?;
        }
        if let Some(prometheus) = &options.prometheus {
            files.write_prometheus(prometheus, *ports, options.node_agent.is_some())?;
        }
        let keys = self.commands.keys().output().context("cannot run the control plane's program")?;
        if !keys.status.success() {
            bail!("no keys were made: {}", String::from_utf8_lossy(&keys.stderr).trim());
        }
        Ok(())
    }

    fn start_all(&self) -> Result<()> {
        for process in [Process::Etcd, Process::ApiServer, Process::ControllerManager] {
            self.start_process(process)?;
        }
        self.grant_ci()?;
        for namespace in &self.commands.options.namespaces {
            self.create_namespace(namespace)?;
        }
        if self.commands.options.node_agent.is_some() {
            self.start_process(Process::NodeAgent)?;
        }
        if self.commands.options.prometheus.is_some() {
            self.start_process(Process::Prometheus)?;
        }
        Ok(())
    }

    fn is_ready(&self, process: Process) -> Result<bool> {
        match process {
            Process::Etcd | Process::NodeAgent => self.processes.says_ready(process),
            Process::ApiServer => self.answers(&["get", "--raw", "/readyz"]),
            // The first thing that a controller does; true at once when it is started again.
            Process::ControllerManager => self.answers(&["get", "serviceaccount", "default", "--namespace=default"]),
            Process::Prometheus => Ok(prometheus_is_ready(self.commands.ports.prometheus).unwrap_or(false)),
        }
    }

    fn answers(&self, arguments: &[&str]) -> Result<bool> {
        let listens = TcpStream::connect(("127.0.0.1", self.commands.ports.api_server)).is_ok();
        Ok(listens && self.kubectl(Identity::Admin, arguments, None)?.success)
    }

    fn clean_up(&mut self) -> Result<()> {
        for process in Process::ALL.into_iter().rev() {
            self.processes.kill(process)?;
        }
        // The end of its input sets the janitor to work.
        drop(self.janitor.stdin.take());
        let cleaned = until("the cleaning up", CLEAN_WITHIN, || Ok(self.janitor.try_wait()?.is_some()));
        if cleaned.is_err() {
            end(&mut self.janitor)?;
        }
        if self.directory().exists() {
            fs::remove_dir_all(self.directory()).context("cannot remove the cluster's files")?;
        }
        Ok(())
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        if let Err(error) = self.clean_up() {
            // Nobody else hears it, and a broken pipe is no reason to panic.
            let _ = writeln!(std::io::stderr(), "the local cluster left something behind: {error:#}");
        }
    }
}

fn prometheus_is_ready(port: u16) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(2)))?;
    connection.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.lines().next().is_some_and(|status| status.contains(" 200 ")))
}
