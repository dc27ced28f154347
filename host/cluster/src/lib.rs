//! The Kubernetes side: watches and the view of a service (`input`, `reduce`, `index`, all pure), and calls to the API
//! server (`client`, `calls`, `watches`, `preflight`, `perform`, `records`, `events`). Nothing here decides anything.

mod calls;
mod client;
mod error;
mod events;
mod index;
mod input;
mod lease;
mod perform;
mod preflight;
mod records;
mod reduce;
mod watches;

pub use calls::{Call, CallObserver};
pub use client::{CALL_LIMIT, ConnectError, connect, connect_to, connect_with};
pub use error::WriteError;
pub use events::{Announcement, publish};
pub use index::{Expectation, Index};
pub use input::{ClusterInput, DeploymentObject, Kind, Object, RecordObject, ServiceKey, version_number};
pub use kube::Client;
pub use lease::{Competition, LeaseSettings, LeaseStanding, LeaseState, Tenure, compete};
pub use perform::{Written, perform, read_back};
pub use preflight::missing_permissions;
pub use records::{delete_record, read_record, save_record};
pub use watches::watch_namespace;
