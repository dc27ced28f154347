//! The configuration that a scenario's daemon is started with.

use serde_json::{Value, json};

use crate::ground::ground;

/// A configuration with one service, `foo`, unless it says otherwise. All times are short.
#[derive(Clone, Debug)]
pub struct Configuration {
    prometheus: String,
    defaults: Value,
    which: Value,
    lease: Value,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            prometheus: ground().prometheus_url(),
            defaults: defaults(),
            which: json!({ "name": "foo" }),
            lease: json!({}),
        }
    }
}

impl Configuration {
    /// With another value of a field of `defaults`.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.defaults[field] = value.into();
        self
    }

    /// With an entry about other Deployments.
    #[must_use]
    pub fn which(mut self, which: Value) -> Self {
        self.which = which;
        self
    }

    /// With a lease that lasts as long without a renewal.
    #[must_use]
    pub fn lease(mut self, duration: &str) -> Self {
        self.lease = json!({ "duration": duration });
        self
    }

    /// That asks another Prometheus.
    #[must_use]
    pub fn prometheus(mut self, url: String) -> Self {
        self.prometheus = url;
        self
    }

    /// As a file; JSON is YAML.
    #[must_use]
    pub fn text(&self, namespace: &str) -> String {
        self.text_of(&[namespace])
    }

    /// As [`Configuration::text`], with the same entry for each of several namespaces.
    #[must_use]
    pub fn text_of(&self, namespaces: &[&str]) -> String {
        let service = |namespace: &&str| {
            let mut service = self.which.clone();
            service["namespace"] = (*namespace).into();
            service
        };
        json!({
            "prometheus": { "url": self.prometheus, "timeout": "2s" },
            "lease": self.lease,
            "defaults": self.defaults,
            "services": namespaces.iter().map(service).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// Of 5 pods the canary gets 1, then 2, and is promoted there; 2 pods are the surge.
fn defaults() -> Value {
    // A healthy worker has an error every ten seconds, seen in samples of a second; a bad one has ten a second.
    let errors = json!({ "name": "errors", "series": "worker_errors_total{namespace=\"{namespace}\",pod=~\"{pods}\"}",
        "kind": "counter", "unit": "errors/s", "better": "lower", "max": 3, "window": "5s" });
    json!({
        "step": "20%", "break-point": "40%", "surge": "25%", "warm-up": "2s", "check-interval": "1s", "passes": 2,
        "tolerated-failures": 0, "ready-deadline": "30s", "metrics": [errors],
    })
}
