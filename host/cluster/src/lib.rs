//! The Kubernetes side: watches and the view of a service (`input`, `reduce`, `index`, `barrier`, all pure), and calls to
//! the API server (`client`, `watches`, `perform`, `records`, `events`, `preflight`).

pub mod barrier;
pub mod client;
pub mod events;
pub mod index;
pub mod input;
pub mod perform;
pub mod preflight;
pub mod records;
pub mod reduce;
pub mod watches;
