//! Which services there are: those that are named, and the Deployments that match, as they come, change and go.

use std::sync::Arc;

use aviary_cluster::{ServiceKey, watch_namespace};
use aviary_core::{
    plan::Note,
    record::{Phase, Record},
    settings::Settings,
};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{Daemon, cared::Cared};
use crate::{
    configuration::{Entry, InForce},
    status::Standing,
};

/// What is said of a service that nothing in the configuration is about any more.
pub const LEFT_BEHIND: &str = "it has a record but nothing in the configuration is about it, so nobody cares for it: its \
    primary serves on, and changes of its Deployment have no effect; have the configuration name it or match it again, and \
    `aviary release` it first if it is to leave";

fn has_left(key: &ServiceKey) -> String {
    format!("{key} has left the configuration")
}

/// Aviary's own Deployment, which is never a service.
#[derive(Debug, Default)]
pub struct Own {
    /// Namespace and name of the pod that this process runs in, if it runs in one.
    pod: Option<(String, String)>,
    /// The Deployment of that pod, once its namespace has shown it.
    pub deployment: Option<ServiceKey>,
}

/// What became of a service.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing new.
    Same,
    /// It is cared for from now on.
    Comes,
    /// It has other settings, in words.
    Changed(Vec<String>),
    /// It is cared for no more.
    Leaves,
}

impl Own {
    /// As the environment tells it, which the pod's manifest fills in by the downward API.
    pub fn of_environment() -> Self {
        let of = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let pod = of("AVIARY_POD_NAMESPACE").zip(of("AVIARY_POD_NAME"));
        if pod.is_none() && of("KUBERNETES_SERVICE_HOST").is_some() {
            warn!(
                "AVIARY_POD_NAMESPACE and AVIARY_POD_NAME are not set, so Aviary cannot tell its own Deployment from services; \
                set them by the downward API"
            );
        }
        Self { pod, deployment: None }
    }
}

impl Own {
    /// Whether this process knows the pod it runs in.
    pub fn is_pod(&self) -> bool {
        self.pod.is_some()
    }
}

impl Daemon {
    /// Begins to watch a namespace.
    pub(super) fn watch(&mut self, namespace: &str) {
        self.judges.telemetry.api.watching(namespace);
        let mut tasks = JoinSet::new();
        watch_namespace(&self.client, namespace, &self.cluster, &mut tasks);
        self.watches.insert(namespace.to_owned(), tasks);
    }

    /// Finds out whether a service is to be cared for, and with which settings, after the cluster has told something of it.
    pub(super) fn discover(&mut self, key: &ServiceKey) {
        if !self.index.is_listed(&key.namespace) {
            return;
        }
        // A Deployment that is gone may come back: what held for it holds until its record is gone too.
        let deleted = self.index.deployment(key).is_none();
        if !(deleted && self.services.get(key).is_some_and(|cared| cared.record().is_some())) {
            self.reconsider(key);
        }
        self.follow(key);
    }

    /// Finds out the same from configuration and cluster alone.
    pub(super) fn reconsider(&mut self, key: &ServiceKey) -> Fate {
        let fate = match self.entry(key).map(|entry| (entry.settings.clone(), entry.in_force.clone())) {
            Some((settings, in_force)) => self.care(key, settings, in_force),
            None => self.leave(key),
        };
        if !matches!(fate, Fate::Leaves) {
            self.tell_if_left_behind(key);
        }
        fate
    }

    /// Takes over what the watch shows of a service's record.
    pub(super) fn follow(&mut self, key: &ServiceKey) {
        let Some(cared) = self.services.get_mut(key).filter(|cared| !cared.busy && !cared.leaves) else { return };
        // What is not listed is not gone.
        if self.index.record(key).is_none() && !self.index.is_listed(&key.namespace) {
            return;
        }
        // Taken over as anybody's, it would be told to nobody and counted nowhere.
        if let Some((saving, version)) = cared.shown_to_be_stored(key, &self.index) {
            self.is_stored(key, saving, version);
        }
        if let Some(cared) = self.services.get_mut(key) {
            cared.follow(key, &self.index);
            self.places.set(key, cared.place());
        }
    }

    pub(super) fn find_own_deployment(&mut self) {
        if self.own.deployment.is_some() {
            return;
        }
        let Some((namespace, name)) = &self.own.pod else { return };
        let Some(key) = self.index.deployment_of_pod(namespace, name) else { return };
        if self.configuration.named().any(|named| named == (key.namespace.as_str(), key.name.as_str())) {
            warn!(service = %key, "this is Aviary's own Deployment, which cannot be a service; take it out of the configuration");
        }
        self.own.deployment = Some(key.clone());
        self.discover(&key);
    }

