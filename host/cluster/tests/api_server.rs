//! Against a real API server: writes with their guards, records, events, rights, and what the watches show.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use aviary_cluster::{
    Announcement, CALL_LIMIT, Expectation, WriteError, Written, delete_record, missing_permissions, perform, publish,
    read_back, read_record, save_record,
};
use aviary_core::{
    judge::Track,
    time::Timestamp,
    write::{Purpose, Write},
};
use local_cluster::{Identity, LocalCluster};
use serde_json::{Value, json};
use tokio::task::block_in_place;
use world::{World, manifest, start_cluster};

const SOON: Duration = Duration::from_secs(30);

/// The cluster of all these tests; it ends with the process.
fn cluster() -> &'static LocalCluster {
    static CLUSTER: OnceLock<LocalCluster> = OnceLock::new();
    block_in_place(|| CLUSTER.get_or_init(start_cluster))
}

async fn create(world: &World<'_>, track: Track, manifest: Value) -> Result<Option<Written>, WriteError> {
    perform(&world.client, &world.key("foo"), &Write::Create { track, manifest }, None).await
}

async fn patch(world: &World<'_>, operations: Value) -> Result<Option<Written>, WriteError> {
    let operations = operations.as_array().unwrap().clone();
    let write = Write::Patch { track: Track::Original, uid: String::new(), purpose: Purpose::Scale, operations };
    perform(&world.client, &world.key("foo"), &write, None).await
}

