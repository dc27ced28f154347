//! A cluster of JSON objects behind an API, as kube-apiserver has it, with the controllers that the exploration uses and a
//! kubelet. Pure: requests are values, time is an argument, and what becomes of pods is decided by who makes it.
//!
//! Left out: admission, quotas, services and networks, server-side apply, orphaning and
//! foreground deletion (all deletion is in the background), selectors with sets, `Recreate`, ReplicaSets and pods that
//! people make, more than a hundred replicas.

mod agenda;
mod conditions;
mod defaults;
mod discovery;
mod kinds;
mod managed;
mod names;
mod pods;
mod refusal;
mod request;
mod selector;
mod serve;
mod store;
mod strategic;
mod watch;
mod workloads;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use aviary_core::time::Timestamp;
use serde_json::Value;

use self::{
    agenda::{Due, Place},
    store::{Key, Store},
    workloads::Workload,
};

pub use self::{
    kinds::Kind,
    pods::{End, Ended, Fate, Fates, NewPod, Pod, State},
    request::{Request, Response},
    watch::Watch,
};

/// How long the controllers take to look at what has changed.
const CONTROLLERS_TAKE: Duration = Duration::from_millis(10);

/// A cluster.
pub struct Cluster {
    store: Store,
    now: Timestamp,
    agenda: BTreeMap<Place, Due>,
    serial: u64,
    workloads: BTreeMap<Key, Workload>,
    /// Deployments at which the controllers will look already.
    looking: BTreeSet<Key>,
    pods: BTreeMap<String, Pod>,
    pods_born: u64,
    fates: Box<dyn Fates>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("now", &self.now)
            .field("version", &self.store.version())
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// An empty cluster at `now`; `fates` decides what becomes of pods.
    #[must_use]
    pub fn new(now: Timestamp, fates: Box<dyn Fates>) -> Self {
        Self {
            store: Store::default(),
            now,
            agenda: BTreeMap::new(),
            serial: 0,
            workloads: BTreeMap::new(),
            looking: BTreeSet::new(),
            pods: BTreeMap::new(),
            pods_born: 0,
            fates,
        }
    }

    /// The pods that there are, those on their way out too, in the order of their creation.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }

    /// Rises with every write: watches have something to tell when it has.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.store.version()
    }

    /// Forgets what watches could replay: those that lag behind have to list anew, as after a compaction of etcd.
    pub fn compact(&mut self) {
        self.store.compact();
    }

    /// The controllers look at a Deployment soon.
    fn look_at(&mut self, key: &Key) {
        if self.looking.insert(key.clone()) {
            self.schedule(CONTROLLERS_TAKE, Due::Turn(key.clone()));
        }
    }

    fn store_and_react(&mut self, key: &Key, object: Value) -> Value {
        let stored = self.store.put(key, object);
        if key.kind == Kind::Deployment {
            self.look_at(key);
        }
        (*stored).clone()
    }

    fn remove_and_react(&mut self, key: &Key) {
        if key.kind == Kind::Pod {
            let found = self.pods.values().find(|pod| pod.key() == *key).map(|pod| pod.uid.clone());
            match found {
                Some(uid) => self.dismiss(&uid),
                None => drop(self.store.remove(key)),
            }
            return;
        }
        self.store.remove(key);
        if let Some(workload) = self.workloads.remove(key) {
            self.collect(&workload, key);
        }
    }
}

/// A time as the API tells it, to the second.
fn time_text(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
