//! Calls to the API server, and the watches.

use std::time::Duration;

use aviary_cluster::{Call, CallObserver, Kind};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Durations, Telemetry, quick, seconds};
use crate::clock::Clock;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    resource: &'static str,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    verb: &'static str,
    resource: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    namespace: String,
    resource: &'static str,
}

/// Calls to the API server, and the watches.
#[derive(Debug)]
pub struct Api {
    clock: Clock,
    requests: Family<RequestLabels, Counter>,
    durations: Durations<DurationLabels>,
    opened: Family<WatchLabels, Gauge>,
    failures: Family<WatchLabels, Counter>,
}

impl Api {
    pub(super) fn register(registry: &mut Registry, clock: Clock) -> Self {
        let api = Self {
            clock,
            requests: Family::default(),
            durations: Family::new_with_constructor(quick),
            opened: Family::default(),
            failures: Family::default(),
        };
        registry.register(
            "api_requests",
            "Calls to the API server by status code, `none` where no answer came; a watch counts each time it is opened",
            api.requests.clone(),
        );
        registry.register(
            "api_request_duration_seconds",
            "Time to the head of the API server's answer, watches apart",
            api.durations.clone(),
        );
        registry.register(
            "watch_opened_timestamp_seconds",
            "When a watch was last opened; one that works is opened anew after 45 s at the latest",
            api.opened.clone(),
        );
        registry.register("watch_failures", "Watches that broke off or could not be opened", api.failures.clone());
        api
    }

    /// The watches of a namespace are about to begin.
    pub fn watching(&self, namespace: &str) {
        for kind in Kind::ALL {
            drop(
                self.failures.get_or_create(&WatchLabels { namespace: namespace.to_owned(), resource: kind.plural() }),
            );
            // One that cannot even be opened grows stale from here.
            self.opened(namespace, kind.plural());
        }
    }

    /// The watches of a namespace have ended.
    pub fn forget(&self, namespace: &str) {
        for kind in Kind::ALL {
            let labels = WatchLabels { namespace: namespace.to_owned(), resource: kind.plural() };
            self.opened.remove(&labels);
            self.failures.remove(&labels);
        }
    }

    /// A watch does not work.
    pub fn watch_failed(&self, kind: Kind, namespace: &str) {
        self.failures.get_or_create(&WatchLabels { namespace: namespace.to_owned(), resource: kind.plural() }).inc();
    }

    fn opened(&self, namespace: &str, resource: &'static str) {
        let labels = WatchLabels { namespace: namespace.to_owned(), resource };
        self.opened.get_or_create(&labels).set(self.clock.now().0.div_euclid(1000));
    }
}

impl CallObserver for Telemetry {
    fn called(&self, call: &Call, status: Option<u16>, took: Duration) {
        let (verb, resource) = (call.verb, call.resource);
        let code = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.api.requests.get_or_create(&RequestLabels { verb, resource, code }).inc();
        if verb != "watch" {
            self.api.durations.get_or_create(&DurationLabels { verb, resource }).observe(seconds(took));
        } else if status == Some(200)
            && let Some(namespace) = &call.namespace
        {
            self.api.opened(namespace, resource);
        }
    }
}
