//! Replica sets and pods, by name and by the uids of their owners: what a Deployment has made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Name, names_of};
use crate::input::{PodObject, ReplicaSetObject};

/// The replica sets and pods that the watches show. What changes gives the uids of the Deployments it is owned by.
#[derive(Debug, Default)]
pub struct Owned {
    replica_sets: BTreeMap<Name, ReplicaSetObject>,
    /// The Deployment of a replica set, both by uid.
    owners: HashMap<String, String>,
    /// The replica sets of a Deployment by uid, with their revisions.
    replica_sets_of: HashMap<String, BTreeMap<String, Option<u64>>>,
    pods: BTreeMap<Name, PodObject>,
    /// The pods of a replica set, by its uid.
    pods_of: HashMap<String, BTreeSet<Name>>,
}

impl Owned {
    /// The pods of those replica sets of a Deployment whose revision fits.
    pub fn pods_of(&self, deployment: &str, fits: impl Fn(Option<u64>) -> bool) -> impl Iterator<Item = &PodObject> {
        let replica_sets = self.replica_sets_of.get(deployment).into_iter().flatten();
        let fitting = replica_sets.filter(move |(_, revision)| fits(**revision));
        fitting.filter_map(|(uid, _)| self.pods_of.get(uid)).flatten().filter_map(|name| self.pods.get(name))
    }

    /// The newest revision of a Deployment's replica sets.
    pub fn newest_revision(&self, deployment: &str) -> Option<u64> {
        self.replica_sets_of.get(deployment)?.values().copied().max()?
    }

    /// The uid of the Deployment that a pod belongs to.
    pub fn owner_of_pod(&self, name: &Name) -> Option<&str> {
        self.owner(self.pods.get(name)?)
    }

    pub fn replica_sets_in(&self, namespace: &str) -> Vec<Name> {
        names_of(&self.replica_sets, namespace)
    }

    pub fn pods_in(&self, namespace: &str) -> Vec<Name> {
        names_of(&self.pods, namespace)
    }

    pub fn insert_replica_set(&mut self, name: Name, object: ReplicaSetObject) -> Vec<String> {
        let mut owners: Vec<String> = self.remove_replica_set(&name).into_iter().collect();
        if let Some(owner) = &object.owner_uid {
            owners.push(owner.clone());
            self.owners.insert(object.uid.clone(), owner.clone());
            self.replica_sets_of.entry(owner.clone()).or_default().insert(object.uid.clone(), object.revision);
        }
        self.replica_sets.insert(name, object);
        owners
    }

    pub fn insert_pod(&mut self, name: Name, object: PodObject) -> Vec<String> {
        let mut owners: Vec<String> = self.remove_pod(&name).into_iter().collect();
        owners.extend(self.owner(&object).map(str::to_owned));
        if let Some(replica_set) = &object.owner_uid {
            self.pods_of.entry(replica_set.clone()).or_default().insert(name.clone());
        }
        self.pods.insert(name, object);
        owners
    }

    pub fn remove_replica_set(&mut self, name: &Name) -> Option<String> {
        let object = self.replica_sets.remove(name)?;
        let owner = self.owners.remove(&object.uid)?;
        if let Some(siblings) = self.replica_sets_of.get_mut(&owner) {
            siblings.remove(&object.uid);
            if siblings.is_empty() {
                self.replica_sets_of.remove(&owner);
            }
        }
        Some(owner)
    }

    pub fn remove_pod(&mut self, name: &Name) -> Option<String> {
        let object = self.pods.remove(name)?;
        let owner = self.owner(&object).map(str::to_owned);
        if let Some(replica_set) = &object.owner_uid
            && let Some(siblings) = self.pods_of.get_mut(replica_set)
        {
            siblings.remove(name);
            if siblings.is_empty() {
                self.pods_of.remove(replica_set);
            }
        }
        owner
    }

    fn owner(&self, pod: &PodObject) -> Option<&str> {
        self.owners.get(pod.owner_uid.as_ref()?).map(String::as_str)
    }
}
