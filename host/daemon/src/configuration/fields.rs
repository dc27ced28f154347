//! Reading a mapping field by field: types, unknown names with the nearest known one, and faults in all of them at once.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    document::{Key, Node, Value as Content, join},
    fault::{Fault, Faults, Place},
    names::said,
    schema::{Definitions, Description},
};

/// How alike two names must be, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.6;
/// The most characters of a name that is compared with others.
const LONGEST_SUGGESTED: usize = 64;

/// What can be read from a node; a fault is said and gives nothing.
pub trait FromNode: Sized {
    /// Reads it.
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self>;

    /// What may stand there, as JSON Schema; everything that can be read fits it.
    fn schema(definitions: &mut Definitions) -> Value;
}

/// A mapping with fields of fixed names. What reads it describes it as well, so that the schema cannot have other fields.
pub trait Section: Sized {
    /// What the schema calls it.
    const NAME: &'static str;

    /// Takes its fields one by one.
    fn take(fields: &mut Fields<'_>) -> Self;

    /// What must hold between the fields, as keywords of JSON Schema.
    fn between() -> Value {
        json!({})
    }

    /// The last word on what was read; `sound` says whether there was no fault.
    fn judge(self, _node: &Node, _sound: bool, _faults: &mut Faults) -> Option<Self> {
        Some(self)
    }
}

impl<T: Section> FromNode for T {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let section = Self::take(&mut fields);
        let sound = fields.end();
        section.judge(node, sound, faults)
    }

    fn schema(definitions: &mut Definitions) -> Value {
        let (nothing, mut faults) = (Node::nothing(), Faults::new(Path::new("")));
        let mut description = Description::new(std::mem::take(definitions));
        if let Some(mut fields) = Fields::of(&nothing, &mut faults) {
            fields.description = Some(&mut description);
            Self::take(&mut fields);
        }
        let (all, section) = description.section(Self::between());
        *definitions = all;
        definitions.define(Self::NAME, section)
    }
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

    fn schema(definitions: &mut Definitions) -> Value {
        T::schema(definitions)
    }
}

/// The fields of one mapping, taken one by one.
pub struct Fields<'a> {
    node: &'a Node,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
    faults_before: usize,
    faults: &'a mut Faults,
    /// Present when the fields are described and not read.
    description: Option<&'a mut Description>,
}

impl<'a> Fields<'a> {
    /// Starts to read a mapping; anything else is a fault.
    pub fn of(node: &'a Node, faults: &'a mut Faults) -> Option<Self> {
        let entries: &[(Key, Node)] = match &node.value {
            Content::Mapping(entries) => entries,
            Content::Null => &[],
            other => {
                node.fault(faults, format!("is {}, not a mapping: write its fields as name: value", other.word()));
                return None;
            }
        };
        Some(Self { node, entries, known: Vec::new(), faults_before: faults.len(), faults, description: None })
    }

    /// A field that may be absent or empty; `help` says to a person what it is for.
    pub fn optional<T: FromNode>(&mut self, name: &'static str, help: &str) -> Option<T> {
        if let Some(description) = &mut self.description {
            description.optional::<T>(name, help);
        }
        self.value(name)
    }

    /// A field that must be there; `remedy` says what to write.
    pub fn required<T: FromNode>(&mut self, name: &'static str, help: &str, remedy: &str) -> Option<T> {
        if let Some(description) = &mut self.description {
            description.required::<T>(name, help);
        }
        if !self.node.has(name) {
            let path = join(&self.node.path, name);
            self.faults.push(Fault { place: Some(self.node.place), path, message: format!("is missing: {remedy}") });
        }
        self.value(name)
    }

    fn value<T: FromNode>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let (_, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        if node.value == Content::Null { None } else { T::from_node(node, self.faults) }
    }

    /// Ends the reading: every field that was not asked for is a fault. Says whether there was none at all.
    pub fn end(self) -> bool {
        for (key, node) in unasked(self.entries, &self.known) {
            let remedy = remedy(&key.name, &self.known);
            let message = format!("unknown field {}: {remedy}", said(&key.name));
            self.faults.push(Fault { place: Some(key.place), path: node.path.clone(), message });
        }
        self.faults.len() == self.faults_before
    }

    /// Ends the reading where names are free: the fields that were not asked for, each with the name it may be meant to be.
    pub fn rest(self) -> Vec<(Key, Node, Option<&'static str>)> {
        let owned = |(key, node): &(Key, Node)| (key.clone(), node.clone(), nearest(&key.name, &self.known));
        unasked(self.entries, &self.known).map(owned).collect()
    }
}

fn unasked<'a>(entries: &'a [(Key, Node)], known: &[&str]) -> impl Iterator<Item = &'a (Key, Node)> {
    entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str()))
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
        .map(|candidate| likeness(candidate))
        .filter(|(_, alike)| *alike >= ALIKE)
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(candidate, _)| candidate)
}
