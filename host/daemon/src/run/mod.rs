//! `aviary run`: one task owns all state; it takes the next input, applies it, and lets the effects of it run.

mod alarms;
mod backoff;
mod cared;
mod configured;
mod discovery;
mod drive;
mod effects;
mod leasing;
mod notices;
mod places;
mod policies;
mod reading;
mod setup;
mod unsure;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use aviary_cluster::{Client, ClusterInput, Index, ServiceKey, Tenure};
use aviary_core::time::Timestamp;
use serde_json::Value;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use self::{
    alarms::Alarms, cared::Cared, discovery::LEFT_BEHIND, effects::Done, leasing::Leasing, places::Places,
    reading::Reading,
};
use crate::{
    clock::Clock,
    configuration::Configuration,
    control::{protocol::Word, server::Asked},
    health::Readiness,
    judging::Judges,
    status::{self, Standing},
};

pub use configured::{Configured, Fixed};
pub use discovery::Own;
pub use policies::{load_policies, policy_folder};
pub use setup::{Ends, Options, Parts, assemble, run};

/// Everything that can happen to the daemon.
enum Input {
    /// A watch tells something.
    Cluster(Box<ClusterInput>),
    /// An effect came to its end.
    Done(Box<Done>),
    /// Somebody asks over the control socket.
    Asked(Asked),
    /// What the configuration file says by now.
    Read(Box<Reading>),
    /// What the policy folder brought.
    Policies(Vec<aviary_policy::Notice>),
    /// The lease stands otherwise, or was renewed.
    Lease,
    /// A time that was waited for.
    Tick,
    /// Time to end.
    Stop,
}

/// The state of the daemon.
pub struct Daemon {
    clock: Clock,
    client: Client,
    leasing: Leasing,
    judges: Judges,
    index: Index,
    configuration: Arc<Configuration>,
    configured: Configured,
    services: BTreeMap<ServiceKey, Cared>,
    own: Own,
    alarms: Alarms,
    places: Places,
    /// The watches of each namespace; they end when they are dropped.
    watches: BTreeMap<String, JoinSet<()>>,
    cluster: mpsc::Sender<ClusterInput>,
    effects: mpsc::Sender<Box<Done>>,
    /// A new configuration may have as many events as there are services.
    announcing: Arc<Semaphore>,
    /// Who writes an event listens to it for so long: once nobody does, all are written.
    telling: watch::Sender<()>,
    /// Each write under way has a connection of its own, which costs its set-up and its memory.
    writing: Arc<Semaphore>,
    started: Timestamp,
    policy_notices: Vec<String>,
    left_behind: BTreeSet<ServiceKey>,
    readiness: watch::Sender<Readiness>,
}

/// Where inputs come from.
struct Inputs {
    cluster: mpsc::Receiver<ClusterInput>,
    done: mpsc::Receiver<Box<Done>>,
    asked: mpsc::Receiver<Asked>,
    policies: mpsc::Receiver<Vec<aviary_policy::Notice>>,
    read: mpsc::Receiver<Reading>,
    lease: Tenure,
    stop: watch::Receiver<bool>,
}

impl Inputs {
    /// The one place where the daemon waits.
    async fn next(&mut self, wake: Option<Duration>) -> Input {
        let timer = async {
            match wake {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stop.changed() => Input::Stop,
            () = self.lease.changed() => Input::Lease,
            Some(done) = self.done.recv() => Input::Done(done),
            Some(input) = self.cluster.recv() => Input::Cluster(Box::new(input)),
            Some(asked) = self.asked.recv() => Input::Asked(asked),
            Some(notices) = self.policies.recv() => Input::Policies(notices),
            Some(reading) = self.read.recv() => Input::Read(Box::new(reading)),
            () = timer => Input::Tick,
        }
    }
}

impl Daemon {
    async fn run(mut self, mut inputs: Inputs) -> Result<()> {
        self.lease_changed(&mut inputs);
        loop {
            let wake = self.next_wake();
            match inputs.next(wake).await {
                Input::Stop => {
                    self.finish(&mut inputs).await;
                    return Ok(());
                }
                Input::Cluster(input) => self.cluster(*input),
                Input::Done(done) => self.done(*done),
                Input::Asked(asked) => self.asked(asked),
                Input::Policies(notices) => self.policies_changed(notices),
                Input::Read(reading) => self.read(*reading),
                Input::Lease => self.lease_changed(&mut inputs),
                Input::Tick => self.tick(),
            }
            self.fill_places();
        }
    }

