//! A service that is cared for: what is stored of it, what is under way for it, and how it stands.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use aviary_cluster::{Expectation, Index, RecordObject, ServiceKey, version_number};
use aviary_core::{
    answer::Answer,
    command::Command,
    judge::Track,
    known::{Known, News},
    plan::{Note, Plan, Problem, RecordState},
    record::{Phase, Record},
    settings::Settings,
    time::{Timestamp, humane},
    write::Write,
};
use serde_json::Value;
use tokio::sync::oneshot;

use super::{backoff::Backoff, places::Place};
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

/// An operator's word that waits to be carried out, and where the outcome goes.
pub struct Waiting {
    pub command: Command,
    pub answer: oneshot::Sender<Result<Value, String>>,
}

/// A record that is being stored, what is said once it is, and who asked for it.
pub struct Saving {
    pub record: Record,
    pub notes: Vec<Note>,
    pub asked_by: Option<Waiting>,
}

/// A write of which nobody knows whether it was made. Until it was read back nothing is planned: what the watches show may
/// be older than it.
pub enum Unsure {
    /// One to a Deployment, with its uid if it was there.
    Deployment(Track, Option<String>),
    /// One to the record.
    Saving(Box<Saving>),
    /// Its deletion, and who asked for it.
    Deletion(Option<Waiting>),
}

