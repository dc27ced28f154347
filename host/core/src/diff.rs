//! Differences between two specs, as JSON Pointers; lists of named elements are matched by their key, not by position.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One difference between two JSON documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// JSON Pointer (RFC 6901); an element of a keyed list is named by its key: `/containers/name=worker/image`.
    pub pointer: String,
    /// Absent where the value was added.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub before: Option<Value>,
    /// Absent where the value was removed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub after: Option<Value>,
    /// The place of an added or removed element in its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
}

/// A container whose image differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDifference {
    /// The container's name.
    pub container: String,
    /// Whether it is an init container.
    pub init: bool,
    /// Absent where the container was added.
    pub before: Option<String>,
    /// Absent where the container was removed.
    pub after: Option<String>,
}

/// The fields by which the lists of a pod spec are keyed (the merge keys of the Kubernetes API).
const KEYS: [&str; 4] = ["name", "mountPath", "containerPort", "topologyKey"];

/// Every difference that makes `after` of `before`, in the order of the pointers.
#[must_use]
pub fn diff(before: &Value, after: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare(String::new(), before, after, &mut differences);
    differences
}

/// The differences that undo `differences`.
#[must_use]
pub fn invert(differences: &[Difference]) -> Vec<Difference> {
    let swap = |d: &Difference| Difference { before: d.after.clone(), after: d.before.clone(), ..d.clone() };
    differences.iter().map(swap).collect()
}

/// `document` with `differences` made in it; a difference whose pointer leads nowhere changes nothing.
#[must_use]
pub fn apply(differences: &[Difference], document: &Value) -> Value {
    let mut result = document.clone();
    let (added, others): (Vec<_>, Vec<_>) = differences.iter().partition(|d| d.before.is_none());
    others.iter().for_each(|difference| set(&mut result, difference));
    // Elements are put in from the front, so that each place is right when its turn comes.
    let mut added = added;
    added.sort_by_key(|difference| difference.position);
    added.iter().for_each(|difference| set(&mut result, difference));
    result
}

/// The containers and init containers whose image differs between two Deployment specs.
#[must_use]
pub fn image_differences(before: &Value, after: &Value) -> Vec<ImageDifference> {
    [("initContainers", true), ("containers", false)]
        .into_iter()
        .flat_map(|(list, init)| images_of_list(before, after, list, init))
        .collect()
}

fn images_of_list(before: &Value, after: &Value, list: &str, init: bool) -> Vec<ImageDifference> {
    let (before, after) = (images(before, list), images(after, list));
    let mut names: Vec<&String> = before.iter().chain(&after).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let find = |images: &[(String, String)], name: &String| {
        images.iter().find(|(candidate, _)| candidate == name).map(|(_, image)| image.clone())
    };
    names
        .into_iter()
        .map(|name| (name, find(&before, name), find(&after, name)))
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| ImageDifference { container: name.clone(), init, before, after })
        .collect()
}

/// Name and image of each container in a list of a Deployment's spec.
#[must_use]
pub fn images(spec: &Value, list: &str) -> Vec<(String, String)> {
    let text = |container: &Value, field: &str| container[field].as_str().unwrap_or_default().to_owned();
    let containers = spec["template"]["spec"][list].as_array();
    containers.into_iter().flatten().map(|c| (text(c, "name"), text(c, "image"))).collect()
}

fn compare(pointer: String, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => compare_objects(&pointer, before, after, found),
        (Value::Array(old), Value::Array(new)) => match shared_key(old, new) {
            Some(key) => compare_keyed(&pointer, key, old, new, found),
            None => found.push(changed(pointer, before, after)),
        },
        _ => found.push(changed(pointer, before, after)),
    }
}

fn compare_objects(
    pointer: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let mut fields: Vec<&String> = before.keys().chain(after.keys()).collect();
    fields.sort();
    fields.dedup();
    for field in fields {
        let pointer = format!("{pointer}/{}", escape(field));
        compare_optional(pointer, before.get(field), after.get(field), None, found);
    }
}