    fn cluster(&mut self, input: ClusterInput) {
        if !self.watches.contains_key(input.namespace()) {
            return;
        }
        if let ClusterInput::WatchFailed { kind, namespace, forbidden, error } = &input {
            self.judges.telemetry.api.watch_failed(*kind, namespace);
            if self.index.failure(namespace, *kind) != Some(error.as_str()) {
                tracing::warn!(%kind, %namespace, forbidden, %error, "a watch does not work");
            }
        }
        // After a list every service of its namespace is looked at: one whose objects are all gone is in no list.
        let listed = match &input {
            ClusterInput::Relisted { namespace, .. } => Some(namespace.clone()),
            _ => None,
        };
        if let Some(namespace) = &listed {
            self.answers_again(namespace);
        }
        let of_readiness = !matches!(input, ClusterInput::Applied(_) | ClusterInput::Deleted { .. });
        let mut touched = self.index.apply(input);
        touched.extend(self.services.keys().filter(|key| Some(&key.namespace) == listed.as_ref()).cloned());
        touched.sort();
        touched.dedup();
        self.find_own_deployment();
        // All are known before one is driven: places are counted.
        touched.iter().for_each(|key| self.discover(key));
        touched.iter().for_each(|key| self.drive(key));
        if of_readiness {
            self.tell_readiness();
        }
    }

    /// Writes that failed while the API server did not answer are worth a try at once.
    fn answers_again(&mut self, namespace: &str) {
        let there = self.services.iter_mut().filter(|(key, _)| key.namespace == namespace);
        there.for_each(|(_, cared)| cared.backoff.reset());
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        let due = self.alarms.due(now);
        for key in due {
            self.drive(&key);
        }
        if self.leasing.lapses().is_none() {
            self.tell_lease();
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let alarm = self.alarms.next().map(|at| at.since(self.clock.now()));
        alarm.into_iter().chain(self.leasing.lapses()).min()
    }

    fn tell_readiness(&self) {
        let lease = self.leasing.not_ready().into_iter();
        let watches = self.watches.keys().flat_map(|namespace| self.index.not_ready(namespace));
        let not_ready: Vec<String> = lease.chain(watches).collect();
        self.judges.telemetry.own.ready(not_ready.is_empty());
        let refused = self.configured.refused().map(|faults| format!("the configuration file is refused: {faults}"));
        let remarks = self.leasing.remark().into_iter().chain(refused).collect();
        self.readiness.send_replace(Readiness { not_ready, remarks });
    }

    fn asked(&mut self, asked: Asked) {
        let named = asked.request.service.as_deref();
        if asked.request.command == Word::Status {
            let _ = asked.answer.send(self.status(named));
            return;
        }
        match self.not_here().map_or_else(|| self.find(named), Err) {
            Ok(key) => self.command(&key, asked),
            Err(error) => _ = asked.answer.send(Err(error)),
        }
    }

    fn status(&self, named: Option<&str>) -> Result<Value, String> {
        let wanted = named.map(|_| self.find(named)).transpose()?;
        let services = self.services.iter().filter(|(key, _)| wanted.as_ref().is_none_or(|wanted| wanted == *key));
        let services: Vec<Value> = services.map(|(key, cared)| self.status_of(key, cared)).collect();
        let not_ready = self.readiness.borrow().not_ready.clone();
        let mut whole = status::whole(self.started, &not_ready, &self.judges.policies, &self.policy_notices, services);
        let left: Vec<String> = self.left_behind.iter().map(|key| format!("{key}: {LEFT_BEHIND}")).collect();
        whole["left_behind"] = left.into();
        whole["daemon"]["configuration"] = self.configured.status();
        whole["daemon"]["lease"] = self.leasing.status();
        Ok(whole)
    }

    fn status_of(&self, key: &ServiceKey, cared: &Cared) -> Value {
        let view = self.index.view(key).unwrap_or_default();
        let standing = match self.leasing.lease() {
            Some(_) => cared.standing(),
            None => Standing { reason: self.leasing.why(), problems: Vec::new() },
        };
        status::service(key, &view, cared.record(), &cared.settings, &standing, &self.judges.policies)
    }

    /// The service that a person means by `name` or `namespace/name`.
    fn find(&self, named: Option<&str>) -> Result<ServiceKey, String> {
        let named = named.ok_or("name a service, as `name` or `namespace/name`")?;
        let matches = |key: &&ServiceKey| match named.split_once('/') {
            Some((namespace, name)) => key.namespace == namespace && key.name == name,
            None => key.name == named,
        };
        let found: Vec<&ServiceKey> = self.services.keys().filter(matches).collect();
        match found.as_slice() {
            [key] => Ok((*key).clone()),
            [] => Err(format!("there is no service {named} in the configuration; `aviary status` lists them")),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                Err(format!("{named} could be {}; name its namespace too", names.join(" or ")))
            }
        }
    }
}

#[cfg(test)]
mod tests;