impl Unsure {
    /// What nobody knows after a write whose answer was lost.
    pub fn of(write: &Write) -> Self {
        match write {
            Write::Create { track, .. } => Self::Deployment(*track, None),
            Write::Patch { track, uid, .. } | Write::Delete { track, uid } => {
                Self::Deployment(*track, Some(uid.clone()))
            }
            Write::DeleteRecord => Self::Deletion(None),
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
            self.wake = Some(self.wake.map_or(late, |wake| wake.min(late)));
            return None;
        }
        let fault =
            format!("its adoption has not gone on for {}: {}", humane(self.settings.ready_deadline), plan.reason);
        let remedy = "find out what keeps its pods from getting ready by `kubectl describe`; it goes on by itself then";
        Some(Problem { fault, remedy: remedy.to_owned() })
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

    /// What waits is given up, operators being told why: another daemon may act by now.
    pub fn stand_down(&mut self, why: &str) {
        self.answers.clear();
        self.asking = None;
        for waiting in self.commands.drain(..) {
            let _ = waiting.answer.send(Err(why.to_owned()));
        }
        let asked_by = match &mut self.unsure {
            Some(Unsure::Saving(saving)) => saving.asked_by.take(),
            Some(Unsure::Deletion(asked_by)) => asked_by.take(),
            Some(Unsure::Deployment(..)) | None => None,
        };
        if let Some(waiting) = asked_by {
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
mod tests {
    use std::path::Path;

    use aviary_cluster::{ClusterInput, Kind, Object};
    use aviary_core::spec::Spec;
    use serde_json::json;

    use super::*;
    use crate::{clock::Clock, configuration::Configuration, telemetry::Telemetry};

    const START: Timestamp = Timestamp(1_000_000);

    fn cared() -> Cared {
        let configuration =
            Configuration::parse("services: [{ name: foo, namespace: shop }]", Path::new("/etc/aviary.yaml"));
        let configuration = configuration.unwrap_or_else(|faults| panic!("{faults}"));
        let entry = configuration.service("shop", "foo", &Default::default()).unwrap();
        let tracked = Telemetry::new(START, Clock::Wall).track(&ServiceKey::new("shop", "foo"), &entry.settings);
        Cared::new(entry.settings.clone(), entry.in_force.clone(), tracked)
    }

    fn scaling(generation: u64, replicas: u32) -> Write {
        let operations = vec![
            json!({"op": "test", "path": "/metadata/generation", "value": generation}),
            json!({"op": "replace", "path": "/spec/replicas", "value": replicas}),
        ];
        Write::Patch {
            track: Track::Primary,
            uid: "uid".to_owned(),
            purpose: aviary_core::write::Purpose::Scale,
            operations,
        }
    }

    #[test]
    fn what_somebody_undoes_is_put_off_and_never_given_up() {
        let (mut cared, now) = (cared(), START);
        for generation in 0..u64::from(SAME_WRITES) {
            assert_eq!(cared.put_off(&scaling(generation, 5), now), None);
            cared.wrote(&scaling(generation, 5), now);
        }
        let mut at = now;
        for generation in 5..10 {
            assert_eq!(cared.put_off(&scaling(generation, 5), at), Some(at.plus(PUT_OFF)));
            assert!(
                cared.standing().problems[0].fault.contains("somebody else undoes it"),
                "{:?}",
                cared.standing().problems
            );
            assert_eq!(cared.put_off(&scaling(generation, 4), at), None, "something else is not the same");
            at = at.plus(PUT_OFF);
            assert_eq!(cared.put_off(&scaling(generation, 5), at), None);
            cared.wrote(&scaling(generation, 5), at);
            assert_eq!(cared.standing().problems, []);
        }
        // Months later the same is nothing that is fought about.
        let later = at.plus(PUT_OFF * 2);
        cared.wrote(&scaling(99, 5), later);
        assert_eq!(cared.put_off(&scaling(100, 5), later), None);
    }

    #[test]
    fn what_is_refused_again_and_again_is_a_problem_until_it_is_done_or_not_needed() {
        let mut cared = cared();
        let refuse = |cared: &mut Cared, times: u32| {
            for _ in 0..times {
                assert_eq!(cared.put_off(&scaling(1, 5), START), None, "what was never made is nobody's to undo");
                cared.failed("not allowed".to_owned(), START);
            }
            cared.standing().problems.len()
        };
        assert_eq!(refuse(&mut cared, TOLD_FAILURES - 1), 0);
        assert_eq!(refuse(&mut cared, 1), 1);
        assert_eq!(cared.standing().problems[0].fault, "not allowed");
        cared.wrote(&scaling(1, 5), START);
        assert_eq!(cared.standing().problems, []);
        assert_eq!(refuse(&mut cared, 99), 1);
        cared.is_untroubled();
        assert_eq!(cared.standing().problems, []);
    }

    #[test]
    fn a_service_whose_first_record_may_be_stored_keeps_its_place() {
        let mut cared = cared();
        let record = Record::new("foo", "uid", Spec::of(&json!({})), 3);
        assert_eq!(cared.place(), Place::No);
        cared.unsure = Some(Unsure::Saving(Box::new(Saving { record, notes: Vec::new(), asked_by: None })));
        assert_eq!(cared.place(), Place::Walks, "until it is read back it counts");
        (0..TOLD_FAILURES).for_each(|_| cared.failed("not read back".to_owned(), START));
        assert_eq!(cared.place(), Place::Walks, "however long that takes");
        cared.unsure = None;
        assert_eq!(cared.place(), Place::No);
    }

    #[test]
    fn an_adoption_that_hangs_or_is_refused_gives_its_place_until_it_goes_on() {
        let mut cared = cared();
        cared.stored(Record::new("foo", "uid", Spec::of(&json!({})), 3), "1".to_owned(), false, START);
        assert_eq!(cared.place(), Place::Walks);
        cared.hangs = true;
        assert_eq!(cared.place(), Place::Hangs);
        cared.hangs = false;
        (0..TOLD_FAILURES).for_each(|_| cared.failed("not allowed".to_owned(), START));
        assert_eq!(cared.place(), Place::Hangs);
        cared.wrote(&scaling(1, 5), START);
        assert_eq!(cared.place(), Place::Walks);
    }

    #[test]
    fn an_adoption_in_which_nothing_comes_about_is_a_problem_at_the_deadline() {
        let (mut cared, plan) = (cared(), Plan { reason: "waiting".to_owned(), ..Plan::default() });
        assert_eq!((cared.late_adoption(&plan, START), cared.wake), (None, None), "it is not adopted");
        let record = Record::new("foo", "uid", Spec::of(&json!({})), 3);
        cared.stored(record.clone(), "1".to_owned(), false, START);
        let deadline = START.plus(cared.settings.ready_deadline);
        assert_eq!((cared.late_adoption(&plan, START), cared.wake), (None, Some(deadline)));
        let late = cared.late_adoption(&plan, deadline).map(|problem| problem.fault);
        assert_eq!(late.as_deref(), Some("its adoption has not gone on for 10m: waiting"));
        cared.wrote(&scaling(1, 5), deadline);
        assert_eq!(cared.late_adoption(&plan, deadline), None);
        cared.stored(record.into_phase(Phase::Steady), "2".to_owned(), false, START);
        assert_eq!(cared.late_adoption(&plan, deadline.plus(PATIENCE)), None);
    }

    #[test]
    fn a_record_whose_answer_was_lost_is_known_by_its_text_once_it_is_newer() {
        let (mut cared, mut index, key) = (cared(), Index::default(), ServiceKey::new("shop", "foo"));
        let record = |replicas| Record::new("foo", "uid", Spec::of(&json!({})), replicas);
        cared.stored(record(3), "7".to_owned(), false, START);
        let saving = Saving { record: record(4), notes: Vec::new(), asked_by: None };
        cared.unsure = Some(Unsure::Saving(Box::new(saving)));
        for (case, version, replicas, known) in [
            ("what was before", "6", 4, false),
            ("somebody else's", "8", 5, false),
            ("it", "8", 4, true),
            ("it again", "8", 4, false),
        ] {
            let (namespace, name) = (key.namespace.clone(), key.name.clone());
            let stored =
                RecordObject { namespace, name, resource_version: version.to_owned(), text: record(replicas).text() };
            let objects = vec![Object::Record(stored)];
            let (kind, namespace) = (Kind::Record, key.namespace.clone());
            index.apply(ClusterInput::Relisted { kind, namespace, objects });
            let shown = cared.shown_to_be_stored(&key, &index).map(|(saving, version)| (saving.record, version));
            assert_eq!(shown, known.then(|| (record(4), "8".to_owned())), "{case}");
        }
    }

    #[test]
    fn a_word_for_which_nobody_waits_is_not_carried_out() {
        let mut cared = cared();
        let receivers = [Command::Bypass, Command::Cancel, Command::Pause].map(|command| {
            let (answer, receiver) = oneshot::channel();
            cared.commands.push_back(Waiting { command, answer });
            (command, receiver)
        });
        let waits = |(command, receiver)| (command == Command::Cancel).then_some(receiver);
        let _waiting: Vec<_> = receivers.into_iter().filter_map(waits).collect();
        assert_eq!(cared.next_command().map(|waiting| waiting.command), Some(Command::Cancel));
        assert!(cared.next_command().is_none());
    }
}
