//! A small world for the core: three Deployments with a controller that replaces pods a few at a time.

use std::{collections::BTreeMap, time::Duration};

use aviary_core::{
    answer::{Answer, answered},
    judge::{
        AnalyzerFinding, ChangeKind, Check, Classification, Finding, Move, Next, Outcome, PodObservation,
        PolicyIdentity, Track,
    },
    lease::Lease,
    plan::{Note, Plan, Question, RecordState, Service, plan},
    record::{Phase, Record},
    settings::{Amount, OnRollback, PolicyChoice, Settings},
    spec::Spec,
    time::Timestamp,
    view::{OWNER_ANNOTATION, View, Workload, WorkloadStatus},
    write::Write,
};
use serde_json::{Value, json};

/// A Deployment with its pods: those of the newest template and those of older ones.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub uid: String,
    pub generation: i64,
    pub observed: i64,
    pub spec: Value,
    pub copy: bool,
    pub old: u32,
    pub new: u32,
    pub ready: u32,
    /// None of its pods is ready any more.
    pub broken: bool,
}

/// Everything that is outside of the core.
#[derive(Debug, Clone)]
pub struct World {
    pub now: Timestamp,
    pub settings: Settings,
    pub record: RecordState,
    /// What the daemon acts under.
    pub lease: Lease,
    pub deployments: BTreeMap<Track, Deployment>,
    pub notes: Vec<Note>,
    pub started: u32,
    /// What every check says.
    pub outcome: Outcome,
    /// What the progression says whatever the outcome.
    pub next: Option<Next>,
    uids: u32,
}

/// The lease of these tests, at an epoch.
pub fn lease(epoch: u64) -> Lease {
    Lease { name: "aviary/aviary".to_owned(), epoch }
}

pub fn settings(surge: Amount) -> Settings {
    let policy = |name: &str| PolicyChoice { name: name.to_owned(), parameters: json!({}) };
    Settings {
        step: Amount::Percent(20.0),
        break_point: Amount::Percent(40.0),
        surge,
        warm_up: Duration::from_secs(5),
        check_interval: Duration::from_secs(2),
        ready_deadline: Duration::from_secs(60),
        longest_step: Duration::from_secs(600),
        on_rollback: OnRollback::Revert,
        shared_claims: false,
        classifier: policy("image-change"),
        analyzers: vec![policy("health")],
        progression: policy("breakpoint"),
        metrics: Vec::new(),
    }
}

pub fn spec(replicas: u32, image: &str) -> Value {
    json!({
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "foo"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "template": {"metadata": {"labels": {"app": "foo"}}, "spec": {"containers": [{"name": "worker", "image": image}]}},
    })
}

impl Deployment {
    fn replicas(&self) -> u32 {
        u32::try_from(self.spec["replicas"].as_u64().unwrap()).unwrap()
    }

    pub fn image(&self) -> &str {
        self.spec["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
    }

    fn pods(&self) -> u32 {
        self.old + self.new
    }

    /// Pods that are ready; those of older templates all are.
    pub fn available(&self) -> u32 {
        self.old + self.ready
    }

    fn workload(&self, name: &str) -> Workload {
        let mark = (OWNER_ANNOTATION.to_owned(), "foo".to_owned());
        Workload {
            name: name.to_owned(),
            uid: self.uid.clone(),
            resource_version: self.generation.to_string(),
            generation: self.generation,
            deleting: false,
            labels: BTreeMap::new(),
            annotations: self.copy.then_some(mark).into_iter().collect(),
            field_managers: Vec::new(),
            controller: None,
            spec: self.spec.clone(),
            status: WorkloadStatus {
                observed_generation: self.observed,
                replicas: self.pods(),
                updated: self.new,
                ready: self.available(),
                available: self.available(),
            },
        }
    }

    fn surge(&self) -> u32 {
        let rolling = &self.spec["strategy"]["rollingUpdate"]["maxSurge"];
        match rolling.as_str().and_then(|text| text.trim_end_matches('%').parse::<u32>().ok()) {
            Some(percent) => (self.replicas() * percent).div_ceil(100),
            None => u32::try_from(rolling.as_u64().unwrap_or(1)).unwrap(),
        }
    }

    /// One round of the controller: scale, then replace; new pods become ready in the next round unless they are bad.
    fn reconcile(&mut self) -> u32 {
        self.observed = self.generation;
        if !self.image().contains("never-ready") {
            self.ready = if self.broken { 0 } else { self.new };
        }
        let wanted = self.replicas();
        self.old -= self.old.min(self.available().saturating_sub(self.least()));
        let most = wanted + if self.old > 0 { self.surge() } else { 0 };
        // Of the new ones, those that are not ready go first.
        self.new -= self.pods().saturating_sub(most).min(self.new);
        self.ready = self.ready.min(self.new);
        let start = most.saturating_sub(self.pods()).min(wanted.saturating_sub(self.new));
        self.new += start;
        start
    }

    fn least(&self) -> u32 {
        self.replicas().saturating_sub(u32::from(self.surge() == 0))
    }
}

impl World {
    /// A service of `replicas` pods that serves, without Aviary.
    pub fn new(replicas: u32, surge: Amount) -> Self {
        let mut world = Self {
            now: Timestamp(1_000_000),
            settings: settings(surge),
            record: RecordState::Absent,
            lease: lease(1),
            deployments: BTreeMap::new(),
            notes: Vec::new(),
            started: 0,
            outcome: Outcome::Pass,
            next: None,
            uids: 0,
        };
        world.create(Track::Original, spec(replicas, "worker:v1"), false);
        while world.reconcile() {}
        world
    }

