//! Somebody who has nothing to do with Aviary and watches its service all along.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Config, Resource, ResourceExt};
use local_cluster::Identity;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::ground::ground;
use crate::seen::{SeenDeployment, Story};

/// Between two attempts of somebody who watches through outages.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// Watches the pods and Deployments of a namespace as an administrator, until dropped.
#[derive(Debug)]
pub struct Outsider {
    story: Arc<Mutex<Story>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What an outsider passes on at once.
#[derive(Clone, Debug)]
pub struct Told {
    /// When the event reached the outsider.
    pub at: Instant,
    /// The namespace.
    pub namespace: String,
    /// What happened in it.
    pub what: What,
}

/// What is passed on.
#[derive(Clone, Debug)]
pub enum What {
    /// A record was stored: this is its text.
    Record(String),
    /// A Deployment was created, changed or deleted.
    Deployment(SeenDeployment),
}

impl Outsider {
    /// Begins to watch; an API server that does not answer is a fault.
    #[must_use]
    pub fn of(namespace: &str) -> Self {
        Self::begin(namespace, None)
    }

    /// As [`Outsider::of`], but watches again after an outage of the API server, and passes on at once what changes.
    #[must_use]
    pub fn through_outages(namespace: &str, told: Sender<Told>) -> Self {
        Self::begin(namespace, Some(told))
    }

    fn begin(namespace: &str, listener: Option<Sender<Told>>) -> Self {
        let story = Arc::new(Mutex::new(Story::default()));
        let (stop, stopped) = oneshot::channel();
        let eye = Eye { story: Arc::clone(&story), namespace: namespace.to_owned(), listener };
        let thread = thread::spawn(move || eye.run(stopped));
        Self { story, stop: Some(stop), thread: Some(thread) }
    }

    /// All that was seen so far.
    #[must_use]
    pub fn story(&self) -> Story {
        lock(&self.story).clone()
    }

    /// All that was seen from `since` on, and how the pods stood when it began.
    #[must_use]
    pub fn story_since(&self, since: Instant) -> Story {
        let mut story = self.story();
        let before = story.moments.iter().rposition(|moment| moment.at <= since);
        story.moments.drain(..before.unwrap_or(0));
        story.moments.first_mut().into_iter().for_each(|moment| moment.at = moment.at.max(since));
        story.pods.retain(|_, pod| pod.ended.is_none_or(|ended| ended >= since));
        story.deployments.retain(|seen| seen.at >= since);
        story
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "the outsider could not watch");
    }
}

fn lock(story: &Mutex<Story>) -> std::sync::MutexGuard<'_, Story> {
    story.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What watches, in a thread of its own.
struct Eye {
    story: Arc<Mutex<Story>>,
    namespace: String,
    listener: Option<Sender<Told>>,
}

impl Eye {
    fn run(&self, stopped: oneshot::Receiver<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = administrator().await;
            let pods = self.follow::<Pod>(&client, "", |live, _, _| lock(&self.story).take_pods(live));
            let deployments = self.follow::<Deployment>(&client, "", |_, object, deleted| {
                if let Some(seen) = lock(&self.story).take_deployment(object, deleted) {
                    self.pass_on(What::Deployment(seen));
                }
            });
            let records = self.follow::<ConfigMap>(&client, "aviary.dev/record=true", |_, object, deleted| {
                let text = object["data"]["record.json"].as_str().filter(|_| !deleted);
                self.pass_on(What::Record(text.unwrap_or_default().to_owned()));
            });
            tokio::select! {
                () = pods => {}
                () = deployments => {}
                () = records => {}
                _ = stopped => {}
            }
        });
    }

    fn pass_on(&self, what: What) {
        let told = Told { at: Instant::now(), namespace: self.namespace.clone(), what };
        // Who has stopped listening misses nothing.
        self.listener.as_ref().map(|listener| listener.send(told));
    }

    /// Hands over each object as it changes: how all are then, by uid, which one it is, and whether it is gone.
    async fn follow<K>(
        &self,
        client: &Client,
        labels: &str,
        mut take: impl FnMut(&BTreeMap<String, Value>, &Value, bool),
    ) where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
        K::DynamicType: Default,
    {
        let config = watcher::Config::default().labels(labels);
        let events = watcher(Api::<K>::namespaced(client.clone(), &self.namespace), config);
        pin_mut!(events);
        let (mut live, mut listed, mut blind) = (BTreeMap::new(), BTreeMap::new(), None);
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => _ = listed.insert(uid(&object), value(&object)),
                Ok(Event::InitDone) => {
                    let before = std::mem::replace(&mut live, std::mem::take(&mut listed));
                    before
                        .iter()
                        .filter(|(uid, _)| !live.contains_key(*uid))
                        .for_each(|(_, gone)| take(&live, gone, true));
                    live.values().for_each(|object| take(&live, object, false));
                    // What happened meanwhile is in no list.
                    lock(&self.story).gaps.extend(blind.take().map(|since: Instant| since.elapsed()));
                }
                Ok(Event::Apply(object)) => {
                    blind = None;
                    let object = live.entry(uid(&object)).insert_entry(value(&object)).get().clone();
                    take(&live, &object, false);
                }
                Ok(Event::Delete(object)) => {
                    blind = None;
                    live.remove(&uid(&object));
                    take(&live, &value(&object), true);
                }
                // A gap would hide what must not happen.
                Err(error) if self.listener.is_none() => panic!("the outsider lost its watch: {error}"),
                Err(_) => {
                    blind.get_or_insert_with(Instant::now);
                    tokio::time::sleep(BETWEEN_ATTEMPTS).await;
                }
            }
        }
    }
}

fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap_or_default()
}

fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

async fn administrator() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(ground().kubeconfig(Identity::Admin)).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    // Tried again here, and told.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}
