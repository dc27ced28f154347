//! The real side: an API server with its controllers, and a kubelet that pretends.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use futures::StreamExt as _;
use http::Request;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject},
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout_at},
};

use crate::{
    Answer, Call, Image,
    kubelet::{self, Kubelet},
    play::{Side, lists},
    rest::{Lists, is_leaving, is_ready, waiting},
};

/// Every call ends within this time.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// What has not come to rest by then never does.
const REST_LIMIT: Duration = Duration::from_secs(20);

/// Requests to the API server as they are.
#[derive(Clone)]
pub struct Http(Client);

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// Asks for something.
    ///
    /// # Errors
    /// When there is no answer; a refusal is one.
    pub async fn ask(&self, call: &Call) -> Result<Answer> {
        let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{query}", call.path))
            .header("accept", "application/json")
            .header("user-agent", "conformance");
        if !call.content_type.is_empty() {
            request = request.header("content-type", call.content_type);
        }
        let request = request.body(Body::from(call.bytes()))?;
        let answered = async {
            let response = self.0.send(request).await?;
            let status = response.status().as_u16();
            let bytes = response.into_body().collect_bytes().await?;
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            Ok::<_, kube::Error>(Answer { status, body })
        };
        let answer = tokio::time::timeout(CALL_LIMIT, answered).await;
        Ok(answer.with_context(|| format!("no answer to {} {}", call.method, call.path))??)
    }
}

/// What the watches have told, by namespace.
#[derive(Debug, Default)]
struct Seen(Mutex<BTreeMap<String, Corner>>);

/// What the watches have told of a namespace.
#[derive(Debug)]
struct Corner {
    objects: BTreeMap<(usize, String), Arc<Value>>,
    moved: watch::Sender<()>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Corner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn takes(&self, kind: usize, object: Value, gone: bool) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, key) = (text("namespace"), (kind, text("name")));
        let mut corners = self.lock();
        let corner = corners.entry(namespace).or_default();
        if gone {
            corner.objects.remove(&key);
        } else {
            corner.objects.insert(key, Arc::new(object));
        }
        corner.moved.send_replace(());
    }

    fn listen(&self, namespace: &str) -> watch::Receiver<()> {
        self.lock().entry(namespace.to_owned()).or_default().moved.subscribe()
    }

    fn lists(&self, namespace: &str) -> Lists {
        let mut lists = Lists::default();
        if let Some(corner) = self.lock().get(namespace) {
            let mut places = lists.all_mut();
            corner.objects.iter().for_each(|((kind, _), object)| places[*kind].push((**object).clone()));
        }
        lists
    }
}

impl Default for Corner {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), moved: watch::Sender::new(()) }
    }
}

/// The API server, watched, with the kubelet at work; cheap to clone.
#[derive(Debug, Clone)]
pub struct Real {
    http: Http,
    seen: Arc<Seen>,
}

impl Real {
    /// Begins to watch, and to be the kubelet, as whom the kubeconfig says: somebody who may do everything.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn open(kubeconfig: &Path) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        config.default_retry = false;
        let client = Client::try_from(config)?;
        let real = Self { http: Http(client.clone()), seen: Arc::default() };
        let (tell, mut told) = mpsc::unbounded_channel::<(Value, bool)>();
        let resources = [
            ApiResource::erase::<Deployment>(&()),
            ApiResource::erase::<ReplicaSet>(&()),
            ApiResource::erase::<Pod>(&()),
        ];
        for (place, resource) in resources.into_iter().enumerate() {
            tokio::spawn(follow(client.clone(), place, resource, real.seen.clone(), tell.clone()));
        }
        let mut kubelet = Kubelet::new(real.http.clone());
        tokio::spawn(async move {
            while let Some((pod, gone)) = told.recv().await {
                if gone { kubelet.forgets(&pod) } else { kubelet.sees(&pod) }
            }
        });
        Ok(real)
    }

    /// A new namespace with nothing in it.
    ///
    /// # Errors
    /// When the API server does not make it.
    pub async fn stage(&self, namespace: String) -> Result<Stage> {
        let body = json!({"metadata": {"name": namespace}});
        let (path, content_type) = ("/api/v1/namespaces".to_owned(), "application/json");
        let answer = self.http.ask(&Call { method: "POST", path, query: String::new(), content_type, body }).await?;
        if answer.status != 201 {
            bail!("no namespace {namespace}: {}", answer.body);
        }
        Ok(Stage { real: self.clone(), namespace })
    }
}

async fn follow(
    client: Client,
    place: usize,
    resource: ApiResource,
    seen: Arc<Seen>,
    kubelet: mpsc::UnboundedSender<(Value, bool)>,
) {
    let mut events = watcher(Api::<DynamicObject>::all_with(client, &resource), watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        let (object, gone) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => (object, false),
            Ok(Event::Delete(object)) => (object, true),
            // The watcher lists anew by itself.
            _ => continue,
        };
        let Ok(object) = serde_json::to_value(&object) else { continue };
        if resource.kind == "Pod" {
            let _ = kubelet.send((object.clone(), gone));
        }
        seen.takes(place, object, gone);
    }
}