    fn create(&mut self, track: Track, spec: Value, copy: bool) {
        self.uids += 1;
        let uid = format!("uid-{}", self.uids);
        let deployment =
            Deployment { uid, generation: 1, observed: 0, spec, copy, old: 0, new: 0, ready: 0, broken: false };
        self.deployments.insert(track, deployment);
    }

    /// Changes a Deployment as a person or Aviary does.
    pub fn edit(&mut self, track: Track, change: impl FnOnce(&mut Value)) {
        let deployment = self.deployments.get_mut(&track).unwrap();
        let before = deployment.spec.clone();
        change(&mut deployment.spec);
        if before != deployment.spec {
            deployment.generation += 1;
        }
        if before["template"] != deployment.spec["template"] {
            deployment.old += deployment.ready;
            (deployment.new, deployment.ready) = (0, 0);
        }
    }

    pub fn apply(&mut self, image: &str, replicas: Option<u32>) {
        self.edit(Track::Original, |spec| {
            spec["template"]["spec"]["containers"][0]["image"] = json!(image);
            if let Some(replicas) = replicas {
                spec["replicas"] = json!(replicas);
            }
        });
    }

    pub fn record(&self) -> &Record {
        match &self.record {
            RecordState::Present(record) => record,
            other => panic!("no record: {other:?}"),
        }
    }

    pub fn view(&self) -> View {
        let workload = |track| self.deployments.get(&track).map(|d| d.workload(&format!("foo-{track}")));
        View {
            original: workload(Track::Original),
            primary: workload(Track::Primary),
            canary: workload(Track::Canary),
            pods: self.pods(),
            autoscalers: Vec::new(),
        }
    }

    fn pods(&self) -> Vec<PodObservation> {
        let pod = |track: Track, index: u32| PodObservation {
            name: format!("{track}-{index}"),
            track,
            created: self.now,
            became_ready: None,
            ready: true,
            restart_count: 0,
            restarts: Vec::new(),
            waiting_reason: None,
            waiting_message: None,
        };
        self.deployments.iter().flat_map(|(track, d)| (0..d.available()).map(|index| pod(*track, index))).collect()
    }

    pub fn plan(&self) -> Plan {
        self.plan_under(&self.lease)
    }

    /// The plan of a daemon that has this lease.
    pub fn plan_under(&self, lease: &Lease) -> Plan {
        let (view, record) = (self.view(), &self.record);
        let service = Service { namespace: "shop", name: "foo", view: &view, record, may_adopt: true, lease };
        plan(&service, &self.settings, self.now)
    }

    /// One round of the controllers; whether anything moved.
    pub fn reconcile(&mut self) -> bool {
        let before = format!("{:?}", self.deployments);
        self.started += self.deployments.values_mut().map(Deployment::reconcile).sum::<u32>();
        before != format!("{:?}", self.deployments)
    }

    /// Carries out one plan; whether there was anything to carry out.
    pub fn step(&mut self) -> bool {
        let plan = self.plan();
        assert!(plan.record.is_none() || plan.act.is_none(), "at most one write: {plan:?}");
        self.notes.extend(plan.notes.clone());
        let busy = plan.record.is_some() || plan.act.is_some() || plan.question.is_some();
        if let Some(record) = plan.record {
            assert_eq!(record.lease.as_ref(), Some(&self.lease));
            assert_ne!(
                RecordState::Present(record.clone()),
                self.record,
                "a record that does not change: {}",
                plan.reason
            );
            self.record = RecordState::Present(Box::new(Record::parse(&record.text()).unwrap()));
        }
        if let Some(act) = &plan.act {
            assert_eq!(self.record().lease.as_ref(), Some(&self.lease), "fenced first");
            self.perform(act);
        }
        if let Some(question) = plan.question {
            self.answer(question);
        }
        busy
    }

