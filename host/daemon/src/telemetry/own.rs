//! The daemon itself.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// The daemon itself.
#[derive(Debug)]
pub struct Own {
    ready: Gauge,
}

impl Own {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let own = Self { ready: Gauge::default() };
        let build: Family<BuildLabels, Gauge> = Family::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Always 1; the version is its label", build);
        registry.register(
            "ready",
            "1 when every watch works and no right is missing, as /readyz says",
            own.ready.clone(),
        );
        own
    }

    /// Whether the daemon is ready.
    pub fn ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }
}
