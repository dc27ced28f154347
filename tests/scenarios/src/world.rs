//! A scenario's world: a namespace, a service in it, a daemon that cares for it, people and an outsider.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use local_cluster::Identity;
use serde_json::Value;
use tempfile::TempDir;

use crate::configuration::Configuration;
use crate::daemon::Daemon;
use crate::manifest::Manifest;
use crate::outsider::Outsider;
use crate::place::Place;
use crate::seen::Story;
use crate::wait::{Patience, wait_until};

/// One scenario's world. All of it is gone when it is dropped; the namespace goes with the cluster.
#[derive(Debug)]
pub struct World {
    place: Place,
    /// Aviary.
    pub daemon: Daemon,
    deployed: Option<Instant>,
    folder: TempDir,
}

impl Deref for World {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl World {
    /// A new namespace with nothing in it; the daemon is not started yet.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        Self::configured(|namespace| configuration.text(namespace))
    }

    /// As [`World::new`], with the configuration file that is written for its namespace.
    fn configured(text: impl FnOnce(&str) -> String) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let place = Place::new(&format!("shop-{}", NUMBER.fetch_add(1, Ordering::Relaxed)), Outsider::of);
        let folder = tempfile::Builder::new().prefix("aviary-scenario-").tempdir().unwrap();
        let daemon = Daemon::new(folder.path(), &place.namespace, &text(&place.namespace));
        Self { place, daemon, deployed: None, folder }
    }

    /// A second daemon that cares for the same; it is not started yet.
    #[must_use]
    pub fn another_daemon(&self, configuration: &Configuration) -> Daemon {
        let folder = self.folder.path().join("another");
        Daemon::new(&folder, &self.namespace, &configuration.text(&self.namespace))
    }

    /// A service of 5 pods of worker:v1 that Aviary cares for, steady. Its manifest never names replicas.
    #[must_use]
    pub fn steady(configuration: &Configuration) -> Self {
        Self::steady_with(|namespace| configuration.text(namespace))
    }

    /// As [`World::steady`], with the configuration file that is written for its namespace.
    #[must_use]
    pub fn steady_with(configuration: impl FnOnce(&str) -> String) -> Self {
        let mut world = Self::configured(configuration);
        world.deploy(&Manifest::new("worker:v1"));
        world.start();
        world
    }

    /// Deploys 5 pods, scaled so where the manifest does not say it: as a team does that keeps replicas out of it.
    pub fn deploy(&mut self, manifest: &Manifest) {
        self.apply(manifest);
        if manifest.object["spec"]["replicas"].is_null() {
            self.ci(&["scale", "deployment", "foo", "--replicas=5"], None);
        }
        self.deployed_now();
    }

    /// Deploys the 5 pods of a manifest, server-side.
    pub fn deploy_server_side(&mut self, manifest: &Manifest) {
        self.apply_server_side(manifest);
        self.deployed_now();
    }

    fn deployed_now(&mut self) {
        self.wait_for_available(5);
        self.deployed = Some(Instant::now());
    }

    /// Starts the daemon and waits until it has adopted the 5 pods.
    pub fn start(&mut self) {
        self.daemon.start();
        self.wait_for_phase("steady", 60);
        self.wait_for_available(5);
    }

    /// Gives the daemon another configuration, as a ConfigMap does.
    pub fn reconfigure(&self, configuration: &Configuration) {
        self.daemon.configure(&configuration.text(&self.namespace));
    }

    /// Applies a manifest as CI does.
    #[track_caller]
    pub fn apply(&self, manifest: &Manifest) {
        self.ci(&["apply", "-f", "-"], Some(&manifest.text()));
    }

    /// Applies a manifest as CI does, server-side.
    #[track_caller]
    pub fn apply_server_side(&self, manifest: &Manifest) {
        self.ci(&["apply", "--server-side", "-f", "-"], Some(&manifest.text()));
    }

    /// Anything as CI, which must succeed.
    #[track_caller]
    pub fn ci(&self, arguments: &[&str], stdin: Option<&str>) {
        let output = self.kubectl(Identity::Ci, arguments, stdin);
        assert!(output.success, "kubectl {arguments:?} failed: {}\n{}", output.stderr, self.told());
    }

    /// The messages of the events on the original with this reason.
    #[must_use]
    pub fn events(&self, reason: &str) -> Vec<String> {
        self.events_of("foo", reason)
    }

    /// What an operator says to the daemon, which must succeed; gives what it answers.
    #[track_caller]
    pub fn operator(&self, arguments: &[&str]) -> String {
        let output = self.daemon.command_line(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aviary {arguments:?} failed: {said}\n{}", self.told());
        String::from_utf8(output.stdout).unwrap()
    }

    /// The whole status; null while the daemon does not answer.
    #[must_use]
    pub fn whole_status(&self) -> Value {
        self.daemon.ask("status", None).map(|answer| answer["result"].clone()).unwrap_or_default()
    }

    /// The status of the service; null while there is none.
    #[must_use]
    pub fn status(&self) -> Value {
        self.whole_status()["services"][0].clone()
    }

    /// The phases of all services, by name.
    #[must_use]
    pub fn phases(&self) -> BTreeMap<String, String> {
        let status = self.whole_status();
        let services = status["services"].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        services.map(|service| (text(&service["service"]), text(&service["phase"]))).collect()
    }

    /// Waits until the status of the service is so, and gives it. Fails the test after so many seconds.
    #[track_caller]
    pub fn wait(&self, what: &str, seconds: u64, so: impl Fn(&Value) -> bool) -> Value {
        self.wait_with(what, Patience::seconds(seconds), so)
    }

    /// As [`World::wait`], looking again at once.
    #[track_caller]
    pub fn wait_keenly(&self, what: &str, seconds: u64, so: impl Fn(&Value) -> bool) -> Value {
        self.wait_with(what, Patience::keen(seconds), so)
    }

    #[track_caller]
    fn wait_with(&self, what: &str, patience: Patience, so: impl Fn(&Value) -> bool) -> Value {
        let look = || Some(self.status()).filter(|status| so(status));
        match wait_until(patience, look) {
            Ok(status) => status,
            Err(waited) => panic!("{what}: not within {waited:?}\n{}", self.told()),
        }
    }

    /// Waits until something outside the daemon is so.
    #[track_caller]
    pub fn eventually(&self, what: &str, seconds: u64, so: impl Fn() -> bool) {
        if let Err(waited) = wait_until(Patience::seconds(seconds), || so().then_some(())) {
            panic!("{what}: not within {waited:?}\n{}", self.told());
        }
    }

    /// Waits until the service is in this phase.
    #[track_caller]
    pub fn wait_for_phase(&self, phase: &str, seconds: u64) -> Value {
        self.wait(&format!("phase {phase}"), seconds, |status| status["phase"] == phase)
    }

    /// Waits until the last rollout ended so, and the service is steady again.
    #[track_caller]
    pub fn wait_for_ending(&self, ending: &str, image: &str, seconds: u64) -> Value {
        let what = format!("{image} {ending}");
        self.wait(&what, seconds, |status| {
            let last = status["history"].as_array().and_then(|history| newest(history));
            status["phase"] == "steady" && last.is_some_and(|last| last["ending"] == ending && names(last, image))
        })
    }

    /// Waits until there are so many pods, all available, and the outsider has seen as much.
    #[track_caller]
    pub fn wait_for_available(&self, pods: u32) {
        self.eventually(&format!("{pods} pods available"), 30, || {
            let story = self.outsider.story();
            let last = story.moments.last();
            last.is_some_and(|last| last.available() == pods && last.pods() == pods) && self.is_up_to_date(&story)
        });
    }

    /// A watch may lag behind: an earlier moment can look like the one that is waited for.
    fn is_up_to_date(&self, story: &Story) -> bool {
        let output = self.kubectl(Identity::Admin, &["get", "pods", "--output=json"], None);
        let list: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
        let pods = list["items"].as_array().into_iter().flatten();
        let live = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        live.filter_map(|pod| pod["metadata"]["uid"].as_str()).collect::<BTreeSet<_>>() == story.live()
    }

    /// Waits until the rollout of an image shows a canary of this size that is complete.
    #[track_caller]
    pub fn wait_for_step(&self, image: &str, size: u64, seconds: u64) -> Value {
        self.wait(&format!("a complete canary of {size} with {image}"), seconds, |status| {
            status["images"]["candidate"] == image
                && status["rollout"]["size"] == size
                && status["rollout"]["step_complete"].is_number()
        })
    }

    /// I1 and I2 from deployment to now: so many pods available at least, and of the copies no more than 7, the surge
    /// included. What a manifest with replicas starts on the original is apart (rule 10).
    #[track_caller]
    pub fn capacity_was_held(&self, least: u32) {
        let story = self.outsider.story_since(self.deployed.expect("the service was deployed"));
        story.never_fewer_available_than(least);
        story.never_more_pods_of_copies_for_long_than(7);
    }

    /// Now, for [`Outsider::story_since`].
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Whether the daemon's log has this text.
    #[must_use]
    pub fn log_says(&self, text: &str) -> bool {
        self.daemon.log().contains(text)
    }

    /// Everything that helps to see why a scenario failed.
    #[must_use]
    pub fn told(&self) -> String {
        let status = serde_json::to_string_pretty(&self.whole_status()).unwrap_or_default();
        let moment = self.outsider.story().moments.last().cloned();
        let log = self.daemon.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(60)..].join("\n");
        format!("--- status\n{status}\n--- seen last\n{moment:?}\n--- log\n{end}")
    }
}

fn newest(history: &[Value]) -> Option<&Value> {
    history.iter().max_by_key(|one| one["ended"].as_i64())
}

fn names(ending: &Value, image: &str) -> bool {
    ending["images"].to_string().contains(image)
}
