//! What is to be done next for one service: pure, total, and at most one write at a time.

mod acts;
mod adoption;
mod context;
mod gone;
mod observe;
mod refusal;
mod replicas_asked;
mod rollback;
mod rollout;
mod steady;

use std::fmt;

use context::Context;
pub use context::RecordState;

use crate::{
    diff::Difference,
    judge::{Change, Check, Observation},
    lease::{Fenced, Lease},
    record::{Phase, Record},
    settings::{PolicyChoice, Settings},
    spec::Digest,
    time::Timestamp,
    view::View,
    write::Write,
};

/// A service as it stands: what the watches show and what is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// The namespace of all its objects.
    pub namespace: &'a str,
    /// The name of the original.
    pub name: &'a str,
    /// What the watches show.
    pub view: &'a View,
    /// What is remembered.
    pub record: &'a RecordState,
    /// Whether it may begin to be adopted now (at most three do at once).
    pub may_adopt: bool,
    /// What this daemon acts under.
    pub lease: &'a Lease,
}

/// How a note is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Normal,
    /// A person should know.
    Warning,
}

/// A sentence for log, event and history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// In one CamelCase word, as the reason of an event; differs per step.
    pub code: String,
    /// How it is meant.
    pub level: Level,
    /// The sentence.
    pub text: String,
}

impl Note {
    /// A note of something that is as it should be.
    pub fn normal(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), level: Level::Normal, text: text.into() }
    }

    /// A note that a person should see.
    pub fn warning(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), level: Level::Warning, text: text.into() }
    }
}

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub fault: String,
    /// The way out.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault, self.remedy)
    }
}

/// What the core needs to be told before it goes on; answers of an older epoch change nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// What is this change?
    Classify {
        /// When it was asked.
        epoch: u64,
        /// The candidate.
        digest: Digest,
        /// What is asked about.
        change: Box<Change>,
        /// Who is asked.
        classifier: PolicyChoice,
    },
    /// What does this check say, and what now?
    Observe {
        /// When it was asked.
        epoch: u64,
        /// Tells two checks of one epoch apart.
        number: u32,
        /// Whether it is early: on a pod's evidence, before the warm-up was over.
        early: bool,
        /// The pods' evidence at that time.
        evidence: String,
        /// What is asked about; the metrics are still to be fetched.
        observation: Box<Observation>,
        /// The checks so far, oldest first.
        checks: Vec<Check>,
        /// When a person last resumed the rollout.
        resumed: Option<Timestamp>,
        /// What the check is taken and judged with.
        settings: Box<Settings>,
    },
}

impl Question {
    /// Equal for two questions that are one and the same, however often it is planned.
    #[must_use]
    pub fn identity(&self) -> (u64, String) {
        match self {
            Self::Classify { epoch, digest, .. } => (*epoch, digest.0.clone()),
            Self::Observe { epoch, number, evidence, .. } => (*epoch, format!("{number} {evidence}")),
        }
    }
}

