//! An analyzer that lets nothing pass: a scenario drops it in the middle of a rollout and sees it decide.

use aviary_policy_sdk::{Analyzer, Finding, Observation, parameters};

parameters! {
    /// It has none.
    pub struct Settings {}
}

/// The policy.
pub struct RefuseAll;

aviary_policy_sdk::export_analyzer!(RefuseAll);

impl Analyzer for RefuseAll {
    type Parameters = Settings;

    fn analyze(_: &Observation, _: &Settings) -> Finding {
        Finding::fail("nothing passes while refuse-all decides")
    }
}
