//! Differences between two specs, as JSON Pointers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One difference between two JSON documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// JSON Pointer (RFC 6901); an element of a keyed list is named by its key: `/containers/name=worker/image`.
    pub pointer: String,
    /// Absent where the value was added.
    pub before: Option<Value>,
    /// Absent where the value was removed.
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
