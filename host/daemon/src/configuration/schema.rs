//! The JSON Schema of the file, for editors and CI, told by the same code that reads the file.

use serde_json::{Map, Value, json};

use super::{fields::FromNode, raw::File};

/// The schema of the whole file.
pub fn schema() -> Value {
    schema_of::<File>("Aviary's configuration")
}

/// The schema of a file, draft 7: the one that editors know best.
pub fn schema_of<T: FromNode>(title: &str) -> Value {
    let mut definitions = Definitions::default();
    let file = T::schema(&mut definitions);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "allOf": [file],
        "definitions": definitions.0,
    })
}

/// Sections by name, each told once.
#[derive(Debug, Default)]
pub struct Definitions(Map<String, Value>);

impl Definitions {
    /// Keeps a section and gives the reference to it.
    pub fn define(&mut self, name: &str, section: Value) -> Value {
        self.0.insert(name.to_owned(), section);
        json!({ "$ref": format!("#/definitions/{name}") })
    }
}

/// The fields of a section as they are asked for.
#[derive(Debug)]
pub struct Description {
    definitions: Definitions,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
}

impl Description {
    /// Without a field yet; sections within it are added to the definitions.
    pub fn new(definitions: Definitions) -> Self {
        Self { definitions, properties: Map::new(), required: Vec::new() }
    }

    /// A field that may be absent or empty.
    pub fn optional<T: FromNode>(&mut self, name: &'static str, help: &str) {
        let schema = nullable(T::schema(&mut self.definitions));
        self.properties.insert(name.to_owned(), helped(schema, help));
    }

    /// A field that must be there.
    pub fn required<T: FromNode>(&mut self, name: &'static str, help: &str) {
        let schema = T::schema(&mut self.definitions);
        self.properties.insert(name.to_owned(), helped(schema, help));
        self.required.push(name);
    }

    /// The definitions and the section, with all its fields and what must hold between them.
    pub fn section(self, between: Value) -> (Definitions, Value) {
        let mut section = json!({ "type": "object", "properties": self.properties, "additionalProperties": false });
        if !self.required.is_empty() {
            section["required"] = json!(self.required);
        }
        if let (Some(section), Value::Object(between)) = (section.as_object_mut(), between) {
            section.extend(between);
        }
        (self.definitions, section)
    }
}

/// The same, or nothing: a field without a value is as good as none.
pub fn nullable(schema: Value) -> Value {
    let nothing = json!({ "type": "null" });
    let Value::Object(mut schema) = schema else { return schema };
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.push(nothing);
    } else if let Some(word @ Value::String(_)) = schema.get_mut("type") {
        *word = json!([word, "null"]);
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            words.push(Value::Null);
        }
    } else {
        return json!({ "anyOf": [schema, nothing] });
    }
    schema.into()
}

/// With words for a person. Beside a reference they would not count.
fn helped(schema: Value, help: &str) -> Value {
    let mut schema = if schema.get("$ref").is_some() { json!({ "allOf": [schema] }) } else { schema };
    schema["description"] = help.into();
    schema
}
