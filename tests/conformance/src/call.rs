//! One request, and what is answered.

use serde_json::{Value, json};

/// A request, as it goes to either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, from its first slash.
    pub path: String,
    /// The query, without the question mark; may be empty.
    pub query: String,
    /// The header of that name; may be empty.
    pub content_type: &'static str,
    /// The body; null for none.
    pub body: Value,
}

impl Call {
    /// A request without a body.
    #[must_use]
    pub fn get(path: String) -> Self {
        Self { method: "GET", path, query: String::new(), content_type: "", body: Value::Null }
    }

    /// The body as it is sent.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        if self.body.is_null() { Vec::new() } else { self.body.to_string().into_bytes() }
    }
}

/// What is answered to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The object, list or `Status`.
    pub body: Value,
}

impl Answer {
    /// What of the answer must be the same on both sides: of an error what Aviary reads of it, of an object what it says.
    #[must_use]
    pub fn essence(&self, call: &Call) -> Value {
        let body = &self.body;
        if self.status >= 400 {
            let details = &body["details"];
            return json!({
                "status": self.status, "reason": body["reason"], "code": body["code"], "kind": details["kind"],
                "name": details["name"], "group": details["group"],
            });
        }
        // Of a deletion: whether it is told what it was.
        if call.method == "DELETE" {
            return json!({"status": self.status, "kind": body["kind"]});
        }
        let metadata = &body["metadata"];
        json!({
            "status": self.status, "kind": body["kind"], "apiVersion": body["apiVersion"], "spec": body["spec"],
            "data": body["data"], "generation": metadata["generation"], "labels": metadata["labels"],
        })
    }
}
