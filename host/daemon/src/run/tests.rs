//! The loop as it is against the model of a cluster, in virtual time, while the API server keeps its answers back: what becomes of
//! a write that is under way as the daemon ends, or as its service leaves the configuration.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use aviary_cluster::connect_to;
use aviary_core::time::Timestamp;
use aviary_policy::Policies;
use aviary_simulation::{
    cluster::{Cluster, Fate, NewPod, Request, Response},
    face::Face,
};
use axum::{
    body::Body,
    extract::{self, State},
    middleware::{self, Next},
    response::Response as HttpResponse,
};
use http::Method;
use kube::client::Body as KubeBody;
use serde_json::{Value, json};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tower::ServiceExt as _;

use super::{
    Configured, Ends, Fixed, Options, Own, Parts, assemble, load_policies,
    reading::{Good, Reading},
};
use crate::{
    clock::Clock,
    configuration::Configuration,
    control::{
        protocol::{Request as Asking, VERSION, Word},
        server::Asked,
    },
    judging::{Judges, Lanes},
    telemetry::Telemetry,
};

const ORDERS: &str = "services:\n  - {namespace: shop, name: orders}\n";
const PAYMENTS: &str = "services:\n  - {namespace: shop, name: payments}\n";
const ELSEWHERE: &str = "services:\n  - {namespace: bank, name: payments}\n";
const ORIGINAL: &str = "/apis/apps/v1/namespaces/shop/deployments/orders";
const PRIMARY: &str = "/apis/apps/v1/namespaces/shop/deployments/orders-primary";
/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(600);

/// What came of an operator's word.
type Heard = oneshot::Receiver<Result<Value, String>>;

/// A daemon that cares for `shop/orders`, with its cluster.
struct Stage {
    face: Arc<Face>,
    ends: Ends,
    daemon: JoinHandle<anyhow::Result<()>>,
    kept_back: watch::Sender<KeptBack>,
}

fn configuration(text: &str) -> Arc<Configuration> {
    Arc::new(Configuration::parse(text, Path::new("aviary.yaml")).unwrap_or_else(|faults| panic!("{faults}")))
}

/// The built-in policies, compiled once.
fn policies() -> Policies {
    static POLICIES: OnceLock<Policies> = OnceLock::new();
    let load = || load_policies(None, &configuration(ORDERS), Path::new("aviary.yaml")).expect("the built-in policies");
    POLICIES.get_or_init(load).clone()
}

/// Whether the answer to a request of that method to that path is kept back.
type KeptBack = fn(&Method, &str) -> bool;

const NOTHING: KeptBack = |_, _| false;
const WRITES_OF_RECORDS: KeptBack = |method, path| method != Method::GET && path.contains("/configmaps");
const WRITES_OF_THE_PRIMARY: KeptBack = |method, path| method != Method::GET && path.ends_with("-primary");
const LISTS: KeptBack = |method, _| method == Method::GET;
const LISTS_AND_WRITES_OF_THE_PRIMARY: KeptBack =
    |method, path| LISTS(method, path) || WRITES_OF_THE_PRIMARY(method, path);

async fn keep_back(
    State(kept_back): State<watch::Receiver<KeptBack>>,
    request: extract::Request,
    next: Next,
) -> HttpResponse {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = next.run(request).await;
    _ = kept_back.clone().wait_for(|kept_back| !kept_back(&method, &path)).await;
    answer
}

