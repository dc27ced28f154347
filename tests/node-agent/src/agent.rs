//! The run loop: one task owns all pods, takes one input at a time, and does what the state machine says.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container as ContainerSpec, Pod as Object, PodStatus};
use kube::runtime::watcher;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use crate::{
    address::Addresses,
    cluster::{Cluster, Key},
    container::{Act, Happening, Kind},
    discovery::Target,
    environment::{Place, Program},
    images::{Image, ImageTable},
    pod::{Effect, Event, Pod},
    probe::{Question, Schedule},
    process::{Group, Process, Sink},
    status::{OWN_CONDITIONS, status},
};

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// How long a container that is only pretended takes to start.
const PRETENDED_START: Duration = Duration::from_millis(300);

/// How an agent runs its pods.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's name.
    pub node: String,
    /// The folder that `{bin}` stands for in the image table.
    pub programs: PathBuf,
    /// The first wait of a container that exits again and again.
    pub restart_backoff: Duration,
    /// Report pods as running and ready after 0.3 s, and start nothing.
    pub pretend: bool,
    /// Where the pods' output goes, a file per container; nowhere if not given.
    pub logs: Option<PathBuf>,
}

/// What the loop takes in, apart from the watch.
#[derive(Debug)]
pub(crate) enum Input {
    Pod { uid: String, event: Event },
    Exited { uid: String, index: usize, epoch: u64, code: i32 },
    Reported { uid: String, result: Result<Box<PodStatus>> },
    Deleted { uid: String, result: Result<()> },
    Settle { uid: String },
    Bound { pod: Key, result: Result<()> },
    Targets(oneshot::Sender<Vec<Target>>),
}

/// The agent's state.
pub struct Agent {
    settings: Settings,
    cluster: Cluster,
    images: ImageTable,
    addresses: Addresses,
    http: reqwest::Client,
    inputs: mpsc::UnboundedSender<Input>,
    pods: HashMap<String, Entry>,
    binding: HashSet<String>,
    /// The uids of a list that is coming in.
    listed: Option<HashSet<String>>,
}

/// One pod of this node.
struct Entry {
    key: Key,
    machine: Pod,
    object: Object,
    processes: HashMap<usize, Running>,
    /// What the API shows, as far as is known.
    reported: Option<PodStatus>,
    writing: bool,
    leaving: bool,
    failures: u32,
}

struct Running {
    group: Group,
    program: Arc<Program>,
}

