//! What an operator asks for, as a change of the record.

use serde::{Deserialize, Serialize};

use crate::{
    answer::pause,
    judge::Track,
    lease::{Fenced, Lease},
    plan::{Note, rollback_decided},
    record::{Ending, PausedBy, Phase, Record, Rollout},
    time::Timestamp,
    view::View,
};

/// A word of an operator to one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Roll back now.
    Cancel,
    /// The next change goes direct, once.
    Bypass,
    /// It does not, after all.
    ClearBypass,
    /// Stay at this step until resumed; a rollback still happens.
    Pause,
    /// Go on.
    Resume,
    /// Give the service back.
    Release,
    /// Take it in again after a release, or take it over from a daemon that has another lease.
    Adopt,
}

/// The record after `command`, with what is to be said; `lease` is what this daemon acts under.
///
/// # Errors
/// Why there is nothing to be done, and what is.
pub fn commanded(record: &Record, command: Command, lease: &Lease, now: Timestamp) -> Result<(Record, Note), String> {
    let (record, note) = match lease.may_touch(record.lease.as_ref()) {
        Ok(()) => after(record, command, now)?,
        Err(fenced @ Fenced::Foreign { .. }) if command == Command::Adopt => taken_over(record, &fenced),
        Err(fenced) => return Err(fenced.to_string()),
    };
    Ok((record.under(lease), note))
}

/// Whether a released service may be taken in again now, as `view` shows it: by forgetting its record. Copies that are still
/// there go first, for nothing else tells of them.
///
/// # Errors
/// What is to be waited for.
pub fn may_readopt(service: &str, view: &View) -> Result<(), String> {
    let copies = [Track::Primary, Track::Canary];
    let left = copies.into_iter().find(|track| view.workload(*track).is_some_and(|copy| copy.is_copy_of(service)));
    left.map_or(Ok(()), |track| Err(format!("its {track} of before is being deleted; say it again in a moment")))
}

fn taken_over(record: &Record, fenced: &Fenced) -> (Record, Note) {
    (record.clone(), Note::warning("TakenOver", format!("taken over at an operator's word: {fenced}")))
}

fn after(record: &Record, command: Command, now: Timestamp) -> Result<(Record, Note), String> {
    match command {
        Command::Cancel => cancel(record, now),
        Command::Bypass => set_bypass(record, true),
        Command::ClearBypass => set_bypass(record, false),
        Command::Pause => hold(record, now),
        Command::Resume => resume(record, now),
        Command::Release => release(record),
        Command::Adopt => Err("it is adopted already".to_owned()),
    }
}

fn cancel(record: &Record, now: Timestamp) -> Result<(Record, Note), String> {
    match &record.phase {
        Phase::Canary(rollout) | Phase::Promoting(rollout) => {
            Ok(rollback_decided(record.clone(), rollout, Ending::RolledBack, "an operator cancelled it", now))
        }
        Phase::RollingBack(_) => Err("it is being rolled back already".to_owned()),
        _ => Err("no rollout is under way".to_owned()),
    }
}

/// A version that was rolled back goes direct only if that is said once it is held: a bypass that was meant for the next one,
/// before, must not bring it back.
fn set_bypass(record: &Record, bypass: bool) -> Result<(Record, Note), String> {
    let held = record.held.as_ref().filter(|held| bypass && record.rejection(&held.digest).is_some());
    match (record.bypass, bypass) {
        (true, true) if held.is_none() => return Err("the next change goes direct already".to_owned()),
        (false, false) => return Err("no bypass was asked for".to_owned()),
        _ => {}
    }
    let mut changed = Record { bypass, ..record.clone() };
    if let Some(held) = held {
        changed.rejected.retain(|rejected| rejected.digest != held.digest);
        changed.held = None;
    }
    let text = if bypass { "the next change goes direct, once" } else { "the next change is judged as usual" };
    Ok((changed, Note::warning(if bypass { "Bypass" } else { "BypassCleared" }, text)))
}

fn hold(record: &Record, now: Timestamp) -> Result<(Record, Note), String> {
    let mut rollout = in_canary(record)?.clone();
    if rollout.paused.is_some() {
        return Err("it is paused already".to_owned());
    }
    let mut notes = Vec::new();
    pause(&mut rollout, PausedBy::Operator, "an operator paused it", &mut notes, now);
    let note = notes.remove(0);
    Ok((Record { phase: Phase::Canary(Box::new(rollout)), ..record.clone() }, note))
}

/// The step's time begins anew, so that it is not paused again for having taken too long.
fn resume(record: &Record, now: Timestamp) -> Result<(Record, Note), String> {
    let mut rollout = in_canary(record)?.clone();
    rollout.paused.take().ok_or("it is not paused")?;
    rollout.step_started = now;
    rollout.resumed = Some(now);
    rollout.unanswered = 0;
    let note = Note::normal("Resumed", "an operator resumed the rollout");
    Ok((Record { phase: Phase::Canary(Box::new(rollout)), ..record.clone() }, note))
}

fn in_canary(record: &Record) -> Result<&Rollout, String> {
    match &record.phase {
        Phase::Canary(rollout) => Ok(rollout),
        Phase::Promoting(_) => Err("it is being promoted; `aviary cancel` takes it back".to_owned()),
        Phase::RollingBack(_) => Err("it is being rolled back".to_owned()),
        _ => Err("no rollout is under way".to_owned()),
    }
}

fn release(record: &Record) -> Result<(Record, Note), String> {
    match record.phase {
        Phase::Released => Err("it is released already".to_owned()),
        Phase::Releasing => Err("it is being released already".to_owned()),
        Phase::Adopting => {
            let note =
                Note::normal("Releasing", "released in the middle of its adoption: pods walk back to the original");
            Ok((Record { release: true, ..record.clone() }.into_phase(Phase::Releasing), note))
        }
        _ => {
            let note = Note::normal("ReleaseAsked", "it is given back as soon as nothing is under way");
            Ok((Record { release: true, ..record.clone() }, note))
        }
    }
}
