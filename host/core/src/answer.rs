//! What an answer to a question changes. One to an older epoch changes nothing.

use crate::{
    judge::{Change, ChangeKind, Check, Classification, Move, Next, Outcome, PolicyIdentity, Scaling},
    lease::Lease,
    plan::{Note, may_promote, rollback_decided},
    record::{Ending, Held, LastMove, Pause, PausedBy, Phase, Record, Rollout},
    remembered::remember,
    replicas::Sizes,
    settings::Settings,
    spec::{Digest, Spec},
    time::Timestamp,
};

/// How often in a row a progression may give no answer before the rollout is paused.
const UNANSWERED: u32 = 5;

/// What came back for a [`crate::plan::Question`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What a change is.
    Classified {
        /// Of the question.
        epoch: u64,
        /// What was asked about.
        digest: Digest,
        /// The candidate itself.
        candidate: Box<Spec>,
        /// The classification, also where the policy failed (then it is `canary`).
        classification: Classification,
    },
    /// What a check says and what now.
    Checked {
        /// Of the question.
        epoch: u64,
        /// Of the question.
        evidence: String,
        /// The check.
        check: Box<Check>,
        /// What the progression says, or why it said nothing; nothing where the check is critical.
        said: Option<Result<(Move, PolicyIdentity), String>>,
    },
}

/// The record after `answer`, with what is to be said; nothing where the answer is too late, or another daemon has taken over.
/// `settings` are those that the configuration gives the service, `lease` is what this daemon acts under.
#[must_use]
pub fn answered(
    record: &Record,
    settings: &Settings,
    answer: Answer,
    lease: &Lease,
    now: Timestamp,
) -> Option<(Record, Vec<Note>)> {
    lease.may_touch(record.lease.as_ref()).ok()?;
    let (record, notes) = after(record, settings, answer, now)?;
    Some((record.under(lease), notes))
}

fn after(record: &Record, settings: &Settings, answer: Answer, now: Timestamp) -> Option<(Record, Vec<Note>)> {
    match answer {
        Answer::Classified { epoch, digest, candidate, classification } if epoch == record.epoch => {
            Some(classified(record, settings, digest, *candidate, &classification, now))
        }
        Answer::Checked { epoch, evidence, check, said } if epoch == record.epoch => {
            checked(record, &record.settings_in_force(settings), evidence, *check, said, now)
        }
        _ => None,
    }
}

