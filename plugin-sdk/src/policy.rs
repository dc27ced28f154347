//! What an author implements: one trait for each of the three questions.

use crate::{Change, Classification, Finding, Move, Observation, Parameters, Situation};

/// What is this change?
pub trait Classifier {
    /// What a configuration can set.
    type Parameters: Parameters;

    /// Says what the change is.
    fn classify(change: &Change, parameters: &Self::Parameters) -> Classification;

    /// Checks what the types of the parameters cannot say.
    ///
    /// # Errors
    /// One sentence that names the parameter, the fault and the way out.
    fn check(_parameters: &Self::Parameters) -> Result<(), String> {
        Ok(())
    }
}

/// What does this check say?
pub trait Analyzer {
    /// What a configuration can set.
    type Parameters: Parameters;

    /// Judges the canary; the rules of an answer are those of [`Finding`].
    ///
    /// It is asked at each check, and also before the warm-up is over: at once when a pod gives evidence, such as a restart.
    /// A pass does not count then, but `fail` does, and `critical` rolls back. So one that judges by metrics begins with
    /// [`Observation::too_early`]; one that judges pods, such as `health`, needs no warm-up.
    fn analyze(observation: &Observation, parameters: &Self::Parameters) -> Finding;

    /// Checks what the types of the parameters cannot say.
    ///
    /// # Errors
    /// One sentence that names the parameter, the fault and the way out.
    fn check(_parameters: &Self::Parameters) -> Result<(), String> {
        Ok(())
    }
}

/// What now?
pub trait Progression {
    /// What a configuration can set.
    type Parameters: Parameters;

    /// Says what comes next; asked after each check, which is the last of `situation.checks`.
    fn next(situation: &Situation, parameters: &Self::Parameters) -> Move;

    /// Checks what the types of the parameters cannot say.
    ///
    /// # Errors
    /// One sentence that names the parameter, the fault and the way out.
    fn check(_parameters: &Self::Parameters) -> Result<(), String> {
        Ok(())
    }
}
