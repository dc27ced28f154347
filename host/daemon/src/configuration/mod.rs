//! The configuration file: read strictly, validated as a whole, and every fault said with its place and the way out.

mod changes;
pub mod document;
mod entry;
mod fault;
pub mod fields;
mod glob;
mod layers;
mod lease;
mod metrics;
pub mod names;
mod prometheus;
mod raw;
mod schema;
mod selector;
mod services;
mod setting;
mod settings;
#[cfg(test)]
mod tests;
pub mod units;
pub mod values;
mod which;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aviary_metrics::PrometheusSettings;
use fields::FromNode as _;

pub use entry::{Entry, Which};
pub use fault::{Fault, Faults, Place};
pub use layers::{InForce, Layer, Policy, Source};
pub use lease::LeaseChoice;
pub use schema::{Definitions, schema, schema_of};
pub use selector::labels;
pub use setting::Setting;

/// The most bytes that a file may have.
const LARGEST: usize = 1024 * 1024;

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
    /// The Lease that daemons compete for.
    pub lease: LeaseChoice,
    /// `services:` in the order of the file, at least one; no two are about the same name.
    pub entries: Vec<Entry>,
}

impl Configuration {
    /// Reads and validates a file; relative paths in it start at its folder.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn load(file: &Path) -> Result<Self, Faults> {
        Self::parse(&text_of(file)?, file)
    }

    /// Validates the text of a file; `file` names it in faults and is the start of relative paths.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Faults> {
        let mut faults = Faults::new(file);
        let configuration = document::read(text, &mut faults)
            .and_then(|node| raw::File::from_node(&node, &mut faults))
            .map(|raw| services::configuration(raw, file, &mut faults));
        match configuration {
            Some(configuration) if faults.is_empty() => Ok(configuration),
            _ => Err(faults),
        }
    }

    /// Every namespace with services, sorted, each once.
    pub fn namespaces(&self) -> Vec<String> {
        let namespaces: BTreeSet<&String> = self.entries.iter().map(|entry| &entry.namespace).collect();
        namespaces.into_iter().cloned().collect()
    }

    /// Namespace and name of every service that is configured by name, whether its Deployment is there or not.
    pub fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|entry| Some((entry.namespace.as_str(), entry.name()?)))
    }

    /// What holds for a Deployment, if Aviary is to care for it: an entry by name goes before patterns, and among those the
    /// first of the file. Whether the Deployment is one of Aviary's own copies is not looked at.
    pub fn service(&self, namespace: &str, name: &str, labels: &BTreeMap<String, String>) -> Option<&Entry> {
        self.matching(namespace, name, labels).next()
    }

    /// The namespaces in which something is about a Deployment of that name, sorted; of one only if it is `within`.
    pub fn namespaces_with<'a>(
        &'a self,
        within: Option<&str>,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Vec<&'a str> {
        let namespaces: BTreeSet<&str> = self.entries.iter().map(|entry| entry.namespace.as_str()).collect();
        let mut namespaces: Vec<&str> = namespaces.into_iter().collect();
        namespaces.retain(|namespace| within.is_none_or(|within| within == *namespace));
        namespaces.retain(|namespace| self.service(namespace, name, labels).is_some());
        namespaces
    }

    /// All entries that are about a Deployment; the first of them holds.
    pub fn matching(
        &self,
        namespace: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> impl Iterator<Item = &Entry> {
        let mut matching: Vec<&Entry> =
            self.entries.iter().filter(|entry| entry.matches(namespace, name, labels)).collect();
        matching.sort_by_key(|entry| entry.name().is_none());
        matching.into_iter()
    }
}

/// The text of a configuration file.
///
/// # Errors
/// As [`read`].
pub fn text_of(file: &Path) -> Result<String, Faults> {
    read(file, "put what many services share into groups and patterns")
}

/// The text of a file; `smaller` says how one that is too large can be made smaller.
///
/// # Errors
/// It cannot be read, is too large, or is no text.
pub fn read(file: &Path, smaller: &str) -> Result<String, Faults> {
    let bytes = start(file)
        .map_err(|error| Faults::of_file(file, format!("cannot be read ({error}): name a readable file")))?;
    if bytes.len() > LARGEST {
        return Err(Faults::of_file(file, format!("is larger than 1 MiB: {smaller}")));
    }
    String::from_utf8(bytes)
        .map_err(|error| Faults::of_file(file, format!("is not a text ({error}): write it in UTF-8")))
}

/// The start of a file, enough to see that it is too large.
fn start(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