/// A namespace of the real side.
#[derive(Debug)]
pub struct Stage {
    real: Real,
    namespace: String,
}

impl Stage {
    async fn at_rest(&mut self) -> Result<Result<(), String>> {
        let early = unrest(&self.real.seen.lists(&self.namespace));
        if early.is_some() {
            return Ok(early.map_or(Ok(()), Err));
        }
        // The watches may lag behind; these do not.
        Ok(unrest(&lists(self).await?).map_or(Ok(()), Err))
    }
}

impl Side for Stage {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    async fn ask(&mut self, call: &Call) -> Result<Answer> {
        self.real.http.ask(call).await
    }

    async fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + REST_LIMIT;
        let mut moved = self.real.seen.listen(&self.namespace);
        loop {
            moved.borrow_and_update();
            let Err(why) = self.at_rest().await? else { return Ok(()) };
            let next = timeout_at(deadline, moved.changed()).await;
            next.map_err(|_| anyhow!("it did not come to rest within {REST_LIMIT:?}: {why}"))??;
        }
    }

    async fn go_on(&mut self) -> Result<()> {
        Ok(())
    }

    async fn crash(&mut self) -> Result<()> {
        let pods = lists(self).await?.pods;
        for pod in pods.iter().filter(|pod| image(pod) == Image::Later && is_ready(pod)) {
            for status in kubelet::crashed() {
                self.ask(&kubelet::says(pod, &status)).await?;
            }
        }
        Ok(())
    }
}

fn image(pod: &Value) -> Image {
    Image::of(pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default())
}

fn count(object: &Value, field: &str) -> u64 {
    object[field].as_u64().unwrap_or(0)
}

fn owner(object: &Value) -> &Value {
    &object["metadata"]["ownerReferences"][0]["uid"]
}

/// Why something still has to happen; nothing at rest: everybody has seen what there is, and all counts agree.
fn unrest(lists: &Lists) -> Option<String> {
    let pods = lists.pods.iter().find_map(|pod| pod_moves(pod, &lists.sets));
    let sets = || lists.sets.iter().find_map(|set| set_moves(set, lists));
    let deployments = || lists.deployments.iter().find_map(|deployment| deployment_moves(deployment, &lists.sets));
    pods.or_else(sets).or_else(deployments)
}

fn pod_moves(pod: &Value, sets: &[Value]) -> Option<String> {
    let waits = waiting(pod);
    let done = match image(pod) {
        Image::Hangs => !pod["status"]["containerStatuses"][0]["state"]["running"].is_null(),
        Image::Crashes => waits == Some("CrashLoopBackOff"),
        Image::Missing => waits == Some("ImagePullBackOff"),
        _ => is_ready(pod),
    };
    let why = match () {
        () if is_leaving(pod) => "is on its way out",
        () if !sets.iter().any(|set| set["metadata"]["uid"] == *owner(pod)) => "has lost its ReplicaSet",
        () if !done => "has not become what it will be",
        () => return None,
    };
    Some(format!("pod {} {why}", pod["metadata"]["name"]))
}

fn set_moves(set: &Value, lists: &Lists) -> Option<String> {
    let status = &set["status"];
    let own: Vec<&Value> = lists.pods.iter().filter(|pod| *owner(pod) == set["metadata"]["uid"]).collect();
    let there = u64::try_from(own.len()).unwrap_or(u64::MAX);
    let ready = u64::try_from(own.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(u64::MAX);
    let owned = lists.deployments.iter().any(|deployment| deployment["metadata"]["uid"] == *owner(set));
    let calm = owned
        && set["metadata"]["generation"] == status["observedGeneration"]
        && [count(&set["spec"], "replicas"), count(status, "replicas")] == [there; 2]
        && [count(status, "readyReplicas"), count(status, "availableReplicas")] == [ready; 2];
    (!calm).then(|| format!("ReplicaSet {}: {there} pods, {ready} ready, status {status}", set["metadata"]["name"]))
}

fn deployment_moves(deployment: &Value, sets: &[Value]) -> Option<String> {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let own: Vec<&Value> = sets.iter().filter(|set| *owner(set) == deployment["metadata"]["uid"]).collect();
    let counted = |field: &str| own.iter().map(|set| count(&set["status"], field)).sum::<u64>() == count(status, field);
    let complete = [count(status, "updatedReplicas"), count(status, "replicas"), count(status, "availableReplicas")]
        == [count(spec, "replicas"); 3];
    let idle = own.iter().filter(|set| count(&set["spec"], "replicas") == 0).count();
    let kept = usize::try_from(count(spec, "revisionHistoryLimit")).unwrap_or(usize::MAX);
    // One of them may be the newest.
    let tidy = !complete || idle <= kept + usize::from(count(spec, "replicas") == 0);
    let calm = deployment["metadata"]["deletionTimestamp"].is_null()
        && deployment["metadata"]["generation"] == status["observedGeneration"]
        && ["replicas", "readyReplicas", "availableReplicas"].into_iter().all(counted)
        && count(status, "terminatingReplicas") == 0
        && tidy;
    (!calm).then(|| format!("Deployment: {idle} idle ReplicaSets, status {status}"))
}
