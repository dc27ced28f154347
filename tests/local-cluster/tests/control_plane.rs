//! The control plane is real, its identities may do what they should, and nothing of it remains.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use local_cluster::{Identity, LocalCluster, Options, Output, Process};

const DEPLOYMENT: &str = r#"{
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": { "name": "worker", "namespace": "shop" },
    "spec": {
        "replicas": 2,
        "selector": { "matchLabels": { "app": "worker" } },
        "template": {
            "metadata": { "labels": { "app": "worker" } },
            "spec": { "containers": [{ "name": "worker", "image": "worker:1" }] }
        }
    }
}"#;

fn start() -> LocalCluster {
    LocalCluster::start(Options { namespaces: vec!["shop".to_owned()], ..Options::default() }).unwrap()
}

/// Looks until it is so; fails the test after 30 s.
fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "{what} within 30 s");
        sleep(Duration::from_millis(50));
    }
}

fn names(cluster: &LocalCluster, identity: Identity, kind: &str) -> Vec<String> {
    let arguments = ["get", kind, "--namespace=shop", "--selector=app=worker", "--output=name"];
    let listed = cluster.kubectl(identity, &arguments, None).unwrap().checked().unwrap();
    listed.lines().map(str::to_owned).collect()
}

/// The processes whose command line names the directory, as those of a cluster do: their folders in `/proc`, and those
/// lines.
fn found_of(directory: &Path) -> Vec<(PathBuf, String)> {
    let wanted = directory.to_str().unwrap();
    let folders = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let lines = folders.filter_map(|folder| fs::read(folder.join("cmdline")).ok().map(|line| (folder, line)));
    let lines = lines.map(|(folder, line)| (folder, String::from_utf8_lossy(&line).replace('\0', " ")));
    lines.filter(|(_, line)| line.contains(wanted)).collect()
}

fn processes_of(directory: &Path) -> Vec<String> {
    found_of(directory).into_iter().map(|(_, line)| line).collect()
}

/// Whether a process holds SIGTERM back, and so passes that on to all that it starts.
fn holds_back_terminate(folder: &Path) -> bool {
    let status = fs::read_to_string(folder.join("status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 14) != 0
}

#[test]
fn a_deployment_gets_pods_and_nothing_remains() {
    let cluster = start();
    let directory = cluster.directory().to_owned();
    cluster.apply(Identity::Ci, DEPLOYMENT).unwrap();
    eventually("two pods", || names(&cluster, Identity::Ci, "pods").len() == 2);
    assert_eq!(names(&cluster, Identity::Ci, "replicasets").len(), 1);

    // etcd, API server, controller manager and the janitor: the check below would see them.
    assert_eq!(processes_of(&directory).len(), 4, "{:?}", processes_of(&directory));
    drop(cluster);
    assert_eq!(processes_of(&directory), Vec::<String>::new());
    assert!(!directory.exists());
}

/// What the daemon's user hears when it asks for things in a namespace.
fn daemon_asks(cluster: &LocalCluster, kind: &str, namespace: &str) -> Output {
    let namespace = format!("--namespace={namespace}");
    cluster.kubectl(Identity::Aviary, &["get", kind, &namespace], None).unwrap()
}

#[test]
fn the_daemon_may_nothing_without_a_role() {
    let cluster = start();
    let refused = daemon_asks(&cluster, "deployments", "shop");
    assert!(!refused.success);
    assert!(refused.stderr.contains("Forbidden"), "{}", refused.stderr);
}

#[test]
fn the_daemon_may_only_what_the_role_grants() {
    let cluster = start();
    cluster.apply_rbac("shop").unwrap();
    eventually("the right to look", || daemon_asks(&cluster, "deployments", "shop").success);
    for (kind, namespace) in [("deployments", "default"), ("secrets", "shop")] {
        let refused = daemon_asks(&cluster, kind, namespace);
        assert!(refused.stderr.contains("Forbidden"), "{kind} in {namespace}: {}", refused.stderr);
    }
}

#[test]
fn processes_can_be_killed_stopped_and_frozen() {
    let cluster = start();
    let ready = || cluster.kubectl(Identity::Admin, &["get", "--raw=/readyz", "--request-timeout=2s"], None).unwrap();
    let first = cluster.process_id(Process::ApiServer).unwrap();

    cluster.freeze_process(Process::ApiServer).unwrap();
    assert!(!ready().success, "a frozen API server does not answer");
    cluster.thaw_process(Process::ApiServer).unwrap();
    eventually("an answer", || ready().success);

    cluster.kill_process(Process::ApiServer).unwrap();
    assert_eq!(cluster.process_id(Process::ApiServer), None);
    cluster.stop_process(Process::ControllerManager).unwrap();
    cluster.stop_process(Process::Etcd).unwrap();
    for process in [Process::Etcd, Process::ApiServer, Process::ControllerManager] {
        cluster.start_process(process).unwrap();
    }
    assert_ne!(cluster.process_id(Process::ApiServer), Some(first));
    let namespace = cluster.kubectl(Identity::Admin, &["get", "namespace", "shop"], None).unwrap();
    assert!(namespace.success, "what was stored is still there: {}", namespace.stderr);
}

#[test]
fn a_failed_start_says_why_and_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("cluster");
    let options =
        Options { directory: Some(directory.clone()), namespaces: vec!["Not A Name".to_owned()], ..Options::default() };
    let error = LocalCluster::start(options).err().unwrap();
    assert!(format!("{error:#}").contains("Not A Name"), "{error:#}");
    assert!(!directory.exists());
}

/// The program `local-cluster`, in a directory of its own.
fn program(action: &[&str], directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-cluster"));
    command.args(action).arg("--directory").arg(directory).stdin(Stdio::null());
    command
}

#[test]
fn a_kept_cluster_runs_until_down() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().canonicalize().unwrap().join("cluster");
    let up = program(&["up", "--keep", "--no-prometheus"], &directory).output().unwrap();
    let said = String::from_utf8(up.stdout).unwrap();
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let export = format!("export KUBECONFIG={}", directory.join("kubeconfig/admin").display());
    assert_eq!(said.lines().next(), Some(export.as_str()));
    let running = found_of(&directory);
    assert!(running.len() >= 4, "{running:?}");
    assert_eq!(running.iter().filter(|(folder, _)| holds_back_terminate(folder)).collect::<Vec<_>>(), Vec::<&_>::new());

    let again = program(&["up", "--keep", "--no-prometheus"], &directory).output().unwrap();
    assert!(!again.status.success(), "two clusters cannot share a directory");
    assert!(program(&["down"], &directory).status().unwrap().success());
    assert!(!directory.exists());
    eventually("no process", || processes_of(&directory).is_empty());
}

#[test]
fn an_owner_that_is_killed_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().canonicalize().unwrap().join("cluster");
    let mut owner = program(&["up", "--no-prometheus"], &directory).stdout(Stdio::null()).spawn().unwrap();
    eventually("a running controller manager", || directory.join("logs/kube-controller-manager.log").exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("no process", || processes_of(&directory).is_empty());
    eventually("no file", || !directory.exists());
}
