//! A pod's life, told as events, and what the API would show of it.

use serde_json::{Value, json};

use super::*;
use crate::{
    container::KILLED,
    images::Image,
    probe::{Answer, Schedule},
    status,
};

/// A pod under test, its clock, and what it still wants to be done.
struct Bench {
    pod: Pod,
    now: Timestamp,
    timers: Vec<(Timestamp, Event)>,
    acts: Vec<(usize, Act)>,
    deleted: bool,
    probed: bool,
}

impl Bench {
    fn new(spec: Value) -> Self {
        Self::with_status(spec, json!({}))
    }

    fn with_status(spec: Value, status: Value) -> Self {
        let metadata = json!({"name": "foo-1", "namespace": "shop", "uid": "u-1"});
        let object = json!({"metadata": metadata, "spec": spec, "status": status});
        let probed = object["spec"]["containers"][0]["readinessProbe"].is_object();
        let object: Object = serde_json::from_value(object).unwrap();
        let now = Timestamp::from_second(1_000_000).unwrap();
        let (address, host) = (Ipv4Addr::new(127, 77, 0, 2), Ipv4Addr::new(127, 77, 0, 1));
        let pod = Pod::new(&object, address, host, Duration::from_secs(10), now);
        let mut bench = Self { pod, now, timers: Vec::new(), acts: Vec::new(), deleted: false, probed };
        bench.apply(Event::Begin);
        bench
    }

    fn apply(&mut self, event: Event) {
        for effect in self.pod.apply(event, self.now) {
            match effect {
                Effect::Container { index, act, .. } => self.acts.push((index, act)),
                Effect::Wake { after, event } => self.timers.push((self.now + after, event)),
                Effect::Delete => self.deleted = true,
            }
        }
    }

    fn happen(&mut self, index: usize, what: Happening) {
        let epoch = self.pod.containers[index].epoch;
        self.apply(Event::Container { index, epoch, what });
    }

    /// Pulls and starts what is to be pulled and started.
    fn run(&mut self) {
        while let Some(at) = self.acts.iter().position(|(_, act)| matches!(act, Act::Pull | Act::Start)) {
            match self.acts.remove(at) {
                (index, Act::Pull) => self.happen(index, pulled(Image::default(), self.probed)),
                (index, _) => self.happen(index, Happening::Started),
            }
        }
    }

    /// Lets time pass, timers included.
    fn pass(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some(at) =
            (0..self.timers.len()).filter(|at| self.timers[*at].0 <= end).min_by_key(|at| self.timers[*at].0)
        {
            let (time, event) = self.timers.remove(at);
            self.now = time;
            self.apply(event);
        }
        self.now = end;
    }

    fn status(&self) -> Value {
        serde_json::to_value(status::status(&self.pod)).unwrap()
    }

    fn container(&self, index: usize) -> Value {
        self.status()["containerStatuses"][index].clone()
    }

    fn condition(&self, name: &str) -> Value {
        let status = self.status();
        status["conditions"].as_array().unwrap().iter().find(|one| one["type"] == name).unwrap().clone()
    }
}

fn pulled(image: Image, probed: bool) -> Happening {
    let schedule = Schedule {
        delay: Duration::ZERO,
        period: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        successes: 1,
        failures: 3,
    };
    Happening::Pulled(Ok((image, probed.then_some(schedule))))
}

fn one(more: Value) -> Value {
    let mut container = json!({"name": "main", "image": "worker:v1"});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"containers": [container]})
}

fn probed() -> Value {
    one(json!({"readinessProbe": {"httpGet": {"port": 80}}}))
}

#[test]
fn a_pod_without_a_probe_is_ready_when_it_runs() {
    let mut bench = Bench::new(one(json!({})));
    assert_eq!(bench.status()["phase"], "Pending");
    assert_eq!(bench.container(0)["state"]["waiting"]["reason"], "ContainerCreating");
    bench.run();
    assert_eq!(bench.status()["phase"], "Running");
    assert_eq!(bench.container(0)["restartCount"], 0);
    assert_eq!((&bench.container(0)["ready"], &bench.container(0)["started"]), (&json!(true), &json!(true)));
    for name in status::OWN_CONDITIONS {
        assert_eq!(bench.condition(name)["status"], "True", "{name}");
    }
}

