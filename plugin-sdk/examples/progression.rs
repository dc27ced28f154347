//! Doubles the canary after some checks that passed in a row, and promotes it at the break-point. One failure is enough.

use aviary_policy_sdk::{Check, Move, NextStep, Outcome, Progression, REMEMBERED, Situation, parameters};

parameters! {
    /// What a configuration can set.
    pub struct Settings {
        /// Checks that must pass in a row at each size.
        pub passes: u32 = 3,
    }
}

/// The policy.
pub struct Doubling;

aviary_policy_sdk::export_progression!(Doubling);

impl Progression for Doubling {
    type Parameters = Settings;

    fn next(situation: &Situation, settings: &Settings) -> Move {
        let progress = &situation.progress;
        let counts = |check: &&Check| check.step_index == progress.step_index && !check.early;
        match situation.checks.last().map(|check| check.outcome) {
            Some(Outcome::Critical | Outcome::Fail) => return Move::new(NextStep::Rollback, "a check failed"),
            Some(Outcome::Pass) => {}
            Some(Outcome::Inconclusive) => return Move::new(NextStep::Hold, "the last check says nothing"),
            None => return Move::new(NextStep::Hold, "no check has been taken yet"),
        }
        let in_a_row = |check: &&Check| check.outcome == Outcome::Pass;
        let passes = situation.checks.iter().rev().filter(counts).take_while(in_a_row).count();
        if passes < settings.passes as usize {
            return Move::new(NextStep::Hold, format!("{passes} of {} passes", settings.passes));
        }
        let (size, break_point) = (progress.canary.wanted, progress.break_point);
        if size >= break_point {
            return Move::new(NextStep::Promote, format!("{passes} passes at the break-point"));
        }
        let larger = size.saturating_mul(2).clamp(1, break_point);
        Move::new(NextStep::Advance(larger), format!("{passes} passes: from {size} to {larger} pods"))
    }

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.passes == 0 {
            return Err("parameter `passes` must be at least 1: nothing is promoted without a pass".to_owned());
        }
        if settings.passes as usize > REMEMBERED {
            return Err(format!("parameter `passes` must be at most {REMEMBERED}: no more checks are remembered"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aviary_policy_sdk::testing::SituationBuilder;

    /// What comes after these checks, with a canary of so many pods on its way to 5.
    fn next(canary: u32, outcomes: &[Outcome]) -> NextStep {
        let situation = SituationBuilder::new().sizes(canary, 5, 1).checks(outcomes.iter().copied()).build();
        Doubling::next(&situation, &Settings::default()).next
    }

    #[test]
    fn three_passes_double_the_canary_up_to_the_break_point_where_it_is_promoted() {
        let passes = [Outcome::Pass; 3];
        assert_eq!(next(1, &passes[..2]), NextStep::Hold);
        assert_eq!(next(1, &passes), NextStep::Advance(2));
        assert_eq!(next(4, &passes), NextStep::Advance(5));
        assert_eq!(next(5, &passes), NextStep::Promote);
    }

    #[test]
    fn no_more_passes_are_asked_for_than_can_be_seen() {
        assert!(
            Doubling::check(&Settings { passes: 64 }).is_ok() && Doubling::check(&Settings { passes: 65 }).is_err()
        );
    }

    #[test]
    fn a_failure_rolls_back_and_an_inconclusive_check_begins_anew() {
        assert_eq!(next(1, &[Outcome::Pass, Outcome::Fail]), NextStep::Rollback);
        let interrupted = [Outcome::Pass, Outcome::Pass, Outcome::Inconclusive, Outcome::Pass];
        assert_eq!(next(1, &interrupted), NextStep::Hold);
    }
}
