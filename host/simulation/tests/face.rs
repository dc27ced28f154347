//! Aviary's own client and watches against the world in a box: in the same process in virtual time, and over a socket.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{sync::Arc, time::Duration};

use aviary_cluster::{Client, ClusterInput, Kind, Object, ServiceKey, perform, save_record, watch_namespace};
use aviary_core::{judge::Track, time::Timestamp, write::Write};
use aviary_simulation::{
    cluster::{Cluster, Fate, NewPod},
    face::Face,
};
use axum::body::Body;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Config};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tower::ServiceExt as _;

/// How long pods take where time costs nothing.
const SLOW: Duration = Duration::from_secs(30);

fn manifest(replicas: u32) -> Value {
    let labels = json!({"app": "foo"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "foo", "namespace": "shop"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "foo", "image": "foo:1"}]}},
        },
    })
}

/// A face whose clock is tokio's, and whose pods are ready after so long.
fn face(ready_after: Duration) -> Arc<Face> {
    let fate = Fate::Runs { ready_after: Some(ready_after), ends: None, stops_after: Duration::from_secs(1) };
    let begun = Instant::now();
    let clock = Arc::new(move || Timestamp(1_000_000).plus(begun.elapsed()));
    Face::new(Cluster::new(Timestamp(1_000_000), Box::new(move |_: &NewPod<'_>| fate)), clock)
}

fn in_process(face: &Arc<Face>) -> Client {
    let service = face.router().map_request(|request: http::Request<kube::client::Body>| request.map(Body::new));
    Client::new(service, "shop")
}

async fn next(inputs: &mut mpsc::Receiver<ClusterInput>, wanted: impl Fn(&ClusterInput) -> bool) -> ClusterInput {
    let search = async {
        loop {
            let input = inputs.recv().await.unwrap();
            if wanted(&input) {
                return input;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(600), search).await.unwrap()
}

fn is_complete(input: &ClusterInput) -> bool {
    matches!(input, ClusterInput::Applied(Object::Deployment(object)) if object.workload.complete())
}

async fn serves(face: &Arc<Face>, client: &Client) {
    let mut tasks = JoinSet::new();
    tasks.spawn(face.clone().live());
    let (sender, mut inputs) = mpsc::channel(64);
    watch_namespace(client, "shop", &sender, &mut tasks);
    let listed = |input: &ClusterInput| matches!(input, ClusterInput::Relisted { kind: Kind::Deployment, .. });
    next(&mut inputs, listed).await;
    let key = ServiceKey::new("shop", "foo");
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
    deployments.create(&Default::default(), &serde_json::from_value(manifest(3)).unwrap()).await.unwrap();
    let version = save_record(client, &key, "{}".to_owned(), None).await.unwrap();
    next(
        &mut inputs,
        |input| matches!(input, ClusterInput::Applied(Object::Record(record)) if record.resource_version == version),
    )
    .await;
    let ClusterInput::Applied(Object::Deployment(whole)) = next(&mut inputs, is_complete).await else { panic!() };
    let write = Write::Delete { track: Track::Original, uid: whole.workload.uid };
    perform(client, &key, &write, None).await.unwrap();
    next(&mut inputs, |input| matches!(input, ClusterInput::Deleted { kind: Kind::Deployment, .. })).await;
}

#[tokio::test(start_paused = true)]
async fn half_a_minute_of_virtual_time_passes_as_soon_as_nobody_works() {
    let begun = (Instant::now(), std::time::Instant::now());
    let face = face(SLOW);
    serves(&face, &in_process(&face)).await;
    assert!(begun.0.elapsed() >= SLOW, "the pods take that long");
    assert!(begun.1.elapsed() < begun.0.elapsed(), "and nobody waits for it");
}

#[tokio::test]
async fn over_a_socket_it_is_an_api_server() {
    let face = face(Duration::from_millis(100));
    let address = format!("http://{}", aviary_simulation::face::serve(face.router()).await.unwrap());
    let client = Client::try_from(Config::new(address.parse().unwrap())).unwrap();
    serves(&face, &client).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_after_its_time_and_lists_anew_after_a_compaction() {
    let face = face(SLOW);
    let client = in_process(&face);
    let mut tasks = JoinSet::new();
    tasks.spawn(face.clone().live());
    let (sender, mut inputs) = mpsc::channel(64);
    watch_namespace(&client, "shop", &sender, &mut tasks);
    next(&mut inputs, |input| matches!(input, ClusterInput::Relisted { kind: Kind::Record, .. })).await;
    let key = ServiceKey::new("shop", "foo");
    tokio::time::sleep(Duration::from_secs(100)).await;
    let version = save_record(&client, &key, "{}".to_owned(), None).await.unwrap();
    next(&mut inputs, |input| matches!(input, ClusterInput::Applied(Object::Record(_)))).await;
    // What happens while the log is forgotten is told by a list.
    face.with(|cluster| {
        let path = "/api/v1/namespaces/shop/configmaps/foo.aviary";
        let request = aviary_simulation::cluster::Request { method: "DELETE", path, ..Default::default() };
        cluster.request(&request, Timestamp(0));
        cluster.compact();
    });
    let relisted = next(&mut inputs, |input| matches!(input, ClusterInput::Relisted { kind: Kind::Record, .. })).await;
    assert!(matches!(relisted, ClusterInput::Relisted { objects, .. } if objects.is_empty()), "{version}");
}
