//! What happens next for one service: the core's plan, carried out one effect at a time.

use aviary_cluster::{Index, Kind, RecordObject, ServiceKey, WriteError, Written};
use aviary_core::{
    answer::answered,
    command::{Command, commanded, may_readopt},
    lease::Lease,
    plan::{Note, Plan, Problem, Question, Service, plan},
    record::{Phase, Record},
    spec::Spec,
    view::View,
    write::Write,
};
use serde_json::{Value, json};
use tracing::{debug, warn};

use super::{
    Daemon,
    cared::Cared,
    effects::{Done, Found},
    policies::missing,
    unsure::{Saving, Unsure, Waiting},
};
use crate::{
    control::{protocol::Word, server::Asked},
    status::Standing,
};

/// What an operator is told besides of a service that has left the configuration since.
const BUT_IT_LEFT: &str = "; but it has left the configuration, so nothing more is done for it";

/// What an operator's word comes to.
enum Obeyed {
    /// Another record.
    Changed(Box<Record>, Note),
    /// A service that was released is adopted again: its record goes.
    Anew,
}

impl Daemon {
    /// Plans for a service, unless a write is under way or our own writes are not seen yet.
    pub(super) fn drive(&mut self, key: &ServiceKey) {
        self.go_on(key);
        // What is under way drives it again when it comes to its end.
        let wake = self.services.get(key).filter(|cared| !cared.busy).and_then(|cared| cared.wake);
        self.alarms.set(key, wake);
    }

    /// Gives places that are free to services that wait for one.
    pub(super) fn fill_places(&mut self) {
        while let Some(key) = self.places.next() {
            self.drive(&key);
        }
    }

    fn go_on(&mut self, key: &ServiceKey) {
        self.follow(key);
        let Some(lease) = self.leasing.lease() else { return self.hold_back(key) };
        let may_adopt = self.places.is_free();
        let Some(cared) = self.services.get_mut(key) else { return };
        if cared.busy || cared.leaves {
            return;
        }
        if !self.index.is_listed(&key.namespace) {
            // Its lists drive it.
            cared.wake = None;
            return;
        }
        if !may_adopt && cared.record().is_none() {
            self.places.wait(key);
        }
        let now = self.clock.now();
        cared.wake = cared.held_until(key, &self.index, now);
        if let Some(theirs) = cared.record().and_then(|record| record.lease.as_ref())
            && theirs.name == lease.name
        {
            self.leasing.tenure.meet(theirs.epoch);
        }
        if cared.wake.is_none() && cared.unsure.is_some() {
            return self.read_back(key);
        }
        if cared.wake.is_some() || self.answered(key, &lease) || self.commanded(key, &lease) {
            return;
        }
        // Its specs are parsed for it: only where there is something to plan.
        let (Some(view), Some(cared)) = (self.index.view(key), self.services.get_mut(key)) else { return };
        let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
        let service = Service { namespace, name, view: &view, record: &cared.state, may_adopt, lease: &lease };
        let plan = plan(&service, &cared.settings, now);
        cared.wake = plan.wake_at;
        if plan.record.is_none() && plan.act.is_none() {
            cared.is_untroubled();
        }
        let unseen = unseen(&self.index, key, &plan);
        let late = cared.late_adoption(&plan, now);
        let missing = missing(&self.judges.policies, &cared.settings);
        cared.hangs = late.is_some() || !plan.problems.is_empty();
        self.places.set(key, cared.place());
        let reason = unseen.as_ref().unwrap_or(&plan.reason).clone();
        stand(key, cared, reason, plan.problems.iter().cloned().chain(late).chain(missing).collect());
        if unseen.is_none() {
            self.carry_out(key, &view, plan);
        }
    }

    fn carry_out(&mut self, key: &ServiceKey, view: &View, plan: Plan) {
        let Some(cared) = self.services.get_mut(key) else { return };
        if let Some(record) = plan.record {
            self.save(key, *record, plan.notes, None);
        } else if let Some(write) = plan.act {
            match cared.put_off(&write, self.clock.now()) {
                Some(until) => cared.wake_by(until),
                None => self.act(key, write, plan.reason),
            }
        } else if let Some(question) = plan.question
            && cared.asking.as_ref() != Some(&question.identity())
            && let Some(original) = &view.original
        {
            if let Question::Classify { digest, .. } = &question {
                cared.tracked.sees(digest, self.clock.now());
            }
            self.ask(key, question, Spec::of(&original.spec));
        }
    }

    /// Applies an answer that has come back; whether that changed anything.
    fn answered(&mut self, key: &ServiceKey, lease: &Lease) -> bool {
        let Some(cared) = self.services.get_mut(key) else { return false };
        while let Some(answer) = cared.answers.pop_front() {
            let now = self.clock.now();
            let changed = cared.record().and_then(|record| answered(record, &cared.settings, answer, lease, now));
            if let Some((record, notes)) = changed {
                self.save(key, record, notes, None);
                return true;
            }
        }
        false
    }

