//! Patterns: `*` in texts, `*` and `**` in JSON Pointers.

use aviary_policy_sdk::{Difference, parameters::Value};

/// Whether a text matches a pattern, in which `*` is any text, the empty one as well.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(place) => text = &text[place + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

/// Whether a difference lies at a place that the pattern names, or a value that was added or removed has such a place
/// in it.
pub(crate) fn touches(pattern: &str, difference: &Difference) -> bool {
    let pattern: Vec<&str> = pattern.split('/').skip(1).collect();
    let pointer: Vec<&str> = difference.pointer.split('/').skip(1).collect();
    let whole = [&difference.before, &difference.after].into_iter().flatten();
    matches_path(&pattern, &pointer)
        || whole.filter_map(|json| json.parse().ok()).any(|it| inside(&pattern, &pointer, &it))
}

fn matches_path(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        (["**"], _) | ([], []) => true,
        (["**", rest @ ..], [_, below @ ..]) => matches_path(rest, path) || matches_path(pattern, below),
        (["**", rest @ ..], []) => matches_path(rest, path),
        ([part, rest @ ..], [name, below @ ..]) => matches(part, name) && matches_path(rest, below),
        _ => false,
    }
}

fn inside(pattern: &[&str], path: &[&str], value: &Value) -> bool {
    let below = |name: &str, value: &Value| {
        let path = [path, &[name]].concat();
        matches_path(pattern, &path) || inside(pattern, &path, value)
    };
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| below(&escaped(name), value)),
        Value::Array(items) => items.iter().enumerate().any(|(place, item)| below(&element(place, item), item)),
        _ => false,
    }
}

/// An element of a list by its name, as the host writes it, or else by its place.
fn element(place: usize, item: &Value) -> String {
    let name = item.get("name").and_then(Value::as_str);
    name.map_or_else(|| place.to_string(), |name| format!("name={}", escaped(name)))
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
