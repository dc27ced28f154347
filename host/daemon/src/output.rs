//! What goes to the standard output, and in which form.

use std::io::Write as _;

use anyhow::Result;
use clap::ValueEnum;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// Prints; a reader that has gone away is no error.
pub fn print(text: &str) -> Result<()> {
    is_read(text).map(drop)
}

/// Prints; whether there is still a reader.
pub fn is_read(text: &str) -> Result<bool> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        outcome => Ok(outcome.map(|()| true)?),
    }
}
