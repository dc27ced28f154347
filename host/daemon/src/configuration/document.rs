//! YAML as a tree whose every value knows its place, so that one reading can tell all faults and not only the first.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use super::{
    fault::{Fault, Faults, Place},
    names::LONGEST_NAME,
};

/// How deep values may be nested: every level costs stack.
const DEEPEST: usize = 24;

/// A value with its place and the path that leads to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// Such as `services[0].step`; empty for the whole file.
    pub path: String,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i128),
    Decimal(f64),
    Text(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

/// A field's name with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub place: Place,
    pub name: String,
}

impl Value {
    /// What a person would call it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) | Self::Decimal(_) => "a number",
            Self::Text(_) => "a text",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

impl fmt::Display for Value {
    /// On one line, as YAML writes it in flow style.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |items: Vec<String>| items.join(", ");
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Decimal(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Sequence(items) => {
                write!(f, "[{}]", joined(items.iter().map(|item| item.value.to_string()).collect()))
            }
            Self::Mapping(entries) => {
                let entry = |(key, node): &(Key, Node)| format!("{}: {}", key.name, node.value);
                write!(f, "{{{}}}", joined(entries.iter().map(entry).collect()))
            }
        }
    }
}

impl Node {
    /// An empty file.
    pub const fn nothing() -> Self {
        Self { place: Place { line: 1, column: 1 }, path: String::new(), value: Value::Null }
    }

    /// Whether a mapping has a field that is not empty.
    pub fn has(&self, name: &str) -> bool {
        let Value::Mapping(entries) = &self.value else { return false };
        entries.iter().any(|(key, node)| key.name == name && node.value != Value::Null)
    }

    /// Says that something is wrong with this value.
    pub fn fault(&self, faults: &mut Faults, message: impl Into<String>) {
        faults.push(Fault { place: Some(self.place), path: self.path.clone(), message: message.into() });
    }
}

/// Reads one YAML document; what is wrong with it as YAML goes to `faults`.
pub fn read(text: &str, faults: &mut Faults) -> Option<Node> {
    match serde_saphyr::from_str_with_options::<Spanned<Parsed>>(text, options()) {
        Ok(parsed) => Some(placed(parsed, String::new())),
        Err(error) => {
            let place = error.location().map(place);
            let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let again =
                place.map(|Place { line, column }| format!(" at line {line}, column {column}")).unwrap_or_default();
            let message = message.strip_suffix(&again).unwrap_or(&message);
            let message = format!("is not valid YAML: {message} (look at indentation, colons and quotes)");
            faults.push(Fault { place, path: String::new(), message });
            None
        }
    }
}

/// A value without its path, as the YAML library hands it over.
#[derive(Debug)]
enum Parsed {
    Null,
    Boolean(bool),
    Integer(i128),
    Decimal(f64),
    Text(String),
    Sequence(Vec<Spanned<Self>>),
    Mapping(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParsedVisitor)
    }
}

struct ParsedVisitor;

impl<'de> Visitor<'de> for ParsedVisitor {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }

    fn visit_none<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parsed, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Parsed, E> {
        Ok(Parsed::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Parsed, E> {
        Ok(Parsed::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Parsed, E> {
        Ok(Parsed::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Parsed, E> {
        Ok(Parsed::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Parsed, E> {
        Ok(Parsed::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Parsed, E> {
        Ok(Parsed::Decimal(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Parsed, E> {
        Ok(Parsed::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Parsed, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Parsed::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Parsed, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Parsed::Mapping(entries))
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn placed(parsed: Spanned<Parsed>, path: String) -> Node {
    let place = place(parsed.referenced);
    let value = match parsed.value {
        Parsed::Null => Value::Null,
        Parsed::Boolean(value) => Value::Boolean(value),
        Parsed::Integer(value) => Value::Integer(value),
        Parsed::Decimal(value) => Value::Decimal(value),
        Parsed::Text(value) => Value::Text(value),
        Parsed::Sequence(items) => Value::Sequence(
            items.into_iter().enumerate().map(|(at, item)| placed(item, format!("{path}[{at}]"))).collect(),
        ),
        Parsed::Mapping(entries) => {
            Value::Mapping(entries.into_iter().map(|(key, value)| entry(key, value, &path)).collect())
        }
    };
    Node { place, path, value }
}

fn entry(key: Spanned<String>, value: Spanned<Parsed>, path: &str) -> (Key, Node) {
    let inner = join(path, &key.value);
    (Key { place: place(key.referenced), name: key.value }, placed(value, inner))
}

/// The path of a field within `path`. Everything within a field has its name in its path, so a name without end is cut.
pub fn join(path: &str, name: &str) -> String {
    let (name, rest) = name.char_indices().nth(LONGEST_NAME).map_or((name, ""), |(end, _)| (&name[..end], "..."));
    if path.is_empty() { format!("{name}{rest}") } else { format!("{path}.{name}{rest}") }
}

fn place(location: serde_saphyr::Location) -> Place {
    Place { line: location.line(), column: location.column() }
}