impl Agent {
    pub(crate) fn new(
        settings: Settings,
        cluster: Cluster,
        images: ImageTable,
        addresses: Addresses,
        http: reqwest::Client,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> Self {
        let (pods, binding) = (HashMap::new(), HashSet::new());
        Self { settings, cluster, images, addresses, http, inputs, pods, binding, listed: None }
    }

    /// Runs until `stop` resolves, then ends all processes. `ready` is called once, when the first list is in.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::UnboundedReceiver<Input>,
        stop: impl Future<Output = ()>,
        ready: impl FnOnce(),
    ) {
        let mut watch = self.cluster.watch();
        let mut stop = pin!(stop);
        let mut ready = Some(ready);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(input) = inputs.recv() => self.take(input),
                Some(event) = watch.next() => match event {
                    Ok(event) => {
                        self.watched(event);
                        if self.listed.is_none() && let Some(ready) = ready.take() {
                            ready();
                        }
                    }
                    Err(error) => tracing::warn!("the watch on pods broke and is tried again: {error}"),
                },
            }
        }
        self.pods.values().for_each(Entry::kill);
    }

    fn watched(&mut self, event: watcher::Event<Object>) {
        match event {
            watcher::Event::Init => self.listed = Some(HashSet::new()),
            watcher::Event::InitApply(pod) => {
                if let Some(listed) = &mut self.listed {
                    listed.extend(pod.metadata.uid.clone());
                }
                self.seen(pod);
            }
            watcher::Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let missing = self.pods.keys().filter(|uid| !listed.contains(*uid)).cloned().collect::<Vec<_>>();
                missing.iter().for_each(|uid| self.forget(uid));
            }
            watcher::Event::Apply(pod) => self.seen(pod),
            watcher::Event::Delete(pod) => self.forget(pod.metadata.uid.as_deref().unwrap_or_default()),
        }
    }

    fn seen(&mut self, object: Object) {
        let node = object.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        match node {
            None => self.seen_unbound(&object),
            Some(node) if node == self.settings.node => self.seen_own(object),
            Some(_) => {}
        }
    }

    fn seen_unbound(&mut self, object: &Object) {
        let gated =
            object.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref()).is_some_and(|gates| !gates.is_empty());
        let key = Key::of(object);
        if gated || object.metadata.deletion_timestamp.is_some() || !self.binding.insert(key.uid.clone()) {
            return;
        }
        self.bind(key);
    }

    fn bind(&self, pod: Key) {
        let (cluster, inputs) = (self.cluster.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let result = cluster.bind(&pod).await;
            let _ = inputs.send(Input::Bound { pod, result });
        });
    }

    fn seen_own(&mut self, object: Object) {
        let key = Key::of(&object);
        let uid = key.uid.clone();
        self.binding.remove(&uid);
        let deleted = object.metadata.deletion_timestamp.is_some();
        let grace = Duration::from_secs(object.metadata.deletion_grace_period_seconds.unwrap_or(0).unsigned_abs());
        let known = self.pods.contains_key(&uid);
        if !known && has_ended(&object) && !deleted {
            return;
        }
        if let Some(entry) = self.pods.get_mut(&uid) {
            entry.object = object;
        } else {
            let (entry, begin) = (self.accept(key, object), !deleted);
            self.pods.insert(uid.clone(), entry);
            if begin {
                self.feed(&uid, Event::Begin);
            }
        }
        if deleted {
            self.feed(&uid, Event::Delete { grace });
        }
    }

    fn accept(&mut self, key: Key, object: Object) -> Entry {
        let (address, host) = (self.addresses.allocate(), self.addresses.host());
        let machine = Pod::new(&object, address, host, self.settings.restart_backoff, Timestamp::now());
        // A pod that is on its way out needs no more words.
        let reported = object.metadata.deletion_timestamp.is_some().then(|| status(&machine));
        let processes = HashMap::new();
        Entry { key, machine, object, processes, reported, writing: false, leaving: false, failures: 0 }
    }

    /// The object is gone: so are its processes.
    fn forget(&mut self, uid: &str) {
        self.binding.remove(uid);
        if let Some(entry) = self.pods.remove(uid) {
            entry.kill();
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Pod { uid, event } => self.feed(&uid, event),
            Input::Exited { uid, index, epoch, code } => {
                if let Some(entry) = self.pods.get_mut(&uid) {
                    entry.processes.remove(&index);
                    self.feed(&uid, container_event(index, epoch, Happening::Exited(code)));
                }
            }
            Input::Reported { uid, result } => self.reported(&uid, result),
            Input::Deleted { uid, result } => {
                if let Err(error) = result {
                    self.failed(&uid, "delete", &error);
                }
            }
            Input::Settle { uid } => {
                if let Some(entry) = self.pods.get_mut(&uid) {
                    entry.writing = false;
                }
                self.settle(&uid);
            }
            Input::Bound { pod, result } => self.bound(pod, result),
            Input::Targets(answer) => {
                let _ = answer.send(self.targets());
            }
        }
    }

    fn bound(&mut self, pod: Key, result: Result<()>) {
        let Err(error) = result else { return };
        tracing::debug!("cannot bind {}/{}: {error:#}", pod.namespace, pod.name);
        if !self.binding.contains(&pod.uid) {
            return;
        }
        // Taken by another node or gone: the watch says so. Otherwise it is tried until it works.
        if matches!(error.downcast_ref(), Some(kube::Error::Api(status)) if matches!(status.code, 404 | 409)) {
            self.binding.remove(&pod.uid);
            return;
        }
        let (cluster, inputs) = (self.cluster.clone(), self.inputs.clone());
        tokio::spawn(async move {
            sleep(RETRY_FIRST).await;
            let result = cluster.bind(&pod).await;
            let _ = inputs.send(Input::Bound { pod, result });
        });
    }

    /// Gives an event to a pod, does what follows, and writes what the API does not show yet.
    fn feed(&mut self, uid: &str, event: Event) {
        let mut queue = VecDeque::from([event]);
        while let Some(event) = queue.pop_front() {
            let Some(entry) = self.pods.get_mut(uid) else { return };
            for effect in entry.machine.apply(event, Timestamp::now()) {
                queue.extend(self.perform(uid, effect));
            }
        }
        self.settle(uid);
    }

    /// Does one thing; what is known of its outcome at once is returned.
    fn perform(&mut self, uid: &str, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Wake { after, event } => {
                let (inputs, uid) = (self.inputs.clone(), uid.to_owned());
                tokio::spawn(async move {
                    sleep(after).await;
                    let _ = inputs.send(Input::Pod { uid, event });
                });
                None
            }
            Effect::Delete => {
                self.pods.get_mut(uid)?.leaving = true;
                None
            }
            Effect::Container { index, epoch, act } => {
                let what = if self.settings.pretend {
                    self.pretend(uid, index, act)
                } else {
                    self.act(uid, index, epoch, act)
                };
                what.map(|what| container_event(index, epoch, what))
            }
        }
    }

    fn pretend(&self, uid: &str, index: usize, act: Act) -> Option<Happening> {
        match act {
            Act::Pull => {
                let image = Image { startup_delay: PRETENDED_START, ..Image::default() };
                Some(Happening::Pulled(Ok((image, None))))
            }
            Act::Start => {
                let is_init = self.pods.get(uid)?.machine.containers[index].kind == Kind::Init;
                if is_init {
                    let epoch = self.pods.get(uid)?.machine.containers[index].epoch();
                    let _ = self.inputs.send(Input::Exited { uid: uid.to_owned(), index, epoch, code: 0 });
                }
                Some(Happening::Started)
            }
            Act::Probe => None,
            Act::Terminate | Act::Kill => Some(Happening::Exited(0)),
        }
    }

    fn act(&mut self, uid: &str, index: usize, epoch: u64, act: Act) -> Option<Happening> {
        let entry = self.pods.get(uid)?;
        match act {
            Act::Pull => {
                let (spec, kind) = (entry.container(index)?, entry.machine.containers[index].kind);
                let probe = spec.readiness_probe.as_ref().filter(|_| kind != Kind::Init);
                let pulled = self.images.pull(spec.image.as_deref().unwrap_or_default());
                Some(Happening::Pulled(pulled.map(|image| {
                    let schedule = probe.map(|probe| Schedule::new(probe, &image));
                    (image, schedule)
                })))
            }
            Act::Start => self.start(uid, index, epoch),
            Act::Probe => {
                self.probe(uid, index, epoch);
                None
            }
            Act::Terminate => {
                entry.processes.get(&index)?.group.terminate();
                None
            }
            Act::Kill => {
                entry.processes.get(&index)?.group.kill();
                None
            }
        }
    }

    fn start(&mut self, uid: &str, index: usize, epoch: u64) -> Option<Happening> {
        let entry = self.pods.get_mut(uid)?;
        let place = Place {
            node: &self.settings.node,
            host: self.addresses.host(),
            address: entry.machine.address,
            programs: &self.settings.programs,
        };
        let image = entry.machine.containers[index].image()?;
        let program = match Program::resolve(&entry.object, entry.container(index)?, image, place) {
            Ok(program) => Arc::new(program),
            Err(error) => return Some(Happening::Misconfigured(error.to_string())),
        };
        let process = match Process::start(&program, &sink(self.settings.logs.as_ref(), entry, index)) {
            Ok(process) => process,
            Err(error) => {
                return Some(Happening::NotStarted(format!("cannot start {}: {error}", program.arguments[0])));
            }
        };
        entry.processes.insert(index, Running { group: process.group(), program });
        self.follow(uid, index, epoch, process);
        Some(Happening::Started)
    }

    fn follow(&self, uid: &str, index: usize, epoch: u64, mut process: Process) {
        let (inputs, uid) = (self.inputs.clone(), uid.to_owned());
        tokio::spawn(async move {
            let code = process.wait().await;
            let _ = inputs.send(Input::Exited { uid, index, epoch, code });
        });
    }

    fn probe(&self, uid: &str, index: usize, epoch: u64) {
        let Some(entry) = self.pods.get(uid) else { return };
        let (Some(spec), Some(running)) = (entry.container(index), entry.processes.get(&index)) else { return };
        let (Some(probe), Some(schedule)) = (&spec.readiness_probe, entry.machine.containers[index].schedule()) else {
            return;
        };
        let question = Question::new(probe, spec, entry.machine.address);
        let (http, program, inputs) = (self.http.clone(), running.program.clone(), self.inputs.clone());
        let uid = uid.to_owned();
        tokio::spawn(async move {
            let answer = question.ask(&http, &program, schedule.timeout).await;
            let event = container_event(index, epoch, Happening::Probed(answer));
            let _ = inputs.send(Input::Pod { uid, event });
        });
    }

    /// Writes the pod's status if the API shows another one; then lets it go if nothing of it is left. One write at a time.
    fn settle(&mut self, uid: &str) {
        let Some(entry) = self.pods.get_mut(uid) else { return };
        if entry.writing {
            return;
        }
        let status = entry.status();
        let news = entry.reported.as_ref() != Some(&status);
        entry.writing = true;
        let (cluster, inputs, key) = (self.cluster.clone(), self.inputs.clone(), entry.key.clone());
        if news && !(self.settings.pretend && entry.leaving) {
            tokio::spawn(async move {
                let result = cluster.report(&key, &status).await.map(|()| Box::new(status));
                let _ = inputs.send(Input::Reported { uid: key.uid, result });
            });
        } else if entry.leaving {
            tokio::spawn(async move {
                let result = cluster.delete(&key).await;
                let _ = inputs.send(Input::Deleted { uid: key.uid, result });
            });
        } else {
            entry.writing = false;
        }
    }

    fn reported(&mut self, uid: &str, result: Result<Box<PodStatus>>) {
        match (self.pods.get_mut(uid), result) {
            (Some(entry), Ok(status)) => {
                entry.reported = Some(*status);
                entry.failures = 0;
                entry.writing = false;
                self.settle(uid);
            }
            (_, Err(error)) => self.failed(uid, "report", &error),
            (None, Ok(_)) => {}
        }
    }

    /// A write failed: it is done again, as things are then, unless the watch says that the pod is gone.
    fn failed(&mut self, uid: &str, what: &str, error: &anyhow::Error) {
        let Some(entry) = self.pods.get_mut(uid) else { return };
        tracing::debug!("cannot {what} {}/{}: {error:#}", entry.key.namespace, entry.key.name);
        let wait = RETRY_LONGEST.min(RETRY_FIRST * 2_u32.saturating_pow(entry.failures));
        entry.failures += 1;
        let (inputs, uid) = (self.inputs.clone(), uid.to_owned());
        tokio::spawn(async move {
            sleep(wait).await;
            let _ = inputs.send(Input::Settle { uid });
        });
    }

    fn targets(&self) -> Vec<Target> {
        let running = self.pods.values().filter(|entry| !entry.processes.is_empty());
        let mut targets: Vec<Target> =
            running.filter_map(|entry| Target::of(&entry.object, &self.settings.node, entry.machine.address)).collect();
        targets.sort_by_key(|target| target.address);
        targets
    }
}

