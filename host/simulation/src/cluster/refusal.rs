//! What the API server says when it does not do something, as a `Status`.

use serde_json::{Value, json};

use super::{kinds::Kind, request::Response};

/// A request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    about: Option<(Kind, String)>,
    /// Whether the object is named by its kind, rather than as paths do it.
    by_kind: bool,
    /// The fields that are at fault, each with what is wrong.
    causes: Vec<(String, String)>,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, about: None, by_kind: false, causes: Vec::new() }
    }

    fn about(self, kind: Kind, name: &str) -> Self {
        Self { about: Some((kind, name.to_owned())), ..self }
    }

    pub fn not_found(kind: Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", qualified(kind))).about(kind, name)
    }

    pub fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource".to_owned())
    }

    pub fn already_exists(kind: Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", qualified(kind))).about(kind, name)
    }

    pub fn conflict(kind: Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(kind));
        Self::new(409, "Conflict", message).about(kind, name)
    }

    /// A precondition of a deletion; it names the object by its kind.
    pub fn precondition(kind: Kind, name: &str, why: &str) -> Self {
        Self { by_kind: true, ..Self::conflict(kind, name, why) }
    }

    /// A validation; it names the object and each field at fault.
    pub fn invalid(kind: Kind, name: &str, causes: Vec<(String, String)>) -> Self {
        let faults: Vec<String> = causes.iter().map(|(field, fault)| format!("{field}: {fault}")).collect();
        let message = format!("{} \"{name}\" is invalid: {}", kind.name(), faults.join(", "));
        Self { causes, by_kind: true, ..Self::new(422, "Invalid", message).about(kind, name) }
    }

    /// A kind of which each update has to name the version that it replaces.
    pub fn without_version(kind: Kind, name: &str) -> Self {
        let words = "Invalid value: 0: must be specified for an update".to_owned();
        let causes = vec![("metadata.resourceVersion".to_owned(), words)];
        Self { by_kind: false, ..Self::invalid(kind, name, causes) }
    }

    /// A JSON patch that cannot be carried out, a failed `test` above all; it names no object.
    pub fn patch_failed(operation: &str) -> Self {
        Self::new(
            422,
            "Invalid",
            format!("the server rejected our request due to an error in our request: {operation}"),
        )
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource".to_owned())
    }

    pub fn unsupported_media_type(content_type: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, \
             application/strategic-merge-patch+json (it was {content_type})"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// A watch from a version that is not kept any more.
    pub fn expired(version: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {version}"))
    }

    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut details = json!({});
        if let Some((kind, name)) = &self.about {
            let word = if self.by_kind { kind.name() } else { kind.plural() };
            details = json!({"name": name, "kind": word});
            if !kind.group().is_empty() {
                details["group"] = json!(kind.group());
            }
        }
        if !self.causes.is_empty() {
            let cause = |(field, fault): &(String, String)| json!({"reason": "FieldValueInvalid", "message": fault, "field": field});
            details["causes"] = self.causes.iter().map(cause).collect();
        }
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": details, "code": self.code,
        })
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::Answer { status: refusal.code, body: refusal.status() }
    }
}

fn qualified(kind: Kind) -> String {
    match kind.group() {
        "" => kind.plural().to_owned(),
        group => format!("{}.{group}", kind.plural()),
    }
}
