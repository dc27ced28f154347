//! The controllers of Deployments and ReplicaSets over JSON objects: the numbers are those of [`crate::controller`], which
//! the exploration uses too; names, pods, history and conditions are added here.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use aviary_core::time::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Cluster,
    agenda::{Due, Place},
    conditions::{Turn, conditions, is_complete},
    kinds::Kind,
    managed::{self, Writer},
    names::name,
    pods::{Birth, Pod, State},
    store::Key,
    time_text,
};
use crate::{
    controller,
    deployment::{Deployment, Pods, REPLICA_SETS, ReplicaSet, Status},
    specs::Specs,
};

const CONTROLLER: &str = "kube-controller-manager";
const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// The annotations of a Deployment that its ReplicaSets do not take over.
const NOT_COPIED: [&str; 5] =
    ["kubectl.kubernetes.io/last-applied-configuration", REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS];

/// What the controllers know of a Deployment.
#[derive(Debug, Default)]
pub(super) struct Workload {
    /// Oldest first.
    sets: Vec<Set>,
    pods_born: u64,
    /// When the controllers look whether it still gets further.
    deadline: Option<Place>,
}

#[derive(Debug)]
struct Set {
    name: String,
    uid: String,
    hash: String,
    template: Value,
    revision: u64,
    /// Those of the Deployment that it has taken over, and what it was before it came back.
    annotations: Map<String, Value>,
    created: Timestamp,
    /// `minReadySeconds`; null for none.
    min_ready: Value,
    wanted: u8,
    desired: u8,
    most: u8,
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
        // Which ReplicaSets matter, each with a number that stands for its template.
        let places: Vec<(usize, u8)> = in_play(&workload, &spec["template"])
            .into_iter()
            .map(|index| {
                let is_new = workload.sets[index].template == spec["template"];
                (index, if is_new { number } else { index_number(index, number) })
            })
            .collect();
        let mut before = Deployment::new(0, id, small(&spec["replicas"]));
        before.paused = spec["paused"] == true;
        for (place, (index, template)) in places.iter().enumerate() {
            before.sets[place] = self.numbers(&workload.sets[*index], *template, spec);
        }
        before.set_count = u8::try_from(places.len()).unwrap_or(0);
        let after = controller::turn(before, &specs);
        let known_sets = workload.sets.len();
        for set in after.sets() {
            let known = places.iter().find(|(_, template)| *template == set.template).map(|(index, _)| *index);
            let index = known.unwrap_or_else(|| self.new_set(&mut workload, key, &spec["template"]));
            self.resize(&mut workload, index, set, key, &object);
        }
        self.look_when_available(&workload, key, spec);
        let found = self.sync_revision(&mut workload, key, &object);
        if before.paused || (controller::rolls(&before) && is_complete(&object, &object["status"])) {
            self.forget_history(&mut workload, key, spec);
        }
        let turn = Turn {
            unavailable: u32::from(specs.get(id).unavailable(before.replicas)),
            rolled: controller::rolls(&before),
            found,
            created: workload.sets.len() > known_sets,
            now: self.now,
        };
        let wanted = before.sets().iter().map(|set| u32::from(set.wanted)).sum();
        let told = self.tell(key, &object, &mut workload, after.status, wanted, turn);
        self.workloads.insert(key.clone(), workload);
        if told || after.sets != before.sets || after.set_count != before.set_count {
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

    /// The controllers look again when the next pod that is ready has been so for long enough.
    fn look_when_available(&mut self, workload: &Workload, key: &Key, spec: &Value) {
        let min_ready = Duration::from_secs(spec["minReadySeconds"].as_u64().unwrap_or(0));
        let pods = workload.sets.iter().flat_map(|set| &set.pods).filter_map(|uid| self.pods.get(uid));
        let due =
            pods.filter_map(|pod| pod.ready).map(|since| since.plus(min_ready)).filter(|due| *due > self.now).min();
        if let Some(due) = due {
            self.schedule(due.since(self.now), Due::Turn(key.clone()));
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
        let Set { wanted, desired, most, counted, counted_available, .. } = *set;
        ReplicaSet { template, wanted, desired, most, counted, counted_available, pods }
    }

    fn new_set(&mut self, workload: &mut Workload, key: &Key, template: &Value) -> usize {
        let hash = hash_of(template);
        let uid = self.store.new_uid();
        workload.sets.push(Set {
            name: format!("{}-{hash}", key.name),
            uid,
            hash,
            template: template.clone(),
            revision: 0,
            annotations: Map::new(),
            created: self.now,
            min_ready: Value::Null,
            wanted: 0,
            desired: 0,
            most: 0,
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
        (set.wanted, set.desired, set.most) = (numbers.wanted, numbers.desired, numbers.most);
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
        let owner = Kind::Deployment.controller(&key.name, &deployment["metadata"]["uid"]);
        let ready = set.pods.iter().filter(|uid| self.pods.get(*uid).is_some_and(|pod| pod.ready.is_some())).count();
        let mut status = json!({"replicas": set.counted, "observedGeneration": 1});
        for (field, count) in [("readyReplicas", ready), ("availableReplicas", usize::from(set.counted_available))] {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        let mut annotations = set.annotations.clone();
        annotations.insert(DESIRED_REPLICAS.to_owned(), json!(set.desired.to_string()));
        annotations.insert(MAX_REPLICAS.to_owned(), json!(set.most.to_string()));
        annotations.insert(REVISION.to_owned(), json!(set.revision.to_string()));
        let mut object = json!({
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
        });
        if !set.min_ready.is_null() {
            object["spec"]["minReadySeconds"] = set.min_ready.clone();
        }
        object
    }

    /// The ReplicaSet of the template gets the newest revision and the Deployment's annotations. Whether there is one.
    fn sync_revision(&mut self, workload: &mut Workload, key: &Key, deployment: &Value) -> bool {
        let template = &deployment["spec"]["template"];
        let older = workload.sets.iter().filter(|set| set.template != *template).map(|set| set.revision).max();
        let Some(set) = workload.sets.iter_mut().find(|set| set.template == *template) else { return false };
        let revision = older.unwrap_or(0) + 1;
        if set.revision < revision {
            if set.revision > 0 {
                let before = set.annotations.get(REVISION_HISTORY).and_then(Value::as_str);
                let history = before.map_or(String::new(), |before| format!("{before},")) + &set.revision.to_string();
                set.annotations.insert(REVISION_HISTORY.to_owned(), json!(history));
            }
            set.revision = revision;
        }
        let annotations = deployment["metadata"]["annotations"].as_object().into_iter().flatten();
        let copied = annotations.filter(|(name, _)| !NOT_COPIED.contains(&name.as_str()));
        set.annotations.extend(copied.map(|(name, value)| (name.clone(), value.clone())));
        set.min_ready = deployment["spec"]["minReadySeconds"].clone();
        let object = self.set_object(set, key, deployment);
        self.store.put(&Key::new(Kind::ReplicaSet, &key.namespace, &set.name), object);
        true
    }

    /// Writes the status of a Deployment whose ReplicaSets wanted so many pods before this turn. Whether anything is new.
    fn tell(
        &mut self,
        key: &Key,
        deployment: &Value,
        workload: &mut Workload,
        counts: Status,
        wanted: u32,
        turn: Turn,
    ) -> bool {
        let mut status = json!({
            "observedGeneration": deployment["metadata"]["generation"], "terminatingReplicas": self.leaving(key),
        });
        for (field, count) in [
            ("replicas", u32::from(counts.replicas)),
            ("updatedReplicas", u32::from(counts.updated)),
            ("readyReplicas", u32::from(self.ready_pods(workload))),
            ("availableReplicas", u32::from(counts.available)),
            ("unavailableReplicas", wanted.saturating_sub(u32::from(counts.available))),
        ] {
            if count > 0 {
                status[field] = json!(count);
            }
        }
        let (conditions, deadline) = conditions(deployment, &status, turn);
        status["conditions"] = conditions;
        let mut after = deployment.clone();
        after["status"] = status;
        let newest = workload.sets.iter().find(|set| set.template == deployment["spec"]["template"]);
        if let Some(newest) = newest {
            if after["metadata"]["annotations"].is_null() {
                after["metadata"]["annotations"] = json!({});
            }
            after["metadata"]["annotations"][REVISION] = json!(newest.revision.to_string());
        }
        workload.deadline.take().into_iter().for_each(|place| self.call_off(place));
        workload.deadline = deadline.map(|at| self.schedule(at.since(self.now), Due::Turn(key.clone())));
        if after == *deployment {
            return false;
        }
        let writer = Writer { manager: CONTROLLER, subresource: "status", at: self.now };
        managed::track(deployment, &mut after, "apps/v1", writer);
        self.store.put(key, after);
        true
    }

    /// Its pods on their way out.
    fn leaving(&self, key: &Key) -> usize {
        let of_it = |pod: &&Pod| pod.namespace == key.namespace && pod.deployment == key.name;
        self.pods.values().filter(of_it).filter(|pod| pod.leaves.is_some()).count()
    }

    fn ready_pods(&self, workload: &Workload) -> u8 {
        let all = workload.sets.iter().flat_map(|set| &set.pods);
        let ready = all.filter(|uid| self.pods.get(*uid).is_some_and(|pod| pod.ready.is_some())).count();
        u8::try_from(ready).unwrap_or(u8::MAX)
    }

    /// The oldest ReplicaSets are deleted, but for as many as the Deployment wants to keep, and for those with pods.
    fn forget_history(&mut self, workload: &mut Workload, key: &Key, spec: &Value) {
        let kept = spec["revisionHistoryLimit"].as_u64().and_then(|kept| usize::try_from(kept).ok()).unwrap_or(10);
        let old = workload.sets.iter().filter(|set| set.template != spec["template"]);
        let mut old: Vec<(u64, bool, String)> = old.map(|set| (set.revision, set.idle(), set.uid.clone())).collect();
        old.sort_unstable();
        let excess = old.len().saturating_sub(kept);
        for (_, _, uid) in old.into_iter().take(excess).filter(|(_, idle, _)| *idle) {
            let Some(place) = workload.sets.iter().position(|set| set.uid == uid) else { continue };
            let set = workload.sets.remove(place);
            self.store.remove(&Key::new(Kind::ReplicaSet, &key.namespace, &set.name));
        }
    }

    /// The garbage collector takes what a deleted Deployment leaves.
    pub(super) fn collect(&mut self, workload: &Workload, key: &Key) {
        workload.deadline.into_iter().for_each(|place| self.call_off(place));
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
    name(hasher.finish(), 10)
}
