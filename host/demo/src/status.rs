//! What the daemon says over its control socket, as far as the demo shows it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use aviary_core::record::Ending;
use serde::Deserialize;
use serde_json::{Value, json};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The whole answer.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Status {
    pub daemon: Daemon,
    pub services: Vec<Service>,
    pub policies: Vec<Policy>,
}

/// The daemon itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Daemon {
    pub not_ready: Vec<String>,
}

/// A policy that is loaded.
#[derive(Clone, Debug, Deserialize)]
pub struct Policy {
    pub name: String,
    pub digest: String,
    pub source: String,
    pub summary: String,
}

/// The one service of the demo.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Service {
    pub phase: String,
    #[serde(default)]
    pub reason: Option<String>,
    pub tracks: Tracks,
    #[serde(default)]
    pub rollout: Option<Rollout>,
    #[serde(default)]
    pub history: Option<Vec<Past>>,
    #[serde(default)]
    pub problems: Vec<Problem>,
}

/// Its three Deployments.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Tracks {
    pub original: Option<Track>,
    pub primary: Option<Track>,
    pub canary: Option<Track>,
}

/// One of them.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Track {
    pub wanted: u32,
    pub ready: u32,
    pub pods: u32,
    pub image: String,
}

/// What is under way.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Rollout {
    pub step: u32,
    pub steps: u32,
    pub size: u32,
    /// Milliseconds since the epoch.
    pub step_complete: Option<i64>,
    /// Milliseconds since the epoch.
    pub next_check: Option<i64>,
    pub checks: Vec<Check>,
    pub checks_in_all: u32,
}

/// One look at a step.
#[derive(Clone, Debug, Deserialize)]
pub struct Check {
    pub at: i64,
    pub step_index: u32,
    pub outcome: String,
    pub findings: Vec<Finding>,
}

/// What one analyzer said.
#[derive(Clone, Debug, Deserialize)]
pub struct Finding {
    pub policy: Identity,
    pub finding: Said,
}

/// Whose finding it is.
#[derive(Clone, Debug, Deserialize)]
pub struct Identity {
    pub name: String,
}

/// The finding.
#[derive(Clone, Debug, Deserialize)]
pub struct Said {
    pub outcome: String,
    pub reason: String,
}

/// A rollout that ended.
#[derive(Clone, Debug, Deserialize)]
pub struct Past {
    pub ending: Ending,
    pub reason: String,
}

/// What is wrong with the service.
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    pub fault: String,
    pub remedy: String,
}

#[derive(Deserialize)]
struct Response {
    result: Option<Value>,
    error: Option<String>,
}

/// An ending, as it is shown.
pub const fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Promoted => "promoted",
        Ending::RolledBack => "rolled back",
        Ending::Superseded => "superseded",
    }
}

impl Status {
    /// The one service.
    pub fn service(&self) -> Service {
        self.services.first().cloned().unwrap_or_default()
    }
}

impl Service {
    /// How many rollouts have ended, as far as the daemon remembers them.
    pub fn ended(&self) -> usize {
        self.history.as_ref().map_or(0, Vec::len)
    }

    /// The rollout that ended last.
    pub fn last(&self) -> Option<&Past> {
        self.history.as_ref()?.last()
    }
}

impl Check {
    /// The finding that decided. Of several as bad the last: the first is `health`, which tells less of a canary that passes.
    pub fn decisive(&self) -> Option<&Finding> {
        self.findings.iter().rfind(|finding| finding.finding.outcome == self.outcome)
    }
}

/// Asks the daemon how things stand; none while nobody listens there.
///
/// # Errors
/// When it listens and gives no answer that can be read.
pub fn ask(socket: &Path) -> Result<Option<Status>> {
    let Ok(stream) = UnixStream::connect(socket) else { return Ok(None) };
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    writeln!(&stream, "{}", json!({ "version": 1, "command": "status" })).context("the daemon does not listen")?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).context("the daemon gave no answer")?;
    let response: Response = serde_json::from_str(&line).context("the daemon's answer cannot be read")?;
    match (response.result, response.error) {
        (Some(result), _) => Ok(Some(serde_json::from_value(result).context("the status has another form")?)),
        (None, error) => bail!("the daemon refused to tell its status: {}", error.unwrap_or_default()),
    }
}
