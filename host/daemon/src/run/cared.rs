//! A service that is cared for: what is stored of it, what is under way for it, and how it stands.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use aviary_cluster::{Expectation, Index, RecordObject, ServiceKey, version_number};
use aviary_core::{
    answer::Answer,
    known::{Known, News},
    plan::{Plan, Problem, RecordState},
    record::{Phase, Record},
    settings::Settings,
    time::{Timestamp, humane},
    write::Write,
};
use serde_json::Value;

use super::{
    backoff::Backoff,
    places::Place,
    unsure::{Saving, Unsure, Waiting},
};
use crate::{configuration::InForce, status::Standing, telemetry::Tracked};

/// How long our own write is waited for in the watch: longer than a watch lives, even one whose connection is dead (50 s), so
/// that it was opened anew meanwhile. To plan without having seen it could take away pods that nobody else has.
const PATIENCE: Duration = Duration::from_secs(75);
/// So often in a row the same write may be made before somebody is taken to undo it.
const SAME_WRITES: u32 = 5;
/// How long a write that somebody undoes is put off. Writes further apart than twice that are not in a row.
const PUT_OFF: Duration = Duration::from_secs(30);
/// What fails so often in a row is told as a problem; before, somebody else was quicker, or it passes.
const TOLD_FAILURES: u32 = 3;

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
    /// Whether it has left the configuration, and is here only until that write has come to its end.
    pub leaves: bool,
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
    /// What was written last, how often in a row, and when.
    made: Option<(Write, u32, Timestamp)>,
    /// Why nothing can be written, until something is or need not be.
    trouble: Option<Problem>,
    /// Whether a person is needed for it to go on, as far as was planned last.
    pub hangs: bool,
    /// When something was written for it last; before, since when it is known.
    moved: Option<Timestamp>,
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
            leaves: false,
            expecting: None,
            unsure: None,
            asking: None,
            answers: VecDeque::new(),
            commands: VecDeque::new(),
            wake: None,
            standing: Standing { reason: "not seen yet".to_owned(), problems: Vec::new() },
            backoff: Backoff::default(),
            made: None,
            trouble: None,
            hangs: false,
            moved: None,
            tracked,
        }
    }

    /// The record, if there is a readable one.
    pub fn record(&self) -> Option<&Record> {
        present(&self.state)
    }

    /// Whether others wait for its adoption, from the storing of its first record on.
    pub fn place(&self) -> Place {
        let adopting = |record: &Record| record.phase == Phase::Adopting;
        let unsure = matches!(&self.unsure, Some(Unsure::Saving(saving)) if adopting(&saving.record));
        match self.record().is_some_and(adopting) {
            true if self.hangs || self.trouble.is_some() => Place::Hangs,
            true => Place::Walks,
            false if self.begins || unsure => Place::Walks,
            false => Place::No,
        }
    }

    /// What is wrong with an adoption in which nothing has come about for as long as pods may take to get ready; before, it is
    /// looked at again then.
    pub fn late_adoption(&mut self, plan: &Plan, now: Timestamp) -> Option<Problem> {
        if self.record()?.phase != Phase::Adopting || !plan.problems.is_empty() {
            return None;
        }
        let since = *self.moved.get_or_insert(now);
        let late = since.plus(self.settings.ready_deadline);
        if now < late {
            self.wake_by(late);
            return None;
        }
        let fault =
            format!("its adoption has not gone on for {}: {}", humane(self.settings.ready_deadline), plan.reason);
        let remedy = "find out what keeps its pods from getting ready by `kubectl describe`; it goes on by itself then";
        Some(Problem { fault, remedy: remedy.to_owned() })
    }

    /// Has it looked at again by then.
    pub fn wake_by(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// The record whose answer was lost, and its version, if the watch shows it by now.
    pub fn shown_to_be_stored(&mut self, key: &ServiceKey, index: &Index) -> Option<(Saving, String)> {
        let stored = index.record(key)?;
        let newer = self.known().news(Some(version_number(&stored.resource_version))) == News::Newer;
        newer.then(|| self.recognize(stored)).flatten()
    }

    /// The record whose answer was lost, and its version, if this is it: it is as good as any.
    pub fn recognize(&mut self, stored: &RecordObject) -> Option<(Saving, String)> {
        match self.unsure.take() {
            Some(Unsure::Saving(saving)) if saving.record.text() == stored.text => {
                Some((*saving, stored.resource_version.clone()))
            }
            other => {
                self.unsure = other;
                None
            }
        }
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
        self.standing = standing;
        self.show();
    }

    /// How it stands, and what is wrong with it: what keeps it from being written first.
    pub fn standing(&self) -> Standing {
        let reason = match &self.trouble {
            Some(_) => format!("not done yet: {}", self.standing.reason),
            None => self.standing.reason.clone(),
        };
        Standing { reason, problems: self.trouble.iter().chain(&self.standing.problems).cloned().collect() }
    }

    fn show(&mut self) {
        let troubled = self.trouble.is_some() || !self.standing.problems.is_empty();
        self.tracked.stands(present(&self.state), troubled);
    }

    /// Remembers a record that was stored, at an operator's word or not.
    pub fn stored(&mut self, record: Record, version: String, by_operator: bool, now: Timestamp) {
        self.tracked.stored(present(&self.state), &record, by_operator, now);
        self.state = RecordState::Present(Box::new(record));
        self.version = Some(version);
        self.shown = false;
        self.moved = Some(now);
        self.succeeded();
    }

    /// The record is gone.
    pub fn forget(&mut self) {
        self.gone = self.known().newest();
        (self.state, self.version, self.shown) = (RecordState::Absent, None, false);
    }

    /// What was answered of a time that is over is asked for again.
    pub fn forget_answers(&mut self) {
        self.answers.clear();
        self.asking = None;
    }

    /// What waits is given up, operators being told why: another daemon may act by now.
    pub fn stand_down(&mut self, why: &str) {
        self.forget_answers();
        for waiting in self.commands.drain(..) {
            let _ = waiting.answer.send(Err(why.to_owned()));
        }
        if let Some(waiting) = self.unsure.as_mut().and_then(Unsure::take_asked_by) {
            let _ = waiting.answer.send(Err(format!("{why}; whether it was done before is not known")));
        }
    }

    /// The next word of an operator who still waits for it: what somebody was told is not done is not done later.
    pub fn next_command(&mut self) -> Option<Waiting> {
        self.commands.retain(|waiting| !waiting.answer.is_closed());
        self.commands.pop_front()
    }

    fn succeeded(&mut self) {
        self.backoff.reset();
        self.is_untroubled();
    }

    /// Nothing failed, or what did need not be tried again.
    pub fn is_untroubled(&mut self) {
        self.trouble = None;
    }

    /// A write was made.
    pub fn wrote(&mut self, write: &Write, now: Timestamp) {
        let before = self.made.take_if(|(made, _, at)| alike(made, write) && now < at.plus(PUT_OFF * 2));
        self.made = Some((write.clone(), before.map_or(0, |(_, times, _)| times) + 1, now));
        self.tracked.wrote(present(&self.state), write, now);
        self.moved = Some(now);
        self.succeeded();
    }

    /// Waits longer after each failure in a row.
    pub fn failed(&mut self, fault: String, now: Timestamp) {
        if self.backoff.failed(now) >= TOLD_FAILURES {
            let remedy = "it is tried again by itself, after 30 s at the longest";
            self.trouble = Some(Problem { fault, remedy: remedy.to_owned() });
            self.show();
        }
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

    /// Until when a write is put off that was made again and again: somebody undoes it, and would do so faster yet.
    pub fn put_off(&mut self, write: &Write, now: Timestamp) -> Option<Timestamp> {
        let (made, times, at) = self.made.as_ref()?;
        let until = at.plus(PUT_OFF);
        if *times < SAME_WRITES || now >= until || !alike(made, write) {
            return None;
        }
        self.trouble = Some(Problem {
            fault: format!("the same was written {times} times in a row, so somebody else undoes it"),
            remedy: "find out who by `kubectl get deployment --output yaml --show-managed-fields`, and have them leave it; it \
                     is written again every 30 s"
                .to_owned(),
        });
        self.show();
        Some(until)
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

#[cfg(test)]
mod tests;