fn scaled(uid: &Value, from: u32, to: i32) -> Value {
    json!([
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/spec/replicas", "value": from},
        {"op": "replace", "path": "/spec/replicas", "value": to},
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_created_once() {
    let world = World::new(cluster()).await;
    let created = create(&world, Track::Primary, manifest("foo-primary", 0)).await.unwrap().unwrap();
    let Expectation::Version { track, resource_version } = created.expectation else { panic!("{created:?}") };
    let answered = created.deployment.unwrap().workload;
    assert_eq!(answered.resource_version, resource_version);
    let object = world.object("deployment", "foo-primary");
    assert_eq!((track, json!(answered.uid)), (Track::Primary, object["metadata"]["uid"].clone()));
    assert!(!resource_version.is_empty());
    assert_eq!(object["metadata"]["managedFields"][0]["manager"], "aviary");

    let again = create(&world, Track::Primary, manifest("foo-primary", 0)).await;
    assert!(matches!(again, Err(WriteError::AlreadyExists(_))), "{again:?}");
    let mut wrong = manifest("foo-canary", 0);
    wrong["spec"]["selector"] = json!({"matchLabels": {"app": "other"}});
    let refused = create(&world, Track::Canary, wrong).await;
    assert!(matches!(&refused, Err(WriteError::Invalid(words)) if words.contains("selector")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_guarded_and_a_failed_guard_is_no_invalid_object() {
    let world = World::new(cluster()).await;
    let missing = patch(&world, scaled(&json!("u"), 2, 1)).await;
    assert!(matches!(missing, Err(WriteError::NotFound(_))), "{missing:?}");

    world.deploy("foo", 2);
    let uid = world.object("deployment", "foo")["metadata"]["uid"].clone();
    for guard in [scaled(&json!("another"), 2, 1), scaled(&uid, 7, 1)] {
        let refused = patch(&world, guard).await;
        assert!(matches!(refused, Err(WriteError::GuardFailed(_))), "{refused:?}");
    }
    let refused = patch(&world, scaled(&uid, 2, -1)).await;
    assert!(matches!(refused, Err(WriteError::Invalid(_))), "{refused:?}");
    assert_eq!(world.object("deployment", "foo")["spec"]["replicas"], 2);

    patch(&world, scaled(&uid, 2, 1)).await.unwrap();
    assert_eq!(world.object("deployment", "foo")["spec"]["replicas"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_copy_that_was_seen_is_deleted() {
    let world = World::new(cluster()).await;
    create(&world, Track::Canary, manifest("foo-canary", 0)).await.unwrap();
    let uid = world.object("deployment", "foo-canary")["metadata"]["uid"].as_str().unwrap().to_owned();
    let delete = async |uid: &str| {
        let write = Write::Delete { track: Track::Canary, uid: uid.to_owned() };
        perform(&world.client, &world.key("foo"), &write, None).await
    };
    let refused = delete("00000000-0000-0000-0000-000000000000").await;
    assert!(matches!(refused, Err(WriteError::GuardFailed(_))), "{refused:?}");
    let gone = Expectation::Gone { track: Track::Canary, uid: uid.clone() };
    assert_eq!(delete(&uid).await, Ok(Some(Written { expectation: gone, deployment: None })));
    let again = delete(&uid).await;
    assert!(matches!(again, Err(WriteError::NotFound(_))), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_write_has_left_is_read_back() {
    let world = World::new(cluster()).await;
    let (client, key) = (&world.client, world.key("foo"));
    let read = async |uid| read_back(client, &key, Track::Primary, uid).await.unwrap();
    assert_eq!(read(None).await, None);
    let gone = Expectation::Gone { track: Track::Primary, uid: "u".to_owned() };
    assert_eq!(read(Some("u")).await, Some(Written { expectation: gone, deployment: None }));
    create(&world, Track::Canary, manifest("foo-canary", 0)).await.unwrap();
    let written = create(&world, Track::Primary, manifest("foo-primary", 0)).await.unwrap().unwrap();
    let found = read(None).await.unwrap().deployment.unwrap().workload;
    // Its controller may have written its status meanwhile.
    assert_eq!(found.uid, written.deployment.unwrap().workload.uid);

    assert_eq!(read_record(client, &key).await, Ok(None));
    let version = save_record(client, &key, "one".to_owned(), None).await.unwrap();
    let stored = read_record(client, &key).await.unwrap().unwrap();
    assert_eq!((stored.name.as_str(), stored.text.as_str(), &stored.resource_version), ("foo", "one", &version));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_swapped_and_deleted_only_at_the_version_that_was_seen() {
    let world = World::new(cluster()).await;
    let (client, key) = (&world.client, world.key("foo"));
    let save = async |text: &str, expected: Option<&str>| save_record(client, &key, text.to_owned(), expected).await;
    let first = save("one", None).await.unwrap();
    let created_twice = save("two", None).await;
    assert!(matches!(created_twice, Err(WriteError::AlreadyExists(_))), "{created_twice:?}");
    let second = save("two", Some(&first)).await.unwrap();
    let late = save("three", Some(&first)).await;
    assert!(matches!(late, Err(WriteError::GuardFailed(_))), "{late:?}");
    assert_eq!(world.object("configmap", "foo.aviary")["data"]["record.json"], "two");

    let late = delete_record(client, &key, Some(&first)).await;
    assert!(matches!(late, Err(WriteError::GuardFailed(_))), "{late:?}");
    assert_eq!(perform(client, &key, &Write::DeleteRecord, Some(&second)).await, Ok(None));
    assert_eq!(delete_record(client, &key, Some(&second)).await, Ok(()), "it is gone already");
    let gone = save("four", Some(&second)).await;
    assert!(matches!(gone, Err(WriteError::NotFound(_) | WriteError::GuardFailed(_))), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_seen_with_kubectl() {
    let world = World::new(cluster()).await;
    world.deploy("foo", 0);
    let uid = world.object("deployment", "foo")["metadata"]["uid"].as_str().unwrap().to_owned();
    for note in ["step 1 of 2", "step 2 of 2"] {
        let said = Announcement {
            reason: "StepPassed".into(),
            note: note.into(),
            warning: true,
            at: Timestamp(1_795_428_000_000),
        };
        publish(&world.client, &world.key("foo"), &uid, &said).await.unwrap();
    }
    let seen = world.kubectl(Identity::Ci, &["events", "--for=deployment/foo", "--types=Warning"]).checked().unwrap();
    assert!(seen.contains("StepPassed") && seen.contains("step 1 of 2") && seen.contains("step 2 of 2"), "{seen}");
    let described = world.kubectl(Identity::Ci, &["describe", "deployment", "foo"]).checked().unwrap();
    assert!(described.contains("step 2 of 2"), "{described}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_told_beforehand_and_on_refusal() {
    let world = World::without_role(cluster()).await;
    let missing = missing_permissions(&world.client, &world.namespace).await.unwrap();
    assert_eq!(missing.len(), 7, "{missing:?}");
    assert!(missing.iter().any(|reason| reason.contains("may not patch deployments")), "{missing:?}");
    let refused = create(&world, Track::Primary, manifest("foo-primary", 0)).await;
    assert!(matches!(refused, Err(WriteError::Forbidden(_))), "{refused:?}");

    let mut watching = world.watch();
    watching.until_told("may not delete configmaps", SOON).await;
    watching.until_told("watching pods in namespace", SOON).await;
    world.grant().await;
    // The watches try again after at most 20 s.
    let all_listed = |index: &aviary_cluster::Index| index.view(&world.key("foo")).is_some();
    watching.until("sight of the namespace", SOON, all_listed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_seen() {
    let world = World::new(cluster()).await;
    let key = world.key("foo");
    let mut watching = world.watch();
    watching.until_ready(SOON).await;
    world.deploy("foo", 2);
    let pods = |index: &aviary_cluster::Index| index.view(&key).is_some_and(|view| view.pods.len() == 2);
    watching.until("two pods", SOON, pods).await;
    let view = watching.index.view(&key).unwrap();
    assert!(view.pods.iter().all(|pod| pod.track == Track::Original && !pod.ready));
    let original = view.original.unwrap();
    assert_eq!(original.replicas(), 2);
    assert!(original.field_managers.iter().any(|manager| manager.owns_replicas), "{:?}", original.field_managers);

    let begun = Instant::now();
    let created = create(&world, Track::Canary, manifest("foo-canary", 0)).await.unwrap().unwrap();
    watching.until("our own canary", SOON, |index| index.caught_up(&key, &created.expectation)).await;
    println!("created and seen in {:?}", begun.elapsed());
    // What the write answered is what the watch tells, the controller's own fields apart.
    let seen = watching.index.view(&key).and_then(|view| view.canary).unwrap();
    let answered = created.deployment.unwrap().workload;
    assert_eq!((seen.spec, &seen.uid, seen.labels), (answered.spec, &answered.uid, answered.labels));
    let version = save_record(&world.client, &key, "{}".into(), None).await.unwrap();
    let stored = |index: &aviary_cluster::Index| index.record(&key).is_some_and(|r| r.resource_version == version);
    watching.until("our own record", SOON, stored).await;

    let delete = Write::Delete { track: Track::Canary, uid: answered.uid };
    let gone = perform(&world.client, &key, &delete, None).await.unwrap().unwrap();
    watching.until("no canary", SOON, |index| index.caught_up(&key, &gone.expectation)).await;
    delete_record(&world.client, &key, None).await.unwrap();
    watching.until("no record", SOON, |index| index.record(&key).is_none()).await;
    assert!(begun.elapsed() < CALL_LIMIT, "it took {:?}", begun.elapsed());
}