    /// Carries out an operator's word; whether that changed anything.
    fn commanded(&mut self, key: &ServiceKey, lease: &Lease) -> bool {
        while let Some(waiting) = self.services.get_mut(key).and_then(Cared::next_command) {
            match self.obeyed(key, waiting.command, lease) {
                Ok(Obeyed::Changed(record, note)) => self.save(key, *record, vec![note], Some(waiting)),
                Ok(Obeyed::Anew) => self.readopt(key, waiting),
                Err(error) => {
                    let _ = waiting.answer.send(Err(format!("{key}: {error}")));
                    continue;
                }
            }
            return true;
        }
        false
    }

    /// What an operator's word comes to, or why it is refused.
    fn obeyed(&self, key: &ServiceKey, command: Command, lease: &Lease) -> Result<Obeyed, String> {
        let cared = self.services.get(key).ok_or("it is not cared for")?;
        let record = cared.record().ok_or_else(|| format!("it is not adopted: {}", cared.standing.reason))?;
        if record.phase == Phase::Released && command == Command::Adopt {
            self.index.view(key).map_or(Ok(()), |view| may_readopt(&key.name, &view))?;
            return Ok(Obeyed::Anew);
        }
        let (record, note) = commanded(record, command, lease, self.clock.now())?;
        Ok(Obeyed::Changed(Box::new(record), note))
    }

    pub(super) fn command(&mut self, key: &ServiceKey, asked: Asked) {
        let command = match asked.request.command {
            Word::Cancel => Command::Cancel,
            Word::Bypass => Command::Bypass,
            Word::ClearBypass => Command::ClearBypass,
            Word::Pause => Command::Pause,
            Word::Resume => Command::Resume,
            Word::Release => Command::Release,
            Word::Adopt => Command::Adopt,
            Word::Status => return,
        };
        if let Some(cared) = self.services.get_mut(key) {
            // Whoever waits for an answer is not told to wait until the next try.
            cared.backoff.reset();
            cared.commands.push_back(Waiting { command, answer: asked.answer });
        }
        self.drive(key);
    }

    pub(super) fn done(&mut self, done: Done) {
        let key = done.key().clone();
        self.take_in(done);
        self.let_go(&key);
    }

    fn take_in(&mut self, done: Done) {
        match done {
            Done::Saved { key, saving, result } => self.saved(&key, *saving, result),
            Done::Acted { key, write, reason, result } => {
                debug!(service = %key, %write, reason, ok = result.is_ok(), "write");
                self.acted(&key, &write, result);
            }
            Done::ReadBack { key, result } => self.found(&key, result),
            Done::Answered { key, identity, answer } => {
                // While nothing may begin it would only grow old: it is asked for again then.
                let in_time = self.leasing.lease().is_some();
                if let Some(cared) =
                    self.services.get_mut(&key).filter(|cared| cared.asking.as_ref() == Some(&identity))
                {
                    cared.asking = None;
                    cared.answers.extend(in_time.then_some(answer));
                }
                self.drive(&key);
            }
            Done::Readopted { key, asked_by, result } => self.readopted(&key, asked_by, result),
        }
    }

    fn saved(&mut self, key: &ServiceKey, saving: Saving, result: Result<String, WriteError>) {
        let Some(cared) = self.services.get_mut(key) else { return };
        (cared.busy, cared.begins) = (false, false);
        match result {
            Ok(version) => self.is_stored(key, saving, version),
            Err(error) => {
                warn!(service = %key, %error, "a record was not stored");
                cared.failed(format!("its record was not stored: {error}"), self.clock.now());
                // One that is not there any more may never be seen to be gone.
                if matches!(error, WriteError::Unknown(_) | WriteError::NotFound(_)) {
                    cared.unsure = Some(Unsure::Saving(Box::new(saving)));
                } else if let Some(waiting) = saving.asked_by {
                    let _ = waiting.answer.send(Err(format!("{key}: not done, its record was not stored: {error}")));
                }
            }
        }
        self.drive(key);
    }

    pub(super) fn is_stored(&mut self, key: &ServiceKey, saving: Saving, version: String) {
        let Saving { record, notes, asked_by } = saving;
        let Some(cared) = self.services.get_mut(key) else { return };
        let but = if cared.leaves { BUT_IT_LEFT } else { "" };
        cared.stored(record, version, asked_by.is_some(), self.clock.now());
        self.say(key, &notes);
        if let Some(waiting) = asked_by {
            let said = notes.first().map(|note| format!("{}{but}", note.text)).unwrap_or_default();
            let _ = waiting.answer.send(Ok(json!({"service": key.to_string(), "said": said})));
        }
    }

