//! The kubelet: what becomes of pods, by the fates that they are given.

use std::time::Duration;

use aviary_core::time::Timestamp;
use serde_json::{Value, json};

use super::{
    Cluster,
    agenda::Due,
    kinds::Kind,
    names::{name, names},
    store::Key,
    time_text,
};

/// From a pod's creation to the start of its containers.
const STARTS_AFTER: Duration = Duration::from_millis(50);
/// From the first failure to pull an image to the kubelet's backing off.
const BACKS_OFF_AFTER: Duration = Duration::from_secs(10);
/// The kubelet's first wait before it starts a container for the third time; it doubles. The second start is at once.
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
/// The longest such wait.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);
/// A container that ran for so long is started anew at once.
const FORGETS_AFTER: Duration = Duration::from_secs(600);

/// A pod that is about to start, for whoever decides what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct NewPod<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The name of its Deployment.
    pub deployment: &'a str,
    /// Its labels.
    pub labels: &'a Value,
    /// The image of its first container.
    pub image: &'a str,
    /// How many pods of its Deployment were created before it.
    pub ordinal: u64,
    /// When it is created.
    pub at: Timestamp,
}

/// What becomes of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its image cannot be pulled.
    Unpullable,
    /// Its container runs.
    Runs {
        /// How long after each start it is ready; never, if nothing.
        ready_after: Option<Duration>,
        /// How it ends by itself after each start.
        ends: Option<End>,
        /// How long it takes to end when it is told to.
        stops_after: Duration,
    },
}

/// The end of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// How long after its start.
    pub after: Duration,
    /// Its exit code.
    pub exit_code: i32,
    /// Whether it was out of memory.
    pub out_of_memory: bool,
}

/// Decides what becomes of pods.
pub trait Fates: Send {
    /// The fate of a pod.
    fn fate(&mut self, pod: &NewPod<'_>) -> Fate;
}

impl<F: FnMut(&NewPod<'_>) -> Fate + Send> Fates for F {
    fn fate(&mut self, pod: &NewPod<'_>) -> Fate {
        self(pod)
    }
}

/// How a pod's container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not started yet.
    Creating,
    /// It runs since then.
    Running(Timestamp),
    /// It waits with a reason that is evidence.
    Waiting(&'static str),
}

/// A container that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When it had started.
    pub started: Timestamp,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub end: End,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The name of its Deployment.
    pub deployment: String,
    /// Its labels.
    pub labels: Value,
    /// The image of its first container.
    pub image: String,
    /// When it was created.
    pub created: Timestamp,
    /// How its container is.
    pub state: State,
    /// Since when it is ready.
    pub ready: Option<Timestamp>,
    /// How often its container was started again.
    pub restarts: u32,
    /// How its container ended the last time.
    pub ended: Option<Ended>,
    /// Since when it is on its way out.
    pub leaves: Option<Timestamp>,
    /// What becomes of it.
    pub fate: Fate,
    pub(super) set: String,
    pub(super) set_name: String,
    pub(super) spec: Value,
    back_off: Duration,
}

impl Pod {
    pub(super) fn key(&self) -> Key {
        Key::new(Kind::Pod, &self.namespace, &self.name)
    }

    fn deployment_key(&self) -> Key {
        Key::new(Kind::Deployment, &self.namespace, &self.deployment)
    }

    /// As the API server tells it.
    fn object(&self) -> Value {
        let owner = Kind::ReplicaSet.controller(&self.set_name, &json!(self.set));
        let mut metadata = json!({
            "name": self.name, "namespace": self.namespace, "uid": self.uid, "labels": self.labels,
            "generateName": format!("{}-", self.set_name), "creationTimestamp": time_text(self.created),
            "ownerReferences": [owner],
        });
        if let Some(at) = self.leaves {
            metadata["deletionTimestamp"] = json!(time_text(at));
        }
        let mut spec = self.spec.clone();
        spec["nodeName"] = json!("node");
        let bare = Kind::Pod.bare();
        json!({
            "apiVersion": bare["apiVersion"], "kind": bare["kind"], "metadata": metadata, "spec": spec,
            "status": self.status(),
        })
    }

