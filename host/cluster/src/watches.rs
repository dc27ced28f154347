//! The watches: one task for each kind and namespace, which tells what it sees and goes on trying when it sees nothing.

use std::fmt::Debug;

use aviary_core::view::MANAGED_BY_LABEL;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, PartialObjectMeta},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Config, Event, watcher},
    },
};
use tokio::{sync::mpsc::Sender, task::JoinSet};
use tracing::warn;

use crate::{
    error::with_causes,
    input::{ClusterInput, Kind, Object},
    records::RECORD_LABEL,
    reduce::{self, ReduceError},
};

/// How long a watch lasts, in seconds: a dead connection is noticed only then.
const WATCH_SECONDS: u32 = 45;
/// Objects of one page of a list.
const PAGE: u32 = 50;

/// Watches a namespace until `tasks` is dropped or the receiver of `sender` is gone.
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

    let deployment = |object| reduce::deployment(object).map(Object::Deployment);
    tasks.spawn(tell(watcher(deployments, config.clone()), to(Kind::Deployment), deployment));
    let replica_set = |object| reduce::replica_set(&object).map(Object::ReplicaSet);
    tasks.spawn(tell(watcher(replica_sets, config.clone()), to(Kind::ReplicaSet), replica_set));
    let pod = |object| reduce::pod(&object).map(Object::Pod);
    tasks.spawn(tell(watcher(pods, config.clone()), to(Kind::Pod), pod));
    let autoscaler = |object| reduce::autoscaler(&object).map(Object::Autoscaler);
    tasks.spawn(tell(watcher(autoscalers, config), to(Kind::Autoscaler), autoscaler));
    let record = |object| reduce::record(&object).map(Object::Record);
    tasks.spawn(tell(watcher(config_maps, records), to(Kind::Record), record));
}

struct Teller {
    kind: Kind,
    namespace: String,
    sender: Sender<ClusterInput>,
    listed: Vec<Object>,
}

async fn tell<K: Debug + Send>(
    stream: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send,
    mut teller: Teller,
    reduce: impl Fn(K) -> Result<Object, ReduceError> + Send,
) {
    let mut stream = Box::pin(stream.default_backoff());
    while let Some(event) = stream.next().await {
        let input = match event {
            Ok(event) => teller.input(event, &reduce),
            Err(error) => Some(teller.failure(&error)),
        };
        if let Some(input) = input
            && teller.sender.send(input).await.is_err()
        {
            return;
        }
    }
}

impl Teller {
    fn input<K>(&mut self, event: Event<K>, reduce: impl Fn(K) -> Result<Object, ReduceError>) -> Option<ClusterInput> {
        let reduced = |object| reduce(object).inspect_err(|error| warn!(%error, "an object is left out")).ok();
        match event {
            Event::Apply(object) => reduced(object).map(ClusterInput::Applied),
            Event::Delete(object) => reduced(object).map(|object| ClusterInput::Deleted {
                kind: object.kind(),
                namespace: object.namespace().to_owned(),
                name: object.name().to_owned(),
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
        let (forbidden, error) = match error {
            watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
                let status = if let kube::Error::Api(status) = error { status.code } else { 0 };
                (matches!(status, 401 | 403), with_causes(error))
            }
            other => (false, other.to_string()),
        };
        ClusterInput::WatchFailed { kind: self.kind, namespace: self.namespace.clone(), forbidden, error }
    }
}