#[test]
fn readiness_follows_the_probe_and_its_threshold() {
    let mut bench = Bench::new(probed());
    bench.run();
    assert_eq!(bench.condition("Ready")["reason"], "ContainersNotReady");
    assert_eq!(bench.condition("Ready")["message"], "containers with unready status: [main]");
    bench.happen(0, Happening::Probed(Answer::Good));
    assert_eq!(bench.condition("Ready")["status"], "True");
    for expected in ["True", "True", "False"] {
        bench.happen(0, Happening::Probed(Answer::Bad));
        assert_eq!(bench.condition("Ready")["status"], expected);
    }
    assert_eq!(bench.status()["phase"], "Running");
}

#[test]
fn a_process_that_does_not_listen_yet_is_asked_again_within_the_first_period() {
    let mut bench = Bench::new(probed());
    bench.run();
    bench.pass(0.0);
    assert_eq!(bench.acts, [(0, Act::Probe)]);
    bench.happen(0, Happening::Probed(Answer::Refused));
    bench.pass(0.02);
    assert_eq!(bench.acts.len(), 2);
    bench.pass(2.0);
    let before = bench.acts.len();
    bench.happen(0, Happening::Probed(Answer::Refused));
    bench.pass(0.5);
    assert_eq!(bench.acts.len(), before, "later on, the regular beat is enough");
}

#[test]
fn the_first_restart_is_at_once_and_the_next_ones_wait() {
    let mut bench = Bench::new(one(json!({})));
    bench.run();
    bench.happen(0, Happening::Exited(1));
    bench.run();
    let container = bench.container(0);
    assert_eq!(container["restartCount"], 1);
    assert_eq!(container["lastState"]["terminated"]["reason"], "Error");
    assert!(container["state"]["running"].is_object());
    for (wait, restarts) in [("10s", 1), ("20s", 2), ("40s", 3)] {
        bench.happen(0, Happening::Exited(1));
        let container = bench.container(0);
        assert_eq!(container["state"]["waiting"]["reason"], "CrashLoopBackOff");
        let message = format!("back-off {wait} restarting failed container=main pod=foo-1_shop(u-1)");
        assert_eq!(container["state"]["waiting"]["message"], message);
        assert_eq!((&container["restartCount"], &container["ready"]), (&json!(restarts), &json!(false)));
        assert_eq!(
            (bench.status()["phase"].as_str(), bench.condition("Ready")["status"].as_str()),
            (Some("Running"), Some("False"))
        );
        bench.pass(wait.trim_end_matches('s').parse().unwrap());
        bench.run();
        assert!(bench.container(0)["state"]["running"].is_object());
    }
}

#[test]
fn a_killed_process_is_out_of_memory_only_where_the_table_says_so() {
    for (oom, reason) in [(true, "OOMKilled"), (false, "Error")] {
        let mut bench = Bench::new(one(json!({})));
        bench.happen(0, pulled(Image { oom, ..Image::default() }, false));
        bench.happen(0, Happening::Started);
        bench.happen(0, Happening::Exited(KILLED));
        assert_eq!(bench.container(0)["state"]["terminated"]["reason"], reason);
    }
}

#[test]
fn an_image_that_cannot_be_pulled_is_tried_again() {
    let mut bench = Bench::new(one(json!({})));
    bench.happen(0, Happening::Pulled(Err("not found".into())));
    assert_eq!(bench.container(0)["state"]["waiting"]["reason"], "ErrImagePull");
    bench.pass(1.0);
    assert_eq!(bench.container(0)["state"]["waiting"]["reason"], "ImagePullBackOff");
    assert_eq!(bench.status()["phase"], "Pending");
    bench.acts.clear();
    bench.pass(9.0);
    assert_eq!(bench.acts, [(0, Act::Pull)]);
    bench.happen(0, Happening::Pulled(Err("not found".into())));
    assert_eq!(bench.container(0)["state"]["waiting"]["reason"], "ErrImagePull");
    bench.pass(20.0);
    bench.run();
    assert_eq!(bench.status()["phase"], "Running");
}

