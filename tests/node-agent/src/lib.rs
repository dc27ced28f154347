//! Pods as processes: what a kubelet and a container runtime do, for tests on a machine that has neither.
//!
//! `pod` is the state machine and `status` what the API shows of it; both are pure. `agent` is the one task that owns
//! all pods, `cluster` the API, `process` the processes, `discovery` what Prometheus is told.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod address;
pub mod agent;
pub mod arguments;
mod backoff;
mod cluster;
mod container;
mod discovery;
mod environment;
mod exposition;
pub mod guard;
pub mod images;
mod pod;
mod probe;
mod process;
pub mod run;
mod status;
pub mod worker;
