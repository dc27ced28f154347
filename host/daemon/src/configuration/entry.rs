//! One of `services:`: which Deployments it is about, and what holds for them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use aviary_core::settings::Settings;
use kube::core::{Selector, SelectorExt as _};

use super::{
    glob::Glob,
    layers::{InForce, Source},
};

/// One of `services:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The Kubernetes namespace.
    pub namespace: String,
    /// Which Deployments of it.
    pub which: Which,
    /// Where the entry stands.
    pub source: Source,
    /// What holds for all of them.
    pub settings: Arc<Settings>,
    /// The same, each with the place it comes from.
    pub in_force: Arc<InForce>,
}

/// Which Deployments of a namespace an entry is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// The one of this name.
    Named(String),
    /// All that match.
    Matching(Pattern),
}

/// What Deployments must be like; all of it must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What their name must match.
    pub names: Option<Glob>,
    /// What their labels must match.
    pub selector: Option<Selector>,
    /// What their name must not match.
    pub except: Vec<Glob>,
}

impl Entry {
    /// Whether it is about this Deployment; another entry may go before it.
    pub fn matches(&self, namespace: &str, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.namespace == namespace
            && match &self.which {
                Which::Named(named) => named == name,
                Which::Matching(pattern) => pattern.matches(name, labels),
            }
    }

    /// Whether labels count.
    pub const fn has_selector(&self) -> bool {
        matches!(&self.which, Which::Matching(Pattern { selector: Some(_), .. }))
    }

    /// The name of the one Deployment that it is about, unless it is about all that match.
    pub fn name(&self) -> Option<&str> {
        match &self.which {
            Which::Named(name) => Some(name),
            Which::Matching(_) => None,
        }
    }
}

impl Pattern {
    fn matches(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.names.as_ref().is_none_or(|glob| glob.matches(name))
            && self.selector.as_ref().is_none_or(|selector| selector.matches(labels))
            && !self.except.iter().any(|glob| glob.matches(name))
    }

    /// Whether everything that `other` matches is plainly matched by this one too: equal parts, or none.
    pub fn covers(&self, other: &Self) -> bool {
        let everything = |glob: &Glob| glob.text() == "*";
        self.names.as_ref().is_none_or(|glob| everything(glob) || Some(glob) == other.names.as_ref())
            && (self.selector.is_none() || self.selector == other.selector)
            && self.except.iter().all(|glob| other.except.contains(glob))
    }
}

impl fmt::Display for Entry {
    /// Such as `shop/payments`, `shop/worker-*` or `ingest/* (team=ingest)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.which)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Matching(Pattern { names, selector, except }) => {
                f.write_str(names.as_ref().map_or("*", Glob::text))?;
                if let Some(selector) = selector {
                    write!(f, " ({selector})")?;
                }
                let except: Vec<&str> = except.iter().map(Glob::text).collect();
                if except.is_empty() { Ok(()) } else { write!(f, " except {}", except.join(", ")) }
            }
        }
    }
}
