//! The surroundings of a test: a folder with policies, questions to ask, and waiting for what must come.

use std::{fs, path::PathBuf, time::Duration};

use aviary_core::{
    judge::{Change, Observation, Progress, ServiceIdentity, Situation, TrackSize},
    time::Timestamp,
};
use aviary_policy::{Limits, Notice, Policies};
use serde_json::Value;
use tempfile::TempDir;

/// A registry and the folder it scans.
pub struct World {
    pub policies: Policies,
    pub folder: PathBuf,
    _directory: TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        Self::over(Policies::empty(limits).expect("a registry"))
    }

    pub fn over(policies: Policies) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let folder = directory.path().join("policies");
        fs::create_dir(&folder).expect("a folder in it");
        Self { policies, folder, _directory: directory }
    }

    pub fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.folder.join(file), bytes).expect("the folder can be written");
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.folder.join(file)).expect("the file is there");
    }

    pub fn scan(&self) -> Vec<Notice> {
        self.policies.scan(&self.folder)
    }

    /// Drops `bytes` as `custom.wasm` and says why they are refused.
    pub fn refusal(&self, bytes: &[u8]) -> String {
        self.write("custom.wasm", bytes);
        match self.scan().as_slice() {
            [Notice::Refused { reason, .. }] => reason.clone(),
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Drops `bytes` as `custom.wasm`, which must be taken.
    pub fn load(&self, bytes: &[u8]) {
        self.write("custom.wasm", bytes);
        match self.scan().as_slice() {
            [Notice::Loaded { .. } | Notice::Replaced { .. }] => {}
            other => panic!("not loaded: {other:?}"),
        }
    }

    /// The version in force as `custom`, if any.
    pub fn version(&self) -> Option<String> {
        let list = self.policies.list();
        list.into_iter().find(|info| info.identity.name == "custom").map(|info| info.identity.version)
    }

    /// What the classifier `custom` says of a change at so many replicas.
    pub fn classify(&self, replicas: u32) -> aviary_policy::Answer<aviary_core::judge::Classification> {
        self.policies.classify("custom", &change(replicas), &Value::Null)
    }
}

/// A short limit of time, for guests that never end.
pub fn hurried() -> Limits {
    Limits { time: Duration::from_millis(100), ..Limits::default() }
}

pub fn change(replicas: u32) -> Change {
    Change {
        service: service(),
        differences: vec![],
        images: vec![],
        replicas_before: replicas,
        replicas_after: replicas,
    }
}

pub fn observation(now: i64) -> Observation {
    Observation { service: service(), progress: progress(now), scalings: vec![], pods: vec![], metrics: vec![] }
}

pub fn situation(now: i64) -> Situation {
    Situation { service: service(), progress: progress(now), scalings: vec![], checks: vec![], resumed: None }
}

fn service() -> ServiceIdentity {
    ServiceIdentity { namespace: "shop".into(), name: "orders".into(), labels: vec![("app".into(), "orders".into())] }
}

fn progress(now: i64) -> Progress {
    Progress {
        rollout_id: "1".into(),
        now: Timestamp(now),
        started: Timestamp(now),
        step_index: 1,
        step_started: Timestamp(now),
        step_complete: Some(Timestamp(now)),
        replicas: 5,
        canary: TrackSize { wanted: 1, ready: 1 },
        primary: TrackSize { wanted: 4, ready: 4 },
        break_point: 2,
        step: 1,
        warm_up: Duration::from_secs(30),
        warm_up_over: true,
        check_interval: Duration::from_secs(10),
        checks_in_step: 0,
        checks_in_all: 0,
    }
}
