//! The program `local-cluster`: a real cluster to try things on, in the foreground or kept in the background.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use local_cluster::{
    Identity, LocalCluster, NodeAgent, Options, Prometheus, Stamp, cache_directory, control_plane, stop_signals,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const GONE_WITHIN: Duration = Duration::from_secs(40);

/// Starts and stops a real Kubernetes cluster on loopback.
#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Starts it and says how to reach it; stops it at Ctrl-C.
    Up {
        /// Leave it running in the background until `local-cluster down`.
        #[arg(long)]
        keep: bool,
        #[command(flatten)]
        parts: Parts,
    },
    /// Stops the one in the background and removes its files.
    Down {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
struct Place {
    /// Its directory, which is removed at the end [default: local-cluster in the cache directory].
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

#[derive(Args)]
struct Parts {
    #[command(flatten)]
    place: Place,
    /// A namespace to create; may be given more than once.
    #[arg(long = "namespace", value_name = "NAME")]
    namespaces: Vec<String>,
    /// Run pods as processes, by this table of images; without it pods stay pending.
    #[arg(long, value_name = "FILE")]
    images: Option<PathBuf>,
    /// The first wait before a container that exited is started again, in seconds.
    #[arg(long, value_name = "SECONDS")]
    restart_backoff: Option<u64>,
    /// Start no Prometheus.
    #[arg(long)]
    no_prometheus: bool,
}

/// What the foreground waits for.
enum Event {
    Started(Box<Result<LocalCluster>>),
    Interrupted,
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().action {
        Action::Up { keep: true, parts } => up_in_background(&parts),
        Action::Up { keep: false, parts } => up(&parts),
        Action::Down { place } => down(&place),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn up(parts: &Parts) -> Result<()> {
    let (sender, events) = channel();
    catch_signals(sender.clone())?;
    let options = options(parts)?;
    let directory = options.directory.clone().context("the cluster has no directory")?;
    thread::spawn(move || sender.send(Event::Started(Box::new(LocalCluster::start(options)))));
    let cluster = match events.recv()? {
        Event::Started(cluster) => (*cluster)?,
        Event::Interrupted => return leave_to_the_janitor(&directory),
    };
    announce(&cluster, !parts.no_prometheus)?;
    loop {
        if let Event::Interrupted = events.recv()? {
            return Ok(());
        }
    }
}

/// Passes on that the program is to stop.
fn catch_signals(events: Sender<Event>) -> Result<()> {
    let signals = stop_signals()?;
    thread::spawn(move || {
        for () in signals {
            // Nobody listens any more when the program is about to end.
            let _ = events.send(Event::Interrupted);
        }
    });
    Ok(())
}

/// While it is starting, the cluster belongs to another thread: the janitor takes all away once this program has ended.
fn leave_to_the_janitor(directory: &Path) -> Result<()> {
    bail!("interrupted while starting; what was in {} is being removed", directory.display())
}

fn announce(cluster: &LocalCluster, prometheus: bool) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "export KUBECONFIG={}", cluster.kubeconfig(Identity::Admin).display())?;
    if prometheus {
        writeln!(output, "export PROMETHEUS_URL={}", cluster.prometheus_url())?;
    }
    // The empty line tells `up --keep` that all is said.
    writeln!(output).and_then(|()| output.flush()).context("cannot say how to reach the cluster")
}

/// Starts this program once more, in a session of its own, and passes on what it says until it is ready.
fn up_in_background(parts: &Parts) -> Result<()> {
    // Here, where its progress can be seen.
    control_plane()?;
    let directory = directory(&parts.place)?;
    let arguments = env::args_os().skip(1).filter(|argument| argument != "--keep");
    let mut child = Command::new("setsid")
        .arg(env::current_exe()?)
        .args(arguments)
        .current_dir(env::current_dir()?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the cluster in the background; is util-linux (setsid) installed?")?;
    let said = child.stdout.take().context("the background has no output")?;
    for line in BufReader::new(said).lines() {
        let line = line?;
        if line.is_empty() {
            println!("# it runs in {} until: local-cluster down", directory.display());
            return Ok(());
        }
        println!("{line}");
    }
    let output = child.wait_with_output()?;
    bail!("the cluster did not start: {}", String::from_utf8_lossy(&output.stderr).trim())
}

fn down(place: &Place) -> Result<()> {
    let directory = directory(place)?;
    if !directory.exists() {
        println!("no cluster runs in {}", directory.display());
        return Ok(());
    }
    let owner = Stamp::read(&directory.join("owner"))
        .with_context(|| format!("{} is not a cluster's; remove it by hand", directory.display()))?;
    if !owner.lives() {
        // The janitor ends with the machine only: these are the files from before a restart.
        return fs::remove_dir_all(&directory).context("cannot remove what was left behind");
    }
    kill(Pid::from_raw(owner.id), Signal::SIGTERM).context("cannot stop the cluster")?;
    wait_until_gone(&directory, owner)
}

fn wait_until_gone(directory: &Path, owner: Stamp) -> Result<()> {
    let deadline = Instant::now() + GONE_WITHIN;
    while directory.exists() || owner.lives() {
        if Instant::now() > deadline {
            bail!("process {} does not stop; look at {}", owner.id, directory.display());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn directory(place: &Place) -> Result<PathBuf> {
    match &place.directory {
        Some(directory) => Ok(env::current_dir()?.join(directory)),
        None => Ok(cache_directory()?.join("local-cluster")),
    }
}

fn options(parts: &Parts) -> Result<Options> {
    let restart_backoff = parts.restart_backoff.map(Duration::from_secs);
    let agent = |images: &PathBuf| NodeAgent { images: images.clone(), restart_backoff, pretend: false };
    Ok(Options {
        directory: Some(directory(&parts.place)?),
        namespaces: parts.namespaces.clone(),
        node_agent: parts.images.as_ref().map(agent),
        prometheus: (!parts.no_prometheus).then(Prometheus::default),
        audit: false,
    })
}
