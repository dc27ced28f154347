//! What the scenarios are told with: a world with a daemon of its own, people who apply manifests, and an outsider who
//! watches the API all along.
//!
//! One cluster serves all scenarios of a test binary; each has a namespace, a daemon and a folder of its own. They run
//! beside each other, which two cores bear with `--test-threads=4`. Before them `aviary`, `node-agent`, `worker` and the
//! default policies are built: `plugins/build` and `cargo build -p aviary -p node-agent`.

#![allow(clippy::unwrap_used, reason = "all of it is a test's, which may panic")]
#![allow(clippy::expect_used, reason = "all of it is a test's, which may panic")]

mod cluster;
mod configuration;
mod daemon;
mod figures;
mod ground;
mod manifest;
mod model;
mod outsider;
mod place;
mod policies;
mod prometheus;
mod seen;
mod wait;
mod world;

pub use cluster::{cluster, target};
pub use configuration::Configuration;
pub use daemon::{Daemon, imported};
pub use figures::{figure, milliseconds};
pub use ground::{Ground, ground};
pub use local_cluster::Identity;
pub use manifest::Manifest;
pub use outsider::{Outsider, Told, What};
pub use place::Place;
pub use policies::{built_in, checked, guest, new_policy};
pub use prometheus::{Answering, Proxy};
pub use seen::{INSTANT, Moment, SeenDeployment, Size, Story};
pub use wait::{Patience, wait_until};
pub use world::World;
