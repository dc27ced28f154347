//! x
#[doc(hidden)]
pub mod bindings;

mod answers;
#[doc(hidden)]
pub mod export;
pub mod log;
pub mod parameters;
mod policy;
mod samples;

pub use bindings::shared::aviary::policy::types::{
    AnalyzerFinding, Attribute, Better, Change, Check, Classification, Difference, Duration, Finding, ImageDifference,
    Info, Json, KindOfChange, Label, Metric, MetricFinding, MetricKind, MetricStatus, Move, NextStep, Observation,
    Outcome, Pod, Progress, Restart, Scaling, Series, Service, Situation, Timestamp, Track, TrackSize,
};
pub use parameters::{NoParameters, Parameters};
pub use policy::{Analyzer, Classifier, Progression};
pub use samples::{Rate, Span, sum_of_rates};

// The macros name this crate, in its own tests too.
extern crate self as aviary_policy_sdk;
