//! From the command line to a running daemon.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, bail};
use aviary_cluster::{ServiceKey, connect};
use aviary_core::settings::PolicyChoice;
use aviary_metrics::Prometheus;
use aviary_policy::{Kind, Limits, Policies, Use};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::info;

use super::{Daemon, Inputs, alarms::Alarms, cared::Cared, discovery::Own, now, places::Places, policies};
use crate::{
    configuration::{Configuration, Entry, Faults, Source},
    control::server::Socket,
    health,
    judging::{Judges, Lanes},
    telemetry::Telemetry,
};

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
    let configuration = Configuration::load(&options.config)?;
    let folder = options.policies.clone().or_else(|| configuration.policies_folder.clone());
    let policies = load_policies(folder.clone(), &configuration, &options.config)?;
    let (started, telemetry) = (now(), Telemetry::new(now()));
    let prometheus = configuration.prometheus.clone().map(Prometheus::new).transpose();
    let prometheus = prometheus.context("prometheus in the configuration")?;
    let prometheus = prometheus.map(|prometheus| Arc::new(prometheus.observed_by(telemetry.clone())));
    let socket = options.socket.clone().or_else(|| configuration.socket.clone()).unwrap_or_else(crate::default_socket);
    let socket = Socket::bind(&socket)?;
    let client = connect(env!("CARGO_PKG_VERSION"), telemetry.clone()).await?;

    let (cluster_sender, cluster) = mpsc::channel(1024);
    let (effects, done) = mpsc::channel(1024);
    let (asked_sender, asked) = mpsc::channel(16);
    let (notices_sender, notices) = mpsc::channel(16);
    let (not_ready, readiness) = watch::channel(vec!["the watches have not started yet".to_owned()]);
    let mut tasks = JoinSet::new();
    tasks.spawn(socket.serve(asked_sender));
    if let Some(address) = options.listen.or(configuration.listen) {
        health::serve(address, readiness, telemetry.clone(), &mut tasks).await?;
    }
    let _watcher = folder.map(|folder| policies::follow(folder, policies.clone(), notices_sender)).transpose()?;
    info!(services = configuration.entries.len(), version = env!("CARGO_PKG_VERSION"), "aviary runs");
    telemetry.judging.refuses(policies.problems().len());
    let services = cared(&configuration, &telemetry);
    let judges = Judges { policies, lanes: Arc::new(Lanes::of_this_machine()), prometheus, telemetry };
    let namespaces = configuration.namespaces();
    let mut daemon = Daemon {
        client,
        judges,
        index: Default::default(),
        configuration,
        services,
        own: Own::of_environment(),
        alarms: Alarms::default(),
        places: Places::default(),
        watches: BTreeMap::new(),
        cluster: cluster_sender,
        effects,
        started,
        policy_notices: Vec::new(),
        left_behind: Default::default(),
        not_ready,
    };
    namespaces.iter().for_each(|namespace| daemon.watch(namespace));
    daemon.run(Inputs { cluster, done, asked, policies: notices, stop: stop_signal()? }).await?;
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

/// The built-in policies and those of the folder, with every parameter of the configuration held against them.
///
/// # Errors
/// A policy that is missing, or does not accept its parameters, with the place in the configuration.
pub fn load_policies(
    folder: Option<PathBuf>,
    configuration: &Configuration,
    file: &std::path::Path,
) -> Result<Policies> {
    let missing = Policies::missing_built_ins();
    if !missing.is_empty() {
        bail!("this build has no built-in policies ({}); run `make policies` and build it again", missing.join(", "));
    }
    let policies = Policies::new(Limits::default())?;
    policies.set_uses(uses(configuration));
    if let Some(folder) = folder {
        policies.scan(&folder).iter().for_each(|notice| info!("{notice}"));
    }
    let mut faults = Faults::new(file);
    // Many entries choose the same: each choice is asked about once.
    let mut said = BTreeMap::new();
    for (kind, choice, source) in configuration.entries.iter().flat_map(choices) {
        let asked = (kind, choice.name.as_str(), choice.parameters.to_string());
        let ask = || policies.validate(kind, &choice.name, &choice.parameters).err();
        if let Some(error) = said.entry(asked).or_insert_with(ask) {
            faults.push(source.fault(error.to_string()));
        }
    }
    if faults.is_empty() { Ok(policies) } else { Err(faults.into()) }
}

/// The policies of an entry, and where each is chosen.
fn choices(entry: &Entry) -> impl Iterator<Item = (Kind, &PolicyChoice, &Source)> {
    let (settings, holds) = (&entry.settings, &entry.in_force);
    let analyzers = settings.analyzers.iter().zip(&holds.analyzers.value);
    let analyzers = analyzers.map(|(choice, sourced)| (Kind::Analyzer, choice, &sourced.source));
    analyzers.chain([
        (Kind::Classifier, &settings.classifier, &holds.classifier.source),
        (Kind::Progression, &settings.progression, &holds.progression.source),
    ])
}

fn uses(configuration: &Configuration) -> Vec<Use> {
    let of_entry = |entry: &Entry| {
        let by = entry.to_string();
        let uses = choices(entry).map(|(kind, choice, _)| Use {
            by: by.clone(),
            kind,
            policy: choice.name.clone(),
            parameters: choice.parameters.clone(),
        });
        uses.collect::<Vec<_>>()
    };
    configuration.entries.iter().flat_map(of_entry).collect()
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
