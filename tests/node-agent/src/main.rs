//! The node agent's command line.

use std::{env, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use jiff::SignedDuration;
use node_agent::{
    agent::Settings,
    guard,
    run::{Options, run},
};
use tracing_subscriber::EnvFilter;

/// Runs a cluster's pods as processes of this machine, as a kubelet would.
#[derive(Debug, Parser)]
struct Arguments {
    /// How to reach the API server, with the rights of an administrator.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// What each image stands for (JSON or YAML); read again whenever an image is pulled.
    #[arg(long, value_name = "FILE")]
    images: PathBuf,
    /// Serves /discovery, /federate and /healthz.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    discovery_listen: SocketAddr,
    /// The first wait of a container that exits again and again; it doubles up to 5 minutes.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    restart_backoff: SignedDuration,
    /// The node's name.
    #[arg(long, default_value = "node-1")]
    node: String,
    /// A folder for the output of containers, a file each.
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
    /// Reports pods as running and ready after 0.3 s, and starts nothing: for thousands of pods.
    #[arg(long)]
    pretend: bool,
    /// Ends when the process that started this one ends.
    #[arg(long)]
    die_with_parent: bool,
}

fn main() -> Result<()> {
    if let [_, first, agent, mark] = env::args().collect::<Vec<_>>().as_slice()
        && first == guard::ARGUMENT
    {
        return guard::run(agent, mark);
    }
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(options(arguments)?))
}

fn options(arguments: Arguments) -> Result<Options> {
    let program = env::current_exe().context("cannot find the agent's own program")?;
    let programs = program.parent().context("the agent's program has no folder")?.to_owned();
    let restart_backoff =
        Duration::try_from(arguments.restart_backoff).context("--restart-backoff must be 0 or more")?;
    Ok(Options {
        kubeconfig: arguments.kubeconfig,
        images: arguments.images,
        listen: arguments.discovery_listen,
        die_with_parent: arguments.die_with_parent,
        settings: Settings {
            node: arguments.node,
            programs,
            restart_backoff,
            pretend: arguments.pretend,
            logs: arguments.logs,
        },
    })
}
