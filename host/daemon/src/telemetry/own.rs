//! The daemon itself.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

const APPLIED: &str = "applied";
const REFUSED: &str = "refused";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The daemon itself.
#[derive(Debug)]
pub struct Own {
    ready: Gauge,
    reloads: Family<OutcomeLabels, Counter>,
    refused: Gauge,
    lease_held: Gauge,
}

impl Own {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (ready, refused, lease_held) = Default::default();
        let own = Self { ready, reloads: Family::default(), refused, lease_held };
        for outcome in [APPLIED, REFUSED] {
            drop(own.reloads.get_or_create(&OutcomeLabels { outcome }));
        }
        let build: Family<BuildLabels, Gauge> = Family::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Always 1; the version is its label", build);
        registry.register(
            "ready",
            "1 when every watch works and no right is missing, as /readyz says",
            own.ready.clone(),
        );
        registry.register(
            "lease_held",
            "1 while this daemon holds the lease and acts; over all daemons the sum is 1",
            own.lease_held.clone(),
        );
        registry.register(
            "configuration_reloads",
            "Changes of the configuration file since the start: applied or refused",
            own.reloads.clone(),
        );
        registry.register(
            "configuration_refused",
            "1 while the configuration file is refused and the one before stays in force",
            own.refused.clone(),
        );
        own
    }

    /// The configuration file has changed: it is in force now, or refused.
    pub fn configuration_read(&self, in_force: bool) {
        let outcome = if in_force { APPLIED } else { REFUSED };
        self.reloads.get_or_create(&OutcomeLabels { outcome }).inc();
        self.refused.set((!in_force).into());
    }

    /// Whether the daemon holds the lease.
    pub fn holds_lease(&self, held: bool) {
        self.lease_held.set(held.into());
    }

    /// Whether the daemon is ready.
    pub fn ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }
}