fn compare_keyed(pointer: &str, key: &str, before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    for (position, element) in before.iter().enumerate() {
        let pointer = element_pointer(pointer, key, element);
        compare_optional(pointer, Some(element), find(after, key, element), Some(position), found);
    }
    for (position, element) in after.iter().enumerate().filter(|(_, e)| find(before, key, e).is_none()) {
        compare_optional(element_pointer(pointer, key, element), None, Some(element), Some(position), found);
    }
}

fn compare_optional(
    pointer: String,
    before: Option<&Value>,
    after: Option<&Value>,
    position: Option<usize>,
    found: &mut Vec<Difference>,
) {
    match (before, after) {
        (Some(before), Some(after)) => compare(pointer, before, after, found),
        (before, after) => {
            found.push(Difference { pointer, before: before.cloned(), after: after.cloned(), position });
        }
    }
}

fn changed(pointer: String, before: &Value, after: &Value) -> Difference {
    Difference { pointer, before: Some(before.clone()), after: Some(after.clone()), position: None }
}

/// The key by which both lists can be told apart element by element, if what they share is in one order.
fn shared_key(before: &[Value], after: &[Value]) -> Option<&'static str> {
    KEYS.into_iter().find(|key| unique(before, key) && unique(after, key) && same_order(before, after, key))
}

fn unique(list: &[Value], key: &str) -> bool {
    let keys: Vec<Option<String>> = list.iter().map(|element| key_of(element, key)).collect();
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    keys.iter().all(Option::is_some) && distinct.len() == keys.len()
}

fn same_order(before: &[Value], after: &[Value], key: &str) -> bool {
    let shared = |list: &[Value], other: &[Value]| -> Vec<Option<String>> {
        list.iter().filter(|e| find(other, key, e).is_some()).map(|e| key_of(e, key)).collect()
    };
    shared(before, after) == shared(after, before)
}

fn key_of(element: &Value, key: &str) -> Option<String> {
    match element.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn find<'a>(list: &'a [Value], key: &str, element: &Value) -> Option<&'a Value> {
    list.iter().find(|candidate| key_of(candidate, key) == key_of(element, key))
}

fn element_pointer(list: &str, key: &str, element: &Value) -> String {
    format!("{list}/{key}={}", escape(&key_of(element, key).unwrap_or_default()))
}

fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn set(document: &mut Value, difference: &Difference) {
    let Some((parent, last)) = difference.pointer.rsplit_once('/') else {
        *document = difference.after.clone().unwrap_or(Value::Null);
        return;
    };
    match parent.split('/').skip(1).try_fold(document, step) {
        Some(Value::Object(fields)) => set_field(fields, unescape(last), difference),
        Some(Value::Array(list)) => set_element(list, last, difference),
        _ => {}
    }
}

fn set_field(fields: &mut Map<String, Value>, field: String, difference: &Difference) {
    match &difference.after {
        Some(after) => drop(fields.insert(field, after.clone())),
        None => drop(fields.remove(&field)),
    }
}

fn set_element(list: &mut Vec<Value>, token: &str, difference: &Difference) {
    match (index_of(list, token), &difference.after) {
        (Some(index), Some(after)) => list[index] = after.clone(),
        (Some(index), None) => drop(list.remove(index)),
        (None, Some(after)) => list.insert(difference.position.unwrap_or(list.len()).min(list.len()), after.clone()),
        (None, None) => {}
    }
}

fn step<'a>(value: &'a mut Value, token: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(fields) => fields.get_mut(&unescape(token)),
        Value::Array(list) => {
            let index = index_of(list, token)?;
            list.get_mut(index)
        }
        _ => None,
    }
}

