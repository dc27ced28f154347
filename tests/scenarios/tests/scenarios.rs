//! What a user lives through: the scenarios on a real API server with real pods and a real Prometheus.
//!
//! Each has a namespace and a daemon of its own on one cluster. Run them with `--test-threads=4`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod scenarios {
    mod adoption;
    mod applying;
    mod changes;
    mod crashes;
    mod discovery;
    mod imported;
    mod leases;
    mod middle;
    mod numbers;
    mod operators;
    mod policies;
    mod prometheus;
    mod refusals;
    mod releases;
    mod reloads;
    mod shipped;
}
