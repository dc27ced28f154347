//! The daemon's own numbers, at `/metrics`. They are listed in `config/metrics.md`, which a test holds against what is
//! registered here.
//!
//! Labels are bounded: namespaces and policies are those of the configuration, all else are fixed words. Series of a
//! single service exist while it has a rollout, and no longer. Whatever an alert counts is there from the beginning, at
//! 0: Prometheus sees no increase in a series that begins with 1.

mod api;
mod judging;
mod own;
mod process;
mod services;
#[cfg(test)]
mod tests;
mod tracked;

use std::{sync::Arc, time::Duration};

use aviary_cluster::ServiceKey;
use aviary_core::{settings::Settings, time::Timestamp};
use prometheus_client::{
    encoding::{prometheus_text, text},
    metrics::{family::Family, histogram::Histogram},
    registry::Registry,
};

use crate::clock::Clock;

use self::{api::Api, judging::Judging, own::Own, services::Services};

pub use tracked::Tracked;

/// The content type of OpenMetrics text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A histogram for each set of labels.
type Durations<S> = Family<S, Histogram, fn() -> Histogram>;

/// All numbers of the daemon; whoever causes one tells it here.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    /// What happens to services.
    pub services: Services,
    /// Checks, and whom they ask.
    pub judging: Judging,
    /// Calls to the API server, and watches.
    pub api: Api,
    /// The daemon itself.
    pub own: Own,
}

impl Telemetry {
    /// Nothing counted yet, of a daemon that started at `started`.
    pub fn new(started: Timestamp, clock: Clock) -> Arc<Self> {
        let mut registry = Registry::default();
        process::register(&mut registry, started);
        let aviary = registry.sub_registry_with_prefix("aviary");
        let (services, judging) = (Services::register(aviary), Judging::register(aviary));
        let (api, own) = (Api::register(aviary, clock), Own::register(aviary));
        Arc::new(Self { registry, services, judging, api, own })
    }

    /// A service that is cared for from now on, with `settings`, until what this gives is dropped.
    pub fn track(self: &Arc<Self>, key: &ServiceKey, settings: &Settings) -> Tracked {
        self.services.expect(&key.namespace);
        self.judging.expect(settings);
        Tracked::new(Arc::clone(self), key)
    }

    /// All numbers as text, and its content type: what `accept`, a header of HTTP, says it wants.
    pub fn exposition(&self, accept: &str) -> (&'static str, String) {
        let mut page = String::new();
        let (kind, written) = if accept.contains("application/openmetrics-text") {
            (OPEN_METRICS, text::encode(&mut page, &self.registry))
        } else {
            (prometheus_text::CONTENT_TYPE, prometheus_text::encode(&mut page, &self.registry))
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the metrics cannot be written");
        }
        (kind, page)
    }
}

/// Seconds of what is over in one.
fn quick() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
