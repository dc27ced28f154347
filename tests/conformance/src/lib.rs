//! The simulation's cluster side by side with the real one: what people, CI and Aviary may do is asked of both in the same
//! requests, pods have the same fates, and what each says and comes to rest at is compared.
//!
//! A sequence of acts that tells them apart is made as short as it gets. Then it is the model that changes.

mod act;
mod call;
mod change;
mod compare;
mod image;
mod kubelet;
mod model;
mod play;
mod real;
mod report;
mod rest;
mod sequence;

pub use act::{Act, Lease, Manifest, Record};
pub use call::{Answer, Call};
pub use change::{Amount, Change, Fault};
pub use compare::Difference;
pub use image::Image;
pub use model::{Model, Pace};
pub use play::{Played, Side, play};
pub use real::Real;
pub use report::{Outcome, Report, Run, run};
pub use sequence::{Sequence, Step, sequences};