impl Stage {
    /// With the service adopted.
    async fn set() -> Self {
        let clock = Clock::virtual_from(Timestamp(1_000_000_000_000));
        let ready = Fate::Runs { ready_after: Some(Duration::from_secs(1)), ends: None, stops_after: Duration::ZERO };
        let cluster = Cluster::new(clock.now(), Box::new(move |_: &NewPod<'_>| ready));
        let face = Face::new(cluster, Arc::new(move || clock.now()));
        tokio::spawn(Arc::clone(&face).live());
        let container = json!({"name": "orders", "image": "orders:1"});
        let template = json!({"metadata": {"labels": {"app": "orders"}}, "spec": {"containers": [container]}});
        let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "orders"}}, "template": template});
        let orders = json!({"metadata": {"namespace": "shop", "name": "orders"}, "spec": spec});
        ask(&face, "POST", "/apis/apps/v1/namespaces/shop/deployments", &orders);
        let (kept_back, receiver) = watch::channel(NOTHING);
        let router = face.router().layer(middleware::from_fn_with_state(receiver, keep_back));
        let service = router.map_request(|request: http::Request<KubeBody>| request.map(Body::new));
        let telemetry = Telemetry::new(clock.now(), clock);
        let lanes = Arc::new(Lanes::of_this_machine());
        let judges = Judges { clock, policies: policies(), lanes, prometheus: None, telemetry: Arc::clone(&telemetry) };
        let options = Options { config: PathBuf::from("aviary.yaml"), policies: None, socket: None, listen: None };
        let configuration = configuration(ORDERS);
        let fixed = Fixed::of(&options, &configuration);
        let (daemon, ends) = assemble(Parts {
            clock,
            client: connect_to(service, telemetry),
            judges,
            configured: Configured::new(options, fixed, String::new(), clock.now()),
            configuration,
            own: Own::default(),
            tenure: aviary_cluster::Tenure::alone("tests/aviary"),
        });
        let stage = Self { face, ends, daemon: tokio::spawn(daemon.run()), kept_back };
        stage.eventually("it is adopted", || stage.record()["phase"] == "steady").await;
        stage
    }

    async fn eventually(&self, what: &str, holds: impl Fn() -> bool) {
        let waits = async {
            while !holds() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        assert!(timeout(DEADLINE, waits).await.is_ok(), "{what}: {:?}", self.record());
    }

    /// What the API server has of the record.
    fn record(&self) -> Value {
        let records = ask(&self.face, "GET", "/api/v1/namespaces/shop/configmaps", &Value::Null);
        let data = records["items"][0]["data"].as_object();
        let text = data.and_then(|data| data.values().next()?.as_str());
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    fn events(&self, reason: &str) -> usize {
        let events = ask(&self.face, "GET", "/apis/events.k8s.io/v1/namespaces/shop/events", &Value::Null);
        events["items"].as_array().into_iter().flatten().filter(|event| event["reason"] == reason).count()
    }

    async fn say(&self, command: Word) -> Heard {
        let (answer, answered) = oneshot::channel();
        let request = Asking { version: VERSION, command, service: Some("shop/orders".to_owned()) };
        assert!(self.ends.asked.send(Asked { request, answer }).await.is_ok(), "the daemon has ended");
        answered
    }

    /// The word is in the record, and the daemon does not know it yet.
    async fn say_unheard(&self, command: Word) -> Heard {
        self.kept_back.send_replace(WRITES_OF_RECORDS);
        let heard = self.say(command).await;
        self.eventually("the word is stored", || self.record()["bypass"] == true).await;
        heard
    }

    async fn reads(&self, text: &str) {
        let good = Good { configuration: configuration(text), prometheus: None, digest: text.to_owned() };
        assert!(self.ends.read.send(Reading::Good(good)).await.is_ok(), "the daemon has ended");
        // Time only passes once everybody waits: it is taken in.
        sleep(Duration::from_millis(1)).await;
    }

    async fn is_cared_for(&self) -> bool {
        self.say(Word::Status).await.await.is_ok_and(|status| status.is_ok())
    }
}

fn ask(face: &Face, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request { method, path, content_type, agent: "test", body: body.as_bytes(), ..Request::default() };
    match face.with(|cluster| cluster.request(&request, Timestamp(0))) {
        Response::Answer { status: 200 | 201, body } => body,
        _ => panic!("{method} {path} was refused"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_as_the_daemon_ends_is_told() {
    let mut stage = Stage::set().await;
    let heard = stage.say_unheard(Word::Bypass).await;
    stage.ends.stop.send_replace(true);
    stage.kept_back.send_replace(NOTHING);
    assert!(heard.await.expect("an answer").is_ok());
    (&mut stage.daemon).await.expect("no panic").expect("a good end");
    assert_eq!(stage.events("Bypass"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_leaves_the_configuration_ends_what_is_under_way_for_it() {
    let stage = Stage::set().await;
    let heard = stage.say_unheard(Word::Bypass).await;
    stage.reads(PAYMENTS).await;
    let refused = stage.say(Word::ClearBypass).await;
    stage.kept_back.send_replace(NOTHING);
    assert!(heard.await.expect("an answer").is_ok());
    assert!(refused.await.expect("an answer").is_err());
    stage.eventually("it is told", || stage.events("Bypass") == 1 && stage.events("LeftBehind") == 1).await;
    assert!(!stage.is_cared_for().await);
}

#[tokio::test(start_paused = true)]
async fn for_a_service_that_comes_back_meanwhile_nothing_begins_beside_what_is_under_way() {
    let stage = Stage::set().await;
    let heard = stage.say_unheard(Word::Bypass).await;
    stage.reads(PAYMENTS).await;
    stage.reads(ORDERS).await;
    let cleared = stage.say(Word::ClearBypass).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.record()["bypass"], true);
    stage.kept_back.send_replace(NOTHING);
    assert!(heard.await.expect("an answer").is_ok());
    assert!(cleared.await.expect("an answer").is_ok());
    assert_eq!((stage.record()["bypass"] == true, stage.events("Bypass")), (false, 1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_leaves_with_its_namespace_is_said_to_be_left_behind() {
    let stage = Stage::set().await;
    let heard = stage.say_unheard(Word::Bypass).await;
    stage.reads(ELSEWHERE).await;
    stage.kept_back.send_replace(NOTHING);
    assert!(heard.await.expect("an answer").is_ok());
    stage.eventually("it is told", || stage.events("Bypass") == 1 && stage.events("LeftBehind") == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_namespace_that_is_not_listed_again_yet_is_not_gone() {
    let stage = Stage::set().await;
    stage.kept_back.send_replace(WRITES_OF_THE_PRIMARY);
    ask(&stage.face, "PATCH", ORIGINAL, &json!({"spec": {"replicas": 3}}));
    stage.eventually("it is scaled", || stage.record()["replicas"] == 3).await;
    // The primary is written, and does not answer.
    sleep(Duration::from_secs(1)).await;
    stage.reads(ELSEWHERE).await;
    stage.kept_back.send_replace(LISTS_AND_WRITES_OF_THE_PRIMARY);
    stage.reads(ORDERS).await;
    stage.kept_back.send_replace(LISTS);
    sleep(Duration::from_millis(1)).await;
    stage.kept_back.send_replace(NOTHING);
    stage
        .eventually("it has three pods", || {
            ask(&stage.face, "GET", PRIMARY, &Value::Null)["status"]["readyReplicas"] == 3
        })
        .await;
    assert!(stage.say(Word::Bypass).await.await.expect("an answer").is_ok());
}
