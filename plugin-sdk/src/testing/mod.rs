//! Builders of what the host would ask, so that a native test is a few lines.
//!
//! All start from a rollout in order: 5 replicas, the first step complete, its warm-up over, at the time [`NOW`].

mod change;
mod metric;
mod observation;
mod situation;

pub use change::ChangeBuilder;
pub use metric::MetricBuilder;
pub use observation::ObservationBuilder;
pub use situation::SituationBuilder;

use crate::{Progress, Service, Timestamp, TrackSize};

/// The time of every built observation: milliseconds since the epoch.
pub const NOW: Timestamp = 1_800_000_000_000;

/// Milliseconds between two samples of a built series.
pub const SCRAPE_INTERVAL: i64 = 15_000;

pub(crate) const MINUTE: i64 = 60_000;

pub(crate) fn service() -> Service {
    Service { namespace: "default".to_owned(), name: "foo".to_owned(), labels: Vec::new(), attributes: Vec::new() }
}

/// A step of 1 pod towards 2 of 5, complete for 10 minutes.
pub(crate) fn progress() -> Progress {
    Progress {
        rollout_id: "rollout-1".to_owned(),
        now: NOW,
        started: NOW - 12 * MINUTE,
        step_index: 1,
        step_started: NOW - 11 * MINUTE,
        step_complete: Some(NOW - 10 * MINUTE),
        replicas: 5,
        canary: TrackSize { wanted: 1, ready: 1 },
        primary: TrackSize { wanted: 4, ready: 4 },
        break_point: 2,
        step: 1,
        warm_up: 60_000,
        warm_up_over: true,
        check_interval: 60_000,
        checks_in_step: 0,
        checks_in_all: 0,
    }
}
