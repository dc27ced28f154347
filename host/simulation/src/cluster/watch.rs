//! Watches: what has changed since the last time one asked.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    kinds::Kind,
    refusal::Refusal,
    selector::Selector,
    store::{Change, Store},
};

/// A watch under way.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    pub(super) metadata_only: bool,
    /// What was told last.
    pub(super) version: u64,
    /// For how long it lasts, in seconds; nothing for as long as somebody listens.
    pub(super) seconds: Option<u64>,
    pub(super) ended: bool,
    /// Whether it begins with what there is, as `sendInitialEvents` asks.
    pub(super) begins_with_all: bool,
}

impl Watch {
    /// For how long it lasts, in seconds; nothing for as long as somebody listens.
    #[must_use]
    pub const fn seconds(&self) -> Option<u64> {
        self.seconds
    }

    /// Whether it has told its last.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// What is to be told since the last time: objects with `type` and `object`. One that fell too far behind is told
    /// 410 and ends.
    pub(super) fn told(&mut self, store: &Store) -> Vec<Value> {
        if std::mem::take(&mut self.begins_with_all) {
            return self.all(store);
        }
        let Some(changes) = store.changes_after(self.version) else {
            self.ended = true;
            return vec![json!({"type": "ERROR", "object": Refusal::expired(self.version).status()})];
        };
        let told = changes.filter_map(|change| self.event(change)).collect();
        self.version = store.version();
        told
    }

    /// What there is, and a bookmark at its end (KEP-3157, streaming lists).
    fn all(&mut self, store: &Store) -> Vec<Value> {
        self.version = store.version();
        let objects = store.list(self.kind, self.namespace.as_deref()).map(|(_, object)| object);
        let told = objects.filter(|object| self.selector.fits(object)).map(|object| {
            let object = if self.metadata_only { metadata_of(object) } else { (**object).clone() };
            json!({"type": "ADDED", "object": object})
        });
        let mut bookmark = if self.metadata_only { metadata_of(&json!({})) } else { self.kind.bare() };
        bookmark["metadata"] = json!({
            "resourceVersion": self.version.to_string(), "annotations": {"k8s.io/initial-events-end": "true"},
        });
        told.chain([json!({"type": "BOOKMARK", "object": bookmark})]).collect()
    }

    fn event(&self, change: &Change) -> Option<Value> {
        let here = self.namespace.as_ref().is_none_or(|namespace| *namespace == change.key.namespace);
        if change.key.kind != self.kind || !here {
            return None;
        }
        let fits = |object: &&Arc<Value>| self.selector.fits(object);
        let (before, after) = (change.before.as_ref().filter(fits), change.after.as_ref().filter(fits));
        let (word, object) = match (before, after) {
            (None, Some(object)) => ("ADDED", object),
            (Some(_), Some(object)) => ("MODIFIED", object),
            // What fits no longer is told as it was when it did, with the version of the change.
            (Some(object), None) => ("DELETED", object),
            (None, None) => return None,
        };
        let mut object = if self.metadata_only { metadata_of(object) } else { (**object).clone() };
        object["metadata"]["resourceVersion"] = json!(change.version.to_string());
        Some(json!({"type": word, "object": object}))
    }
}

/// An object without all but its metadata.
pub(super) fn metadata_of(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}
