//! Records in canonical form, each once, by number: two of them that have the same future are the same.
//!
//! Times are kept relative to [`NOW`], at most [`MEMORY`] back; the epoch is kept beside the number; what is only told to
//! people (reasons, names of rollouts, history) is left out, and so are checks that cannot matter any more.

use std::time::Duration;

use aviary_core::{
    judge::{Check, Outcome},
    lease::Lease,
    record::{Phase, Record, Rollout},
    time::Timestamp,
};
use foldhash::HashMap;

/// The time it always is; what lies back moves further back instead.
pub const NOW: Timestamp = Timestamp(1_000_000_000);
/// How far back a time is told from any earlier one: longer than every deadline of the core and of the settings.
pub const MEMORY: Duration = Duration::from_secs(61);
/// The epoch of every record that is planned with; what matters is by how much it rises.
pub const EPOCH: u64 = 10;

/// The lease that every record was written under, and every daemon has.
#[must_use]
pub fn lease() -> Lease {
    Lease { name: "aviary/aviary".to_owned(), epoch: 1 }
}

/// Names a canonical record.
pub type RecordId = u32;

/// All records seen so far.
#[derive(Debug, Default)]
pub struct Records {
    list: Vec<Record>,
    by_text: HashMap<String, RecordId>,
    later: HashMap<(RecordId, i64), RecordId>,
}

impl Records {
    /// The number of a record that was planned with [`EPOCH`], and by how much its epoch rose.
    pub fn intern(&mut self, record: &Record) -> (RecordId, u8) {
        let rise = u8::try_from(record.epoch.saturating_sub(EPOCH)).unwrap_or(u8::MAX);
        let record = canonical(record.clone());
        let text = record.text();
        if let Some(id) = self.by_text.get(&text) {
            return (*id, rise);
        }
        let id = RecordId::try_from(self.list.len()).unwrap_or(RecordId::MAX);
        self.list.push(record);
        self.by_text.insert(text, id);
        (id, rise)
    }

    /// The record of that number, with [`EPOCH`].
    #[must_use]
    pub fn get(&self, id: RecordId) -> &Record {
        &self.list[id as usize]
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The same record, so many milliseconds later.
    pub fn later(&mut self, id: RecordId, millis: i64) -> RecordId {
        if let Some(id) = self.later.get(&(id, millis)) {
            return *id;
        }
        let mut record = self.get(id).clone();
        each_time(&mut record, |at| at.0 -= millis);
        let (later, _) = self.intern(&record);
        self.later.insert((id, millis), later);
        later
    }
}

fn canonical(mut record: Record) -> Record {
    record.epoch = EPOCH;
    record.lease = Some(lease());
    record.history.clear();
    record.rejected.iter_mut().for_each(|rejected| {
        rejected.at = NOW;
        rejected.reason.clear();
    });
    if let Some(held) = &mut record.held {
        held.reason.clear();
    }
    match &mut record.phase {
        Phase::Direct(direct) => direct.reason.clear(),
        Phase::Canary(rollout) | Phase::Promoting(rollout) => simplify(rollout),
        Phase::RollingBack(rollback) => {
            simplify(&mut rollback.rollout);
            rollback.reason.clear();
            rollback.at = NOW;
            // What is rolled back is not looked at again.
            rollback.rollout.checks.clear();
            rollback.rollout.evidence.clear();
            (rollback.rollout.step_started, rollback.rollout.step_complete) = (NOW, None);
            (rollback.rollout.next_check, rollback.rollout.high_water, rollback.rollout.paused) = (None, None, None);
            rollback.rollout.scalings.clear();
        }
        Phase::Adopting | Phase::Steady | Phase::Releasing | Phase::Released => {}
    }
    each_time(&mut record, |at| at.0 = at.0.max(NOW.0 - i64::try_from(MEMORY.as_millis()).unwrap_or(i64::MAX)));
    record
}

fn simplify(rollout: &mut Rollout) {
    rollout.id = String::new();
    rollout.reason.clear();
    rollout.started = NOW;
    rollout.checks_in_all = 0;
    rollout.resumed = None;
    rollout.last_move = None;
    if let Some(pause) = &mut rollout.paused {
        pause.reason.clear();
        pause.at = NOW;
    }
    let last = rollout.scalings.len().saturating_sub(1);
    rollout.scalings.drain(..last);
    rollout.scalings.iter_mut().for_each(|scaling| scaling.at = NOW);
    // Of the checks only one that allows a promotion matters, and of these one is enough.
    let (size, complete) = (rollout.size, rollout.step_complete);
    let counts = |check: &Check| {
        !check.early && check.outcome == Outcome::Pass && check.canary == size && Some(check.at) >= complete
    };
    let last = rollout.checks.iter().rfind(|check| complete.is_some() && counts(check)).cloned();
    rollout.checks = last.map(|check| Check { findings: Vec::new(), step_index: 0, ..check }).into_iter().collect();
}

fn each_time(record: &mut Record, mut change: impl FnMut(&mut Timestamp)) {
    record.gone_since.iter_mut().for_each(&mut change);
    match &mut record.phase {
        Phase::Direct(direct) => change(&mut direct.high_water.at),
        Phase::Canary(rollout) | Phase::Promoting(rollout) => {
            change(&mut rollout.step_started);
            rollout.step_complete.iter_mut().for_each(&mut change);
            rollout.next_check.iter_mut().for_each(&mut change);
            rollout.high_water.iter_mut().for_each(|mark| change(&mut mark.at));
            rollout.checks.iter_mut().for_each(|check| change(&mut check.at));
        }
        _ => {}
    }
}