    fn acted(&mut self, key: &ServiceKey, write: &Write, result: Result<Option<Written>, WriteError>) {
        let Some(cared) = self.services.get_mut(key) else { return };
        cared.busy = false;
        match result {
            Ok(Some(written)) => {
                cared.wrote(write, self.clock.now());
                cared.expecting = Some((written.expectation, self.clock.now()));
                written.deployment.map(|deployment| self.index.written(*deployment));
            }
            Ok(None) => {
                cared.wrote(write, self.clock.now());
                cared.forget();
            }
            Err(error) => {
                warn!(service = %key, %error, "a write was not made");
                cared.unsure = matches!(error, WriteError::Unknown(_)).then(|| Unsure::of(write));
                cared.failed(error.to_string(), self.clock.now());
            }
        }
        self.drive(key);
    }

    /// What a write whose answer was lost has left: it is waited for as after any write.
    fn found(&mut self, key: &ServiceKey, result: Result<Found, WriteError>) {
        let now = self.clock.now();
        let Some(cared) = self.services.get_mut(key) else { return };
        cared.busy = false;
        match result {
            Ok(Found::Record(stored)) => self.found_record(key, stored.as_ref()),
            Ok(Found::Deployment(written)) => {
                cared.unsure = None;
                if let Some(written) = written {
                    cared.expecting = Some((written.expectation, now));
                    written.deployment.map(|deployment| self.index.written(*deployment));
                }
            }
            Err(error) => {
                warn!(service = %key, %error, "a write whose answer was lost was not read back");
                cared.failed(format!("a write whose answer was lost was not read back: {error}"), now);
            }
        }
        self.drive(key);
    }

    /// What came of a record whose answer was lost is told now.
    fn found_record(&mut self, key: &ServiceKey, stored: Option<&RecordObject>) {
        let Some(cared) = self.services.get_mut(key) else { return };
        if let Some((saving, version)) = stored.and_then(|stored| cared.recognize(stored)) {
            return self.is_stored(key, saving, version);
        }
        cared.read_back(stored);
        let Some(mut unsure) = cared.unsure.take() else { return };
        let done = matches!(unsure, Unsure::Deletion(_)) && stored.is_none();
        if let Some(waiting) = unsure.take_asked_by() {
            let undone = || format!("{key}: not done, the API server did not do it; say it again");
            let _ = waiting.answer.send(done.then(|| adopted_again(key)).ok_or_else(undone));
        }
    }

    fn readopted(&mut self, key: &ServiceKey, asked_by: Waiting, result: Result<(), WriteError>) {
        let Some(cared) = self.services.get_mut(key) else { return };
        cared.busy = false;
        match result {
            Ok(()) => {
                cared.forget();
                let undone = || format!("{key}: its record is deleted{BUT_IT_LEFT}");
                let _ = asked_by.answer.send((!cared.leaves).then(|| adopted_again(key)).ok_or_else(undone));
            }
            Err(WriteError::Unknown(error)) => {
                warn!(service = %key, error, "whether a record was deleted is not known");
                cared.unsure = Some(Unsure::Deletion(Some(asked_by)));
            }
            Err(error) => _ = asked_by.answer.send(Err(format!("{key}: {error}"))),
        }
        self.drive(key);
    }
}

/// What an operator is told once the record of a released service is gone.
fn adopted_again(key: &ServiceKey) -> Value {
    json!({"service": key.to_string(), "said": "it is adopted again"})
}

/// Why nothing is decided now: nobody sees what it is decided on. Once that is listed anew it goes on.
fn unseen(index: &Index, key: &ServiceKey, plan: &Plan) -> Option<String> {
    let kinds: &[Kind] = match plan {
        Plan { question: Some(Question::Observe { .. }), .. } => &[Kind::Deployment, Kind::ReplicaSet, Kind::Pod],
        Plan { record: Some(_), .. } | Plan { act: Some(Write::Delete { .. }), .. } => &[Kind::Deployment],
        _ => &[],
    };
    let unseen = kinds.iter().find_map(|kind| Some((kind, index.failure(&key.namespace, *kind)?)));
    unseen.map(|(kind, error)| format!("not decided while the {kind} are not seen: {error}"))
}

fn stand(key: &ServiceKey, cared: &mut Cared, reason: String, problems: Vec<Problem>) {
    if cared.standing.reason != reason {
        debug!(service = %key, reason, "stands");
    }
    for problem in problems.iter().filter(|problem| !cared.standing.problems.contains(problem)) {
        warn!(namespace = key.namespace, service = key.name, "{problem}");
    }
    cared.stand(Standing { reason, problems });
}
