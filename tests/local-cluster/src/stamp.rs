//! A process, told apart from a later one with the same number.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A process id and when that process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The process id.
    pub id: i32,
    /// Clock ticks since the machine started.
    pub started: u64,
}

impl Stamp {
    /// The process that has this id now; None when there is none.
    pub fn of(id: i32) -> Option<Stamp> {
        let fields = status_fields(id)?;
        Some(Stamp { id, started: fields.get(19)?.parse().ok()? })
    }

    /// Reads what [`Stamp::line`] wrote to a file.
    pub fn read(file: &Path) -> Result<Stamp> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut words = text.split_whitespace();
        let mut next = || words.next().with_context(|| format!("{} does not name a process", file.display()));
        Ok(Stamp { id: next()?.parse()?, started: next()?.parse()? })
    }

    /// Whether this very process still lives; a zombie does not.
    pub fn lives(self) -> bool {
        Stamp::of(self.id) == Some(self) && state(self.id).is_some_and(|state| state != 'Z')
    }

    pub(crate) fn line(self) -> String {
        format!("{} {}\n", self.id, self.started)
    }
}

/// The state letter of proc(5), such as `T` for stopped.
pub(crate) fn state(id: i32) -> Option<char> {
    status_fields(id)?.first()?.chars().next()
}

/// The fields of /proc/ID/stat after the command, which is in parentheses and may hold anything.
fn status_fields(id: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}
