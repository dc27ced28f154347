//! What of a Deployment is a version: its spec without the number of replicas, and the digest that names it.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    diff::images,
    judge::Track,
    settings::Amount,
    view::{MANAGED_BY_LABEL, MANAGER, OWNER_ANNOTATION, TRACK_LABEL, workload_name},
};

/// Names a version: `v1:sha256:` and the hex digest of its canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub String);

impl Digest {
    /// Of any JSON document: object fields sorted, no white space.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        Self::of_text(&canonical_text(document))
    }

    fn of_text(canonical: &str) -> Self {
        Self(format!("v1:sha256:{}", hex(&Sha256::digest(canonical.as_bytes()))))
    }

    /// The first twelve hex digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        let hex = self.0.rsplit(':').next().unwrap_or_default();
        hex.get(..12).unwrap_or(hex)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Into these a copy's own labels go.
const COPIED_OBJECTS: [&str; 6] =
    ["", "/selector", "/selector/matchLabels", "/template", "/template/metadata", "/template/metadata/labels"];

/// A Deployment's spec as the API server has it, less `replicas` and `paused`. There are thousands of them, and few are
/// looked into: kept as canonical text, a tenth of what it takes in memory as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec(Arc<str>);

impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = as_served_now(Value::deserialize(deserializer)?);
        if let Some(field) = COPIED_OBJECTS.into_iter().find(|field| !is_object(&spec, field)) {
            return Err(D::Error::custom(format!("the spec of a Deployment in which spec{field} is no object")));
        }
        Ok(Self(canonical_text(&spec).into()))
    }
}

/// A raw `spec` as every API server serves it. Those before 1.34 have a `creationTimestamp: null` in each pod template
/// (kubernetes/kubernetes#130989): whether it is there makes no other version, also while a cluster is upgraded.
#[must_use]
pub fn as_served_now(mut spec: Value) -> Value {
    if let Some(metadata) = spec.pointer_mut("/template/metadata").and_then(Value::as_object_mut)
        && metadata.get("creationTimestamp").is_some_and(Value::is_null)
    {
        metadata.remove("creationTimestamp");
    }
    spec
}

fn is_object(spec: &Value, field: &str) -> bool {
    match spec.pointer(field) {
        None | Some(Value::Null) => !field.is_empty(),
        Some(value) => value.is_object(),
    }
}

impl Spec {
    /// Of a whole raw `spec`.
    #[must_use]
    pub fn of(spec: &Value) -> Self {
        let mut spec = as_served_now(spec.clone());
        if let Some(fields) = spec.as_object_mut() {
            fields.remove("replicas");
            fields.remove("paused");
        }
        Self(canonical_text(&spec).into())
    }

    /// The raw JSON, made anew each time.
    #[must_use]
    pub fn value(&self) -> Value {
        // It was written from JSON.
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The name of this version.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_text(&self.0)
    }

    /// The labels of its pods.
    #[must_use]
    pub fn pod_labels(&self) -> BTreeMap<String, String> {
        let spec = self.value();
        let labels = spec["template"]["metadata"]["labels"].as_object().into_iter().flatten();
        labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// Its containers' images, `container=image`, for people.
    #[must_use]
    pub fn images(&self) -> Vec<(String, String)> {
        images(&self.value(), "containers")
    }

    /// The images in one line.
    #[must_use]
    pub fn images_text(&self) -> String {
        let images = self.images();
        match images.as_slice() {
            [(_, image)] => image.clone(),
            several => several.iter().map(|(name, image)| format!("{name}={image}")).collect::<Vec<_>>().join(", "),
        }
    }

    /// The whole Deployment of a copy at `replicas` pods, walking with at most `surge` pods more.
    #[must_use]
    pub fn copy(&self, name: &str, track: Track, replicas: u32, surge: Amount) -> Value {
        let mut spec = self.copy_spec(track, surge);
        spec["replicas"] = json!(replicas);
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": workload_name(name, track),
                "labels": {MANAGED_BY_LABEL: MANAGER, TRACK_LABEL: track.word()},
                "annotations": {OWNER_ANNOTATION: name},
            },
            "spec": spec,
        })
    }

    /// The spec of a copy, without `replicas`: every label of the original stays, the track's is added.
    #[must_use]
    pub fn copy_spec(&self, track: Track, surge: Amount) -> Value {
        let mut spec = self.value();
        spec["selector"]["matchLabels"][TRACK_LABEL] = json!(track.word());
        spec["template"]["metadata"]["labels"][TRACK_LABEL] = json!(track.word());
        spec["strategy"] = strategy(surge);
        if track == Track::Canary {
            // With a history, a paused or empty canary could be scaled to an older revision.
            spec["revisionHistoryLimit"] = json!(0);
        }
        spec
    }
}

/// The copies' own strategy: capacity never falls below what is wanted, except where no pod may be added.
fn strategy(surge: Amount) -> Value {
    let (max_surge, max_unavailable) = match surge {
        Amount::Pods(0) => (json!(0), 1),
        Amount::Pods(pods) => (json!(pods), 0),
        Amount::Percent(percent) if percent <= 0.0 => (json!(0), 1),
        // The API takes whole percents only; rounding down keeps within N + surge.
        Amount::Percent(percent) => (json!(format!("{}%", percent.floor().clamp(1.0, 100.0))), 0),
    };
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": max_surge, "maxUnavailable": max_unavailable}})
}

fn canonical_text(document: &Value) -> String {
    let mut text = String::new();
    canonical(document, &mut text);
    text
}

fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            join(text, '{', '}', names, |name, text| {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(&fields[name], text);
            });
        }
        Value::Array(list) => join(text, '[', ']', list, canonical),
        leaf => text.push_str(&leaf.to_string()),
    }
}

fn join<I: IntoIterator>(text: &mut String, open: char, close: char, items: I, write: impl Fn(I::Item, &mut String)) {
    text.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(item, text);
    }
    text.push(close);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec() -> Value {
        json!({
            "replicas": 5, "paused": false, "selector": {"matchLabels": {"app": "foo"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": {"app": "foo"}}, "spec": {"containers": [{"name": "worker", "image": "w:1"}]}},
        })
    }

    /// Anything where an object should be, on the way to the labels of selector and pods.
    fn stored_spec() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), Just(json!(3)), Just(json!("x")), Just(json!([]))];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let field = prop::sample::select(vec!["selector", "matchLabels", "template", "metadata", "labels"]);
            prop::collection::vec((field, inner), 0..4)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        })
    }

    #[test]
    fn replicas_and_pause_are_no_version() {
        let mut other = spec();
        other["replicas"] = json!(9);
        other["paused"] = json!(true);
        assert_eq!(Spec::of(&spec()).digest(), Spec::of(&other).digest());
        other["template"]["spec"]["containers"][0]["image"] = json!("w:2");
        assert_ne!(Spec::of(&spec()).digest(), Spec::of(&other).digest());
    }

    #[test]
    fn what_older_api_servers_add_to_a_template_is_no_version() {
        let mut older = spec();
        older["template"]["metadata"]["creationTimestamp"] = json!(null);
        assert_eq!(Spec::of(&older), Spec::of(&spec()));
        let stored: Spec = serde_json::from_value(older).unwrap();
        assert_eq!(stored.value()["template"], spec()["template"]);
        let mut other = spec();
        other["template"]["metadata"]["creationTimestamp"] = json!("2026-11-28T10:00:00Z");
        assert_ne!(Spec::of(&other), Spec::of(&spec()), "anything else there is somebody's");
    }

    #[test]
    fn the_digest_is_the_one_published() {
        // Computed with `printf '{"a":[1,"x"],"b":null}' | sha256sum`.
        let digest = Digest::of(&json!({"b": null, "a": [1, "x"]}));
        assert_eq!(digest.0, "v1:sha256:854ef06dc57f5dfed10206344ab2d02e0b6c84b0e19436703a5afd0f1f9f2687");
        assert_eq!(digest.short().len(), 12);
    }

    #[test]
    fn a_copy_keeps_every_label_and_adds_its_track() {
        let copy = Spec::of(&spec()).copy("foo", Track::Canary, 2, Amount::Percent(25.0));
        assert_eq!(copy["metadata"]["name"], "foo-canary");
        assert_eq!(copy["spec"]["replicas"], 2);
        assert_eq!(copy["spec"]["selector"]["matchLabels"], json!({"app": "foo", "aviary.dev/track": "canary"}));
        assert_eq!(copy["spec"]["template"]["metadata"]["labels"], json!({"app": "foo", "aviary.dev/track": "canary"}));
        assert_eq!(copy["spec"]["strategy"]["rollingUpdate"], json!({"maxSurge": "25%", "maxUnavailable": 0}));
    }

    #[test]
    fn a_selector_of_expressions_gets_the_track_as_a_label() {
        let mut spec = spec();
        spec["selector"] = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["foo"]}]});
        let copy = Spec::of(&spec).copy_spec(Track::Primary, Amount::Pods(0));
        assert_eq!(copy["selector"]["matchLabels"], json!({"aviary.dev/track": "primary"}));
        assert_eq!(copy["template"]["metadata"]["labels"]["aviary.dev/track"], "primary");
    }

    #[test]
    fn a_stored_spec_of_which_no_copy_can_be_made_is_refused() {
        for (stored, field) in [
            (json!("x"), "spec"),
            (json!(null), "spec"),
            (json!({"template": "x"}), "spec/template"),
            (json!({"template": {"metadata": {"labels": []}}}), "spec/template/metadata/labels"),
            (json!({"selector": {"matchLabels": 3}}), "spec/selector/matchLabels"),
        ] {
            let error = serde_json::from_value::<Spec>(stored).unwrap_err().to_string();
            assert!(error.contains(&format!("{field} is no object")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn of_whatever_is_stored_a_copy_is_made_or_it_is_refused(stored in stored_spec()) {
            if let Ok(spec) = serde_json::from_value::<Spec>(stored) {
                prop_assert_eq!(&spec.copy("foo", Track::Canary, 1, Amount::Pods(1))["spec"]["replicas"], 1);
            }
        }

        #[test]
        fn a_spec_is_what_it_was_made_of(text in "\\PC{0,8}", count in any::<i64>()) {
            let whole = json!({"text": text, "count": count, "nested": {&text: [null, true]}});
            let spec = Spec::of(&whole);
            prop_assert_eq!(&spec.value(), &whole);
            prop_assert_eq!(spec.digest(), Digest::of(&whole));
            prop_assert_eq!(&serde_json::from_str::<Spec>(&serde_json::to_string(&spec).unwrap()).unwrap(), &spec);
        }

        #[test]
        fn the_order_of_fields_does_not_matter(fields in prop::collection::btree_map("[a-z]{1,3}", 0..9i64, 0..8)) {
            let forwards: Value = fields.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<serde_json::Map<_, _>>().into();
            let backwards: Value = fields.iter().rev().map(|(k, v)| (k.clone(), json!(v))).collect::<serde_json::Map<_, _>>().into();
            prop_assert_eq!(Digest::of(&forwards), Digest::of(&backwards));
        }
    }
}
