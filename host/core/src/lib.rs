//! The pure core of Aviary: model, diff, replica arithmetic and plan. No async, clock, random number, Kubernetes or WASM.

pub mod answer;
pub mod command;
pub mod diff;
pub mod judge;
pub mod known;
pub mod lease;
pub mod plan;
pub mod record;
mod remembered;
pub mod replicas;
pub mod settings;
pub mod spec;
pub mod time;
pub mod view;
pub mod write;