    fn status(&self) -> Value {
        let is_running = matches!(self.state, State::Running(_));
        let since = self.ready.or(self.ended.map(|ended| ended.at)).unwrap_or(self.created);
        let condition = |name: &str, holds: bool| {
            let status = if holds { "True" } else { "False" };
            json!({"type": name, "status": status, "lastTransitionTime": time_text(since)})
        };
        let ready = self.ready.is_some();
        let containers = self.spec["containers"].as_array().into_iter().flatten();
        let statuses: Vec<Value> = containers.map(|container| self.container_status(container)).collect();
        let started = is_running || self.ended.is_some();
        json!({
            "phase": if started { "Running" } else { "Pending" },
            "conditions": [
                condition("Initialized", true), condition("Ready", ready), condition("ContainersReady", ready),
                condition("PodScheduled", true),
            ],
            "containerStatuses": statuses,
            "startTime": time_text(self.created),
        })
    }

    fn container_status(&self, container: &Value) -> Value {
        let state = match &self.state {
            State::Creating => json!({"waiting": {"reason": "ContainerCreating"}}),
            State::Running(since) => json!({"running": {"startedAt": time_text(*since)}}),
            State::Waiting(reason) => json!({"waiting": {"reason": reason, "message": self.waiting_message(reason)}}),
        };
        let last = self.ended.map_or(json!({}), |ended| json!({"terminated": terminated(ended)}));
        json!({
            "name": container["name"], "image": container["image"], "imageID": "", "ready": self.ready.is_some(),
            "started": matches!(self.state, State::Running(_)), "restartCount": self.restarts,
            "state": state, "lastState": last,
        })
    }

    fn waiting_message(&self, reason: &str) -> String {
        match reason {
            "CrashLoopBackOff" => {
                format!("back-off {}s restarting failed container", self.back_off.as_secs())
            }
            _ => format!("Back-off pulling image \"{}\"", self.image),
        }
    }
}

fn terminated(ended: Ended) -> Value {
    let reason = match ended.end {
        End { out_of_memory: true, .. } => "OOMKilled",
        End { exit_code: 0, .. } => "Completed",
        End { .. } => "Error",
    };
    json!({
        "exitCode": ended.end.exit_code, "reason": reason, "startedAt": time_text(ended.started),
        "finishedAt": time_text(ended.at),
    })
}

/// What a ReplicaSet makes a pod of.
pub(super) struct Birth<'a> {
    pub namespace: &'a str,
    pub deployment: &'a str,
    pub set_name: &'a str,
    pub set_uid: &'a str,
    pub template: &'a Value,
    pub hash: &'a str,
    pub ordinal: u64,
}

