//! Prometheus to typed samples: one query per metric, bounded in time and size, and never an error that looks like a verdict.

mod answer;
mod client;
mod fetch;
mod question;
mod settings;
mod template;

pub use client::{SetupFault, validate_address};
pub use fetch::{Asked, Prometheus, QueryObserver, QueryResult, StandIn, unasked};
pub use question::{LONGEST_RANGE, MetricFault, SHORTEST_WINDOW, Scope, validate_metric};
pub use settings::{ClientCertificate, Credentials, PrometheusSettings, Secret, TlsSettings};
pub use template::{TemplateFault, placeholder_after};
