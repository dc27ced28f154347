//! The default progression: step by step to the break-point, promoted there; back on failures; a person where nothing
//! can be said for too long.

mod tally;
mod words;

use aviary_policy_sdk::{Check, Move, NextStep, Outcome, Progression, REMEMBERED, Situation, parameters};

use crate::tally::Tally;

parameters! {
    /// What a step needs, what is tolerated, and how long a canary may be undecided. Durations are milliseconds. The last 64
    /// checks are remembered, and nothing counts that is forgotten.
    pub struct Settings {
        /// Checks that must pass in a step, none failing in between; at most 64.
        pub passes: u32 = 1,
        /// For how long they must have been passing, at most as long as 64 checks take; 0 asks for no more than their number.
        pub pass_duration: u64 = 0,
        /// Failed checks that do not roll back yet; below 64.
        pub tolerated_failures: u32 = 0,
        /// How far back failures count, at most as long as 64 checks take: where the checks that are remembered do not reach
        /// so far back, a failure rolls back, as if those forgotten had failed as often as is tolerated. 0 means all that
        /// are remembered.
        pub failure_window: u64 = 0,
        /// What an inconclusive check means.
        pub inconclusive: Inconclusive = Inconclusive::Hold,
        /// How long checks may stay inconclusive until the rollout is paused; 0 means for ever.
        pub inconclusive_limit: u64 = 1_800_000,
    }
}

parameters! {
    /// What an inconclusive check means.
    pub enum Inconclusive {
        /// Wait, and pause after `inconclusive-limit`.
        Hold,
        /// Pause at once.
        Pause,
        /// The same as a failure.
        Fail,
    }
}

/// The policy.
pub struct Breakpoint;

aviary_policy_sdk::export_progression!(Breakpoint);

impl Progression for Breakpoint {
    type Parameters = Settings;

    fn next(situation: &Situation, settings: &Settings) -> Move {
        let Some(last) = situation.checks.last() else {
            return Move::new(NextStep::Hold, "no check has been taken yet");
        };
        if last.outcome == Outcome::Critical {
            return Move::new(NextStep::Rollback, format!("critical: {}", words::blame(last)));
        }
        let tally = Tally::of(situation, settings);
        if tally.failures.len() > settings.tolerated_failures as usize {
            return Move::new(NextStep::Rollback, words::failures(&tally.failures, settings));
        }
        if let Some(known_for) = tally.too_many_forgotten(last, settings) {
            return Move::new(NextStep::Rollback, words::forgotten(last, known_for, settings));
        }
        match last.outcome {
            Outcome::Pass | Outcome::Inconclusive if last.early => Move::new(NextStep::Hold, "the warm-up is not over"),
            Outcome::Pass => passed(situation, settings, &tally),
            Outcome::Inconclusive if settings.inconclusive != Inconclusive::Fail => {
                undecided(situation, settings, last)
            }
            _ => Move::new(NextStep::Hold, words::tolerated(&tally.failures, settings)),
        }
    }

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.passes == 0 {
            return Err(
                "parameter `passes` must be at least 1: nothing is promoted without a check that passed".to_owned()
            );
        }
        if settings.passes as usize > REMEMBERED {
            return Err(format!("parameter `passes` must be at most {REMEMBERED}: no more checks are remembered"));
        }
        if settings.tolerated_failures as usize >= REMEMBERED {
            return Err(format!(
                "parameter `tolerated-failures` must be below {REMEMBERED}: no more checks are remembered, so that failures \
                 would never be too many"
            ));
        }
        Ok(())
    }
}

fn passed(situation: &Situation, settings: &Settings, tally: &Tally) -> Move {
    let progress = &situation.progress;
    let needed = settings.passes.max(1);
    if tally.passes < needed {
        return Move::new(NextStep::Hold, format!("pass {} of {needed} in step {}", tally.passes, progress.step_index));
    }
    if tally.passing_for < settings.pass_duration {
        let (so_far, needed) = (words::duration(tally.passing_for), words::duration(settings.pass_duration));
        let forgotten = if tally.passes_forgotten { words::PASSES_FORGOTTEN } else { "" };
        let reason = format!("passing for {so_far} of {needed} in step {}{forgotten}", progress.step_index);
        return Move::new(NextStep::Hold, reason);
    }
    let passes = format!("{} in step {}", words::count(tally.passes, "pass", "passes"), progress.step_index);
    let (size, break_point) = (progress.canary.wanted, progress.break_point);
    if size >= break_point {
        let reason =
            format!("{passes}, and the canary is at its break-point of {}", words::count(break_point, "pod", "pods"));
        return Move::new(NextStep::Promote, reason);
    }
    let larger = size.saturating_add(progress.step.max(1)).min(break_point);
    let reason =
        format!("{passes}: the canary grows from {size} to {larger} of {}", words::count(break_point, "pod", "pods"));
    Move::new(NextStep::Advance(larger), reason)
}

fn undecided(situation: &Situation, settings: &Settings, last: &Check) -> Move {
    let blame = words::blame(last);
    if settings.inconclusive == Inconclusive::Pause {
        return Move::new(NextStep::Pause, format!("inconclusive: {blame}"));
    }
    let so_far = tally::undecided_for(situation);
    let (told, limit) = (words::duration(so_far), words::duration(settings.inconclusive_limit));
    if settings.inconclusive_limit == 0 {
        return Move::new(NextStep::Hold, format!("inconclusive for {told}: {blame}"));
    }
    if so_far >= settings.inconclusive_limit {
        return Move::new(NextStep::Pause, format!("inconclusive for {told}, the limit is {limit}: {blame}"));
    }
    Move::new(NextStep::Hold, format!("inconclusive for {told} of at most {limit}: {blame}"))
}
