//! What the checks so far add up to.

use aviary_policy_sdk::{Check, Outcome, Progress, Situation, Timestamp};

use crate::{Inconclusive, Settings};

/// The checks, counted.
pub(crate) struct Tally<'a> {
    /// Passes in this step and at this size, since the last failure.
    pub(crate) passes: u32,
    /// Milliseconds from the first of them to now.
    pub(crate) passing_for: u64,
    /// Whether they may have begun before, with checks that are forgotten.
    pub(crate) passes_forgotten: bool,
    /// Failures that still count, oldest first.
    pub(crate) failures: Vec<&'a Check>,
    /// For how many milliseconds of their window it is known how many there are, where that is not the whole.
    pub(crate) failures_known_for: Option<u64>,
}

impl<'a> Tally<'a> {
    pub(crate) fn of(situation: &'a Situation, settings: &Settings) -> Self {
        let progress = &situation.progress;
        let since_failure = situation.checks.iter().rev().take_while(|check| !fails(check, settings));
        let since_failure: Vec<&Check> = since_failure.collect();
        let passes: Vec<&&Check> = since_failure.iter().filter(|check| counts(check, progress)).collect();
        let first = passes.last().map_or(progress.now, |check| check.at);
        let oldest = situation.remembered_since();
        let all_of_step = since_failure.len() == situation.checks.len()
            && since_failure.last().is_some_and(|check| check.step_index == progress.step_index);
        Self {
            passes: u32::try_from(passes.len()).unwrap_or(u32::MAX),
            passing_for: between(first, progress.now),
            passes_forgotten: oldest.is_some() && all_of_step,
            failures: failures(situation, settings),
            failures_known_for: oldest
                .filter(|oldest| is_gap(*oldest, progress, settings))
                .map(|oldest| between(oldest, progress.now)),
        }
    }

    /// Whether the last check failed, and how many did in its window cannot be told any more.
    pub(crate) fn too_many_forgotten(&self, last: &Check, settings: &Settings) -> Option<u64> {
        self.failures_known_for.filter(|_| fails(last, settings))
    }
}

/// A pass of this step; none from before its size was complete or of another size.
fn counts(check: &Check, progress: &Progress) -> bool {
    let here = check.step_index == progress.step_index && check.canary == progress.canary.wanted;
    let complete = progress.step_complete.is_some_and(|complete| check.at >= complete);
    here && complete && !check.early && check.outcome == Outcome::Pass
}

/// Whether a check that is forgotten can lie in the window: the one before the oldest is an interval older, at least.
fn is_gap(oldest: Timestamp, progress: &Progress, settings: &Settings) -> bool {
    settings.failure_window > 0
        && oldest.saturating_sub_unsigned(progress.check_interval) > window_start(progress, settings)
}

/// From when on failures count.
fn window_start(progress: &Progress, settings: &Settings) -> Timestamp {
    match settings.failure_window {
        0 => progress.started,
        window => progress.now.saturating_sub_unsigned(window).max(progress.started),
    }
}

fn failures<'a>(situation: &'a Situation, settings: &Settings) -> Vec<&'a Check> {
    let from = window_start(&situation.progress, settings);
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
