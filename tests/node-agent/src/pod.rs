//! The life of one pod as a kubelet lives it: events in, effects out. No clock, no processes, no API in here.

use std::{net::Ipv4Addr, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container as ContainerSpec, ContainerStatus, Pod as Object};

use crate::container::{Act, Container, Happening, Kind};

/// The exit code that container runtimes report for a program that could not be started.
const NOT_STARTED: i32 = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// A condition's value and since when it has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flag {
    pub value: bool,
    pub since: Timestamp,
}

/// The pod as this node knows it.
#[derive(Debug, Clone)]
pub struct Pod {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub address: Ipv4Addr,
    pub host: Ipv4Addr,
    pub accepted: Timestamp,
    pub policy: RestartPolicy,
    /// Init containers first, in their order.
    pub containers: Vec<Container>,
    pub initialized: Flag,
    pub containers_ready: Flag,
    ending: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The pod is this node's.
    Begin,
    Container {
        index: usize,
        epoch: u64,
        what: Happening,
    },
    /// The pod is being deleted, with this grace from now on.
    Delete {
        grace: Duration,
    },
    GraceOver,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Container {
        index: usize,
        epoch: u64,
        act: Act,
    },
    Wake {
        after: Duration,
        event: Event,
    },
    /// Nothing runs any more: the object may go.
    Delete,
}

impl Pod {
    /// Takes a pod over. Runs that its status tells of, from an agent before this one, count as lost.
    pub fn new(object: &Object, address: Ipv4Addr, host: Ipv4Addr, restart_backoff: Duration, now: Timestamp) -> Self {
        let meta = &object.metadata;
        let flag = Flag { value: false, since: now };
        let status = object.status.as_ref();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            address,
            host,
            accepted: status.and_then(|status| status.start_time.clone()).map_or(now, |time| time.0),
            policy: RestartPolicy::of(object),
            containers: containers_of(object, restart_backoff, now),
            initialized: flag,
            containers_ready: flag,
            ending: None,
        }
    }

    /// Takes in one event.
    pub fn apply(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = match event {
            Event::Begin => Vec::new(),
            Event::Container { index, epoch, what } => match self.containers.get(index) {
                Some(container) if container.epoch == epoch => self.happened(index, what, now),
                _ => Vec::new(),
            },
            Event::Delete { grace } => self.delete(grace),
            Event::GraceOver => self.to_running(Act::Kill),
        };
        effects.extend(self.begin_next());
        self.update_flags(now);
        effects
    }

    /// Whether the pod is being deleted.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether any process of the pod runs.
    pub fn is_running(&self) -> bool {
        self.containers.iter().any(Container::is_running)
    }

    /// Whether the container stands between the pod and its later containers.
    fn holds_up(container: &Container) -> bool {
        match container.kind {
            Kind::Init => !container.has_succeeded(),
            Kind::Sidecar => !container.is_running(),
            Kind::Main => false,
        }
    }

    fn begin_next(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.is_ending() {
            return effects;
        }
        for (index, container) in self.containers.iter_mut().enumerate() {
            if !container.begun {
                container.begun = true;
                container.wait_for("ContainerCreating");
                effects.push(container.act(index, Act::Pull));
            }
            if Self::holds_up(container) {
                break;
            }
        }
        effects
    }

    fn happened(&mut self, index: usize, what: Happening, now: Timestamp) -> Vec<Effect> {
        match what {
            Happening::Exited(code) => self.exited(index, code, None, now),
            Happening::NotStarted(message) => {
                self.containers[index].count_run();
                self.exited(index, NOT_STARTED, Some(message), now)
            }
            Happening::Started if self.is_ending() => {
                let container = &mut self.containers[index];
                container.started(index, now);
                vec![container.act(index, Act::Kill)]
            }
            // Nothing is started any more.
            Happening::Pulled(_) | Happening::PullDue | Happening::StartDue if self.is_ending() => Vec::new(),
            what => self.containers[index].happened(index, what, now),
        }
    }

    fn exited(&mut self, index: usize, code: i32, message: Option<String>, now: Timestamp) -> Vec<Effect> {
        let restart = self.restarts(self.containers[index].kind, code);
        let ending = self.is_ending();
        let pod = format!("{}_{}({})", self.name, self.namespace, self.uid);
        let container = &mut self.containers[index];
        container.terminate(code, message, ending, now);
        if ending {
            return if self.is_running() { Vec::new() } else { vec![Effect::Delete] };
        }
        if restart { container.restart(index, &pod, now) } else { Vec::new() }
    }

    fn restarts(&self, kind: Kind, code: i32) -> bool {
        match (kind, self.policy) {
            (Kind::Sidecar, _) | (Kind::Main, RestartPolicy::Always) => true,
            (_, RestartPolicy::Never) => false,
            (Kind::Init, _) | (_, RestartPolicy::OnFailure) => code != 0,
        }
    }

    fn delete(&mut self, grace: Duration) -> Vec<Effect> {
        let before = self.ending.replace(grace);
        if before.is_some_and(|before| before <= grace) {
            return Vec::new();
        }
        if !self.is_running() {
            return vec![Effect::Delete];
        }
        let mut effects = if before.is_none() { self.to_running(Act::Terminate) } else { Vec::new() };
        effects.push(Effect::Wake { after: grace, event: Event::GraceOver });
        effects
    }

    fn to_running(&self, act: Act) -> Vec<Effect> {
        let running = self.containers.iter().enumerate().filter(|(_, container)| container.is_running());
        running.map(|(index, container)| container.act(index, act)).collect()
    }

    fn update_flags(&mut self, now: Timestamp) {
        let initialized = !self.containers.iter().any(Self::holds_up);
        let ready =
            self.containers.iter().filter(|container| container.kind != Kind::Init).all(|container| container.ready);
        self.initialized.set(initialized || self.initialized.value, now);
        self.containers_ready.set(ready, now);
    }
}

impl Flag {
    fn set(&mut self, value: bool, now: Timestamp) {
        if self.value != value {
            *self = Self { value, since: now };
        }
    }
}

impl RestartPolicy {
    fn of(object: &Object) -> Self {
        match object.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }
}

fn containers_of(object: &Object, first_wait: Duration, now: Timestamp) -> Vec<Container> {
    let Some(spec) = &object.spec else { return Vec::new() };
    let status = object.status.as_ref();
    let of_init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let of_main = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let make = |spec: &ContainerSpec, kind, statuses: &[ContainerStatus]| {
        let before = statuses.iter().find(|status| status.name == spec.name);
        Container::new(spec, kind, before, first_wait, now)
    };
    let init = spec.init_containers.iter().flatten().map(|spec| {
        let kind = if spec.restart_policy.as_deref() == Some("Always") { Kind::Sidecar } else { Kind::Init };
        make(spec, kind, of_init)
    });
    init.chain(spec.containers.iter().map(|spec| make(spec, Kind::Main, of_main))).collect()
}

#[cfg(test)]
#[path = "pod_tests.rs"]
mod tests;
