//! Faults of a configuration: file, line, column, field path, what is wrong and the way out; as many as there are.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
}

/// One thing that is wrong; in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where, if it is at a place in the file.
    pub place: Option<Place>,
    /// Which field, such as `services[0].step`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and the way out.
    pub message: String,
}

/// All that is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    file: PathBuf,
    faults: BTreeSet<Fault>,
}

impl Faults {
    /// Nothing is wrong yet.
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), faults: BTreeSet::new() }
    }

    /// One fault of a file as a whole.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        let mut faults = Self::new(file);
        faults.push(Fault { place: None, path: String::new(), message: message.into() });
        faults
    }

    /// Adds a fault, unless it has been said: defaults hold for many services.
    pub fn push(&mut self, fault: Fault) {
        self.faults.insert(fault);
    }

    /// For programs: a list of file, line, column, field and message; line and column are null for a file as a whole.
    pub fn json(&self) -> Value {
        let one = |fault: &Fault| {
            json!({
                "file": self.file,
                "line": fault.place.map(|place| place.line),
                "column": fault.place.map(|place| place.column),
                "field": fault.path,
                "message": fault.message,
            })
        };
        self.faults.iter().map(one).collect()
    }

    /// How many things are wrong.
    pub fn len(&self) -> usize {
        self.faults.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Faults {
    /// A line for each fault, in the order of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some(Place { line, column }) = fault.place {
                write!(f, "{line}:{column}:")?;
            }
            if !fault.path.is_empty() {
                write!(f, " {}:", fault.path)?;
            }
            write!(f, " {}", fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
