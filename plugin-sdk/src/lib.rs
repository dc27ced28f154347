//! Write an Aviary policy in Rust.
//!
//! A policy is a pure function: all it knows is in the call, so the same input gives the same answer, and any decision
//! can be asked again. It is a type with one of three traits, a struct of parameters and an export macro:
//!
//! | question | trait | macro |
//! |---|---|---|
//! | what is this change? | [`Classifier`] | [`export_classifier!`] |
//! | what does this check say? | [`Analyzer`] | [`export_analyzer!`] |
//! | what now? | [`Progression`] | [`export_progression!`] |
//!
//! Name, version and summary (its `description`) are those of the crate, which is a `["cdylib", "rlib"]` with this one
//! dependency. It is built for `wasm32-unknown-unknown` and tested natively. A whole policy with its test:
//!
//! ```
//! use aviary_policy_sdk::{Analyzer, Finding, Observation, Span, Track, parameters};
//!
//! parameters! {
//!     /// How far consumers may be behind.
//!     pub struct Settings {
//!         /// The largest lag that passes, in messages.
//!         pub largest_lag: f64 = 100.0,
//!     }
//! }
//!
//! pub struct Lag;
//!
//! aviary_policy_sdk::export_analyzer!(Lag);
//!
//! impl Analyzer for Lag {
//!     type Parameters = Settings;
//!
//!     fn analyze(observation: &Observation, settings: &Settings) -> Finding {
//!         if let Some(reason) = observation.too_early() {
//!             return Finding::inconclusive(reason);
//!         }
//!         let Some(metric) = observation.metric("lag") else {
//!             return Finding::inconclusive("no metric `lag` is configured");
//!         };
//!         let last_minute = Span::before(observation.progress.now, 60_000);
//!         let findings = observation.pods_of(Track::Canary).map(|pod| {
//!             // A pod has a series for each of its partitions.
//!             let latest = metric.of_pod(&pod.name).filter_map(|series| series.latest(last_minute));
//!             let lags: Vec<f64> = latest.map(|(_, lag)| lag).collect();
//!             match lags.iter().find(|lag| **lag > settings.largest_lag) {
//!                 Some(lag) => Finding::fail(format!("{} lags by {lag} messages", pod.name)),
//!                 None if lags.is_empty() || lags.iter().any(|lag| lag.is_nan()) => {
//!                     Finding::inconclusive(format!("{} shows no lag", pod.name))
//!                 }
//!                 None => Finding::pass("no pod lags"),
//!             }
//!         });
//!         Finding::worst(findings).unwrap_or_else(|| Finding::inconclusive("there is no canary pod"))
//!     }
//! }
//!
//! # fn main() {
//! // #[test] fn a_pod_that_lags_fails() {
//! use aviary_policy_sdk::{Outcome, testing::{MetricBuilder, ObservationBuilder}};
//!
//! let lag = MetricBuilder::gauge("lag").values("a", [20.0, 140.0]);
//! let observation = ObservationBuilder::new().pod("a", Track::Canary).metric(lag).build();
//! let finding = Lag::analyze(&observation, &Settings::default());
//! assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Fail, "a lags by 140 messages"));
//! # }
//! ```

// The macros name this crate, in its own tests too.
extern crate self as aviary_policy_sdk;

mod answers;
#[doc(hidden)]
pub mod bindings;
mod bounds;
#[doc(hidden)]
pub mod export;
pub mod log;
pub mod parameters;
mod policy;
mod samples;
pub mod testing;

pub use answers::REMEMBERED;
pub use bindings::shared::aviary::policy::types::{
    AnalyzerFinding, Attribute, Better, Change, Check, Classification, Difference, Duration, Finding, ImageDifference,
    Info, Json, KindOfChange, Label, Metric, MetricFinding, MetricKind, MetricStatus, Move, NextStep, Observation,
    Outcome, Pod, Progress, Restart, Scaling, Series, Service, Situation, Timestamp, Track, TrackSize,
};
pub use parameters::{NoParameters, Parameters};
pub use policy::{Analyzer, Classifier, Progression};
pub use samples::{LOOKBACK, Rate, Span, humane, rates, sum_of_rates};
