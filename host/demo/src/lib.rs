//! The demo: Aviary adopts a plain Deployment and is given one release after the other, while a person watches. What is
//! played and how it is shown is here; what it is played on is a [`Stage`]: the world in a box of [`model`], or a real cluster.

mod board;
mod daemon;
mod interrupt;
pub mod model;
mod outsider;
mod performance;
mod play;
mod screen;
mod stage;
mod status;
mod summary;
mod text;
mod told;

pub use aviary_core::record::Ending;
pub use daemon::Daemon;
pub use performance::perform;
pub use stage::{Act, CONTAINER, NAMESPACE, REPLICAS, SERVICE, Script, Stage, manifest};
