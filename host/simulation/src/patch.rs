//! JSON patch (RFC 6902) as the API server carries it out: all of it or nothing, and a failed `test` is an error.

use serde_json::Value;

/// Why a patch was not carried out; the API server answers 422.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchRefused(pub String);

/// `document` after `operations`.
///
/// # Errors
/// The first operation that cannot be done, a failed `test` included.
pub fn patched(document: &Value, operations: &[Value]) -> Result<Value, PatchRefused> {
    let mut changed = document.clone();
    for operation in operations {
        let done = match operation["op"].as_str() {
            Some("test") => changed.pointer(path(operation)) == Some(&operation["value"]),
            Some("add") => put(&mut changed, operation, false),
            Some("replace") => put(&mut changed, operation, true),
            Some("remove") => remove(&mut changed, path(operation)),
            _ => false,
        };
        if !done {
            return Err(PatchRefused(operation.to_string()));
        }
    }
    Ok(changed)
}

fn path(operation: &Value) -> &str {
    operation["path"].as_str().unwrap_or_default()
}

fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn put(document: &mut Value, operation: &Value, must_be_there: bool) -> bool {
    let Some((parent, token)) = path(operation).rsplit_once('/') else { return false };
    let value = operation["value"].clone();
    match document.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            // The API server's library does not mind that there is nothing to replace.
            fields.insert(unescaped(token), value);
            true
        }
        Some(Value::Array(list)) => match token.parse::<usize>() {
            Ok(index) if must_be_there => list.get_mut(index).map(|element| *element = value).is_some(),
            Ok(index) if index <= list.len() => {
                list.insert(index, value);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

fn remove(document: &mut Value, path: &str) -> bool {
    let Some((parent, token)) = path.rsplit_once('/') else { return false };
    match document.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.remove(&unescaped(token)).is_some(),
        Some(Value::Array(list)) => {
            let index = token.parse::<usize>().ok().filter(|index| *index < list.len());
            index.map(|index| list.remove(index)).is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_carried_out_as_a_whole_or_not_at_all() {
        let document = json!({"a": 1, "l": [1, 2]});
        let table = [
            (
                json!([{"op": "test", "path": "/a", "value": 1}, {"op": "replace", "path": "/a", "value": 2}]),
                Some(json!({"a": 2, "l": [1, 2]})),
            ),
            (json!([{"op": "replace", "path": "/a", "value": 2}, {"op": "test", "path": "/a", "value": 1}]), None),
            (json!([{"op": "add", "path": "/b~1c", "value": 3}]), Some(json!({"a": 1, "b/c": 3, "l": [1, 2]}))),
            (json!([{"op": "replace", "path": "/b", "value": 3}]), Some(json!({"a": 1, "b": 3, "l": [1, 2]}))),
            (json!([{"op": "replace", "path": "/b/c", "value": 3}]), None),
            (json!([{"op": "remove", "path": "/l/0"}]), Some(json!({"a": 1, "l": [2]}))),
            (json!([{"op": "add", "path": "/l/1", "value": 9}]), Some(json!({"a": 1, "l": [1, 9, 2]}))),
            (json!([{"op": "remove", "path": "/l/2"}]), None),
            (json!([{"op": "remove", "path": "/x"}]), None),
        ];
        for (operations, expected) in table {
            let result = patched(&document, operations.as_array().unwrap());
            assert_eq!(result.ok(), expected, "{operations}");
        }
    }
}
