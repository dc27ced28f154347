//! A service that is cared for: what is stored of it, what is under way for it, and how it stands.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use aviary_cluster::{Expectation, Index, RecordObject, ServiceKey, version_number};
use aviary_core::{
    answer::Answer,
    command::Command,
    judge::Track,
    known::{Known, News},
    plan::RecordState,
    record::{Phase, Record},
    settings::Settings,
    time::Timestamp,
    write::Write,
};
use serde_json::Value;
use tokio::sync::oneshot;

use super::backoff::Backoff;
use crate::{configuration::InForce, status::Standing, telemetry::Tracked};

/// How long our own write is waited for in the watch: longer than a watch lives, even one whose connection is dead (50 s), so
/// that it was opened anew meanwhile. To plan without having seen it could take away pods that nobody else has.
const PATIENCE: Duration = Duration::from_secs(75);
/// So often in a row the same write may be planned before somebody is taken to undo it.
const SAME_WRITES: u32 = 5;

/// An operator's word that waits to be carried out, and where the outcome goes.
pub struct Waiting {
    pub command: Command,
    pub answer: oneshot::Sender<Result<Value, String>>,
}

/// A write of which nobody knows whether it was made. Until it was read back nothing is planned: what the watches show may
/// be older than it.
#[derive(Clone)]
pub enum Unsure {
    /// One to a Deployment, with its uid if it was there.
    Deployment(Track, Option<String>),
    /// One to the record.
    Record,
}

impl Unsure {
    /// What nobody knows after a write whose answer was lost.
    pub fn of(write: &Write) -> Self {
        match write {
            Write::Create { track, .. } => Self::Deployment(*track, None),
            Write::Patch { track, uid, .. } | Write::Delete { track, uid } => {
                Self::Deployment(*track, Some(uid.clone()))
            }
            Write::DeleteRecord => Self::Record,
        }
    }
}

/// A service that is cared for.
pub struct Cared {
    pub settings: Arc<Settings>,
    /// The same with where each comes from.
    pub in_force: Arc<InForce>,
    pub state: RecordState,
    /// The resourceVersion of the stored record.
    pub version: Option<String>,
    /// Whether the watch has shown that record.
    shown: bool,
    /// The resourceVersion of the record that was deleted last.
    gone: Option<u64>,
    /// Whether a write is under way.
    pub busy: bool,
    /// Whether that write is the first record of an adoption.
    pub begins: bool,
    pub expecting: Option<(Expectation, Timestamp)>,
    /// A write whose answer was lost, until it is read back.
    pub unsure: Option<Unsure>,
    /// The question that is being asked.
    pub asking: Option<(u64, String)>,
    pub answers: VecDeque<Answer>,
    pub commands: VecDeque<Waiting>,
    pub wake: Option<Timestamp>,
    pub standing: Standing,
    pub backoff: Backoff,
    last_write: Option<(Write, u32)>,
    /// Why the last write failed, until one succeeds.
    pub trouble: Option<String>,
    /// Its part in the daemon's numbers.
    pub tracked: Tracked,
}

impl Cared {
    pub fn new(settings: Arc<Settings>, in_force: Arc<InForce>, tracked: Tracked) -> Self {
        Self {
            settings,
            in_force,
            state: RecordState::Absent,
            version: None,
            shown: false,
            gone: None,
            busy: false,
            begins: false,
            expecting: None,
            unsure: None,
            asking: None,
            answers: VecDeque::new(),
            commands: VecDeque::new(),
            wake: None,
            standing: Standing { reason: "not seen yet".to_owned(), problems: Vec::new() },
            backoff: Backoff::default(),
            last_write: None,
            trouble: None,
            tracked,
        }
    }

    /// The record, if there is a readable one.
    pub fn record(&self) -> Option<&Record> {
        present(&self.state)
    }

    /// Whether it is being adopted, or its record that says so is being stored.
    pub fn is_adopting(&self) -> bool {
        self.begins || self.record().is_some_and(|record| record.phase == Phase::Adopting)
    }

