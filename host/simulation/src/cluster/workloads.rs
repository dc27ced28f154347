//! The controllers of Deployments and ReplicaSets over JSON objects: the numbers are those of [`crate::controller`], which
//! the exploration uses too; names, pods, history and conditions are added here.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use aviary_core::time::Timestamp;
use serde_json::{Value, json};

use super::{
    Cluster,
    kinds::Kind,
    managed::{self, Writer},
    pods::{Birth, State},
    store::Key,
    time_text,
};
use crate::{
    controller,
    deployment::{Deployment, Pods, REPLICA_SETS, ReplicaSet, Status},
    specs::Specs,
};

const CONTROLLER: &str = "kube-controller-manager";

/// What the controllers know of a Deployment.
#[derive(Debug, Default)]
pub(super) struct Workload {
    /// Oldest first.
    sets: Vec<Set>,
    revision: u64,
    pods_born: u64,
    /// The last time that anything got further.
    progressed: Timestamp,
}

#[derive(Debug)]
struct Set {
    name: String,
    uid: String,
    hash: String,
    template: Value,
    revision: u64,
    created: Timestamp,
    wanted: u8,
    desired: u8,
    counted: u8,
    counted_available: u8,
    /// Uids, oldest first; those on their way out are none.
    pods: Vec<String>,
}

impl Set {
    fn idle(&self) -> bool {
        self.wanted == 0 && self.pods.is_empty() && self.counted == 0
    }
}

/// How a pod counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Crashed,
    Starting,
    Ready,
}

impl Cluster {
    /// The controllers' turn for a Deployment.
    pub(super) fn turn(&mut self, key: &Key) {
        self.looking.remove(key);
        let Some(object) = self.store.get(key).cloned() else { return };
        let mut workload = self.workloads.remove(key).unwrap_or_default();
        workload.sets.iter_mut().for_each(|set| set.pods.retain(|uid| self.is_there(uid)));
        let spec = &object["spec"];
        let mut specs = Specs::default();
        let id = specs.intern(spec);
        let number = specs.get(id).template;
        let places = in_play(&workload, &spec["template"]);
        let mut before = Deployment::new(0, id, small(&spec["replicas"]));
        before.paused = spec["paused"] == true;
        for (place, index) in places.iter().enumerate() {
            let set = &workload.sets[*index];
            let is_new = set.template == spec["template"];
            before.sets[place] = self.numbers(set, if is_new { number } else { index_number(*index, number) }, spec);
        }
        before.set_count = u8::try_from(places.len()).unwrap_or(0);
        let after = controller::turn(before, &specs);
        for set in after.sets() {
            let known = places.iter().copied().find(|index| {
                let is_new = workload.sets[*index].template == spec["template"];
                set.template == if is_new { number } else { index_number(*index, number) }
            });
            let index = known.unwrap_or_else(|| self.new_set(&mut workload, key, &spec["template"]));
            self.resize(&mut workload, index, set, key, &object);
        }
        self.renew_revision(&mut workload, &spec["template"]);
        let unavailable = specs.get(id).unavailable(before.replicas);
        self.tell(key, &object, &mut workload, after.status, unavailable);
        self.forget_history(&mut workload, key, spec);
        self.workloads.insert(key.clone(), workload);
        if after.sets != before.sets || after.set_count != before.set_count {
            self.look_at(key);
        }
    }

    fn is_there(&self, uid: &str) -> bool {
        self.pods.get(uid).is_some_and(|pod| pod.leaves.is_none())
    }

    fn class(&self, uid: &str, min_ready: u64) -> Class {
        let Some(pod) = self.pods.get(uid) else { return Class::Starting };
        let available = |since: Timestamp| self.now.since(since).as_secs() >= min_ready;
        match (pod.ready, &pod.state) {
            (Some(since), _) if available(since) => Class::Ready,
            (None, State::Waiting(_)) => Class::Crashed,
            _ => Class::Starting,
        }
    }

    fn numbers(&self, set: &Set, template: u8, spec: &Value) -> ReplicaSet {
        let min_ready = spec["minReadySeconds"].as_u64().unwrap_or(0);
        let mut pods = Pods::default();
        for uid in &set.pods {
            match self.class(uid, min_ready) {
                Class::Crashed => pods.crashed += 1,
                Class::Starting => pods.starting += 1,
                Class::Ready => pods.ready += 1,
            }
        }
        let Set { wanted, desired, counted, counted_available, .. } = *set;
        ReplicaSet { template, wanted, desired, counted, counted_available, pods }
    }

