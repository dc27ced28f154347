//! A situation, as a progression is asked about it.

use crate::{
    AnalyzerFinding, Check, Finding, Outcome, REMEMBERED, Situation, Timestamp,
    testing::{MINUTE, NOW, progress, service},
};

/// Builds a [`Situation`].
#[derive(Debug, Clone)]
pub struct SituationBuilder {
    situation: Situation,
    checks: Vec<Planned>,
    forgetting: bool,
}

/// A check that waits for its time.
#[derive(Debug, Clone, Copy)]
struct Planned {
    outcome: Outcome,
    early: bool,
    step_index: u32,
    canary: u32,
}

impl Default for SituationBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl SituationBuilder {
    /// A rollout in its first step, complete and warm, without checks.
    #[must_use]
    pub fn new() -> Self {
        let situation = Situation {
            service: service(),
            progress: progress(),
            scalings: Vec::new(),
            checks: Vec::new(),
            parameters: String::new(),
            attributes: Vec::new(),
        };
        Self { situation, checks: Vec::new(), forgetting: false }
    }

    /// The canary's pods in this step, the break-point and the size of a step.
    #[must_use]
    pub fn sizes(mut self, canary: u32, break_point: u32, step: u32) -> Self {
        let progress = &mut self.situation.progress;
        (progress.canary.wanted, progress.canary.ready) = (canary, canary);
        (progress.break_point, progress.step) = (break_point, step);
        self
    }

    /// The step that is under way; checks given from now on are of it.
    #[must_use]
    pub fn step(mut self, index: u32) -> Self {
        self.situation.progress.step_index = index;
        self
    }

    /// A check of this step; each is a minute after the one before, the last one is now.
    #[must_use]
    pub fn check(self, outcome: Outcome) -> Self {
        self.planned(outcome, false)
    }

    /// Several checks.
    #[must_use]
    pub fn checks(self, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        outcomes.into_iter().fold(self, Self::check)
    }

    /// A check from before the warm-up was over.
    #[must_use]
    pub fn early(self, outcome: Outcome) -> Self {
        self.planned(outcome, true)
    }

    /// Only as many checks are there in the end as the host remembers.
    #[must_use]
    pub fn forgetting(mut self) -> Self {
        self.forgetting = true;
        self
    }

    /// The parameters as a configuration gives them, JSON.
    #[must_use]
    pub fn parameters(mut self, json: &str) -> Self {
        json.clone_into(&mut self.situation.parameters);
        self
    }

    /// Anything else.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Situation)) -> Self {
        change(&mut self.situation);
        self
    }

    /// The situation. The rollout began before its first check, and the first of its step that is not early was taken
    /// right after the warm-up of a minute.
    #[must_use]
    pub fn build(mut self) -> Situation {
        let mut at = NOW;
        for planned in self.checks.iter().rev() {
            self.situation.checks.push(check(*planned, at));
            at -= MINUTE;
        }
        self.situation.checks.reverse();
        let progress = &mut self.situation.progress;
        let mut own = self.situation.checks.iter().filter(|check| check.step_index == progress.step_index);
        let complete = own.find(|check| !check.early).map_or(NOW, |check| check.at) - MINUTE;
        progress.started = progress.started.min(at);
        progress.checks_in_all = count(self.checks.iter().rev().skip(1).filter(|check| !check.early).count());
        (progress.step_started, progress.step_complete) =
            (complete - MINUTE / 2, progress.step_complete.map(|_| complete));
        if self.forgetting {
            let checks = &mut self.situation.checks;
            checks.drain(..checks.len().saturating_sub(REMEMBERED + 1));
        }
        self.situation
    }

    fn planned(mut self, outcome: Outcome, early: bool) -> Self {
        let progress = &self.situation.progress;
        self.checks.push(Planned { outcome, early, step_index: progress.step_index, canary: progress.canary.wanted });
        self
    }
}

fn count(checks: usize) -> u32 {
    u32::try_from(checks).unwrap_or(u32::MAX)
}

fn check(planned: Planned, at: Timestamp) -> Check {
    let Planned { outcome, early, step_index, canary } = planned;
    let finding = Finding::new(outcome, format!("it was {outcome}"));
    let findings = vec![AnalyzerFinding { analyzer: "threshold".to_owned(), finding }];
    Check { at, step_index, canary, early, outcome, findings }
}
