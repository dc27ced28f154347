//! The three worlds of `wit/policy.wit` as Rust types; they share one set of records and one `log`.
//!
//! What the macro writes is no code of ours: lints of style and documentation do not apply to it.
#![allow(missing_docs, unreachable_pub, ambiguous_associated_items, clippy::all, clippy::pedantic)]

/// The world of policies that judge a check; its records serve the other two as well.
pub mod analyzer {
    wasmtime::component::bindgen!({ path: "../../wit", world: "analyzer" });
}

/// The world of policies that tell what a change is.
pub mod classifier {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "classifier",
        with: {
            "aviary:policy/types": crate::contract::types,
            "aviary:policy/log": crate::contract::log,
        },
    });
}

/// The world of policies that tell what happens next.
pub mod progression {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "progression",
        with: {
            "aviary:policy/types": crate::contract::types,
            "aviary:policy/log": crate::contract::log,
        },
    });
}

pub use analyzer::{
    Analyzer, AnalyzerPre,
    aviary::policy::{log, types},
};
pub use classifier::{Classifier, ClassifierPre};
pub use progression::{Progression, ProgressionPre};
