//! A real cluster on loopback: etcd, API server and controller manager (from
//! `tests/control-plane`), and on wish the node agent and a Prometheus, each a
//! process of its own that a test can stop, freeze or kill.
//!
//! Nothing outlives a [`LocalCluster`]: not its processes and not its files,
//! whether it is dropped or its owner is killed.

mod access;
mod cluster;
mod commands;
mod files;
mod options;
mod ports;
mod processes;
mod programs;
mod signals;
mod spawner;
mod stamp;
mod wait;

pub use access::{Output, kubeconfig_in, kubectl};
pub use cluster::LocalCluster;
pub use options::{Identity, NodeAgent, Options, Process, Prometheus};
pub use ports::free_port;
pub use programs::{cache_directory, control_plane};
pub use signals::stop_signals;
pub use stamp::Stamp;
