//! The configuration file: read strictly, validated as a whole, and every fault said with its place and the way out.

mod document;
mod fault;
mod fields;
mod metrics;
mod prometheus;
mod raw;
mod services;
mod settings;
#[cfg(test)]
mod tests;
mod units;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aviary_core::settings::Settings;
use aviary_metrics::PrometheusSettings;

pub use fault::{Fault, Faults, Place};

/// Everything the configuration file says, validated but for the policies, which have a say of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Where metrics come from; present if any service has metrics.
    pub prometheus: Option<PrometheusSettings>,
    /// Where policies are dropped.
    pub policies_folder: Option<PathBuf>,
    /// Where health is served over HTTP.
    pub listen: Option<SocketAddr>,
    /// Where the control socket is.
    pub socket: Option<PathBuf>,
    /// At least one, each with a namespace and name of its own.
    pub services: Vec<ServiceConfiguration>,
}

/// One service by name.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceConfiguration {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// The name of its Deployment.
    pub name: String,
    /// What holds for it: its own settings, else the file's defaults, else Aviary's.
    pub settings: Settings,
    /// Where in the file those stand that only a policy can judge.
    pub places: Places,
}

/// Where in the file a service's policies and metrics stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The service itself.
    pub service: Source,
    /// `settings.classifier`.
    pub classifier: Source,
    /// One for each of `settings.analyzers`.
    pub analyzers: Vec<Source>,
    /// `settings.progression`.
    pub progression: Source,
    /// One for each of `settings.metrics`.
    pub metrics: Vec<Source>,
}

/// A part of the file: where it is and which field it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where its value begins; that of the service for Aviary's own defaults.
    pub place: Place,
    /// Such as `services[0].analyzers[1]`.
    pub path: String,
}

impl Source {
    /// A fault found here later, in the words of the others.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { place: Some(self.place), path: self.path.clone(), message: message.into() }
    }
}

impl Configuration {
    /// Reads and validates a file; relative paths in it start at its folder.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn load(file: &Path) -> Result<Self, Faults> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text, file),
            Err(error) => Err(Faults::of_file(file, format!("cannot be read ({error}): name a readable file"))),
        }
    }

    /// Validates the text of a file; `file` names it in faults and is the start of relative paths.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Faults> {
        let mut faults = Faults::new(file);
        let configuration = document::read(text, &mut faults)
            .and_then(|node| raw::File::read(&node, &mut faults))
            .map(|raw| services::configuration(raw, file, &mut faults));
        match configuration {
            Some(configuration) if faults.is_empty() => Ok(configuration),
            _ => Err(faults),
        }
    }
}