impl Entry {
    fn kill(&self) {
        self.processes.values().for_each(|running| running.group.kill());
    }

    /// The specification of a container, in the order of the state machine: init containers first.
    fn container(&self, index: usize) -> Option<&ContainerSpec> {
        let spec = self.object.spec.as_ref()?;
        spec.init_containers.iter().flatten().chain(&spec.containers).nth(index)
    }

    fn status(&self) -> PodStatus {
        let mut status = status(&self.machine);
        let shown = self.object.status.as_ref().and_then(|status| status.conditions.as_ref());
        let foreign = shown.into_iter().flatten().filter(|one| !OWN_CONDITIONS.contains(&one.type_.as_str()));
        status.conditions.get_or_insert_default().extend(foreign.cloned());
        status
    }
}

fn container_event(index: usize, epoch: u64, what: Happening) -> Event {
    Event::Container { index, epoch, what }
}

fn has_ended(object: &Object) -> bool {
    let phase = object.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn sink(logs: Option<&PathBuf>, entry: &Entry, index: usize) -> Sink {
    let Key { namespace, name, .. } = &entry.key;
    let container = &entry.machine.containers[index].name;
    logs.map_or(Sink::None, |folder| Sink::File(folder.join(format!("{namespace}_{name}_{container}.log"))))
}