/// The images of a change in one line, for people.
#[must_use]
pub fn images_of(change: &Change) -> String {
    let line = |image: &crate::diff::ImageDifference| {
        let text = |image: &Option<String>| image.clone().unwrap_or_else(|| "none".to_owned());
        format!("{}: {} -> {}", image.container, text(&image.before), text(&image.after))
    };
    change.images.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn classified(
    record: &Record,
    settings: &Settings,
    digest: Digest,
    candidate: Spec,
    classification: &Classification,
    now: Timestamp,
) -> (Record, Vec<Note>) {
    if let Phase::Canary(rollout) = &record.phase
        && classification.kind != ChangeKind::Canary
    {
        let reason = format!("the original asks for another change now ({})", classification.reason);
        let (record, note) = rollback_decided(record.clone(), rollout, Ending::Superseded, &reason, now);
        return (record, vec![note]);
    }
    match classification.kind {
        ChangeKind::Canary if record.replicas > 0 => begin(record, settings, digest, candidate, classification, now),
        ChangeKind::Canary | ChangeKind::Direct => direct(record, candidate, classification, now),
        ChangeKind::Ignore | ChangeKind::Scale => ignore(record, digest, classification),
    }
}

fn begin(
    record: &Record,
    settings: &Settings,
    digest: Digest,
    candidate: Spec,
    classification: &Classification,
    now: Timestamp,
) -> (Record, Vec<Note>) {
    let sizes = Sizes::new(settings, record.replicas);
    let size = sizes.next_step(0);
    let mut changed = record.clone();
    let mut notes = Vec::new();
    if let Phase::Canary(old) = &record.phase {
        let text = format!("{} is superseded by {}", old.candidate.images_text(), candidate.images_text());
        changed.remember(old, Ending::Superseded, &text, now);
        notes.push(Note::normal("Superseded", text));
    }
    let text = format!(
        "rolling out {}: {}; steps of {} up to {} of {} pods",
        candidate.images_text(),
        classification.reason,
        sizes.step,
        sizes.break_point,
        record.replicas
    );
    notes.push(Note::normal("RolloutStarted", text));
    let rollout = Rollout {
        id: format!("{}-{}", digest.short(), now.0),
        candidate,
        digest,
        reason: classification.reason.clone(),
        started: now,
        settings: Some(settings.clone()),
        step: 1,
        size,
        step_started: now,
        step_complete: None,
        next_check: None,
        high_water: None,
        scalings: first_scaling(record, &sizes, size, now).into_iter().collect(),
        checks: Vec::new(),
        checks_in_all: 0,
        evidence: String::new(),
        unanswered: 0,
        paused: None,
        resumed: None,
        last_move: None,
    };
    changed.held = None;
    (changed.into_phase(Phase::Canary(Box::new(rollout))), notes)
}

/// The canary's first pods, announced with the rollout itself where nothing has to go first: that saves a write before
/// they start. Should another scaling be due after all, it is remembered before it is made.
fn first_scaling(record: &Record, sizes: &Sizes, size: u32, now: Timestamp) -> Option<Scaling> {
    let pods = size.min(sizes.surge);
    let ready = record.phase == Phase::Steady && pods > 0;
    ready.then_some(Scaling { at: now, canary: pods, primary: record.replicas })
}

fn direct(record: &Record, candidate: Spec, classification: &Classification, now: Timestamp) -> (Record, Vec<Note>) {
    let reason = &classification.reason;
    let note = Note::normal("Direct", format!("{} goes direct: {reason}", candidate.images_text()));
    (record.clone().taking_directly(candidate, reason, now), vec![note])
}

fn ignore(record: &Record, digest: Digest, classification: &Classification) -> (Record, Vec<Note>) {
    let reason = format!("the change is ignored: {}", classification.reason);
    let mut changed = record.clone();
    changed.held = Some(Held { digest, reason: reason.clone() });
    (changed, vec![Note::normal("Ignored", reason)])
}

type Said = Option<Result<(Move, PolicyIdentity), String>>;

fn checked(
    record: &Record,
    settings: &Settings,
    evidence: String,
    check: Check,
    said: Said,
    now: Timestamp,
) -> Option<(Record, Vec<Note>)> {
    let Phase::Canary(rollout) = &record.phase else { return None };
    let mut rollout = rollout.as_ref().clone();
    let mut notes = vec![note_of(&check)];
    let critical = (check.outcome == Outcome::Critical).then(|| reasons(&check, Outcome::Critical));
    rollout.evidence = evidence;
    rollout.next_check = rollout.next_check.map(|at| if check.early { at } else { now.plus(settings.check_interval) });
    rollout.checks_in_all += u32::from(!check.early);
    remember(&mut rollout.checks, check);
    let mut changed = record.clone();
    // A check taken is another question from here on.
    changed.epoch += 1;
    let changed = match critical {
        Some(reason) => back(changed, &rollout, &reason, &mut notes, now),
        None => moved(changed, rollout, settings, said, &mut notes, now),
    };
    Some((changed, notes))
}

fn note_of(check: &Check) -> Note {
    let text = format!("check in step {}: {}: {}", check.step_index, check.outcome, reasons(check, check.outcome));
    match check.outcome {
        Outcome::Pass => Note::normal(format!("Step{}Passed", check.step_index), text),
        Outcome::Inconclusive => Note::normal(format!("Step{}Inconclusive", check.step_index), text),
        Outcome::Fail | Outcome::Critical => Note::warning(format!("Step{}Failed", check.step_index), text),
    }
}

/// What the analyzers with this outcome said, one sentence each.
#[must_use]
pub fn reasons(check: &Check, outcome: Outcome) -> String {
    let said = check.findings.iter().filter(|found| found.finding.outcome == outcome);
    let lines: Vec<String> = said.map(|found| format!("{}: {}", found.policy.name, found.finding.reason)).collect();
    lines.join("; ")
}

fn back(record: Record, rollout: &Rollout, reason: &str, notes: &mut Vec<Note>, now: Timestamp) -> Record {
    let (record, note) = rollback_decided(record, rollout, Ending::RolledBack, reason, now);
    notes.push(note);
    record
}

fn moved(
    mut record: Record,
    mut rollout: Rollout,
    settings: &Settings,
    said: Said,
    notes: &mut Vec<Note>,
    now: Timestamp,
) -> Record {
    let sizes = Sizes::new(settings, record.replicas);
    match said {
        None => {}
        Some(Err(trap)) => unanswered(&mut rollout, &trap, notes, now),
        Some(Ok((said, policy))) => {
            rollout.unanswered = 0;
            let next = allowed(&rollout, &sizes, said.next);
            let again = rollout.last_move.as_ref().is_some_and(|last| last.said.next == said.next);
            if let (Err(why), false) = (&next, again) {
                notes
                    .push(Note::warning("Overruled", format!("holding, though {} says otherwise: {why}", policy.name)));
            }
            rollout.last_move = Some(LastMove { at: now, said: said.clone(), policy });
            match next.unwrap_or(Next::Hold) {
                Next::Rollback => return back(record, &rollout, &said.reason, notes, now),
                Next::Promote => return promote(record, rollout, &said.reason, notes),
                Next::Advance(size) => advance(&mut rollout, size, &said.reason, notes, now),
                Next::Pause => pause(&mut rollout, PausedBy::Policy, &said.reason, notes, now),
                Next::Hold => {}
            }
        }
    }
    record.phase = Phase::Canary(Box::new(rollout));
    record
}

/// The host's last word: a paused rollout only goes back, sizes stay within the break-point, and nothing is promoted
/// without a conclusive pass at the break-point size.
///
/// # Errors
/// Why it holds instead.
fn allowed(rollout: &Rollout, sizes: &Sizes, next: Next) -> Result<Next, String> {
    let (size, most) = (rollout.size, sizes.break_point);
    match next {
        Next::Rollback | Next::Hold => Ok(next),
        _ if rollout.paused.is_some() => Ok(Next::Hold),
        Next::Pause => Ok(next),
        _ if rollout.step_complete.is_none() => Err(format!("the step's pods, {size}, are not all available yet")),
        Next::Promote if may_promote(rollout, most) => Ok(next),
        Next::Promote => {
            Err(format!("promote needs a check that passed at the break-point, {most} pods, in this step"))
        }
        Next::Advance(to) if to.min(most) > size => Ok(Next::Advance(to.min(most))),
        Next::Advance(to) => {
            Err(format!("advance to {to} from {size} pods is no step ahead; the break-point is {most}"))
        }
    }
}

fn unanswered(rollout: &mut Rollout, trap: &str, notes: &mut Vec<Note>, now: Timestamp) {
    rollout.unanswered += 1;
    if rollout.unanswered >= UNANSWERED && rollout.paused.is_none() {
        let reason = format!("the progression gave no answer {UNANSWERED} times in a row: {trap}");
        pause(rollout, PausedBy::Policy, &reason, notes, now);
    } else {
        notes.push(Note::warning("NoAnswer", format!("holding, the progression gave no answer: {trap}")));
    }
}

pub(crate) fn pause(rollout: &mut Rollout, by: PausedBy, reason: &str, notes: &mut Vec<Note>, now: Timestamp) {
    rollout.paused = Some(Pause { by, at: now, reason: reason.to_owned() });
    notes.push(Note::warning("Paused", format!("paused: {reason}")));
}

fn advance(rollout: &mut Rollout, size: u32, reason: &str, notes: &mut Vec<Note>, now: Timestamp) {
    rollout.step += 1;
    rollout.size = size;
    rollout.step_started = now;
    rollout.step_complete = None;
    rollout.next_check = None;
    rollout.high_water = None;
    let text = format!("step {}: the canary grows to {size} pods ({reason})", rollout.step);
    notes.push(Note::normal(format!("Step{}Started", rollout.step), text));
}

fn promote(record: Record, mut rollout: Rollout, reason: &str, notes: &mut Vec<Note>) -> Record {
    rollout.high_water = None;
    let text = format!("promoting {}: {reason}", rollout.candidate.images_text());
    notes.push(Note::normal("Promoting", text));
    record.into_phase(Phase::Promoting(Box::new(rollout)))
}
