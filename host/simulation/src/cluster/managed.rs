//! Who manages which fields: what a write changes becomes the writer's, and is no longer anybody else's.
//!
//! As the structured-merge-diff library of Kubernetes does it for updates. Lists of things with names are told apart by
//! these; other lists are one field.

use serde_json::{Map, Value, json};

use super::time_text;
use aviary_core::time::Timestamp;

/// Metadata that belong to nobody.
const NOBODYS: [&str; 9] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "name",
    "namespace",
    "deletionTimestamp",
    "selfLink",
];

/// Objects that every object of their kind has: whoever writes something in them does not own them.
const ALWAYS_THERE: [&str; 5] = ["metadata", "spec", "status", "template", "strategy"];
/// Owning an object itself, apart from what is in it.
const ITSELF: &str = ".";

/// Lists whose elements are known by their names.
const NAMED_LISTS: [&str; 4] = ["containers", "initContainers", "env", "volumes"];

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub manager: &'a str,
    /// Empty, `scale` or `status`.
    pub subresource: &'a str,
    pub at: Timestamp,
}

/// Tells in `after` who manages what, now that `writer` has made it of `before`.
pub(super) fn track(before: &Value, after: &mut Value, api_version: &str, writer: Writer<'_>) {
    let (owned_before, owned_after) = (owned_fields(before), owned_fields(after));
    let changed = difference(&owned_before, &owned_after).unwrap_or(json!({}));
    let mut entries = last_of_each(after["metadata"]["managedFields"].as_array().cloned().unwrap_or_default());
    let is_writers = |entry: &Value| {
        entry["manager"] == writer.manager
            && entry["subresource"].as_str().unwrap_or_default() == writer.subresource
            && entry["operation"] == "Update"
    };
    let mut found = false;
    let anything = changed.as_object().is_some_and(|fields| !fields.is_empty());
    for entry in &mut entries {
        let left = kept(&entry["fieldsV1"], &owned_after);
        if is_writers(entry) {
            found = true;
            entry["fieldsV1"] = merged(left, &changed);
            if anything {
                entry["time"] = json!(time_text(writer.at));
            }
        } else {
            entry["fieldsV1"] = without(left, &changed);
        }
    }
    if !found && anything {
        let mut entry = json!({
            "manager": writer.manager, "operation": "Update", "apiVersion": api_version,
            "time": time_text(writer.at), "fieldsType": "FieldsV1", "fieldsV1": changed,
        });
        if !writer.subresource.is_empty() {
            entry["subresource"] = json!(writer.subresource);
        }
        entries.push(entry);
    }
    entries.retain(|entry| entry["fieldsV1"].as_object().is_some_and(|fields| !fields.is_empty()));
    after["metadata"]["managedFields"] = Value::Array(entries);
}

/// Tells in `after` who manages what, now that `writer` has scaled `before`. As the API server does it by way of a Scale: no
/// replicas are no field there, so whoever scales to 0 owns nothing; what nobody owned goes on being nobody's; and who owned
/// the number and still does gets an entry of its own for it, which is lost with the next write.
pub(super) fn track_scale(before: &Value, after: &mut Value, api_version: &str, writer: Writer<'_>) {
    let entries = last_of_each(after["metadata"]["managedFields"].as_array().cloned().unwrap_or_default());
    after["metadata"]["managedFields"] = json!(entries);
    if !entries.iter().any(|entry| entry["fieldsV1"].pointer("/f:spec/f:replicas").is_some()) {
        return;
    }
    let mut shown = without_zero(after.clone());
    if before["spec"]["replicas"] != after["spec"]["replicas"] {
        track(&without_zero(before.clone()), &mut shown, api_version, writer);
    }
    let mut entries = shown["metadata"]["managedFields"].take();
    let replicas = json!({"f:spec": {"f:replicas": {}}});
    let mut apart = Vec::new();
    for entry in entries.as_array_mut().into_iter().flatten() {
        let is_update = entry["operation"] == "Update";
        if is_update && entry["fieldsV1"] != replicas && entry["fieldsV1"].pointer("/f:spec/f:replicas").is_some() {
            let mut own = entry.clone();
            own["fieldsV1"] = replicas.clone();
            own.as_object_mut().map(|fields| fields.remove("time"));
            apart.push(own);
            entry["fieldsV1"] = without(entry["fieldsV1"].take(), &replicas);
        }
    }
    apart.extend(entries.as_array_mut().map(std::mem::take).unwrap_or_default());
    after["metadata"]["managedFields"] = Value::Array(apart);
}

fn without_zero(mut object: Value) -> Value {
    if object["spec"]["replicas"] == 0 {
        object["spec"].as_object_mut().map(|fields| fields.remove("replicas"));
    }
    object
}

/// Of entries that are equal but for their fields and time, the last.
fn last_of_each(entries: Vec<Value>) -> Vec<Value> {
    let identity = |entry: &Value| {
        ["manager", "operation", "apiVersion", "subresource"].map(|field| entry[field].as_str().map(str::to_owned))
    };
    let mut kept: Vec<Value> = Vec::new();
    for entry in entries {
        kept.retain(|other| identity(other) != identity(&entry));
        kept.push(entry);
    }
    kept
}

/// An object without what belongs to nobody.
fn owned_fields(object: &Value) -> Value {
    let mut object = object.clone();
    let Some(fields) = object.as_object_mut() else { return json!({}) };
    fields.remove("apiVersion");
    fields.remove("kind");
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        NOBODYS.iter().for_each(|field| drop(metadata.remove(*field)));
    }
    named(object)
}