    /// Takes over what the watch shows of the record, if it is newer than what is known.
    pub fn follow(&mut self, key: &ServiceKey, index: &Index) {
        let watched = index.record(key);
        match self.known().news(watched.map(|stored| version_number(&stored.resource_version))) {
            News::Nothing => {}
            News::Shown => self.shown = true,
            News::Newer => {
                watched.into_iter().for_each(|stored| self.take(stored));
                self.shown = true;
            }
            News::Deleted => self.forget(),
        }
    }

    fn known(&self) -> Known<u64> {
        Known { stored: self.version.as_deref().map(version_number), shown: self.shown, gone: self.gone }
    }

    fn take(&mut self, stored: &RecordObject) {
        self.state = match Record::parse(&stored.text) {
            Ok(record) => RecordState::Present(Box::new(record)),
            Err(error) => RecordState::Unreadable(error.to_string()),
        };
        self.version = Some(stored.resource_version.clone());
    }

    /// The record as it was read back; the watch need not have shown it yet.
    pub fn read_back(&mut self, stored: Option<&RecordObject>) {
        self.forget();
        stored.into_iter().for_each(|stored| self.take(stored));
    }

    /// How it stands from now on.
    pub fn stand(&mut self, standing: Standing) {
        self.tracked.stands(present(&self.state), !standing.problems.is_empty());
        self.standing = standing;
    }

    /// Remembers a record that was just stored, at an operator's word or not.
    pub fn stored(&mut self, record: Record, version: String, by_operator: bool, now: Timestamp) {
        self.tracked.stored(present(&self.state), &record, by_operator, now);
        self.state = RecordState::Present(Box::new(record));
        self.version = Some(version);
        self.shown = false;
        self.succeeded();
    }

    /// The record is gone.
    pub fn forget(&mut self) {
        self.gone = self.known().newest();
        (self.state, self.version, self.shown) = (RecordState::Absent, None, false);
    }

    /// What waits is given up, operators being told why: another daemon may act by now.
    pub fn stand_down(&mut self, why: &str) {
        self.answers.clear();
        self.asking = None;
        for waiting in self.commands.drain(..) {
            let _ = waiting.answer.send(Err(why.to_owned()));
        }
    }

    pub fn succeeded(&mut self) {
        self.backoff.reset();
        self.trouble = None;
    }

    /// A write was made.
    pub fn wrote(&mut self, write: &Write, now: Timestamp) {
        self.tracked.wrote(present(&self.state), write, now);
        self.succeeded();
    }

    /// Waits longer after each failure in a row.
    pub fn failed(&mut self, why: String, now: Timestamp) {
        self.backoff.failed(now);
        self.trouble = Some(why);
    }

    /// When planning may go on, if that is not now: after failures, and until the watch shows our own write.
    pub fn held_until(&mut self, key: &ServiceKey, index: &Index, now: Timestamp) -> Option<Timestamp> {
        if let Some(until) = self.backoff.until(now) {
            return Some(until);
        }
        let (expectation, since) = self.expecting.as_ref()?;
        let until = since.plus(PATIENCE);
        if now >= until || index.caught_up(key, expectation) {
            self.expecting = None;
            return None;
        }
        Some(until)
    }

    /// Counts how often in a row the same write is planned; somebody undoes what is written too often.
    pub fn count(&mut self, write: &Write, now: Timestamp) -> bool {
        let same = self.last_write.as_ref().filter(|(last, _)| alike(last, write)).map_or(0, |(_, count)| *count);
        self.last_write = Some((write.clone(), same + 1));
        if same < SAME_WRITES {
            return true;
        }
        self.failed("the same write is needed again and again: somebody else undoes it".to_owned(), now);
        false
    }
}

fn present(state: &RecordState) -> Option<&Record> {
    match state {
        RecordState::Present(record) => Some(record),
        RecordState::Absent | RecordState::Unreadable(_) => None,
    }
}

/// Whether two writes are one and the same but for their guards.
fn alike(one: &Write, other: &Write) -> bool {
    let operations = |operations: &[Value]| -> Vec<Value> {
        operations.iter().filter(|operation| operation["op"] != "test").cloned().collect()
    };
    match (one, other) {
        (
            Write::Patch { track: a, uid: c, operations: e, .. },
            Write::Patch { track: b, uid: d, operations: f, .. },
        ) => a == b && c == d && operations(e) == operations(f),
        (one, other) => one == other,
    }
}
