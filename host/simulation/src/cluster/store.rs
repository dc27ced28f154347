//! What etcd holds: objects by name, each write with a version of its own, and the changes that watches replay.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};

use super::kinds::Kind;

/// How many changes are kept for watches; one that has fallen further behind has to list anew.
const KEPT_CHANGES: usize = 4096;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// A write that was made.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub version: u64,
    pub key: Key,
    pub before: Option<Arc<Value>>,
    /// Nothing where the object was deleted.
    pub after: Option<Arc<Value>>,
}

/// All objects.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    changes: VecDeque<Change>,
    /// The newest change that is not kept any more.
    forgotten: u64,
    uids: u64,
}

impl Store {
    pub const fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// Objects of a kind, in order; of one namespace or all.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let fits = move |key: &Key| key.kind == kind && namespace.is_none_or(|wanted| wanted == key.namespace);
        let first = Key::new(kind, namespace.unwrap_or_default(), "");
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind).filter(move |(key, _)| fits(key))
    }

    /// A uid that nothing else has, in the form that the API server gives it.
    pub fn new_uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.uids)
    }

    /// Stores an object with a new version; nothing is written where nothing has changed.
    pub fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        let before = self.objects.get(key).cloned();
        if let Some(before) = &before {
            object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            if **before == object {
                return before.clone();
            }
        }
        let object = self.stamped(object);
        self.objects.insert(key.clone(), object.clone());
        self.note(Change { version: self.version, key: key.clone(), before, after: Some(object.clone()) });
        object
    }

    /// Removes an object; what it was, with the version of its end.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        let last = self.stamped((*before).clone());
        self.note(Change { version: self.version, key: key.clone(), before: Some(last.clone()), after: None });
        Some(last)
    }

    fn stamped(&mut self, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        Arc::new(object)
    }

    fn note(&mut self, change: Change) {
        if self.changes.len() == KEPT_CHANGES {
            self.forgotten = self.changes.pop_front().map_or(self.forgotten, |oldest| oldest.version);
        }
        self.changes.push_back(change);
    }

    /// Forgets what watches could replay, as a compaction of etcd does.
    pub fn compact(&mut self) {
        self.changes.clear();
        self.forgotten = self.version;
    }

    /// The changes after a version; nothing where some of them are forgotten.
    pub fn changes_after(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        let first = self.changes.partition_point(|change| change.version <= version);
        (version >= self.forgotten).then(|| self.changes.range(first..))
    }
}
