//! Whether a value fits a JSON Schema, for the keywords that ours has; any other is a failure of the test.

use regex::Regex;
use serde_json::{Map, Value};

/// What does not fit, if anything; `whole` has the definitions.
pub fn fits(value: &Value, schema: &Value, whole: &Value) -> Result<(), String> {
    let schema = schema.as_object().expect("a schema");
    schema.iter().try_for_each(|(keyword, given)| {
        let fit = keyword_fits(value, keyword, given, schema, whole);
        if fit { Ok(()) } else { Err(format!("{value} does not fit {keyword}: {given}")) }
    })
}

fn keyword_fits(value: &Value, keyword: &str, given: &Value, schema: &Map<String, Value>, whole: &Value) -> bool {
    let fit = |schema: &Value| fits(value, schema, whole).is_ok();
    let list = || given.as_array().into_iter().flatten();
    match keyword {
        "$schema" | "title" | "description" | "examples" | "definitions" | "then" => true,
        "$ref" => fit(&whole["definitions"][given.as_str().expect("a name").trim_start_matches("#/definitions/")]),
        "allOf" => list().all(fit),
        "anyOf" => list().any(fit),
        "if" => !fit(given) || schema.get("then").is_none_or(fit),
        "type" if given.is_array() => list().any(|word| is(value, word)),
        "type" => is(value, given),
        "enum" => list().any(|choice| choice == value),
        "minLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 >= given.as_u64().expect("a count"))
        }
        "minimum" => value.as_f64().is_none_or(|number| number >= given.as_f64().expect("a number")),
        "maximum" => value.as_f64().is_none_or(|number| number <= given.as_f64().expect("a number")),
        "pattern" => value
            .as_str()
            .is_none_or(|text| Regex::new(given.as_str().expect("text")).expect("a pattern").is_match(text)),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(item, given, whole).is_ok())),
        "required" => value
            .as_object()
            .is_none_or(|fields| list().all(|name| fields.contains_key(name.as_str().expect("a name")))),
        "properties" | "additionalProperties" => value.as_object().is_none_or(|fields| {
            let known = schema.get("properties").and_then(Value::as_object);
            fields.iter().all(|(name, value)| match (keyword, known.and_then(|known| known.get(name)), given) {
                ("properties", Some(field), _) => fits(value, field, whole).is_ok(),
                ("properties", None, _) | (_, Some(_), _) => true,
                (_, None, Value::Bool(allowed)) => *allowed,
                (_, None, field) => fits(value, field, whole).is_ok(),
            })
        }),
        other => panic!("{other} is not known here"),
    }
}

fn is(value: &Value, word: &Value) -> bool {
    match word.as_str().expect("a word") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is not known here"),
    }
}
