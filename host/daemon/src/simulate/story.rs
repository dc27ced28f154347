//! What happened, as the API server got to know it: the events that Aviary wrote, and the checks of its records.

use aviary_cluster::ServiceKey;
use aviary_core::{
    judge::{Check, Next},
    record::{LastMove, PausedBy, Phase, Record, Rollout},
    time::Timestamp,
};
use aviary_simulation::cluster::{Cluster, Request, Response, Watch};
use serde_json::Value;

use super::outcome::Ending;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

impl Entry {
    /// Whether it only repeats what a check says.
    pub fn is_of_check(&self) -> bool {
        let What::Said { code, .. } = &self.what else { return false };
        code.starts_with("Step") && ["Passed", "Failed", "Inconclusive"].iter().any(|end| code.ends_with(end))
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Aviary said something of the service.
    Said {
        /// The reason of its event.
        code: String,
        /// Whether a person should see it.
        warning: bool,
        /// The sentence.
        text: String,
    },
    /// A check, and what the progression made of it.
    Checked(Box<Check>, Option<LastMove>),
}

/// Follows a service through its events and records.
#[derive(Debug)]
pub struct Story {
    service: ServiceKey,
    events: Watch,
    records: Watch,
    /// The record as it is.
    pub record: Option<Record>,
    last_check: Option<Timestamp>,
    /// What happened so far.
    pub entries: Vec<Entry>,
}

impl Story {
    /// From now on; nothing if the cluster cannot be watched.
    pub fn begin(service: &ServiceKey, cluster: &mut Cluster, now: Timestamp) -> Option<Self> {
        let namespace = &service.namespace;
        let events = watch(cluster, &format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events"), now)?;
        let records = watch(cluster, &format!("/api/v1/namespaces/{namespace}/configmaps"), now)?;
        Some(Self { service: service.clone(), events, records, record: None, last_check: None, entries: Vec::new() })
    }

    /// Takes in what has happened since the last time.
    pub fn go_on(&mut self, cluster: &Cluster) {
        let events = cluster.watched(&mut self.events);
        self.entries.extend(events.iter().filter_map(|event| said(&event["object"], &self.service.name)));
        for changed in cluster.watched(&mut self.records) {
            let texts = changed["object"]["data"].as_object().into_iter().flatten();
            let record = texts.filter_map(|(_, text)| Record::parse(text.as_str()?).ok()).next();
            if let Some(record) = record.filter(|record| record.name == self.service.name) {
                self.learn_checks(&record);
                self.record = Some(record);
            }
        }
        // What a check led to comes after it.
        self.entries.sort_by_key(|entry| (entry.at, matches!(entry.what, What::Said { .. })));
    }

    fn learn_checks(&mut self, record: &Record) {
        let Some(rollout) = record.rollout() else { return };
        let new = rollout.checks.iter().filter(|check| self.last_check.is_none_or(|last| check.at > last));
        let entry = |check: &Check| Entry { at: check.at, what: checked(check, rollout) };
        let new: Vec<Entry> = new.map(entry).collect();
        self.last_check = new.last().map(|entry| entry.at).or(self.last_check);
        self.entries.extend(new);
    }

    /// Whether the service is adopted and nothing is under way.
    pub fn is_steady(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.phase == Phase::Steady)
    }

    /// How what was applied at `applied` ended, and why, if it has.
    pub fn ending(&self, applied: Timestamp) -> Option<(Ending, String)> {
        let record = self.record.as_ref()?;
        if let Some(pause) = record.rollout().and_then(|rollout| rollout.paused.as_ref())
            && pause.by != PausedBy::Operator
        {
            return Some((Ending::Paused, pause.reason.clone()));
        }
        if record.phase != Phase::Steady {
            return None;
        }
        if let Some(past) = record.history.last().filter(|past| past.started >= applied) {
            let ending = match past.ending {
                aviary_core::record::Ending::Promoted => Ending::Promoted,
                _ => Ending::RolledBack,
            };
            return Some((ending, past.reason.clone()));
        }
        self.said(applied, "DirectDone")
            .map(|text| (Ending::Direct, text))
            .or_else(|| self.said(applied, "Ignored").map(|text| (Ending::Ignored, text)))
    }

    /// When that was decided: the first word of going there.
    pub fn decided(&self, applied: Timestamp) -> Option<Timestamp> {
        const DECISIONS: [&str; 5] = ["Promoting", "RollingBack", "Paused", "Direct", "Ignored"];
        let decides = |entry: &&Entry| match &entry.what {
            What::Said { code, .. } => entry.at >= applied && DECISIONS.contains(&code.as_str()),
            What::Checked(..) => false,
        };
        self.entries.iter().find(decides).map(|entry| entry.at)
    }

    fn said(&self, since: Timestamp, wanted: &str) -> Option<String> {
        self.entries.iter().filter(|entry| entry.at >= since).find_map(|entry| match &entry.what {
            What::Said { code, text, .. } if code == wanted => Some(text.clone()),
            _ => None,
        })
    }
}

fn watch(cluster: &mut Cluster, path: &str, now: Timestamp) -> Option<Watch> {
    let request = Request { method: "GET", path, query: "watch=true", ..Request::default() };
    match cluster.request(&request, now) {
        Response::Watch(watch) => Some(watch),
        Response::Answer { .. } => None,
    }
}

fn said(event: &Value, service: &str) -> Option<Entry> {
    if event["regarding"]["name"] != service {
        return None;
    }
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let at: jiff::Timestamp = text("eventTime").parse().ok()?;
    let what = What::Said { code: text("reason"), warning: event["type"] == "Warning", text: text("note") };
    Some(Entry { at: Timestamp(at.as_millisecond()), what })
}

fn checked(check: &Check, rollout: &Rollout) -> What {
    let last = rollout.checks.last().is_some_and(|last| last.at == check.at);
    let said = rollout.last_move.clone().filter(|said| last && said.at >= check.at);
    What::Checked(Box::new(check.clone()), said)
}

/// What the progression said, in a word.
pub const fn word(next: Next) -> &'static str {
    match next {
        Next::Hold => "hold",
        Next::Advance(_) => "advance",
        Next::Promote => "promote",
        Next::Rollback => "roll back",
        Next::Pause => "pause",
    }
}