/// What is to be done next. Of record and act at most one is there: first what is about to be done is remembered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The record to store, if it changes.
    pub record: Option<Box<Record>>,
    /// What to say once the record is stored or the act is done.
    pub notes: Vec<Note>,
    /// The write to make.
    pub act: Option<Write>,
    /// What has to be asked; one that is being asked already is not asked again.
    pub question: Option<Question>,
    /// When to plan again even if nothing happens.
    pub wake_at: Option<Timestamp>,
    /// Why the service stands as it does, one sentence.
    pub reason: String,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Plan {
    /// Nothing to do.
    fn wait(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    /// Remember `record` and say `note`.
    fn save(record: Record, note: Note) -> Self {
        Self { reason: note.text.clone(), notes: vec![note], ..Self::save_silently(record) }
    }

    /// Remember `record`.
    fn save_silently(record: Record) -> Self {
        Self { record: Some(Box::new(record)), ..Self::default() }
    }

    /// Do `act`.
    fn act(act: Write, reason: impl Into<String>) -> Self {
        Self { act: Some(act), reason: reason.into(), ..Self::default() }
    }

    fn ask(question: Question, reason: impl Into<String>) -> Self {
        Self { question: Some(question), ..Self::wait(reason) }
    }

    fn problem(fault: impl Into<String>, remedy: impl Into<String>) -> Self {
        let problem = Problem { fault: fault.into(), remedy: remedy.into() };
        Self { problems: vec![problem.clone()], ..Self::wait(problem.to_string()) }
    }

    fn waking_at(mut self, at: Option<Timestamp>) -> Self {
        self.wake_at = [self.wake_at, at].into_iter().flatten().min();
        self
    }

    fn with_problem(mut self, problem: Option<Problem>) -> Self {
        self.problems.extend(problem);
        self
    }
}

/// What is to be done next for a service at `now`, with the settings that the configuration gives it; empty but for its reason
/// when all is as it should be. Where another daemon has taken over, nothing is to be done.
#[must_use]
pub fn plan(service: &Service<'_>, settings: &Settings, now: Timestamp) -> Plan {
    if let RecordState::Present(record) = service.record
        && let Err(fenced) = service.lease.may_touch(record.lease.as_ref())
    {
        return fenced_off(&fenced);
    }
    under_lease(unfenced(service, settings, now), service)
}

fn unfenced(service: &Service<'_>, settings: &Settings, now: Timestamp) -> Plan {
    let record = match service.record {
        RecordState::Absent => return adoption::begin(service, settings),
        RecordState::Unreadable(reason) => return unreadable(reason),
        RecordState::Present(record) => record,
    };
    let settings = record.settings_in_force(settings);
    let context = Context { service, view: service.view, record, settings: &settings, now };
    if record.phase == Phase::Released {
        return adoption::released(&context);
    }
    if let Some(plan) = gone::plan(&context).or_else(|| usurped(service)) {
        return plan;
    }
    match &record.phase {
        Phase::Adopting => adoption::plan(&context),
        Phase::Releasing => adoption::release(&context),
        Phase::Steady => steady::plan(&context),
        Phase::Direct(direct) => steady::direct(&context, direct),
        Phase::Canary(rollout) => rollout::plan(&context, rollout),
        Phase::Promoting(rollout) => rollout::promoting(&context, rollout),
        Phase::RollingBack(rollback) => rollback::plan(&context, rollback),
        Phase::Released => Plan::default(),
    }
}

fn fenced_off(fenced: &Fenced) -> Plan {
    match fenced {
        Fenced::Deposed { .. } => Plan::wait(fenced.to_string()),
        Fenced::Foreign { .. } => Plan::problem(
            fenced.to_string(),
            "let both have the same lease in their configuration, or stop the other one and say `aviary adopt` here",
        ),
    }
}

/// Every record says under which lease it was written, and before the first write under another one it is written anew: who
/// had the lease before fails at its own next record. A service for which nothing is to be written costs nothing.
fn under_lease(mut plan: Plan, service: &Service<'_>) -> Plan {
    let lease = service.lease;
    if let Some(record) = &mut plan.record {
        record.lease = Some(lease.clone());
    }
    match service.record {
        RecordState::Present(record) if plan.act.is_some() && record.lease.as_ref() != Some(lease) => {
            let record = record.as_ref().clone().under(lease);
            Plan { reason: plan.reason, problems: plan.problems, ..Plan::save_silently(record) }
        }
        _ => plan,
    }
}

/// The differences between the accepted spec and what the original asks for now.
#[must_use]
pub fn differences(record: &Record, view: &View) -> Vec<Difference> {
    let Some(original) = &view.original else { return Vec::new() };
    crate::diff::diff(&record.accepted.value(), &crate::spec::Spec::of(&original.spec).value())
}

/// Nothing is done for a service while somebody else has the name of one of its copies.
fn usurped(service: &Service<'_>) -> Option<Plan> {
    let Problem { fault, remedy } = refusal::stranger(service)?;
    Some(Plan::problem(fault, remedy))
}

fn unreadable(reason: &str) -> Plan {
    Plan::problem(
        reason.to_owned(),
        "nothing is done for this service; put back a record that can be read, or delete the record and both copies by hand",
    )
}

pub(crate) use observe::may_promote;
pub use observe::progress;
pub(crate) use rollback::decided as rollback_decided;
