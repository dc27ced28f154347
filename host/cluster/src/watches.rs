//! The watches: one task for each kind and namespace, which tells what it sees and goes on trying when it sees nothing.

use std::{fmt::Debug, time::Duration};

use aviary_core::view::MANAGED_BY_LABEL;
use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client, Resource,
    core::{ApiResource, DynamicObject, PartialObjectMeta},
    runtime::watcher::{self, Config, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc::Sender, task::JoinSet, time::Instant};
use tracing::warn;

use crate::{
    error::watch_words,
    input::{ClusterInput, Kind, Object},
    preflight::tell_permissions,
    records::RECORD_LABEL,
    reduce::{self, ReduceError},
};

/// How long a watch lasts, in seconds: a dead connection is noticed only then.
const WATCH_SECONDS: u32 = 45;
/// Objects of one page of a list.
const PAGE: u32 = 50;
/// The wait after a first failure; it doubles with each failure that follows.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait while the API server does not answer: for so long, at worst, nothing is seen once it does again.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// The longest wait after a refusal, which a person has to end; a watch that lasted so long was a success.
const LONGEST_WAIT_WHEN_REFUSED: Duration = Duration::from_secs(20);

/// Watches a namespace, and asks for the rights to write there, until `tasks` is dropped or the receiver of `sender` is
/// gone.
pub fn watch_namespace(client: &Client, namespace: &str, sender: &Sender<ClusterInput>, tasks: &mut JoinSet<()>) {
    let config = Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
    let records = config.clone().labels(&format!("{RECORD_LABEL}=true,{MANAGED_BY_LABEL}=aviary"));
    let resource = ApiResource::erase::<Deployment>(&());
    let deployments: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let replica_sets: Api<PartialObjectMeta<ReplicaSet>> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let to = |kind| Teller { kind, namespace: namespace.to_owned(), sender: sender.clone(), listed: Vec::new() };

    let deployment = |object| reduce::deployment(object).map(|object| Object::Deployment(Box::new(object)));
    tasks.spawn(tell(open(deployments, &config), to(Kind::Deployment), deployment));
    let replica_set = |object| reduce::replica_set(&object).map(Object::ReplicaSet);
    tasks.spawn(tell(open(replica_sets, &config), to(Kind::ReplicaSet), replica_set));
    let pod = |object| reduce::pod(&object).map(Object::Pod);
    tasks.spawn(tell(open(pods, &config), to(Kind::Pod), pod));
    let autoscaler = |object| reduce::autoscaler(&object).map(Object::Autoscaler);
    tasks.spawn(tell(open(autoscalers, &config), to(Kind::Autoscaler), autoscaler));
    let record = |object| reduce::record(&object).map(Object::Record);
    tasks.spawn(tell(open(config_maps, &records), to(Kind::Record), record));
    tasks.spawn(tell_permissions(client.clone(), namespace.to_owned(), sender.clone()));
}

type Events<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;

/// A way to open a watch, each time with a list first.
fn open<K>(api: Api<K>, config: &Config) -> impl Fn() -> Events<K> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Send + Sync,
{
    let config = config.clone();
    move || watcher(api.clone(), config.clone()).boxed()
}

/// Tells what a watch brings. After an error it is opened anew: the watcher would go on by itself, but without a word
/// until the next event, and on a quiet namespace nobody would know that it works again.
async fn tell<K: Resource>(
    open: impl Fn() -> Events<K> + Send,
    mut teller: Teller,
    reduce: impl Fn(K) -> Result<Object, ReduceError> + Send,
) {
    let mut wait = SHORTEST_WAIT;
    loop {
        let opened = Instant::now();
        let Some(error) = teller.follow(open(), &reduce).await else { return };
        if opened.elapsed() > LONGEST_WAIT_WHEN_REFUSED {
            wait = SHORTEST_WAIT;
        }
        if teller.sender.send(teller.failure(&error)).await.is_err() {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = next_wait(wait, is_refusal(&error));
    }
}

fn next_wait(wait: Duration, refused: bool) -> Duration {
    let longest = if refused { LONGEST_WAIT_WHEN_REFUSED } else { LONGEST_WAIT };
    longest.min(wait * 2)
}

struct Teller {
    kind: Kind,
    namespace: String,
    sender: Sender<ClusterInput>,
    listed: Vec<Object>,
}

impl Teller {
    /// Tells until an error; nothing when there is nobody left to tell.
    async fn follow<K: Resource>(
        &mut self,
        mut events: Events<K>,
        reduce: impl Fn(K) -> Result<Object, ReduceError>,
    ) -> Option<watcher::Error> {
        loop {
            match events.next().await? {
                Ok(event) => {
                    if let Some(input) = self.input(event, &reduce) {
                        self.sender.send(input).await.ok()?;
                    }
                }
                Err(error) => return Some(error),
            }
        }
    }

    fn input<K: Resource>(
        &mut self,
        event: Event<K>,
        reduce: impl Fn(K) -> Result<Object, ReduceError>,
    ) -> Option<ClusterInput> {
        let reduced = |object| reduce(object).inspect_err(|error| warn!(%error, "an object is left out")).ok();
        match event {
            Event::Apply(object) => reduced(object).map(ClusterInput::Applied),
            // What is gone need not be whole.
            Event::Delete(object) => Some(ClusterInput::Deleted {
                kind: self.kind,
                namespace: self.namespace.clone(),
                name: reduce::name(self.kind, object.meta())?,
                resource_version: object.meta().resource_version.clone().unwrap_or_default(),
            }),
            Event::Init => {
                self.listed.clear();
                None
            }
            Event::InitApply(object) => {
                let object = reduced(object);
                self.listed.extend(object);
                None
            }
            Event::InitDone => Some(ClusterInput::Relisted {
                kind: self.kind,
                namespace: self.namespace.clone(),
                objects: std::mem::take(&mut self.listed),
            }),
        }
    }

    fn failure(&self, error: &watcher::Error) -> ClusterInput {
        let forbidden = is_refusal(error);
        let error = watch_words(error);
        ClusterInput::WatchFailed { kind: self.kind, namespace: self.namespace.clone(), forbidden, error }
    }
}

/// Whether a right is missing (401, 403).
fn is_refusal(error: &watcher::Error) -> bool {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code,
        watcher::Error::WatchError(refusal) => refusal.code,
        _ => 0,
    };
    matches!(status, 401 | 403)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_that_does_not_answer_is_asked_again_within_seconds_and_one_that_refuses_is_left_alone() {
        let waits = |refused| {
            let next = |wait: &Duration| Some(next_wait(*wait, refused));
            std::iter::successors(Some(SHORTEST_WAIT), next).take(8).map(|wait| wait.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(waits(false), [200, 400, 800, 1_600, 3_000, 3_000, 3_000, 3_000]);
        assert_eq!(waits(true), [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000]);
    }
}
