//! `lease:` validated.

use std::{fmt, time::Duration};

use aviary_core::time::humane;

use super::{
    fault::Faults,
    names::{LONGEST_NAME, LONGEST_NAMESPACE, check_name},
    raw::Lease,
};

/// The name of the Lease.
const NAME: &str = "aviary";
/// How long it lasts without a renewal.
const DURATION: Duration = Duration::from_secs(15);

/// The Lease that daemons compete for; one acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseChoice {
    /// Where it is; left out, where this process is at home: the namespace of its pod, or of the kubeconfig's context.
    pub namespace: Option<String>,
    /// What it is called.
    pub name: String,
    /// How long it lasts without a renewal, in whole seconds.
    pub duration: Duration,
}

impl Default for LeaseChoice {
    fn default() -> Self {
        Self { namespace: None, name: NAME.to_owned(), duration: DURATION }
    }
}

impl fmt::Display for LeaseChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        write!(f, "{namespace}{} of {}", self.name, humane(self.duration))
    }
}

/// Validates the section.
pub fn choice(raw: Lease, faults: &mut Faults) -> Option<LeaseChoice> {
    if let Some(namespace) = &raw.namespace {
        check_name(namespace, LONGEST_NAMESPACE, false, faults);
    }
    if let Some(name) = &raw.name {
        check_name(name, LONGEST_NAME, true, faults);
    }
    let duration = raw.duration.map_or(Some(DURATION), |duration| {
        let whole = duration.value.subsec_nanos() == 0;
        let accepted = whole && (Duration::from_secs(5)..=Duration::from_secs(300)).contains(&duration.value);
        duration.accept(accepted, faults, "cannot be: choose whole seconds from 5s to 5m")
    });
    Some(LeaseChoice {
        namespace: raw.namespace.map(|namespace| namespace.value),
        name: raw.name.map_or_else(|| NAME.to_owned(), |name| name.value),
        duration: duration?,
    })
}
