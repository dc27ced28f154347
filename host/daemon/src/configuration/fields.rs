//! Reading a mapping field by field: types, unknown names with the nearest known one, and faults in all of them at once.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use super::{
    document::{Key, Node, Value, join},
    fault::{Fault, Faults, Place},
};

/// How alike two names must be, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.6;
/// The most characters of a name that is compared with others.
const LONGEST_SUGGESTED: usize = 64;
/// How many names are compared with one.
const MOST_SUGGESTED: usize = 1000;

/// What can be read from a node; a fault is said and gives nothing.
pub trait FromNode: Sized {
    /// Reads it.
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<T> {
    /// Where its value begins.
    pub place: Place,
    /// Such as `defaults.step`.
    pub path: String,
    /// What it is.
    pub value: T,
}

impl<T> Placed<T> {
    /// Says that something is wrong with it.
    pub fn fault(&self, faults: &mut Faults, message: impl Into<String>) {
        faults.push(Fault { place: Some(self.place), path: self.path.clone(), message: message.into() });
    }

    /// Another value at the same place.
    pub fn map<U>(self, other: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { place: self.place, path: self.path, value: other(self.value) }
    }

    /// The value, if `accepted`; else the fault is said.
    pub fn accept(self, accepted: bool, faults: &mut Faults, message: &str) -> Option<T> {
        if !accepted {
            self.fault(faults, message);
        }
        accepted.then_some(self.value)
    }
}

impl<T: FromNode> FromNode for Placed<T> {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let value = T::from_node(node, faults)?;
        Some(Self { place: node.place, path: node.path.clone(), value })
    }
}

/// The fields of one mapping, taken one by one.
pub struct Fields<'a> {
    node: &'a Node,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
    faults_before: usize,
    faults: &'a mut Faults,
}

impl<'a> Fields<'a> {
    /// Starts to read a mapping; anything else is a fault.
    pub fn of(node: &'a Node, faults: &'a mut Faults) -> Option<Self> {
        let entries: &[(Key, Node)] = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            other => {
                node.fault(faults, format!("is {}, not a mapping: write its fields as name: value", other.word()));
                return None;
            }
        };
        Some(Self { node, entries, known: Vec::new(), faults_before: faults.len(), faults })
    }

    /// Whether a field is there and not empty.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, node)| key.name == name && node.value != Value::Null)
    }

    /// A field that may be absent or empty.
    pub fn optional<T: FromNode>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let (_, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        if node.value == Value::Null { None } else { T::from_node(node, self.faults) }
    }

    /// A field that must be there; `remedy` says what to write.
    pub fn required<T: FromNode>(&mut self, name: &'static str, remedy: &str) -> Option<T> {
        if !self.has(name) {
            let path = join(&self.node.path, name);
            self.faults.push(Fault { place: Some(self.node.place), path, message: format!("is missing: {remedy}") });
        }
        self.optional(name)
    }

    /// Ends the reading: every field that was not asked for is a fault. Says whether there was none at all.
    pub fn end(self) -> bool {
        for (key, node) in self.entries.iter().filter(|(key, _)| !self.known.contains(&key.name.as_str())) {
            let remedy = remedy(&key.name, &self.known);
            let message = format!("unknown field {:?}: {remedy}", key.name);
            self.faults.push(Fault { place: Some(key.place), path: node.path.clone(), message });
        }
        self.faults.len() == self.faults_before
    }
}

fn remedy(name: &str, known: &[&'static str]) -> String {
    match nearest(name, known) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("known here are {}", known.join(", ")),
    }
}

/// The known name that `name` is most probably meant to be.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > LONGEST_SUGGESTED {
        return None;
    }
    let name = name.replace('_', "-").to_lowercase();
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&name, known);
    let likeness = |candidate: &'a str| {
        let joined = strsim::normalized_damerau_levenshtein(&name, &candidate.replace('-', ""));
        (candidate, likeness(candidate).max(joined))
    };
    known
        .iter()
        .take(MOST_SUGGESTED)
        .map(|candidate| likeness(candidate))
        .filter(|(_, alike)| *alike >= ALIKE)
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(candidate, _)| candidate)
}

