//! Requests as they come in, and what their paths and queries mean.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{kinds::Kind, refusal::Refusal, watch::Watch};

/// One request, as over HTTP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'a str,
    /// The path, from its first slash.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: &'a str,
    /// The header of that name; it asks for metadata only.
    pub accept: &'a str,
    /// The header of that name; it tells the kind of a patch.
    pub content_type: &'a str,
    /// The header `user-agent`, which names the manager of fields where the query does not.
    pub agent: &'a str,
    /// The body; empty for none.
    pub body: &'a [u8],
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Response {
    /// An object, a list or a `Status`.
    Answer {
        /// The status code.
        status: u16,
        /// The object.
        body: Value,
    },
    /// A watch has begun: ask for what it has to tell.
    Watch(Watch),
}

/// What of an object is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Scale,
    Status,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub kind: Kind,
    pub namespace: Option<&'a str>,
    pub name: Option<&'a str>,
    pub part: Part,
}

impl<'a> Target<'a> {
    pub fn of(path: &'a str) -> Result<Self, Refusal> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Refusal::no_such_resource()),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (plural, name, part) = match rest {
            [plural] => (*plural, None, Part::Whole),
            [plural, name] => (*plural, Some(*name), Part::Whole),
            [plural, name, "scale"] => (*plural, Some(*name), Part::Scale),
            [plural, name, "status"] => (*plural, Some(*name), Part::Status),
            _ => return Err(Refusal::no_such_resource()),
        };
        let kind = Kind::find(group, version, plural).ok_or_else(Refusal::no_such_resource)?;
        if part == Part::Scale && kind != Kind::Deployment {
            return Err(Refusal::no_such_resource());
        }
        Ok(Self { kind, namespace, name, part })
    }
}

/// The parameters of a query.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub fn of(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

impl Request<'_> {
    /// Who manages the fields that are written.
    pub(super) fn manager(&self, query: &Query) -> String {
        let agent = self.agent.split('/').next().filter(|agent| !agent.is_empty());
        query.get("fieldManager").or(agent).unwrap_or("unknown").to_owned()
    }

    /// Whether only metadata are asked for.
    pub(super) fn wants_metadata(&self) -> bool {
        self.accept.contains("as=PartialObjectMetadata")
    }

    pub(super) fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(self.body).map_err(|error| Refusal::bad_request(format!("the body is no JSON: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_what_the_api_server_means_by_it() {
        let target = |kind, namespace, name, part| Target { kind, namespace, name, part };
        let deployments = "/apis/apps/v1/namespaces/shop/deployments";
        let table = [
            (deployments.to_owned(), target(Kind::Deployment, Some("shop"), None, Part::Whole)),
            (format!("{deployments}/foo"), target(Kind::Deployment, Some("shop"), Some("foo"), Part::Whole)),
            (format!("{deployments}/foo/scale"), target(Kind::Deployment, Some("shop"), Some("foo"), Part::Scale)),
            ("/api/v1/pods".to_owned(), target(Kind::Pod, None, None, Part::Whole)),
            ("/api/v1/namespaces/a/pods/p".to_owned(), target(Kind::Pod, Some("a"), Some("p"), Part::Whole)),
        ];
        for (path, expected) in table {
            assert_eq!(Target::of(&path), Ok(expected), "{path}");
        }
        for path in ["/", "/version", "/apis/apps/v1/statefulsets", "/api/v1/namespaces/a", "/api/v1/pods/p/scale"] {
            assert!(Target::of(path).is_err(), "{path}");
        }
    }
}