impl Cluster {
    /// A new pod of a ReplicaSet; its uid.
    pub(super) fn bear(&mut self, birth: &Birth<'_>) -> String {
        let uid = self.store.new_uid();
        let name = format!("{}-{}", birth.set_name, self.new_suffix());
        let mut labels = birth.template["metadata"]["labels"].clone();
        labels["pod-template-hash"] = json!(birth.hash);
        let image = birth.template["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
        let (namespace, deployment, ordinal, at) = (birth.namespace, birth.deployment, birth.ordinal, self.now);
        let new = NewPod { namespace, name: &name, deployment, labels: &labels, image: &image, ordinal, at };
        let fate = self.fates.fate(&new);
        let pod = Pod {
            namespace: namespace.to_owned(),
            name,
            uid: uid.clone(),
            deployment: deployment.to_owned(),
            labels,
            image,
            created: at,
            state: State::Creating,
            ready: None,
            restarts: 0,
            ended: None,
            leaves: None,
            fate,
            set: birth.set_uid.to_owned(),
            set_name: birth.set_name.to_owned(),
            spec: birth.template["spec"].clone(),
            back_off: Duration::ZERO,
        };
        self.pods.insert(uid.clone(), pod);
        self.show(&uid);
        self.schedule(STARTS_AFTER, Due::Starts(uid.clone()));
        uid
    }

    /// Five letters and digits that no other pod has.
    fn new_suffix(&mut self) -> String {
        self.pods_born += 1;
        // A factor without a common divisor gives each number once.
        name(self.pods_born * 7_368_787 % names(5), 5)
    }

    /// Stores a pod as it is now.
    fn show(&mut self, uid: &str) {
        if let Some(pod) = self.pods.get(uid) {
            self.store.put(&pod.key(), pod.object());
        }
    }

    /// Changes a pod that is not on its way out, shows it, and lets its Deployment's controller look.
    fn change(&mut self, uid: &str, change: impl FnOnce(&mut Pod)) {
        let Some(pod) = self.pods.get_mut(uid).filter(|pod| pod.leaves.is_none()) else { return };
        change(pod);
        let key = pod.deployment_key();
        self.show(uid);
        self.look_at(&key);
    }

    pub(super) fn starts(&mut self, uid: &str) {
        let Some(pod) = self.pods.get(uid).filter(|pod| pod.leaves.is_none()) else { return };
        let (now, starts, uid) = (self.now, pod.restarts, uid.to_owned());
        match pod.fate {
            Fate::Unpullable => {
                self.change(&uid, |pod| pod.state = State::Waiting("ErrImagePull"));
                self.schedule(BACKS_OFF_AFTER, Due::BacksOff(uid));
            }
            Fate::Runs { ready_after, ends, .. } => {
                self.change(&uid, |pod| pod.state = State::Running(now));
                // One that ends first never gets ready.
                let ready = ready_after.filter(|after| ends.is_none_or(|end| *after < end.after));
                if let Some(after) = ready {
                    self.schedule(after, Due::Ready(uid.clone(), starts));
                }
                if let Some(end) = ends {
                    self.schedule(end.after, Due::Ends(uid, starts, end));
                }
            }
        }
    }

    pub(super) fn backs_off(&mut self, uid: &str) {
        self.change(uid, |pod| pod.state = State::Waiting("ImagePullBackOff"));
    }

    pub(super) fn gets_ready(&mut self, uid: &str, starts: u32) {
        let now = self.now;
        if self.pods.get(uid).is_some_and(|pod| pod.restarts == starts) {
            self.change(uid, |pod| pod.ready = Some(now));
        }
    }

    pub(super) fn ends(&mut self, uid: &str, starts: u32, end: End) {
        let now = self.now;
        let Some(pod) = self.pods.get(uid).filter(|pod| pod.restarts == starts) else { return };
        let State::Running(started) = pod.state else { return };
        let before = pod.back_off;
        let back_off = match (now.since(started) > FORGETS_AFTER, pod.ended) {
            (true, _) | (_, None) => Duration::ZERO,
            _ => LONGEST_BACK_OFF.min(FIRST_BACK_OFF.max(before * 2)),
        };
        self.change(uid, |pod| {
            pod.ended = Some(Ended { started, at: now, end });
            (pod.ready, pod.back_off) = (None, back_off);
            pod.state = if back_off.is_zero() { State::Creating } else { State::Waiting("CrashLoopBackOff") };
        });
        self.schedule(back_off + STARTS_AFTER, Due::Restarts(uid.to_owned()));
    }

    pub(super) fn restarts(&mut self, uid: &str) {
        self.change(uid, |pod| pod.restarts += 1);
        self.starts(uid);
    }

    /// A pod is told to end.
    pub(super) fn dismiss(&mut self, uid: &str) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(uid).filter(|pod| pod.leaves.is_none()) else { return };
        pod.leaves = Some(now);
        pod.ready = None;
        let stops_after = match pod.fate {
            Fate::Runs { stops_after, .. } => stops_after,
            Fate::Unpullable => Duration::ZERO,
        };
        let key = pod.deployment_key();
        self.show(uid);
        self.schedule(stops_after, Due::Gone(uid.to_owned()));
        self.look_at(&key);
    }

    pub(super) fn gone(&mut self, uid: &str) {
        if let Some(pod) = self.pods.remove(uid) {
            self.store.remove(&pod.key());
            self.look_at(&pod.deployment_key());
        }
    }
}