fn index_of(list: &[Value], token: &str) -> Option<usize> {
    let (key, wanted) = token.split_once('=')?;
    let wanted = unescape(wanted);
    list.iter().position(|element| key_of(element, key).as_ref() == Some(&wanted))
}

/// A field that is there with the value `null` differs from one that is absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn spec(containers: Value) -> Value {
        json!({"replicas": 5, "template": {"spec": {"containers": containers}}})
    }

    fn pointers(before: &Value, after: &Value) -> Vec<String> {
        diff(before, after).into_iter().map(|difference| difference.pointer).collect()
    }

    #[test]
    fn changed_added_and_removed_are_each_seen() {
        let before = spec(
            json!([{"name": "worker", "image": "w:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]),
        );
        let after = spec(json!([
            {"name": "proxy", "image": "p:1"},
            {"name": "worker", "image": "w:2", "env": [{"name": "C", "value": "3"}, {"name": "B", "value": "2"}]},
        ]));
        let worker = "/template/spec/containers/name=worker";
        let expected = [
            format!("{worker}/env/name=A"),
            format!("{worker}/env/name=C"),
            format!("{worker}/image"),
            "/template/spec/containers/name=proxy".to_owned(),
        ];
        assert_eq!(pointers(&before, &after), expected);
        let added = &diff(&before, &after)[1];
        assert_eq!((added.before.clone(), added.after.clone()), (None, Some(json!({"name": "C", "value": "3"}))));
    }

    #[test]
    fn a_new_order_is_a_change_of_the_whole_list() {
        let list = |names: [&str; 2]| json!({"env": names.map(|name| json!({"name": name}))});
        assert_eq!(pointers(&list(["A", "B"]), &list(["B", "A"])), ["/env"]);
    }

    #[test]
    fn a_pointer_escapes_what_rfc_6901_says() {
        let before = json!({"annotations": {"kubectl.kubernetes.io/restartedAt": "1", "a~b": 1}});
        let after = json!({"annotations": {"kubectl.kubernetes.io/restartedAt": "2", "a~b": 2}});
        assert_eq!(pointers(&before, &after), ["/annotations/a~0b", "/annotations/kubectl.kubernetes.io~1restartedAt"]);
    }

    #[test]
    fn images_of_init_containers_and_new_containers_differ_too() {
        let before = json!({"template": {"spec": {"initContainers": [{"name": "init", "image": "i:1"}], "containers": [{"name": "worker", "image": "w:1"}]}}});
        let after = json!({"template": {"spec": {"initContainers": [{"name": "init", "image": "i:2"}],
            "containers": [{"name": "worker", "image": "w:1"}, {"name": "proxy", "image": "p:1"}]}}});
        let found: Vec<_> =
            image_differences(&before, &after).into_iter().map(|d| (d.container, d.init, d.before)).collect();
        assert_eq!(found, [("init".to_owned(), true, Some("i:1".to_owned())), ("proxy".to_owned(), false, None)]);
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4i64).prop_map(Value::from),
            "[ab/~=]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let named =
                (prop_oneof!["[abc/~=]{1,2}".prop_map(Value::from), (0..3i64).prop_map(Value::from)], inner.clone())
                    .prop_map(|(name, value)| json!({"name": name, "value": value}));
            prop_oneof![
                prop::collection::vec(named, 0..5).prop_map(Value::from),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab/~=]{0,2}", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_diff_makes_after_of_before_and_its_inverse_the_other_way(before in document(), after in document()) {
            let differences = diff(&before, &after);
            prop_assert_eq!(&apply(&differences, &before), &after);
            prop_assert_eq!(&apply(&invert(&differences), &after), &before);
            prop_assert_eq!(differences.is_empty(), before == after);
        }

        #[test]
        fn a_difference_survives_being_stored(before in document(), after in document()) {
            let differences = diff(&before, &after);
            let text = serde_json::to_string(&differences).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<Difference>>(&text).unwrap(), differences);
        }
    }
}
