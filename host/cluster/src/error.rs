//! What the API server's refusals mean for a daemon that plans again.

use std::error::Error as _;

use kube::{Error, core::Status, runtime::watcher};
use thiserror::Error as ThisError;

/// Why a write did not happen, or may not have happened; each carries the API server's own words.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum WriteError {
    /// The object is no longer what the plan saw: plan again when the watch has moved.
    #[error("the object has changed since it was looked at: {0}; it is planned again")]
    GuardFailed(String),
    /// An object of that name is there already: read it back before touching it.
    #[error("an object of that name exists already: {0}; look at whose it is")]
    AlreadyExists(String),
    /// There is no such object.
    #[error("there is no such object: {0}")]
    NotFound(String),
    /// Not allowed: credentials, RBAC, a quota, an admission policy, or a namespace that is being deleted.
    #[error(
        "not allowed: {0}; compare the Role with config/kustomize-rights/role.yaml, unless credentials, a quota or a webhook are named"
    )]
    Forbidden(String),
    /// The API server will not take such an object however often it is sent.
    #[error("the API server finds it invalid: {0}")]
    Invalid(String),
    /// Certainly not done; worth another try later.
    #[error("not now: {0}")]
    Unavailable(String),
    /// Nobody knows whether it was done: plan again when the watch has moved, or after a while.
    #[error("the answer was lost: {0}; it may have been done or not")]
    Unknown(String),
}

impl WriteError {
    /// What an error of the client means for a write.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Api(status) => Self::of_status(status),
            Error::BuildRequest(_) | Error::HttpError(_) => Self::Invalid(error.to_string()),
            Error::Auth(_) => Self::Forbidden(error.to_string()),
            _ => Self::Unknown(with_causes(error)),
        }
    }

    fn of_status(status: &Status) -> Self {
        let words = words(status);
        match status.code {
            401 | 403 => Self::Forbidden(words),
            404 => Self::NotFound(words),
            409 if status.is_already_exists() => Self::AlreadyExists(words),
            409 => Self::GuardFailed(words),
            422 if names_an_object(status) => Self::Invalid(words),
            422 => Self::GuardFailed(words),
            429 | 503 => Self::Unavailable(words),
            400..=499 => Self::Invalid(words),
            _ => Self::Unknown(words),
        }
    }
}

/// A failed validation names the object and its fields; a failed `test` of a JSON patch is a bare 422.
fn names_an_object(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.kind.is_empty() || !details.causes.is_empty())
}

/// What the API server says itself.
fn words(status: &Status) -> String {
    if status.message.is_empty() { status.reason.clone() } else { status.message.clone() }
}

/// Why a watch does not work, in the API server's own words where it has any.
pub(crate) fn watch_words(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => with_causes(error),
        watcher::Error::WatchError(refusal) => words(refusal),
        other => other.to_string(),
    }
}

/// The whole chain, since the outermost error of the client seldom says what happened.
fn with_causes(error: &Error) -> String {
    if let Error::Api(status) = error {
        return words(status);
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_words = inner.to_string();
        if !words.contains(&inner_words) {
            words = format!("{words}: {inner_words}");
        }
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    fn status(code: u16, reason: &str) -> Status {
        Status::failure("words", reason).with_code(code)
    }

    #[test]
    fn each_code_is_told_apart() {
        let words = || "words".to_owned();
        let table = [
            (status(401, "Unauthorized"), WriteError::Forbidden(words())),
            (status(403, "Forbidden"), WriteError::Forbidden(words())),
            (status(404, "NotFound"), WriteError::NotFound(words())),
            (status(409, "AlreadyExists"), WriteError::AlreadyExists(words())),
            (status(409, "Conflict"), WriteError::GuardFailed(words())),
            (status(422, "Invalid"), WriteError::GuardFailed(words())),
            (status(429, "TooManyRequests"), WriteError::Unavailable(words())),
            (status(413, "RequestEntityTooLarge"), WriteError::Invalid(words())),
            (status(500, "InternalError"), WriteError::Unknown(words())),
            (status(503, "ServiceUnavailable"), WriteError::Unavailable(words())),
            (status(504, "Timeout"), WriteError::Unknown(words())),
        ];
        for (status, expected) in table {
            assert_eq!(WriteError::of(&Error::Api(status.clone().boxed())), expected, "{status:?}");
        }
    }

    #[test]
    fn a_validation_names_the_object_and_a_failed_test_does_not() {
        let cause = StatusCause { reason: "FieldValueInvalid".into(), message: "no".into(), field: "spec".into() };
        let details = StatusDetails {
            name: "foo".into(),
            group: "apps".into(),
            kind: "Deployment".into(),
            uid: String::new(),
            causes: vec![cause],
            retry_after_seconds: 0,
        };
        let validation = status(422, "Invalid").with_details(details);
        assert_eq!(WriteError::of(&Error::Api(validation.boxed())), WriteError::Invalid("words".into()));
    }
}
