//! The API server is gone, or silent: what is told meanwhile, and that all is well again by itself.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::time::{Duration, Instant};

use aviary_cluster::{CALL_LIMIT, ClusterInput, WriteError, missing_permissions, save_record};
use futures::future::join_all;
use local_cluster::Process;
use tokio::task::block_in_place;
use world::{World, start_cluster};

const SOON: Duration = Duration::from_secs(30);
/// Watches try again after at most 20 s; the rest is for a slow machine.
const RECOVERY: Duration = Duration::from_secs(60);

const KINDS: [&str; 5] = ["deployments", "replicasets", "pods", "horizontalpodautoscalers", "configmaps"];

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_namespace_is_ready_again_after_the_api_server_was_killed() {
    let cluster = block_in_place(start_cluster);
    let world = World::new(&cluster).await;
    let mut watching = world.watch();
    watching.until_ready(SOON).await;

    let killed = Instant::now();
    block_in_place(|| cluster.kill_process(Process::ApiServer)).unwrap();
    for kind in KINDS {
        watching.until_told(&format!("watching {kind}"), SOON).await;
    }
    println!("told {:?} after the end", killed.elapsed());
    let lost = save_record(&world.client, &world.key("foo"), "{}".into(), None).await;
    assert!(matches!(lost, Err(WriteError::Unknown(_))), "{lost:?}");

    block_in_place(|| cluster.start_process(Process::ApiServer)).unwrap();
    let started = Instant::now();
    watching.until_ready(RECOVERY).await;
    println!("ready {:?} after the start", started.elapsed());
    save_record(&world.client, &world.key("foo"), "{}".into(), None).await.unwrap();
    watching.until("the record", SOON, |index| index.record(&world.key("foo")).is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_api_server_holds_nobody_for_longer_than_the_limit() {
    let cluster = block_in_place(start_cluster);
    let world = World::new(&cluster).await;
    // Connections that stay open: on a new one the limit for connecting would hide that for answers.
    let open = (0..8).map(|_| missing_permissions(&world.client, &world.namespace));
    assert!(join_all(open).await.iter().all(Result::is_ok));
    block_in_place(|| cluster.freeze_process(Process::ApiServer)).unwrap();
    let frozen = Instant::now();
    let mut watching = world.watch();
    let lost = save_record(&world.client, &world.key("foo"), "{}".into(), None).await;
    assert!(matches!(lost, Err(WriteError::Unknown(_))), "{lost:?}");
    for kind in KINDS {
        watching.until_told(&format!("watching {kind}"), CALL_LIMIT * 2).await;
    }
    println!("told {:?} after the silence began", frozen.elapsed());

    block_in_place(|| cluster.thaw_process(Process::ApiServer)).unwrap();
    watching.until_ready(RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_ends_as_usual_is_no_failure_and_lists_nothing_again() {
    let cluster = block_in_place(start_cluster);
    let world = World::new(&cluster).await;
    let mut watching = world.watch();
    watching.until_ready(SOON).await;
    // Whether there are rights is told at some time, too.
    let told = watching.all_within(Duration::from_secs(100)).await;
    assert!(told.iter().all(|input| matches!(input, ClusterInput::Permissions { .. })), "{told:?}");
    save_record(&world.client, &world.key("foo"), "{}".into(), None).await.unwrap();
    watching.until("the record", SOON, |index| index.record(&world.key("foo")).is_some()).await;
}