#[test]
fn init_containers_run_one_after_the_other_before_the_others() {
    let init = json!([{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]);
    let mut bench = Bench::new(json!({"initContainers": init, "containers": [{"name": "main", "image": "i"}]}));
    bench.run();
    assert_eq!(bench.container(0)["state"]["waiting"]["reason"], "PodInitializing");
    assert_eq!(bench.condition("Initialized")["message"], "containers with incomplete status: [a b]");
    bench.happen(0, Happening::Exited(0));
    bench.run();
    bench.happen(1, Happening::Exited(3));
    bench.run();
    assert_eq!(bench.status()["initContainerStatuses"][1]["restartCount"], 1);
    assert_eq!(bench.status()["phase"], "Pending");
    bench.happen(1, Happening::Exited(0));
    bench.run();
    assert_eq!(bench.status()["phase"], "Running");
    assert_eq!(bench.condition("Initialized")["status"], "True");
}

#[test]
fn a_sidecar_of_init_goes_on_and_counts_for_readiness() {
    let init = json!([{"name": "side", "image": "i", "restartPolicy": "Always"}]);
    let mut bench = Bench::new(json!({"initContainers": init, "containers": [{"name": "main", "image": "i"}]}));
    bench.run();
    assert_eq!(bench.condition("Ready")["status"], "True");
    bench.happen(0, Happening::Exited(0));
    assert_eq!(bench.condition("Ready")["message"], "containers with unready status: [side]");
    assert_eq!(bench.condition("Initialized")["status"], "True");
}

#[test]
fn deletion_asks_then_kills_then_lets_go() {
    let mut bench = Bench::new(one(json!({})));
    bench.run();
    let grace = Duration::from_secs(30);
    bench.apply(Event::Delete { grace });
    bench.apply(Event::Delete { grace });
    assert_eq!(bench.acts, [(0, Act::Terminate)]);
    bench.pass(30.0);
    assert_eq!(bench.acts, [(0, Act::Terminate), (0, Act::Kill)]);
    assert!(!bench.deleted);
    bench.happen(0, Happening::Exited(KILLED));
    assert!(bench.deleted);
    assert!(bench.timers.is_empty(), "nothing is restarted");
}

#[test]
fn a_shorter_grace_given_later_counts() {
    let mut bench = Bench::new(one(json!({})));
    bench.run();
    bench.apply(Event::Delete { grace: Duration::from_secs(30) });
    bench.apply(Event::Delete { grace: Duration::from_secs(1) });
    bench.pass(1.0);
    assert_eq!(bench.acts, [(0, Act::Terminate), (0, Act::Kill)]);
}

#[test]
fn a_pod_deleted_while_it_waits_goes_at_once() {
    let mut bench = Bench::new(one(json!({})));
    bench.apply(Event::Delete { grace: Duration::from_secs(30) });
    assert!(bench.deleted);
    bench.acts.clear();
    bench.happen(0, pulled(Image::default(), false));
    assert_eq!(bench.acts, [], "and is not started any more");
}

#[test]
fn what_comes_from_an_earlier_run_changes_nothing() {
    let mut bench = Bench::new(probed());
    bench.run();
    let epoch = bench.pod.containers[0].epoch;
    bench.happen(0, Happening::Exited(1));
    bench.run();
    let before = bench.status();
    bench.apply(Event::Container { index: 0, epoch, what: Happening::Probed(Answer::Good) });
    bench.apply(Event::Container { index: 0, epoch, what: Happening::Exited(1) });
    assert_eq!(bench.status(), before);
}

#[test]
fn pods_that_need_not_run_for_ever_succeed_or_fail() {
    for (policy, code, phase) in
        [("Never", 0, "Succeeded"), ("Never", 2, "Failed"), ("OnFailure", 0, "Succeeded"), ("OnFailure", 2, "Running")]
    {
        let mut bench = Bench::new(json!({"restartPolicy": policy, "containers": [{"name": "main", "image": "i"}]}));
        bench.run();
        bench.happen(0, Happening::Exited(code));
        assert_eq!(bench.status()["phase"], phase, "{policy} {code}");
    }
}

#[test]
fn what_an_agent_before_had_running_counts_as_a_restart() {
    let before = json!({"containerStatuses": [{
        "name": "main", "image": "i", "imageID": "", "ready": true, "restartCount": 2, "state": {"running": {}},
    }]});
    let mut bench = Bench::with_status(one(json!({})), before);
    bench.run();
    assert_eq!(bench.container(0)["restartCount"], 3);
    assert_eq!(bench.container(0)["lastState"]["terminated"]["reason"], "ContainerStatusUnknown");
}

#[test]
fn a_program_that_cannot_start_is_a_crash_and_a_bad_configuration_is_not() {
    let mut bench = Bench::new(one(json!({})));
    bench.happen(0, pulled(Image::default(), false));
    bench.happen(0, Happening::NotStarted("no such file".into()));
    assert_eq!(bench.container(0)["state"]["terminated"]["reason"], "StartError");
    let mut bench = Bench::new(one(json!({})));
    bench.happen(0, pulled(Image::default(), false));
    bench.happen(0, Happening::Misconfigured("env A".into()));
    assert_eq!(bench.container(0)["state"]["waiting"]["reason"], "CreateContainerConfigError");
    assert_eq!((&bench.container(0)["restartCount"], &bench.status()["phase"]), (&json!(0), &json!("Pending")));
}
