//! An analyzer that traps: a scenario drops it and sees that nothing changes.

use aviary_policy_sdk::{Analyzer, Finding, Observation, parameters};

parameters! {
    /// It has none.
    pub struct Settings {}
}

/// The policy.
pub struct Panics;

aviary_policy_sdk::export_analyzer!(Panics);

impl Analyzer for Panics {
    type Parameters = Settings;

    fn analyze(_: &Observation, _: &Settings) -> Finding {
        panic!("it panics as it was written to")
    }
}