    fn perform(&mut self, write: &Write) {
        match write {
            Write::Create { track, manifest } => {
                assert!(!self.deployments.contains_key(track));
                self.create(*track, manifest["spec"].clone(), true);
            }
            Write::Patch { track, operations, .. } => self.patch(*track, operations),
            Write::Delete { track, uid } => {
                assert_eq!(&self.deployments.remove(track).unwrap().uid, uid);
            }
            Write::DeleteRecord => self.record = RecordState::Absent,
        }
    }

    fn patch(&mut self, track: Track, operations: &[Value]) {
        let deployment = self.deployments[&track].clone();
        let document =
            json!({"metadata": {"uid": deployment.uid, "generation": deployment.generation}, "spec": deployment.spec});
        let mut changed = document.clone();
        for operation in operations {
            let path = operation["path"].as_str().unwrap();
            let field = path.rsplit_once('/').unwrap().1;
            match operation["op"].as_str().unwrap() {
                "test" => assert_eq!(document.pointer(path), Some(&operation["value"]), "{operation}"),
                "remove" => drop(changed["spec"].as_object_mut().unwrap().remove(field)),
                _ => changed["spec"][field] = operation["value"].clone(),
            }
        }
        self.edit(track, |spec| *spec = changed["spec"].clone());
    }

    fn answer(&mut self, question: Question) {
        let policy = PolicyIdentity { name: "test".to_owned(), version: "1".to_owned(), digest: "d".to_owned() };
        let answer = match question {
            Question::Classify { epoch, digest, change, .. } => {
                let kind = if change.images.is_empty() { ChangeKind::Direct } else { ChangeKind::Canary };
                let candidate = Box::new(Spec::of(&self.deployments[&Track::Original].spec));
                let classification = Classification { kind, reason: "test".to_owned() };
                Answer::Classified { epoch, digest, candidate, classification }
            }
            Question::Observe { epoch, early, evidence, observation, .. } => {
                let progress = observation.progress;
                let finding =
                    Finding { outcome: self.outcome, score: None, reason: "test".to_owned(), metrics: Vec::new() };
                let (step_index, canary) = (progress.step_index, progress.canary.wanted);
                let findings = vec![AnalyzerFinding { policy: policy.clone(), finding }];
                let check = Check { at: self.now, step_index, canary, early, outcome: self.outcome, findings };
                let next = match self.outcome {
                    Outcome::Pass if canary == progress.break_point => Next::Promote,
                    Outcome::Pass => Next::Advance(canary + progress.step),
                    Outcome::Inconclusive => Next::Hold,
                    Outcome::Fail | Outcome::Critical => Next::Rollback,
                };
                let next = self.next.unwrap_or(next);
                let said = Some(Ok((Move { next, reason: "test".to_owned() }, policy)));
                Answer::Checked { epoch, evidence, check: Box::new(check), said }
            }
        };
        if let Some((record, notes)) = answered(self.record(), &self.settings, answer, &self.lease, self.now) {
            self.notes.extend(notes);
            self.record = RecordState::Present(Box::new(record));
        }
    }

    /// Available pods of all tracks.
    pub fn available(&self) -> u32 {
        self.deployments.values().map(Deployment::available).sum()
    }

    /// Pods of all tracks.
    pub fn total(&self) -> u32 {
        self.deployments.values().map(Deployment::pods).sum()
    }

    pub fn said(&self, code: &str) -> bool {
        self.notes.iter().any(|note| note.code == code)
    }

    /// One plan, one round of the controllers, one second.
    pub fn tick(&mut self) -> bool {
        let acted = self.step();
        let moved = self.reconcile();
        self.now = self.now.plus(Duration::from_secs(1));
        acted || moved
    }

    /// Runs until nothing happens any more and nothing is waited for.
    pub fn settle(&mut self, mut check: impl FnMut(&Self)) {
        let mut quiet = 0;
        for _ in 0..5000 {
            quiet = if self.tick() { 0 } else { quiet + 1 };
            check(self);
            if quiet > 2 && self.at_rest() {
                return;
            }
        }
        panic!("it does not come to rest: {} {:#?}", self.plan().reason, self.notes);
    }

    fn at_rest(&self) -> bool {
        let plan = self.plan();
        plan.record.is_none() && plan.act.is_none() && plan.question.is_none() && plan.wake_at.is_none()
    }

    pub fn steady(&self) -> bool {
        self.record().phase == Phase::Steady
    }
}
