//! `aviary run`: one task owns all state; it takes the next input, applies it, and lets the effects of it run.

mod cared;
mod drive;
mod effects;
mod notices;
mod policies;
mod setup;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Result;
use aviary_cluster::{Client, ClusterInput, Index, ServiceKey};
use aviary_core::{
    record::{Phase, Record},
    time::Timestamp,
};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use self::{cared::Cared, effects::Done};
use crate::{
    control::{protocol::Word, server::Asked},
    judging::Judges,
    status,
};

pub use setup::{Options, load_policies, run};

/// What is said of a service that left the configuration without being released.
const LEFT_BEHIND: &str = "it has a record but is not in the configuration, so nobody cares for it: its primary serves on, \
    and changes of its Deployment have no effect; put it back into the configuration, and `aviary release` it first if it \
    is to leave";

/// Everything that can happen to the daemon.
enum Input {
    /// A watch tells something.
    Cluster(Box<ClusterInput>),
    /// An effect came to its end.
    Done(Box<Done>),
    /// Somebody asks over the control socket.
    Asked(Asked),
    /// What the policy folder brought.
    Policies(Vec<aviary_policy::Notice>),
    /// A time that was waited for.
    Tick,
    /// Time to end.
    Stop,
}

/// The state of the daemon.
struct Daemon {
    client: Client,
    judges: Judges,
    index: Index,
    services: BTreeMap<ServiceKey, Cared>,
    namespaces: Vec<String>,
    effects: mpsc::Sender<Box<Done>>,
    started: Timestamp,
    policy_notices: Vec<String>,
    left_behind: BTreeSet<ServiceKey>,
    not_ready: watch::Sender<Vec<String>>,
}

/// Where inputs come from.
struct Inputs {
    cluster: mpsc::Receiver<ClusterInput>,
    done: mpsc::Receiver<Box<Done>>,
    asked: mpsc::Receiver<Asked>,
    policies: mpsc::Receiver<Vec<aviary_policy::Notice>>,
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
            Some(done) = self.done.recv() => Input::Done(done),
            Some(input) = self.cluster.recv() => Input::Cluster(Box::new(input)),
            Some(asked) = self.asked.recv() => Input::Asked(asked),
            Some(notices) = self.policies.recv() => Input::Policies(notices),
            () = timer => Input::Tick,
        }
    }
}

impl Daemon {
    async fn run(mut self, mut inputs: Inputs) -> Result<()> {
        loop {
            let wake = self.next_wake();
            match inputs.next(wake).await {
                Input::Stop => return Ok(()),
                Input::Cluster(input) => self.cluster(*input),
                Input::Done(done) => self.done(*done),
                Input::Asked(asked) => self.asked(asked),
                Input::Policies(notices) => self.policies_changed(notices),
                Input::Tick => self.tick(),
            }
        }
    }

    fn cluster(&mut self, input: ClusterInput) {
        if let ClusterInput::WatchFailed { kind, namespace, forbidden, error } = &input {
            self.judges.telemetry.api.watch_failed(*kind, namespace);
            tracing::warn!(%kind, %namespace, forbidden, %error, "a watch does not work");
        }
        // After a list every service of its namespace is looked at: one whose objects are all gone is in no list.
        let listed = match &input {
            ClusterInput::Relisted { namespace, .. } => Some(namespace.clone()),
            _ => None,
        };
        let mut touched = self.index.apply(input);
        touched.extend(self.services.keys().filter(|key| Some(&key.namespace) == listed.as_ref()).cloned());
        touched.sort();
        touched.dedup();
        for key in touched {
            self.tell_if_left_behind(&key);
            self.drive(&key);
        }
        self.tell_readiness();
    }

    /// A record of a service that the configuration does not name any more: said once, and never acted upon.
    fn tell_if_left_behind(&mut self, key: &ServiceKey) {
        let released = |text: &str| Record::parse(text).is_ok_and(|record| record.phase == Phase::Released);
        let left =
            self.index.record(key).is_some_and(|stored| !released(&stored.text)) && !self.services.contains_key(key);
        if !left {
            self.left_behind.remove(key);
        } else if self.left_behind.insert(key.clone()) {
            tracing::warn!(namespace = key.namespace, service = key.name, "{LEFT_BEHIND}");
        }
    }

    fn tick(&mut self) {
        let now = now();
        let due = |(key, cared): (&ServiceKey, &Cared)| cared.wake.is_some_and(|at| at <= now).then(|| key.clone());
        let due: Vec<ServiceKey> = self.services.iter().filter_map(due).collect();
        for key in due {
            self.drive(&key);
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let at = self.services.values().filter_map(|cared| cared.wake).min()?;
        Some(at.since(now()))
    }

    fn tell_readiness(&self) {
        let not_ready: Vec<String> =
            self.namespaces.iter().flat_map(|namespace| self.index.not_ready(namespace)).collect();
        self.judges.telemetry.own.ready(not_ready.is_empty());
        self.not_ready.send_if_modified(|told| {
            let changed = *told != not_ready;
            *told = not_ready;
            changed
        });
    }

    fn asked(&mut self, asked: Asked) {
        let named = asked.request.service.as_deref();
        if asked.request.command == Word::Status {
            let _ = asked.answer.send(self.status(named));
            return;
        }
        match self.find(named) {
            Ok(key) => self.command(&key, asked),
            Err(error) => _ = asked.answer.send(Err(error)),
        }
    }

    fn status(&self, named: Option<&str>) -> Result<Value, String> {
        let wanted = named.map(|_| self.find(named)).transpose()?;
        let services = self.services.iter().filter(|(key, _)| wanted.as_ref().is_none_or(|wanted| wanted == *key));
        let services: Vec<Value> = services.map(|(key, cared)| self.status_of(key, cared)).collect();
        let not_ready = self.not_ready.borrow().clone();
        let mut whole = status::whole(self.started, &not_ready, &self.judges.policies, &self.policy_notices, services);
        let left: Vec<String> = self.left_behind.iter().map(|key| format!("{key}: {LEFT_BEHIND}")).collect();
        whole["left_behind"] = left.into();
        Ok(whole)
    }

    fn status_of(&self, key: &ServiceKey, cared: &Cared) -> Value {
        let view = self.index.view(key).unwrap_or_default();
        status::service(key, &view, cared.record(), &cared.settings, &cared.standing, &self.judges.policies)
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

/// The time as the core knows it.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