/// With lists of things that have names as objects, which have these as their fields.
fn named(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let one = |(name, value): (String, Value)| match value {
                Value::Array(list) if is_named_list(&name) => (name, by_name(list)),
                value => (name, named(value)),
            };
            Value::Object(fields.into_iter().map(one).collect())
        }
        other => other,
    }
}

fn by_name(list: Vec<Value>) -> Value {
    list.into_iter().map(|it| (format!("k:{}", json!({"name": it["name"]})), named(it))).collect::<Map<_, _>>().into()
}

/// The fields of `after` that are not so in `before`, as a tree of `f:` names.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let Some(fields) = after.as_object().filter(|fields| !fields.is_empty()) else { return Some(json!({})) };
    let nothing = Value::Null;
    let tree: Map<String, Value> = fields
        .iter()
        .filter_map(|(name, value)| {
            let old = before.get(name).unwrap_or(&nothing);
            let mut below = difference(old, value)?;
            if old.is_null() && !is_leaf(&below) && !ALWAYS_THERE.contains(&name.as_str()) && !is_named_list(name) {
                below[ITSELF] = json!({});
            }
            let name = if name.starts_with("k:") { name.clone() } else { format!("f:{name}") };
            Some((name, below))
        })
        .collect();
    // A field that is only gone is nobody's.
    (!tree.is_empty()).then_some(Value::Object(tree))
}

fn is_named_list(name: &str) -> bool {
    NAMED_LISTS.contains(&name)
}

fn is_leaf(tree: &Value) -> bool {
    tree.as_object().is_none_or(Map::is_empty)
}

/// A tree of fields without those that the object has no longer.
fn kept(tree: &Value, object: &Value) -> Value {
    let Some(fields) = tree.as_object() else { return json!({}) };
    let kept = fields.iter().filter_map(|(name, below)| {
        if name == ITSELF {
            return Some((name.clone(), below.clone()));
        }
        let value = object.get(name.strip_prefix("f:").unwrap_or(name))?;
        let rest = if is_leaf(below) { below.clone() } else { kept(below, value) };
        (is_leaf(below) || !is_leaf(&rest)).then(|| (name.clone(), rest))
    });
    Value::Object(kept.collect())
}

fn without(tree: Value, taken: &Value) -> Value {
    let Value::Object(fields) = tree else { return tree };
    let left = fields.into_iter().filter_map(|(name, below)| match taken.get(&name) {
        None => Some((name, below)),
        Some(taken) if is_leaf(taken) || is_leaf(&below) => None,
        Some(taken) => {
            let rest = without(below, taken);
            (!is_leaf(&rest)).then_some((name, rest))
        }
    });
    Value::Object(left.collect())
}

fn merged(tree: Value, added: &Value) -> Value {
    let (Value::Object(mut fields), Some(added)) = (tree, added.as_object()) else { return added.clone() };
    for (name, below) in added {
        let old = fields.remove(name).filter(|old| !is_leaf(old) && !is_leaf(below));
        fields.insert(name.clone(), old.map_or_else(|| below.clone(), |old| merged(old, below)));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(before: &Value, mut after: Value, manager: &str, subresource: &str) -> Value {
        track(before, &mut after, "apps/v1", Writer { manager, subresource, at: Timestamp(0) });
        after
    }

    fn owners(object: &Value, pointer: &str) -> Vec<String> {
        let entries = object["metadata"]["managedFields"].as_array().unwrap();
        let owns = entries.iter().filter(|entry| entry["fieldsV1"].pointer(pointer).is_some());
        owns.map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_field_is_whose_wrote_it_last() {
        let created = wrote(&json!({}), json!({"spec": {"replicas": 3, "paused": true}}), "ci", "");
        assert_eq!(owners(&created, "/f:spec/f:replicas"), ["ci"]);
        let mut scaled = created.clone();
        scaled["spec"]["replicas"] = json!(0);
        let scaled = wrote(&created, scaled, "aviary", "");
        assert_eq!(owners(&scaled, "/f:spec/f:replicas"), ["aviary"]);
        assert_eq!(owners(&scaled, "/f:spec/f:paused"), ["ci"]);
        // The same value again is no change, and takes nothing.
        assert_eq!(owners(&wrote(&scaled, scaled.clone(), "ci", ""), "/f:spec/f:replicas"), ["aviary"]);
    }

    #[test]
    fn an_entry_that_is_taken_out_stays_out() {
        let created = wrote(&json!({}), json!({"spec": {"replicas": 3}}), "ci", "");
        let mut scaled = created.clone();
        scaled["spec"]["replicas"] = json!(0);
        let scaled = wrote(&created, scaled, "aviary", "");
        let mut given_back = scaled.clone();
        given_back["metadata"]["managedFields"].as_array_mut().unwrap().retain(|it| it["manager"] != "aviary");
        let given_back = wrote(&scaled, given_back, "aviary", "");
        assert!(owners(&given_back, "/f:spec/f:replicas").is_empty());
    }

    #[test]
    fn a_field_that_is_gone_is_nobodys() {
        let created = wrote(&json!({}), json!({"spec": {"replicas": 3, "paused": true}}), "ci", "");
        let mut resumed = created.clone();
        resumed["spec"].as_object_mut().unwrap().remove("paused");
        let resumed = wrote(&created, resumed, "somebody", "");
        assert!(owners(&resumed, "/f:spec/f:paused").is_empty());
        assert_eq!(owners(&resumed, "/f:spec"), ["ci"]);
    }
}
