//! What the checks so far add up to.

use aviary_policy_sdk::{Check, Outcome, Progress, Situation, Timestamp};

use crate::{Inconclusive, Settings};

/// The checks, counted.
pub(crate) struct Tally<'a> {
    /// Passes in this step and at this size, since the last failure.
    pub(crate) passes: u32,
    /// Milliseconds from the first of them to now.
    pub(crate) passing_for: u64,
    /// Failures that still count, oldest first.
    pub(crate) failures: Vec<&'a Check>,
}

impl<'a> Tally<'a> {
    pub(crate) fn of(situation: &'a Situation, settings: &Settings) -> Self {
        let progress = &situation.progress;
        let since_failure = situation.checks.iter().rev().take_while(|check| !fails(check, settings));
        let passes: Vec<&Check> = since_failure.filter(|check| counts(check, progress)).collect();
        let first = passes.last().map_or(progress.now, |check| check.at);
        Self {
            passes: u32::try_from(passes.len()).unwrap_or(u32::MAX),
            passing_for: between(first, progress.now),
            failures: failures(situation, settings),
        }
    }
}

/// A pass of this step; none from before its size was complete or of another size.
fn counts(check: &Check, progress: &Progress) -> bool {
    let here = check.step_index == progress.step_index && check.canary == progress.canary.wanted;
    let complete = progress.step_complete.is_some_and(|complete| check.at >= complete);
    here && complete && !check.early && check.outcome == Outcome::Pass
}

fn failures<'a>(situation: &'a Situation, settings: &Settings) -> Vec<&'a Check> {
    let progress = &situation.progress;
    let from = match settings.failure_window {
        0 => progress.started,
        window => progress.now.saturating_sub_unsigned(window).max(progress.started),
    };
    situation.checks.iter().filter(|check| check.at >= from && fails(check, settings)).collect()
}

fn fails(check: &Check, settings: &Settings) -> bool {
    match check.outcome {
        Outcome::Fail | Outcome::Critical => true,
        Outcome::Inconclusive => !check.early && settings.inconclusive == Inconclusive::Fail,
        Outcome::Pass => false,
    }
}

/// Milliseconds since anything was known: the last conclusive check, the end of the warm-up, or a person's resume.
pub(crate) fn undecided_for(situation: &Situation) -> u64 {
    let progress = &situation.progress;
    let conclusive = situation.checks.iter().rev().find(|check| check.outcome != Outcome::Inconclusive);
    let warm = progress.step_complete.unwrap_or(progress.step_started).saturating_add_unsigned(progress.warm_up);
    let resumed = situation.attribute("resumed-at").and_then(|text| text.parse().ok());
    let since = [conclusive.map(|check| check.at), Some(warm), resumed].into_iter().flatten().max().unwrap_or(warm);
    between(since, progress.now)
}

fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}
