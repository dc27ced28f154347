//! Effects on the cluster as values: idempotent, and guarded by uid, generation and the old value.

use std::fmt;

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

/// For a log: fields by name, and of their values numbers only. A template has secrets in it.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { track, manifest } => {
                write!(f, "create the {track} with {} pods", manifest["spec"]["replicas"])
            }
            Self::Patch { track, purpose, operations, .. } => {
                write!(f, "patch the {track} ({purpose:?}):")?;
                operations.iter().try_for_each(|operation| {
                    let text = |field: &str| operation[field].as_str().unwrap_or_default();
                    write!(f, " {} {}", text("op"), text("path"))?;
                    operation["value"].as_number().map_or(Ok(()), |value| write!(f, " {value}"))
                })
            }
            Self::Delete { track, uid } => write!(f, "delete the {track} {uid}"),
            Self::DeleteRecord => f.write_str("delete the record"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_log_tells_fields_and_numbers_but_no_secret() {
        let secret = json!({"spec": {"containers": [{"env": [{"name": "PASSWORD", "value": "hunter2"}]}]}});
        let patch = Write::Patch {
            track: Track::Canary,
            uid: "u".to_owned(),
            purpose: Purpose::Template,
            operations: vec![
                json!({"op": "test", "path": "/metadata/generation", "value": 7}),
                json!({"op": "add", "path": "/spec/template", "value": secret}),
            ],
        };
        let create =
            Write::Create { track: Track::Canary, manifest: json!({"spec": {"replicas": 2, "template": secret}}) };
        assert_eq!(patch.to_string(), "patch the canary (Template): test /metadata/generation 7 add /spec/template");
        assert_eq!(create.to_string(), "create the canary with 2 pods");
    }
}
