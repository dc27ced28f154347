//! Somebody who has nothing to do with Aviary and watches its service all along.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use futures::{StreamExt, pin_mut};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Config, Resource, ResourceExt};
use local_cluster::Identity;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::cluster::cluster;
use crate::seen::Story;

/// Watches the pods and Deployments of a namespace as an administrator, until dropped.
#[derive(Debug)]
pub struct Outsider {
    story: Arc<Mutex<Story>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Outsider {
    /// Begins to watch.
    #[must_use]
    pub fn of(namespace: &str) -> Self {
        let story = Arc::new(Mutex::new(Story::default()));
        let (stop, stopped) = oneshot::channel();
        let (told, namespace) = (Arc::clone(&story), namespace.to_owned());
        let thread = thread::spawn(move || run(&told, &namespace, stopped));
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

fn run(story: &Mutex<Story>, namespace: &str, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = administrator().await;
        let mut live = BTreeMap::new();
        let pods = follow::<Pod>(client.clone(), namespace, |uid, object, deleted| {
            if deleted {
                live.remove(uid)
            } else {
                live.insert(uid.to_owned(), object)
            };
            lock(story).take_pods(&live);
        });
        let deployments = follow::<Deployment>(client, namespace, |_, object, deleted| {
            lock(story).take_deployment(&object, deleted);
        });
        tokio::select! {
            () = pods => {}
            () = deployments => {}
            _ = stopped => {}
        }
    });
}

async fn administrator() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(cluster().kubeconfig(Identity::Admin)).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// Hands over each object as it changes, with its uid and whether it is gone.
async fn follow<K>(client: Client, namespace: &str, mut take: impl FnMut(&str, Value, bool))
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
    K::DynamicType: Default,
{
    let events = watcher(Api::<K>::namespaced(client, namespace), watcher::Config::default());
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let (object, deleted) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => (object, false),
            Ok(Event::Delete(object)) => (object, true),
            // A gap would hide what must not happen; none is known, as the API server is not disturbed.
            Ok(Event::Init | Event::InitDone) => continue,
            Err(error) => panic!("the outsider lost its watch: {error}"),
        };
        let uid = object.uid().unwrap_or_default();
        take(&uid, serde_json::to_value(&object).unwrap(), deleted);
    }
}