    /// What the configuration says of a service, if it is to be cared for.
    fn entry(&self, key: &ServiceKey) -> Option<&Entry> {
        if self.own.deployment.as_ref() == Some(key) {
            return None;
        }
        let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
        match self.index.deployment(key) {
            Some(deployment) => {
                let entry = self.configuration.service(namespace, name, &deployment.labels)?;
                (entry.name().is_some() || !self.index.is_copy(key)).then_some(entry)
            }
            None => {
                // Its labels went with it; those of its pods are the nearest to them.
                let record = self.index.record(key).and_then(|stored| Record::parse(&stored.text).ok());
                let labels = record.as_ref().map(|record| record.accepted.pod_labels()).unwrap_or_default();
                let entry = self.configuration.service(namespace, name, &labels)?;
                (entry.name().is_some() || record.is_some()).then_some(entry)
            }
        }
    }

    fn care(&mut self, key: &ServiceKey, settings: Arc<Settings>, in_force: Arc<InForce>) -> Fate {
        let Some(cared) = self.services.get_mut(key) else {
            let tracked = self.judges.telemetry.track(key, &settings);
            self.services.insert(key.clone(), Cared::new(settings, in_force, tracked));
            return Fate::Comes;
        };
        let words = if *cared.settings == *settings { Vec::new() } else { cared.in_force.changes(&in_force) };
        self.judges.telemetry.judging.expect(&settings);
        (cared.settings, cared.in_force) = (settings, in_force);
        if std::mem::take(&mut cared.leaves) {
            let reason =
                "it is in the configuration again; the write that was under way for it is waited for".to_owned();
            cared.stand(Standing { reason, problems: Vec::new() });
            return Fate::Comes;
        }
        if words.is_empty() {
            return Fate::Same;
        }
        let under_way = cared.record().is_some_and(|record| record.rollout().is_some());
        let until = if under_way { "; the rollout under way takes over only what is stricter" } else { "" };
        let note = Note::normal("ConfigurationChanged", format!("{}{until}", words.join(", ")));
        self.say(key, &[note]);
        Fate::Changed(words)
    }

    fn leave(&mut self, key: &ServiceKey) -> Fate {
        let Some(cared) = self.services.get_mut(key).filter(|cared| !cared.leaves) else { return Fate::Same };
        cared.leaves = true;
        cared.stand_down(&has_left(key));
        let reason = "it has left the configuration; the write that is under way for it is waited for".to_owned();
        cared.stand(Standing { reason, problems: Vec::new() });
        self.let_go(key);
        Fate::Leaves
    }

    /// A service that has left the configuration goes once no write is under way for it: what its answer says is told, and who
    /// asked for it hears of it. One whose answer is lost is not read back: the right to do so may have gone with it.
    pub(super) fn let_go(&mut self, key: &ServiceKey) {
        let Some(cared) = self.services.get_mut(key).filter(|cared| cared.leaves && !cared.busy) else { return };
        cared.stand_down(&has_left(key));
        // The watch may be behind, and of a namespace that went with it it shows nothing any more.
        let released = cared.record().map(|record| record.phase == Phase::Released);
        released.into_iter().for_each(|released| self.leave_behind(key, released));
        self.services.remove(key);
        self.alarms.set(key, None);
        self.places.leave(key);
        if released.is_none() {
            self.tell_if_left_behind(key);
        }
    }

    /// A record of a service that the configuration is not about any more: said once, and never acted upon.
    fn tell_if_left_behind(&mut self, key: &ServiceKey) {
        if self.services.contains_key(key) {
            if self.left_behind.remove(key) {
                info!(namespace = key.namespace, service = key.name, "it is cared for again");
            }
            return;
        }
        let Some(stored) = self.index.record(key) else {
            // Of a namespace that is not watched any more nobody knows better.
            if self.index.is_listed(&key.namespace) {
                self.left_behind.remove(key);
            }
            return;
        };
        let released = Record::parse(&stored.text).is_ok_and(|record| record.phase == Phase::Released);
        self.leave_behind(key, released);
    }

    fn leave_behind(&mut self, key: &ServiceKey, released: bool) {
        if released {
            self.left_behind.remove(key);
        } else if self.left_behind.insert(key.clone()) {
            self.say(key, &[Note::warning("LeftBehind", LEFT_BEHIND)]);
        }
    }
}
