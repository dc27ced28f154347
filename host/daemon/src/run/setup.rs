//! From the command line to a running daemon.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Result;
use aviary_cluster::{ServiceKey, connect};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use tracing::info;

use super::{
    Daemon, Inputs,
    alarms::Alarms,
    cared::Cared,
    configured::{Configured, Fixed},
    discovery::Own,
    now,
    places::Places,
    policies::{self, load_policies},
    reading::{self, Good, Reader},
};
use crate::{
    configuration::Configuration,
    control::server::Socket,
    health::{self, Readiness},
    judging::{Judges, Lanes},
    telemetry::Telemetry,
};

/// How many events are written at once.
const EVENTS_AT_ONCE: usize = 8;
/// How many records and Deployments are written at the same time.
const WRITES_AT_ONCE: usize = 16;

/// What the command line says; it goes before the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// The policy folder.
    pub policies: Option<PathBuf>,
    /// The control socket.
    pub socket: Option<PathBuf>,
    /// Where health is served.
    pub listen: Option<SocketAddr>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Everything that keeps the daemon from starting, each with its place and the way out.
pub async fn run(options: Options) -> Result<()> {
    let (started, telemetry) = (now(), Telemetry::new(now()));
    let policies = |configuration: &Configuration| {
        load_policies(Fixed::of(&options, configuration).policies, configuration, &options.config)
    };
    let (reader, policies) = Reader::new(&options.config, telemetry.clone(), policies)?;
    let Good { configuration, prometheus, digest } = reader.good();
    let fixed = Fixed::of(&options, &configuration);
    let socket = Socket::bind(&fixed.socket)?;
    let client = connect(env!("CARGO_PKG_VERSION"), telemetry.clone()).await?;

    let (cluster_sender, cluster) = mpsc::channel(1024);
    let (effects, done) = mpsc::channel(1024);
    let (asked_sender, asked) = mpsc::channel(16);
    let (notices_sender, notices) = mpsc::channel(16);
    let not_ready = vec!["the watches have not started yet".to_owned()];
    let (readiness, told) = watch::channel(Readiness { not_ready, remark: None });
    let mut tasks = JoinSet::new();
    tasks.spawn(socket.serve(asked_sender));
    if let Some(address) = fixed.listen {
        health::serve(address, told, telemetry.clone(), &mut tasks).await?;
    }
    let (read_sender, read) = mpsc::channel(1);
    let _file_watcher = reading::follow(reader, read_sender)?;
    let _folder_watcher =
        fixed.policies.clone().map(|folder| policies::follow(folder, policies.clone(), notices_sender)).transpose()?;
    info!(services = configuration.entries.len(), version = env!("CARGO_PKG_VERSION"), "aviary runs");
    telemetry.judging.refuses(policies.problems().len());
    let services = cared(&configuration, &telemetry);
    let judges = Judges { policies, lanes: Arc::new(Lanes::of_this_machine()), prometheus, telemetry };
    let namespaces = configuration.namespaces();
    let mut daemon = Daemon {
        client,
        judges,
        index: Default::default(),
        configured: Configured::new(options, fixed, digest, started),
        configuration,
        services,
        own: Own::of_environment(),
        alarms: Alarms::default(),
        places: Places::default(),
        watches: BTreeMap::new(),
        cluster: cluster_sender,
        effects,
        announcing: Arc::new(Semaphore::new(EVENTS_AT_ONCE)),
        writing: Arc::new(Semaphore::new(WRITES_AT_ONCE)),
        started,
        policy_notices: Vec::new(),
        left_behind: Default::default(),
        readiness,
    };
    namespaces.iter().for_each(|namespace| daemon.watch(namespace));
    daemon.run(Inputs { cluster, done, asked, policies: notices, read, stop: stop_signal()? }).await?;
    info!("aviary stops; what it cares for serves on");
    Ok(())
}

fn cared(configuration: &Configuration, telemetry: &Arc<Telemetry>) -> BTreeMap<ServiceKey, Cared> {
    let one = |(namespace, name)| {
        let entry = configuration.service(namespace, name, &Default::default())?;
        let key = ServiceKey::new(namespace, name);
        let tracked = telemetry.track(&key, &entry.settings);
        Some((key, Cared::new(entry.settings.clone(), entry.in_force.clone(), tracked)))
    };
    configuration.named().filter_map(one).collect()
}

fn stop_signal() -> Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = sender.send(true);
    });
    Ok(receiver)
}
