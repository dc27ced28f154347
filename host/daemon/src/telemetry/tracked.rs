//! One service's part in the numbers; it goes when it is dropped.

use std::sync::Arc;

use aviary_cluster::ServiceKey;
use aviary_core::{
    judge::{Check, Next, Outcome, Track},
    record::{Ending, Phase, Record, Rollback, Rollout},
    spec::Digest,
    time::Timestamp,
    write::Write,
};

use super::{
    Telemetry,
    services::{Cause, Shown, ShownRollout},
};
use crate::status;

/// Phases that have an end.
const TIMED: [&str; 6] = ["adopting", "direct", "canary", "promoting", "rolling-back", "releasing"];

/// A service that is counted.
#[derive(Debug)]
pub struct Tracked {
    telemetry: Arc<Telemetry>,
    key: ServiceKey,
    shown: Option<Shown>,
    /// When its phase began, if anybody knows.
    since: Option<Timestamp>,
    /// A spec that was seen and is not yet answered by a canary.
    seen: Option<(Digest, Timestamp)>,
}

impl Tracked {
    pub(super) fn new(telemetry: Arc<Telemetry>, key: &ServiceKey) -> Self {
        Self { telemetry, key: key.clone(), shown: None, since: None, seen: None }
    }

    /// How the service stands: what is remembered of it, and whether a person should look.
    pub fn stands(&mut self, record: Option<&Record>, troubled: bool) {
        let after = shown(record, troubled);
        if self.shown.as_ref().map(|shown| shown.phase) != Some(after.phase) {
            self.since = record.and_then(began);
        }
        self.telemetry.services.show(&self.key, self.shown.as_ref(), Some(&after));
        self.shown = Some(after);
    }

    /// Another daemon acts for the service, and has its numbers.
    pub fn stands_elsewhere(&mut self) {
        self.telemetry.services.show(&self.key, self.shown.take().as_ref(), None);
        (self.since, self.seen) = (None, None);
    }

    /// The record was stored, in place of `before`; at an operator's word or not.
    pub fn stored(&mut self, before: Option<&Record>, after: &Record, by_operator: bool, now: Timestamp) {
        self.count_ending(before, after);
        self.count_rollback(before, after, by_operator);
        let phase = status::phase(Some(after));
        let known = began(after);
        let left = self.shown.as_ref().map(|shown| shown.phase);
        let goes_on = left == Some(phase) && known <= self.since;
        if let (false, Some(left), Some(since)) = (goes_on, left.filter(|left| TIMED.contains(left)), self.since) {
            self.telemetry.services.phase_took(left, now.since(since));
        }
        let since = if goes_on { self.since } else { known.or(Some(now)) };
        self.stands(Some(after), self.shown.as_ref().is_some_and(|shown| shown.troubled));
        self.since = since;
    }

    fn count_ending(&self, before: Option<&Record>, after: &Record) {
        let last = |record: &Record| record.history.last().map(|past| (past.id.clone(), past.ended));
        if let Some(past) = after.history.last()
            && before.and_then(last) != last(after)
        {
            self.telemetry.services.ended(&self.key.namespace, past.ending);
        }
    }

    fn count_rollback(&self, before: Option<&Record>, after: &Record, by_operator: bool) {
        let already = before.is_some_and(|before| matches!(before.phase, Phase::RollingBack(_)));
        if let Phase::RollingBack(rollback) = &after.phase
            && rollback.ending == Ending::RolledBack
            && !already
        {
            let cause = if by_operator { Cause::Operator } else { cause(before, rollback) };
            self.telemetry.services.rolls_back(&self.key.namespace, cause);
        }
    }

    /// The spec with this digest is seen, and it is asked what it is.
    pub fn sees(&mut self, digest: &Digest, now: Timestamp) {
        if self.seen.as_ref().is_none_or(|(seen, _)| seen != digest) {
            self.seen = Some((digest.clone(), now));
        }
    }

    /// A write was made for `record`. One of a later step is no start: the answer of the start's was lost.
    pub fn wrote(&mut self, record: Option<&Record>, write: &Write, now: Timestamp) {
        let first = record.and_then(Record::rollout).filter(|rollout| rollout.step == 1);
        let digest = first.map(|rollout| &rollout.digest);
        let ours = self.seen.take_if(|(seen, _)| Some(&*seen) == digest && asks_for_canary(write));
        if let Some((_, at)) = ours {
            self.telemetry.services.canary_started(now.since(at));
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.telemetry.services.show(&self.key, self.shown.as_ref(), None);
    }
}

fn shown(record: Option<&Record>, troubled: bool) -> Shown {
    let canary = |rollout: &Rollout| match record.map(|record| &record.phase) {
        Some(Phase::RollingBack(_)) => 0,
        _ => rollout.size,
    };
    let rollout = record.and_then(Record::rollout).map(|rollout| ShownRollout {
        step: rollout.step,
        canary: canary(rollout),
        started: rollout.started,
        paused: rollout.paused.as_ref().map(|pause| pause.by),
    });
    Shown { phase: status::phase(record), troubled, rollout }
}

/// When the phase of a record began, where the record says so.
fn began(record: &Record) -> Option<Timestamp> {
    match &record.phase {
        Phase::Canary(rollout) => Some(rollout.started),
        Phase::RollingBack(rollback) => Some(rollback.at),
        _ => None,
    }
}

/// Why a rollout is rolled back: by what is new in it. Where nothing is, the deadline ended it.
fn cause(before: Option<&Record>, rollback: &Rollback) -> Cause {
    let rollout = &rollback.rollout;
    let before = before.and_then(Record::rollout);
    let same = |check: &Check| before.and_then(|before| before.checks.last()) == Some(check);
    let moved = before.map(|before| &before.last_move) != Some(&rollout.last_move);
    let says_back = rollout.last_move.as_ref().is_some_and(|last| last.said.next == Next::Rollback);
    match rollout.checks.last() {
        Some(check) if check.outcome == Outcome::Critical && !same(check) => Cause::Critical,
        _ if moved && says_back => Cause::Checks,
        _ => Cause::NotReady,
    }
}

/// Whether a write asks for pods of the canary.
fn asks_for_canary(write: &Write) -> bool {
    let some = |replicas: &serde_json::Value| replicas.as_u64().is_some_and(|replicas| replicas > 0);
    match write {
        Write::Create { track: Track::Canary, manifest } => some(&manifest["spec"]["replicas"]),
        Write::Patch { track: Track::Canary, operations, .. } => operations.iter().any(|operation| {
            operation["op"] == "replace" && operation["path"] == "/spec/replicas" && some(&operation["value"])
        }),
        _ => false,
    }
}
