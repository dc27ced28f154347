//! From options to a running agent: what is opened in which order, and what makes it stop.

use std::{io::Write, net::SocketAddr, path::PathBuf, pin::pin, time::Duration};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, getppid};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    time::sleep,
};

use crate::{
    address::Addresses,
    agent::{Agent, Settings},
    cluster::Cluster,
    discovery::Discovery,
    guard,
    images::ImageTable,
    process,
};

/// How often and how long the API server is asked for before the agent gives up.
const REGISTER_EVERY: Duration = Duration::from_millis(200);
const REGISTER_ATTEMPTS: u32 = 150;

/// Everything that the command line says.
#[derive(Debug, Clone)]
pub struct Options {
    /// How to reach the API server.
    pub kubeconfig: PathBuf,
    /// The image table.
    pub images: PathBuf,
    /// Where discovery and federation are served.
    pub listen: SocketAddr,
    /// Whether to end with the process that started this one.
    pub die_with_parent: bool,
    /// How pods are run.
    pub settings: Settings,
}

/// Runs until SIGTERM, SIGINT or the end of the parent. Prints `ready` when the node is registered and the watch runs.
///
/// # Errors
/// When something that the agent needs from the start is missing: the image table, the API server, the port.
pub async fn run(options: Options) -> Result<()> {
    // kube and reqwest must agree on one provider before the first client is made; a second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut stop = pin!(stop(options.die_with_parent)?);
    if let Some(logs) = &options.settings.logs {
        std::fs::create_dir_all(logs).with_context(|| format!("cannot make the folder {}", logs.display()))?;
    }
    let images = ImageTable::open(&options.images)?;
    let addresses = Addresses::claim()?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another --discovery-listen", options.listen))?;
    let cluster = Cluster::open(&options.kubeconfig, &options.settings.node).await?;
    guard::start(process::mark())?;
    let host = addresses.host().to_string();
    tokio::select! {
        () = &mut stop => return Ok(()),
        registered = register(&cluster, &host) => registered?,
    }
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
    let (sender, inputs) = mpsc::unbounded_channel();
    let discovery = Discovery { inputs: sender.clone(), http: http.clone() };
    let pages = tokio::spawn(axum::serve(listener, discovery.router()).into_future());
    Agent::new(options.settings, cluster, images, addresses, http, sender).run(inputs, stop, announce).await;
    pages.abort();
    Ok(())
}

async fn register(cluster: &Cluster, address: &str) -> Result<()> {
    for _ in 1..REGISTER_ATTEMPTS {
        match cluster.register(address).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::info!("the node is not registered yet: {error:#}"),
        }
        sleep(REGISTER_EVERY).await;
    }
    cluster.register(address).await.context("cannot register the node; is the API server up?")
}

fn announce() {
    // Whoever reads this may be gone; that is no reason to stop.
    let mut output = std::io::stdout();
    let _ = writeln!(output, "ready").and_then(|()| output.flush());
}

/// What makes the agent stop.
fn stop(die_with_parent: bool) -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let parent = die_with_parent.then(parent).transpose()?;
    Ok(async move {
        let parent_ended = async {
            match parent {
                // The sender's end is the message.
                Some(parent) => drop(parent.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = parent_ended => tracing::info!("the process that started this agent has ended: so does the agent"),
        }
    })
}

/// Resolves when the parent ends. The process counts, not the thread that started the agent.
fn parent() -> Result<oneshot::Receiver<()>> {
    let parent = getppid().filter(|parent| *parent != Pid::INIT);
    let Some(parent) = parent else { bail!("the process that started this agent is gone already") };
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        if let Err(error) = guard::wait_for_end(parent) {
            tracing::warn!("cannot watch the process that started this agent: {error}");
            std::mem::forget(tell);
        }
    });
    Ok(told)
}