    fn new_set(&mut self, workload: &mut Workload, key: &Key, template: &Value) -> usize {
        let hash = hash_of(template);
        let uid = self.store.new_uid();
        workload.revision += 1;
        workload.progressed = self.now;
        workload.sets.push(Set {
            name: format!("{}-{hash}", key.name),
            uid,
            hash,
            template: template.clone(),
            revision: workload.revision,
            created: self.now,
            wanted: 0,
            desired: 0,
            counted: 0,
            counted_available: 0,
            pods: Vec::new(),
        });
        workload.sets.len() - 1
    }

    /// A ReplicaSet and its pods become what the numbers say.
    fn resize(&mut self, workload: &mut Workload, index: usize, numbers: &ReplicaSet, key: &Key, deployment: &Value) {
        let min_ready = deployment["spec"]["minReadySeconds"].as_u64().unwrap_or(0);
        let set = &mut workload.sets[index];
        (set.wanted, set.desired) = (numbers.wanted, numbers.desired);
        (set.counted, set.counted_available) = (numbers.counted, numbers.counted_available);
        let excess = set.pods.len().saturating_sub(usize::from(numbers.pods.total()));
        let mut uids = std::mem::take(&mut set.pods);
        // The newest of equal ones go first.
        let rank = |class: Class| match class {
            Class::Crashed => 0,
            Class::Starting => 1,
            Class::Ready => 2,
        };
        let mut by_rank: Vec<(u8, usize)> = uids
            .iter()
            .enumerate()
            .map(|(place, uid)| (rank(self.class(uid, min_ready)), uids.len() - place))
            .collect();
        by_rank.sort_unstable();
        let going: Vec<String> =
            by_rank.iter().take(excess).map(|(_, from_end)| uids[uids.len() - from_end].clone()).collect();
        uids.retain(|uid| !going.contains(uid));
        while uids.len() < usize::from(numbers.pods.total()) {
            let birth = Birth {
                namespace: &key.namespace,
                deployment: &key.name,
                set_name: &set.name,
                set_uid: &set.uid,
                template: &set.template,
                hash: &set.hash,
                ordinal: workload.pods_born,
            };
            workload.pods_born += 1;
            uids.push(self.bear(&birth));
        }
        set.pods = uids;
        going.iter().for_each(|uid| self.dismiss(uid));
        let object = self.set_object(set, key, deployment);
        self.store.put(&Key::new(Kind::ReplicaSet, &key.namespace, &set.name), object);
    }

