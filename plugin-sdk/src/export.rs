//! The macros that make a component's exports of a policy, and the little that all of them do.

use crate::{
    Analyzer, Change, Classification, Classifier, Finding, Info, KindOfChange, Move, NextStep, Observation, Outcome,
    Parameters, Progression, Situation, bounds::Bounded, log, parameters::read,
};

/// Exports a [`Classifier`]; name, version and summary are those of its crate. Does nothing in native builds.
#[macro_export]
macro_rules! export_classifier {
    ($policy:ty) => {
        $crate::__export!(classifier, Classifier, export_classifier_world, $policy, {
            fn classify(change: $crate::Change) -> $crate::Classification {
                $crate::export::classify::<$policy>(&change)
            }
        });
    };
}

/// Exports an [`Analyzer`]; name, version and summary are those of its crate. Does nothing in native builds.
#[macro_export]
macro_rules! export_analyzer {
    ($policy:ty) => {
        $crate::__export!(analyzer, Analyzer, export_analyzer_world, $policy, {
            fn analyze(observation: $crate::Observation) -> $crate::Finding {
                $crate::export::analyze::<$policy>(&observation)
            }
        });
    };
}

/// Exports a [`Progression`]; name, version and summary are those of its crate. Does nothing in native builds.
#[macro_export]
macro_rules! export_progression {
    ($policy:ty) => {
        $crate::__export!(progression, Progression, export_progression_world, $policy, {
            fn next(situation: $crate::Situation) -> $crate::Move {
                $crate::export::next::<$policy>(&situation)
            }
        });
    };
}

/// What the three worlds have in common.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($world:ident, $question:ident, $export:ident, $policy:ty, { $($answer:tt)* }) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            assert!(
                !env!("CARGO_PKG_DESCRIPTION").is_empty(),
                "the policy's Cargo.toml has no `description`: one line of what it does, which is its summary"
            );

            struct Exported;

            impl $crate::bindings::$world::Guest for Exported {
                fn describe() -> $crate::Info {
                    $crate::export::describe::<<$policy as $crate::$question>::Parameters>(
                        env!("CARGO_PKG_NAME"),
                        env!("CARGO_PKG_VERSION"),
                        env!("CARGO_PKG_DESCRIPTION"),
                    )
                }

                fn validate(parameters: ::std::string::String) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::export::validate(&parameters, <$policy as $crate::$question>::check)
                }

                $($answer)*
            }

            $crate::bindings::$world::$export!(Exported with_types_in $crate::bindings::$world);
        };
    };
}

/// What a policy says of itself.
#[must_use]
pub fn describe<P: Parameters>(name: &str, version: &str, summary: &str) -> Info {
    log_panics();
    Info {
        name: name.to_owned(),
        version: version.to_owned(),
        summary: summary.to_owned(),
        parameters_schema: format!("{{{}}}", P::schema()),
        defaults: P::default().write(),
    }
}

/// Reads and checks parameters.
///
/// # Errors
/// One sentence that names the parameter, the fault and the way out.
pub fn validate<P: Parameters>(text: &str, check: impl FnOnce(&P) -> Result<(), String>) -> Result<(), String> {
    log_panics();
    read(text).and_then(|parameters| check(&parameters)).map_err(Bounded::bounded)
}

/// Asks a classifier; parameters it cannot read make every change a canary.
#[must_use]
pub fn classify<P: Classifier>(change: &Change) -> Classification {
    log_panics();
    match read(&change.parameters) {
        Ok(parameters) => P::classify(change, &parameters).bounded(),
        Err(reason) => Classification { kind: KindOfChange::Canary, reason: reason.bounded() },
    }
}

/// Asks an analyzer; parameters it cannot read are inconclusive.
#[must_use]
pub fn analyze<P: Analyzer>(observation: &Observation) -> Finding {
    log_panics();
    match read(&observation.parameters) {
        Ok(parameters) => P::analyze(observation, &parameters).bounded(),
        Err(reason) => Finding::new(Outcome::Inconclusive, reason.bounded()),
    }
}

/// Asks a progression; parameters it cannot read hold the rollout.
#[must_use]
pub fn next<P: Progression>(situation: &Situation) -> Move {
    log_panics();
    match read(&situation.parameters) {
        Ok(parameters) => P::next(situation, &parameters).bounded(),
        Err(reason) => Move { next: NextStep::Hold, reason: reason.bounded() },
    }
}

/// A panic is a bare `unreachable` to the host: its message and place are only in the log.
fn log_panics() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| log::error(&panic.to_string())));
    #[cfg(not(target_family = "wasm"))]
    let _ = log::error;
}
