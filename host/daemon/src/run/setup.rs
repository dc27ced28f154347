//! From the command line to a running daemon.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Result;
use aviary_cluster::{Client, LeaseSettings, ServiceKey, Tenure, compete, connect};
use aviary_policy::Notice;
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
    leasing::{CLUSTER_INPUTS, Leasing},
    places::Places,
    policies::{self, load_policies_at_start},
    reading::{self, Good, Reader, Reading},
};
use crate::{
    clock::Clock,
    configuration::{Configuration, LeaseChoice},
    control::server::{Asked, Socket},
    health::{self, Readiness},
    identity::{self, Identity},
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

/// What a daemon is made of: its time, whom it speaks with, and what it was told.
pub struct Parts {
    /// What time it is.
    pub clock: Clock,
    /// The API server.
    pub client: Client,
    /// Who answers the core's questions.
    pub judges: Judges,
    /// What is known of the configuration file.
    pub configured: Configured,
    /// What it says.
    pub configuration: Arc<Configuration>,
    /// Aviary's own Deployment.
    pub own: Own,
    /// Its part in the lease under which one daemon acts.
    pub tenure: Tenure,
}

/// The ends at which a daemon is spoken to; it ends when `stop` says so, or is dropped.
pub struct Ends {
    /// What operators ask.
    pub asked: mpsc::Sender<Asked>,
    /// What the policy folder brings.
    pub policies: mpsc::Sender<Vec<Notice>>,
    /// What the configuration file says by now.
    pub read: mpsc::Sender<Reading>,
    /// Whether it does its work.
    pub readiness: watch::Receiver<Readiness>,
    /// Whether it is to end.
    pub stop: watch::Sender<bool>,
}

/// A daemon that can run, and what it hears.
pub struct Assembled {
    daemon: Daemon,
    inputs: Inputs,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Everything that keeps the daemon from starting, each with its place and the way out.
pub async fn run(options: Options) -> Result<()> {
    let clock = Clock::Wall;
    let telemetry = Telemetry::new(clock.now(), clock);
    let policies = |configuration: &Configuration| {
        load_policies_at_start(Fixed::of(&options, configuration).policies, configuration, &options.config)
    };
    let (reader, policies) = Reader::new(&options.config, telemetry.clone(), policies)?;
    let Good { configuration, prometheus, digest } = reader.good();
    let fixed = Fixed::of(&options, &configuration);
    let socket = Socket::bind(&fixed.socket)?;
    let identity = Identity::of(&fixed.socket, &identity::host())?;
    let client = connect(env!("CARGO_PKG_VERSION"), telemetry.clone()).await?;
    info!(services = configuration.entries.len(), version = env!("CARGO_PKG_VERSION"), "aviary runs");
    telemetry.judging.refuses(policies.problems().len());
    let lanes = Arc::new(Lanes::of_this_machine());
    let judges = Judges { clock, policies: policies.clone(), lanes, prometheus, telemetry: telemetry.clone() };
    let configured = Configured::new(options, fixed.clone(), digest, clock.now());
    let own = Own::of_environment();
    let (tenure, competition) = compete(&client, lease_settings(&fixed.lease, &client, &identity));
    let (daemon, ends) = assemble(Parts { clock, client, judges, configured, configuration, own, tenure });
    let mut tasks = JoinSet::new();
    tasks.spawn(socket.serve(ends.asked));
    if let Some(address) = fixed.listen {
        health::serve(address, ends.readiness, telemetry, &mut tasks).await?;
    }
    let _file_watcher = reading::follow(reader, ends.read)?;
    let _folder_watcher = fixed.policies.map(|folder| policies::follow(folder, policies, ends.policies)).transpose()?;
    stop_at_signals(ends.stop)?;
    daemon.run().await?;
    competition.give_back().await;
    info!("aviary stops; what it cares for serves on");
    Ok(())
}

/// Puts a daemon together; it does nothing before it is run.
pub fn assemble(parts: Parts) -> (Assembled, Ends) {
    let Parts { clock, client, judges, configured, configuration, own, tenure } = parts;
    let (cluster_sender, cluster) = mpsc::channel(CLUSTER_INPUTS);
    let (effects, done) = mpsc::channel(1024);
    let (asked_sender, asked) = mpsc::channel(16);
    let (notices_sender, policies) = mpsc::channel(16);
    let (read_sender, read) = mpsc::channel(1);
    let not_ready = vec!["the lease has not been read yet".to_owned()];
    let (readiness, told) = watch::channel(Readiness { not_ready, remarks: Vec::new() });
    let (stop_sender, stop) = watch::channel(false);
    let services = cared(&configuration, &judges.telemetry);
    let daemon = Daemon {
        clock,
        client,
        leasing: Leasing::new(tenure.clone()),
        judges,
        index: Default::default(),
        configured,
        configuration,
        services,
        own,
        alarms: Alarms::default(),
        places: Places::default(),
        watches: BTreeMap::new(),
        cluster: cluster_sender,
        effects,
        announcing: Arc::new(Semaphore::new(EVENTS_AT_ONCE)),
        telling: watch::Sender::new(()),
        writing: Arc::new(Semaphore::new(WRITES_AT_ONCE)),
        started: clock.now(),
        policy_notices: Vec::new(),
        left_behind: Default::default(),
        readiness,
    };
    let inputs = Inputs { cluster, done, asked, policies, read, lease: tenure, stop };
    let ends =
        Ends { asked: asked_sender, policies: notices_sender, read: read_sender, readiness: told, stop: stop_sender };
    (Assembled { daemon, inputs }, ends)
}

impl Assembled {
    /// Runs until it is told to end.
    ///
    /// # Errors
    /// Those of the daemon's own task.
    pub async fn run(self) -> Result<()> {
        self.daemon.run(self.inputs).await
    }
}

/// The Lease is where the pod is, or where the kubeconfig's context is, unless the configuration says otherwise.
fn lease_settings(choice: &LeaseChoice, client: &Client, identity: &Identity) -> LeaseSettings {
    let namespace = choice.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let (name, duration) = (choice.name.clone(), choice.duration);
    LeaseSettings { namespace, name, identity: identity.name.clone(), duration }
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

fn stop_at_signals(stop: watch::Sender<bool>) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(true);
    });
    Ok(())
}
