//! Effects on the cluster as values: idempotent, and guarded by uid, generation and the old value.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::judge::Track;

/// What a patch is for, in one word for log, event and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// `spec.replicas` of a Deployment.
    Scale,
    /// A copy takes a new spec.
    Template,
    /// The original's spec goes back to the accepted one.
    Revert,
    /// A field that Aviary wrote is given back to whoever applies it next.
    GiveBack,
}

/// One write; a failed guard leaves the object as it was.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Create a copy. An object that is already there is read back and looked at again.
    Create {
        /// Whose copy.
        track: Track,
        /// The whole Deployment, without namespace.
        manifest: Value,
    },
    /// A JSON patch (RFC 6902) that begins with its `test` operations.
    Patch {
        /// Which Deployment.
        track: Track,
        /// Its uid, also tested by the patch.
        uid: String,
        /// What it is for.
        purpose: Purpose,
        /// The operations.
        operations: Vec<Value>,
    },
    /// Delete a copy, with a uid precondition, its pods with it.
    Delete {
        /// Which copy.
        track: Track,
        /// Its uid.
        uid: String,
    },
    /// Delete the record.
    DeleteRecord,
}
