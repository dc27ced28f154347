//! The schema agrees with the reader: on every file that a test reads, and field by field.

use std::{path::Path, sync::LazyLock, time::Duration};

use aviary_core::settings::Amount;
use proptest::prelude::*;
use regex::Regex;
use serde_json::{Value, json};

use super::{
    super::{
        document,
        fault::{Faults, Place},
        fields::FromNode,
        schema::{Definitions, schema},
        values,
    },
    EXAMPLE, SERVICE,
    fits::fits,
    good,
};

const CHECKED_IN: &str = include_str!("../../../../../config/aviary.schema.json");
static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// What is wrong by the shape of a value alone, so that the schema must see it too.
const SHAPE: [&str; 7] = [
    ": unknown field ",
    " is missing: ",
    ", not a",
    " has no unit: ",
    " is not one of the choices: ",
    " is about no Deployment: ",
    " has no kind: ",
];

/// A good file fits the schema, and one that is wrong in its shape does not.
pub fn assert_agrees(text: &str, said: Option<&String>) {
    let mut faults = Faults::new(Path::new(""));
    let Some(node) = document::read(text, &mut faults) else { return };
    let json = values::json_of(&node, &mut faults);
    let whole = &*SCHEMA;
    let refused = fits(&json, whole, whole).err();
    match said {
        None => assert_eq!(refused, None, "the reader takes\n{text}"),
        Some(said) if SHAPE.iter().any(|shape| said.contains(shape)) => {
            assert!(refused.is_some(), "the schema takes\n{text}\nthe reader says {said}");
        }
        Some(_) => {}
    }
}

#[test]
fn the_schema_that_is_checked_in_is_current() {
    let checked_in: Value = serde_json::from_str(CHECKED_IN).expect("JSON");
    assert_eq!(checked_in, schema(), "run: aviary config schema > config/aviary.schema.json");
    assert!(EXAMPLE.starts_with("# yaml-language-server: $schema=aviary.schema.json\n"));
}

/// Every section with its name and its fields.
fn sections() -> Vec<(String, Vec<(String, Value)>)> {
    let whole = schema();
    let fields = |section: &Value| section["properties"].as_object().expect("fields").clone().into_iter().collect();
    let sections = whole["definitions"].as_object().expect("sections");
    sections.iter().map(|(name, section)| (name.clone(), fields(section))).collect()
}

#[test]
fn every_field_stands_in_the_example_and_is_explained() {
    for (section, fields) in sections() {
        for (name, field) in fields {
            let written = Regex::new(&format!(r"(?m)(^|[ {{#]){name}:")).expect("a pattern");
            assert!(written.is_match(EXAMPLE), "{section}.{name} is not in config/aviary.yaml");
            assert!(field["description"].as_str().is_some_and(|text| text.ends_with('.')), "{section}.{name}");
        }
    }
}

#[test]
fn the_explanations_name_the_values_that_are_built_in() {
    let sections = sections();
    let (_, fields) = sections.iter().find(|(name, _)| name == "settings").expect("the section");
    let built_in = good(SERVICE);
    let list = built_in.entries[0].in_force.list();
    assert_eq!(list.len(), fields.len(), "every field has a value of its own");
    for setting in list {
        let (_, field) = fields.iter().find(|(name, _)| *name == setting.field).expect("a field");
        let value = match &setting.value {
            Value::String(text) => text.clone(),
            Value::Array(names) if names.is_empty() => "none".to_owned(),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        let (field, expected) = (&field["description"], format!("; {value} if left out."));
        assert!(field.as_str().is_some_and(|text| text.contains(&expected)), "{}: {expected}", setting.field);
    }
}

#[test]
fn a_field_without_a_value_is_as_good_as_none() {
    let nothing = |fields: &[&str]| fields.iter().map(|field| format!("    {field}:\n")).collect::<String>();
    let settings = [
        "step",
        "break-point",
        "surge",
        "warm-up",
        "check-interval",
        "passes",
        "tolerated-failures",
        "failure-window",
        "ready-deadline",
        "longest-step",
        "on-rollback",
        "shared-claims",
        "classifier",
        "analyzers",
        "progression",
        "metrics",
    ];
    let text = format!(
        "prometheus:\npolicies: {{folder: }}\nlisten:\nsocket:\nlease: {{namespace: , name: , duration: }}\ndefaults:\n{0}groups:\n  g:\nservices:\n  - name: a\n    \
         namespace: b\n    group: g\n{0}    selector:\n",
        nothing(&settings)
    );
    assert_eq!(good(&text).entries[0].settings, good(SERVICE).entries[0].settings);
}

/// Whether the reader takes a text for a `T`, and whether the schema does.
fn takes<T: FromNode>(text: &str) -> (bool, bool) {
    let place = Place { line: 1, column: 1 };
    let node = document::Node { place, path: String::new(), value: document::Value::Text(text.to_owned()) };
    let read = T::from_node(&node, &mut Faults::new(Path::new(""))).is_some();
    let fit = fits(&json!(text), &T::schema(&mut Definitions::default()), &Value::Null).is_ok();
    (read, fit)
}

#[test]
fn durations_and_shares_as_people_write_them_fit() {
    for text in ["90s", "1h30m", "1h 30m", "2 hours, 5 minutes", "01:30:00", "1.5h", "0s", "500ms", "PT1H", "1 day"] {
        let (reader, schema) = takes::<Duration>(text);
        assert!(schema || !reader, "{text}");
    }
    for text in ["90", "fast", "", "h"] {
        assert_eq!(takes::<Duration>(text), (false, false), "{text}");
    }
    for text in ["20%", " 12.5 % ", "0%", "1e1%", ".5%", "5.%", "+5%"] {
        assert_eq!(takes::<Amount>(text), (true, true), "{text}");
    }
    for text in ["20", "%", "many"] {
        assert_eq!(takes::<Amount>(text), (false, false), "{text}");
    }
}

proptest! {
    #[test]
    fn what_the_reader_takes_the_schema_takes(
        duration in "[0-9]{0,2}[.:]?[0-9]{1,2} ?(s|ms|m|h|d|hours|minutes|mins|:[0-9]{2})?( ?[0-9]{1,2}(s|m|ms))?",
        share in "[ +-]?[0-9.e]{1,4} ?%",
        address in "([0-9a-f.:]{1,8}|127.0.0.1|\\[::1\\]):[0-9]{1,5}",
        any in ".{0,6}",
    ) {
        let (duration, share) = (takes::<Duration>(&duration), takes::<Amount>(&share));
        let rest = [takes::<std::net::SocketAddr>(&address), takes::<Duration>(&any), takes::<Amount>(&any), takes::<String>(&any)];
        for (reader, schema) in [duration, share].into_iter().chain(rest) {
            prop_assert!(schema || !reader);
        }
    }
}
