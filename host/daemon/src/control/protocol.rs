//! What is said over the control socket.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol, in every request and response.
pub const VERSION: u32 = 1;
/// The longest request that is read, in bytes.
pub const LONGEST_REQUEST: u64 = 64 * 1024;

/// A request, one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// What is asked for.
    pub command: Word,
    /// `name` or `namespace/name`; every service if it is absent, where the command allows that.
    #[serde(default)]
    pub service: Option<String>,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// How things stand.
    Status,
    /// Roll back now.
    Cancel,
    /// The next change goes direct, once.
    Bypass,
    /// It does not, after all.
    ClearBypass,
    /// Stay at this step.
    Pause,
    /// Go on.
    Resume,
    /// Give the service back.
    Release,
    /// Take it in again.
    Adopt,
}

/// A response, one line: a result or an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// [`VERSION`].
    pub version: u32,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why there is none, and the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Response {
    /// Of an outcome.
    pub fn of(outcome: Result<Value, String>) -> Self {
        match outcome {
            Ok(result) => Self { version: VERSION, result: Some(result), error: None },
            Err(error) => Self { version: VERSION, result: None, error: Some(error) },
        }
    }
}

/// Reads one request.
///
/// # Errors
/// What is wrong with it, and the way out.
pub fn parse(line: &str) -> Result<Request, String> {
    let example = r#"send one line such as {"version":1,"command":"status","service":"shop/foo"}"#;
    let request: Request = serde_json::from_str(line).map_err(|error| format!("no request: {error}; {example}"))?;
    if request.version == VERSION {
        return Ok(request);
    }
    Err(format!(
        "version {} of the protocol is not spoken here, only {VERSION}; use the aviary of the daemon",
        request.version
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_strictly() {
        let request = parse(r#"{"version":1,"command":"clear-bypass","service":"shop/foo"}"#).unwrap();
        assert_eq!((request.command, request.service.as_deref()), (Word::ClearBypass, Some("shop/foo")));
        let table = [
            ("", "no request: EOF"),
            (r#"{"version":1,"command":"explode"}"#, "no request: unknown variant `explode`"),
            (r#"{"version":1,"command":"status","servise":"x"}"#, "no request: unknown field `servise`"),
            (r#"{"version":2,"command":"status"}"#, "version 2 of the protocol"),
        ];
        for (line, error) in table {
            let found = parse(line).unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
    }
}
