//! One request to the daemon.

use std::{
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::protocol::{Request, Response, VERSION, Word};

/// How long an answer may take: the daemon stores what is asked for before it answers.
const LIMIT: Duration = Duration::from_secs(20);

/// Asks the daemon behind `socket`.
///
/// # Errors
/// When there is no daemon, or it says no.
pub fn ask(socket: &Path, command: Word, service: Option<&str>) -> Result<Value> {
    let stream = UnixStream::connect(socket).map_err(|error| no_daemon(socket, &error))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let request = Request { version: VERSION, command, service: service.map(str::to_owned) };
    writeln!(&stream, "{}", serde_json::to_string(&request)?).context("the daemon does not listen")?;
    let mut line = String::new();
    let read = BufReader::new(&stream).read_line(&mut line);
    let unknown = "it may be done or not; `aviary status` tells once the daemon answers";
    if read.with_context(|| format!("the daemon gave no answer in time: {unknown}"))? == 0 {
        bail!("the daemon ended before it answered: {unknown}");
    }
    let response: Response =
        serde_json::from_str(&line).context("the daemon's answer cannot be read; is it of another version?")?;
    match (response.result, response.error) {
        (Some(result), _) => Ok(result),
        (None, Some(error)) => bail!(error),
        (None, None) => bail!("the daemon's answer is empty; is it of another version?"),
    }
}

fn no_daemon(socket: &Path, error: &std::io::Error) -> anyhow::Error {
    let path = socket.display();
    match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!(
            "no daemon: there is no socket {path}; start `aviary run`, or name its socket with --socket"
        ),
        ErrorKind::ConnectionRefused => anyhow::anyhow!("no daemon: nobody listens on {path}; start `aviary run`"),
        ErrorKind::PermissionDenied => anyhow::anyhow!("no access to {path}: run this as the daemon's user"),
        _ => anyhow::anyhow!("no daemon: {path}: {error}"),
    }
}
