//! What fields can hold: texts, numbers, lists, free mappings, and one of a few words.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde_json::{Value as Json, json};

use super::{
    document::{Key, Node, Value},
    fault::Faults,
    fields::{FromNode, Placed, nearest},
    names::said,
    schema::{Definitions, nullable},
};

impl FromNode for Node {
    /// As it is, for who reads it otherwise.
    fn from_node(node: &Node, _: &mut Faults) -> Option<Self> {
        Some(node.clone())
    }

    fn schema(_: &mut Definitions) -> Json {
        json!(true)
    }
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

    fn schema(_: &mut Definitions) -> Json {
        json!({ "type": "string", "minLength": 1 })
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

    fn schema(_: &mut Definitions) -> Json {
        json!({ "type": "boolean" })
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

    fn schema(_: &mut Definitions) -> Json {
        json!({ "type": "number" })
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

    fn schema(_: &mut Definitions) -> Json {
        json!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

impl FromNode for PathBuf {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        String::from_node(node, faults).map(Self::from)
    }

    fn schema(definitions: &mut Definitions) -> Json {
        String::schema(definitions)
    }
}

impl FromNode for SocketAddr {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let text = String::from_node(node, faults)?;
        let address = text.parse().ok();
        if address.is_none() {
            node.fault(
                faults,
                format!("{} is not an address with a port: write one such as 127.0.0.1:8080", said(&text)),
            );
        }
        address
    }

    fn schema(_: &mut Definitions) -> Json {
        json!({ "type": "string", "pattern": ":[0-9]+$" })
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

    fn schema(definitions: &mut Definitions) -> Json {
        json!({ "type": "array", "items": T::schema(definitions) })
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

    fn schema(definitions: &mut Definitions) -> Json {
        json!({ "type": "object", "additionalProperties": nullable(T::schema(definitions)) })
    }
}

/// A policy's or metric's parameters: any mapping, as JSON, each with its place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters(pub BTreeMap<String, Placed<Json>>);

impl Parameters {
    /// As a policy gets them.
    pub fn json(&self) -> Json {
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
            let value = json_of(node, faults);
            (key.name.clone(), Placed { place: key.place, path: node.path.clone(), value })
        };
        Some(Self(entries.iter().map(|(key, node)| one(key, node)).collect()))
    }

    fn schema(_: &mut Definitions) -> Json {
        json!({ "type": "object" })
    }
}

/// Any value as JSON; a number that JSON cannot hold is a fault.
pub fn json_of(node: &Node, faults: &mut Faults) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Integer(_) | Value::Decimal(_) => number(node, faults),
        Value::Sequence(items) => items.iter().map(|item| json_of(item, faults)).collect(),
        Value::Mapping(entries) => {
            entries.iter().map(|(key, value)| (key.name.clone(), json_of(value, faults))).collect()
        }
    }
}

fn number(node: &Node, faults: &mut Faults) -> Json {
    let number = match node.value {
        Value::Integer(value) => serde_json::Number::from_i128(value),
        Value::Decimal(value) => serde_json::Number::from_f64(value),
        _ => None,
    };
    number.map_or_else(
        || {
            node.fault(faults, "is a number that JSON cannot hold: choose a finite one of at most 64 bits");
            Json::Null
        },
        Into::into,
    )
}

/// One of a few words.
pub fn one_of<T: Copy>(node: &Node, faults: &mut Faults, choices: &[(&'static str, T)]) -> Option<T> {
    let text = match &node.value {
        Value::Text(text) => text.as_str(),
        other => other.word(),
    };
    let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
    if found.is_none() {
        let words: Vec<&'static str> = choices.iter().map(|(word, _)| *word).collect();
        let remedy = nearest(text, &words)
            .map_or_else(|| format!("write one of {}", words.join(", ")), |word| format!("did you mean {word:?}?"));
        node.fault(faults, format!("{} is not one of the choices: {remedy}", said(text)));
    }
    found
}

/// The schema of one of a few words.
pub fn words<T>(choices: &[(&'static str, T)]) -> Json {
    json!({ "type": "string", "enum": choices.iter().map(|(word, _)| *word).collect::<Json>() })
}
