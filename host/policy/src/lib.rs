//! Loads, checks, limits, calls and swaps policies: WebAssembly components that answer one of three questions.
//!
//! A policy is a pure function: it has no clock, no disk and no network, and every call runs in a fresh instance within
//! [`Limits`]. What it answers is checked field by field; whatever goes wrong is a [`Trap`] in the [`Answer`], never more.

mod answer;
mod built_in;
mod component;
mod contract;
mod engine;
mod folder;
mod hear;
mod inspect;
mod limits;
mod notice;
mod policy;
mod registry;
mod sandbox;
mod scan;
mod tell;
mod text;
mod trial;
pub mod typical;
mod watch;

pub use answer::{Answer, Kind, LogLevel, LogLine, Spent, Trap};
pub use component::{CONTRACT, Form, Refusal};
pub use inspect::{Calls, Inspection, inspect};
pub use limits::Limits;
pub use notice::Notice;
pub use policy::About;
pub use registry::{Policies, PolicyError, PolicyInfo, Problem, SetupError, Source, Use};
pub use watch::{WatchError, Watcher, watch};
