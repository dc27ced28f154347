//! Somebody who watches the pods through the API server, so that the demo's figures are not Aviary's own word.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::{TryStreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config, ResourceExt as _,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::watcher::{self, Event, watcher},
};

/// The label by which Aviary's copies are told apart.
const TRACK: &str = "aviary.dev/track";

/// Watches the pods of a namespace for as long as the program runs.
#[derive(Clone, Debug)]
pub struct Outsider {
    seen: Arc<Mutex<Seen>>,
}

/// What happened since the last [`Outsider::begin`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Pods that were available, at the least.
    pub least_available: usize,
    /// Pods that were not being taken away, at the most.
    pub most_pods: usize,
    /// Pods that were started.
    pub started: usize,
    /// From the beginning to the first pod of the canary.
    pub first_canary: Option<Duration>,
}

#[derive(Debug, Default)]
struct Seen {
    pods: BTreeMap<String, Pod>,
    begun: Option<Instant>,
    figures: Figures,
    fault: Option<String>,
}

impl Outsider {
    /// Begins to watch, as somebody who may list pods.
    pub fn of(namespace: &str, kubeconfig: &Path) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (told, namespace, kubeconfig) = (Arc::clone(&seen), namespace.to_owned(), kubeconfig.to_owned());
        thread::spawn(move || {
            if let Err(error) = run(&told, &namespace, &kubeconfig) {
                lock(&told).fault = Some(format!("{error:#}"));
            }
        });
        Self { seen }
    }

    /// From here on the figures count.
    pub fn begin(&self) {
        let mut seen = lock(&self.seen);
        let (pods, available) = seen.totals();
        seen.begun = Some(Instant::now());
        seen.figures = Figures { least_available: available, most_pods: pods, ..Figures::default() };
    }

    /// The figures so far.
    ///
    /// # Errors
    /// When the watch was lost: the figures would not be true.
    pub fn figures(&self) -> Result<Figures> {
        let seen = lock(&self.seen);
        match &seen.fault {
            Some(fault) => anyhow::bail!("the pods could not be watched: {fault}"),
            None => Ok(seen.figures),
        }
    }

    /// Pods that are available now.
    pub fn available(&self) -> usize {
        lock(&self.seen).totals().1
    }
}

impl Seen {
    /// Pods that are not being taken away, and those of them that are available.
    fn totals(&self) -> (usize, usize) {
        let live = || self.pods.values().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        (live().count(), live().filter(|pod| is_ready(pod)).count())
    }

    fn take(&mut self, pod: Pod) {
        let canary = pod.labels().get(TRACK).is_some_and(|track| track == "canary");
        let new = self.pods.insert(pod.uid().unwrap_or_default(), pod).is_none();
        if new {
            self.figures.started += 1;
        }
        if new && canary && self.figures.first_canary.is_none() {
            self.figures.first_canary = self.begun.map(|begun| begun.elapsed());
        }
    }

    fn count(&mut self) {
        let (pods, available) = self.totals();
        self.figures.least_available = self.figures.least_available.min(available);
        self.figures.most_pods = self.figures.most_pods.max(pods);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(seen: &Mutex<Seen>, namespace: &str, kubeconfig: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // The cluster is on this machine, whatever the environment says.
        config.proxy_url = None;
        let pods: Api<Pod> = Api::namespaced(Client::try_from(config)?, namespace);
        let events = watcher(pods, watcher::Config::default());
        pin_mut!(events);
        while let Some(event) = events.try_next().await? {
            let mut seen = lock(seen);
            match event {
                Event::Apply(pod) | Event::InitApply(pod) => seen.take(pod),
                Event::Delete(pod) => drop(seen.pods.remove(&pod.uid().unwrap_or_default())),
                Event::Init | Event::InitDone => continue,
            }
            seen.count();
        }
        Ok(())
    })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