impl FromNode for String {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => {
                node.fault(faults, "is empty: write a text, or leave the field out");
                None
            }
            Value::Text(text) => Some(text.clone()),
            Value::Integer(_) | Value::Decimal(_) | Value::Boolean(_) => {
                node.fault(faults, format!("is {}, not a text: put it in quotes", node.value.word()));
                None
            }
            other => {
                node.fault(faults, format!("is {}, not a text", other.word()));
                None
            }
        }
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        if let Value::Boolean(value) = node.value {
            return Some(value);
        }
        node.fault(faults, format!("is {}, not a boolean: write true or false", node.value.word()));
        None
    }
}

impl FromNode for f64 {
    #[expect(clippy::cast_precision_loss, reason = "a limit beyond 2^53 is no worse for being rounded")]
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        match node.value {
            Value::Integer(value) => Some(value as Self),
            Value::Decimal(value) if value.is_finite() => Some(value),
            Value::Decimal(_) => {
                node.fault(faults, "is not a finite number: leave it out for no limit");
                None
            }
            _ => {
                node.fault(faults, format!("is {}, not a number: write one such as 0.5", node.value.word()));
                None
            }
        }
    }
}

impl FromNode for u32 {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let count = match node.value {
            Value::Integer(value) => Self::try_from(value).ok(),
            _ => None,
        };
        if count.is_none() {
            node.fault(faults, "is not a count: write a whole number such as 3");
        }
        count
    }
}

impl FromNode for PathBuf {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        String::from_node(node, faults).map(Self::from)
    }
}

impl FromNode for SocketAddr {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let text = String::from_node(node, faults)?;
        let address = text.parse().ok();
        if address.is_none() {
            node.fault(faults, format!("{text:?} is not an address with a port: write one such as 127.0.0.1:8080"));
        }
        address
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    /// Items that cannot be read are left out, their faults said.
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            node.fault(faults, format!("is {}, not a list: write each item after a dash", node.value.word()));
            return None;
        };
        Some(items.iter().filter_map(|item| T::from_node(item, faults)).collect())
    }
}

/// A mapping whose names are free, in the order of the file.
#[derive(Debug, Clone)]
pub struct Named<T>(pub Vec<(Placed<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromNode> FromNode for Named<T> {
    /// Values that cannot be read are left out, their faults said.
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            node.fault(faults, format!("is {}, not a mapping: write each as name: and its fields", node.value.word()));
            return None;
        };
        let named =
            |key: &Key, node: &Node| Placed { place: key.place, path: node.path.clone(), value: key.name.clone() };
        let read = entries.iter().filter_map(|(key, node)| Some((named(key, node), T::from_node(node, faults)?)));
        Some(Self(read.collect()))
    }
}

/// A policy's or metric's parameters: any mapping, as JSON, each with its place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters(pub BTreeMap<String, Placed<serde_json::Value>>);

impl Parameters {
    /// As a policy gets them.
    pub fn json(&self) -> serde_json::Value {
        self.0.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect()
    }
}

impl FromNode for Parameters {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            node.fault(faults, format!("is {}, not a mapping: write parameters as name: value", node.value.word()));
            return None;
        };
        let mut one = |key: &Key, node: &Node| {
            let value = json(node, faults);
            (key.name.clone(), Placed { place: key.place, path: node.path.clone(), value })
        };
        Some(Self(entries.iter().map(|(key, node)| one(key, node)).collect()))
    }
}

fn json(node: &Node, faults: &mut Faults) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Integer(_) | Value::Decimal(_) => number(node, faults),
        Value::Sequence(items) => items.iter().map(|item| json(item, faults)).collect(),
        Value::Mapping(entries) => entries.iter().map(|(key, value)| (key.name.clone(), json(value, faults))).collect(),
    }
}

fn number(node: &Node, faults: &mut Faults) -> serde_json::Value {
    let number = match node.value {
        Value::Integer(value) => serde_json::Number::from_i128(value),
        Value::Decimal(value) => serde_json::Number::from_f64(value),
        _ => None,
    };
    number.map_or_else(
        || {
            node.fault(faults, "is a number that JSON cannot hold: choose a finite one of at most 64 bits");
            serde_json::Value::Null
        },
        Into::into,
    )
}
