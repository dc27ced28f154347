//! Strategic merge patches, as `kubectl apply` and `kubectl rollout restart` send them: lists of things with a name are
//! merged by it. The keys are those of the Go types' `patchMergeKey`.

use serde_json::{Map, Value};

/// `document` after `patch`.
pub(super) fn merged(document: Value, patch: &Value) -> Value {
    let (Value::Object(fields), Some(changes)) = (document, patch.as_object()) else { return clean(patch) };
    if changes.get("$patch").is_some_and(|directive| directive == "replace") {
        return clean(patch);
    }
    let mut fields = retained(fields, changes.get("$retainKeys"));
    for (name, change) in changes.iter().filter(|(name, _)| !name.starts_with('$')) {
        if change.is_null() {
            fields.remove(name);
            continue;
        }
        let before = fields.remove(name);
        let after = match (change, merge_key(name)) {
            (Value::Array(changes), Some(key)) => {
                let order = patch.get(format!("$setElementOrder/{name}"));
                Value::Array(merged_list(before, changes, key, order))
            }
            _ => merged(before.unwrap_or(Value::Null), change),
        };
        fields.insert(name.clone(), after);
    }
    Value::Object(fields)
}

/// The field by which elements of a list are the same.
fn merge_key(list: &str) -> Option<&'static str> {
    Some(match list {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "ports" => "containerPort",
        "hostAliases" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        "ownerReferences" => "uid",
        _ => return None,
    })
}

fn retained(fields: Map<String, Value>, keys: Option<&Value>) -> Map<String, Value> {
    let Some(keys) = keys.and_then(Value::as_array) else { return fields };
    fields.into_iter().filter(|(name, _)| keys.iter().any(|key| key == name)).collect()
}

fn merged_list(before: Option<Value>, changes: &[Value], key: &str, order: Option<&Value>) -> Vec<Value> {
    let mut list = match before {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    for change in changes {
        let place = list.iter().position(|element| element[key] == change[key]);
        match (change["$patch"].as_str(), place) {
            (Some("delete"), Some(place)) => drop(list.remove(place)),
            (Some("delete"), None) => {}
            (_, Some(place)) => {
                let element = list[place].take();
                list[place] = merged(element, change);
            }
            (_, None) => list.push(clean(change)),
        }
    }
    if let Some(order) = order.and_then(Value::as_array) {
        let place = |element: &Value| order.iter().position(|wanted| wanted[key] == element[key]);
        // What the order does not name stays behind.
        list.sort_by_key(|element| place(element).unwrap_or(order.len()));
    }
    list
}

/// A patch without its directives, as it is where there is nothing to merge it with.
fn clean(patch: &Value) -> Value {
    match patch {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), clean(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(clean).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_named_things_are_merged_by_their_names() {
        let document = json!({"containers": [
            {"name": "main", "image": "foo:1", "env": [{"name": "A", "value": "1"}], "args": ["x"]},
            {"name": "side", "image": "bar:1"},
        ]});
        let table = [
            (
                json!({"containers": [{"name": "main", "image": "foo:2"}]}),
                json!([
                    {"name": "main", "image": "foo:2", "env": [{"name": "A", "value": "1"}], "args": ["x"]},
                    {"name": "side", "image": "bar:1"},
                ]),
            ),
            (
                json!({"containers": [{"name": "side", "$patch": "delete"}, {"name": "main", "env": null, "args": ["y"]}]}),
                json!([{"name": "main", "image": "foo:1", "args": ["y"]}]),
            ),
            (
                json!({
                    "$setElementOrder/containers": [{"name": "new"}, {"name": "main"}, {"name": "side"}],
                    "containers": [{"name": "new", "image": "baz:1"}, {"name": "main", "env": null}],
                }),
                json!([
                    {"name": "new", "image": "baz:1"},
                    {"name": "main", "image": "foo:1", "args": ["x"]},
                    {"name": "side", "image": "bar:1"},
                ]),
            ),
        ];
        for (patch, expected) in table {
            assert_eq!(merged(document.clone(), &patch)["containers"], expected, "{patch}");
        }
    }

    #[test]
    fn keys_that_are_not_retained_go() {
        let document = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}});
        let patch = json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}});
        assert_eq!(merged(document, &patch), json!({"strategy": {"type": "Recreate"}}));
    }
}