    fn set_object(&self, set: &Set, key: &Key, deployment: &Value) -> Value {
        let with_hash = |mut labels: Value| {
            labels["pod-template-hash"] = json!(set.hash);
            labels
        };
        let labels = with_hash(set.template["metadata"]["labels"].clone());
        let mut template = set.template.clone();
        template["metadata"]["labels"] = labels.clone();
        let owner = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "name": key.name, "uid": deployment["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        });
        let ready = set.pods.iter().filter(|uid| self.pods.get(*uid).is_some_and(|pod| pod.ready.is_some())).count();
        let mut status = json!({"replicas": set.counted, "observedGeneration": 1});
        for (field, count) in [("readyReplicas", ready), ("availableReplicas", usize::from(set.counted_available))] {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        let annotations = json!({
            "deployment.kubernetes.io/desired-replicas": set.desired.to_string(),
            "deployment.kubernetes.io/revision": set.revision.to_string(),
        });
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": set.name, "namespace": key.namespace, "uid": set.uid, "labels": labels,
                "annotations": annotations, "ownerReferences": [owner], "creationTimestamp": time_text(set.created),
            },
            "spec": {
                "replicas": set.wanted, "template": template,
                "selector": {"matchLabels": with_hash(deployment["spec"]["selector"]["matchLabels"].clone())},
            },
            "status": status,
        })
    }

    /// An older ReplicaSet whose template is wanted again gets the newest revision.
    fn renew_revision(&self, workload: &mut Workload, template: &Value) {
        let newest = workload.revision;
        let Some(set) = workload.sets.iter_mut().find(|set| set.template == *template) else { return };
        if set.revision < newest {
            set.revision = newest + 1;
            workload.revision = set.revision;
            workload.progressed = self.now;
        }
    }

    /// Writes the status of a Deployment.
    fn tell(&mut self, key: &Key, deployment: &Value, workload: &mut Workload, counts: Status, may_miss: u8) {
        let ready = self.ready_pods(workload);
        let unavailable = counts.replicas.saturating_sub(counts.available);
        let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
        for (field, count) in [
            ("replicas", counts.replicas),
            ("updatedReplicas", counts.updated),
            ("readyReplicas", ready),
            ("availableReplicas", counts.available),
            (
                "unavailableReplicas",
                unavailable.max(small(&deployment["spec"]["replicas"]).saturating_sub(counts.available)),
            ),
        ] {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        let before = &deployment["status"];
        let further = ["updatedReplicas", "readyReplicas", "availableReplicas"]
            .iter()
            .any(|field| status[field].as_u64().unwrap_or(0) > before[field].as_u64().unwrap_or(0));
        if further {
            workload.progressed = self.now;
        }
        status["conditions"] =
            super::conditions::conditions(deployment, &status, u32::from(may_miss), workload.progressed, self.now);
        let mut after = deployment.clone();
        after["status"] = status;
        if workload.revision > 0 {
            if after["metadata"]["annotations"].is_null() {
                after["metadata"]["annotations"] = json!({});
            }
            after["metadata"]["annotations"]["deployment.kubernetes.io/revision"] =
                json!(workload.revision.to_string());
        }
        if after != *deployment {
            let writer = Writer { manager: CONTROLLER, subresource: "status", at: self.now };
            managed::track(deployment, &mut after, "apps/v1", writer);
            self.store.put(key, after);
        }
    }

    fn ready_pods(&self, workload: &Workload) -> u8 {
        let all = workload.sets.iter().flat_map(|set| &set.pods);
        let ready = all.filter(|uid| self.pods.get(*uid).is_some_and(|pod| pod.ready.is_some())).count();
        u8::try_from(ready).unwrap_or(u8::MAX)
    }

    /// Old ReplicaSets without pods are deleted, but for as many as the Deployment wants to keep.
    fn forget_history(&mut self, workload: &mut Workload, key: &Key, spec: &Value) {
        let kept = spec["revisionHistoryLimit"].as_u64().and_then(|kept| usize::try_from(kept).ok()).unwrap_or(10);
        let is_old = |set: &Set| set.template != spec["template"] && set.idle();
        let mut old: Vec<(u64, String)> =
            workload.sets.iter().filter(|set| is_old(set)).map(|set| (set.revision, set.uid.clone())).collect();
        old.sort_unstable();
        let excess = old.len().saturating_sub(kept);
        for (_, uid) in old.into_iter().take(excess) {
            let Some(place) = workload.sets.iter().position(|set| set.uid == uid) else { continue };
            let set = workload.sets.remove(place);
            self.store.remove(&Key::new(Kind::ReplicaSet, &key.namespace, &set.name));
        }
    }

    /// The garbage collector takes what a deleted Deployment leaves.
    pub(super) fn collect(&mut self, workload: &Workload, key: &Key) {
        for set in &workload.sets {
            self.store.remove(&Key::new(Kind::ReplicaSet, &key.namespace, &set.name));
            set.pods.iter().for_each(|uid| self.dismiss(uid));
        }
    }
}

/// The ReplicaSets whose numbers matter: that of the template, those with pods, and the newest; oldest first.
fn in_play(workload: &Workload, template: &Value) -> Vec<usize> {
    let sets = &workload.sets;
    let matters =
        |index: &usize| sets[*index].template == *template || !sets[*index].idle() || *index + 1 == sets.len();
    let mut places: Vec<usize> = (0..sets.len()).filter(matters).collect();
    places.drain(..places.len().saturating_sub(REPLICA_SETS));
    places
}

/// A number for the template of an older ReplicaSet, none of which is `new`.
fn index_number(index: usize, new: u8) -> u8 {
    new + 1 + u8::try_from(index).unwrap_or(u8::MAX - 1 - new)
}

fn small(replicas: &Value) -> u8 {
    replicas.as_u64().and_then(|replicas| u8::try_from(replicas).ok()).unwrap_or(u8::MAX)
}

/// Equal for equal templates; ten letters and digits as Kubernetes has them.
fn hash_of(template: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    template.to_string().hash(&mut hasher);
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    let mut number = hasher.finish();
    let letter = |_| {
        let letter = letters[usize::try_from(number % 27).unwrap_or(0)];
        number /= 27;
        char::from(letter)
    };
    (0..10).map(letter).collect()
}
