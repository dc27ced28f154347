//! What comes back from a call: an answer with the policy behind it, or a trap.

use std::{fmt, time::Duration};

use aviary_core::judge::PolicyIdentity;
use serde::{Deserialize, Serialize};

/// One of the three questions; a policy answers exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What is this change?
    Classifier,
    /// What does this check say?
    Analyzer,
    /// What now?
    Progression,
}

impl Kind {
    /// All of them, in the order in which a rollout asks them.
    pub const ALL: [Self; 3] = [Self::Classifier, Self::Analyzer, Self::Progression];

    /// The function that answers the question.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::Classifier => "classify",
            Self::Analyzer => "analyze",
            Self::Progression => "next",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classifier => "classifier",
            Self::Analyzer => "analyzer",
            Self::Progression => "progression",
        })
    }
}

/// What a policy answered, and which one.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The policy that was asked. If there is none of that name, version and digest are `none`.
    pub policy: PolicyIdentity,
    /// The answer, its fields checked; or why there is none.
    pub result: Result<T, Trap>,
    /// What it logged, oldest first.
    pub logs: Vec<LogLine>,
    /// Log lines beyond the limit, which are lost.
    pub logs_cut: u32,
    /// What the call cost; nothing if there was none.
    pub spent: Spent,
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// From the making of the instance to its end.
    pub time: Duration,
    /// Bytes of linear memory in the end; memory never shrinks.
    pub memory: usize,
}

/// A line that a policy logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How serious the policy finds it.
    pub level: LogLevel,
    /// The text, without control characters.
    pub message: String,
}

/// How serious a policy finds a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For its author.
    Debug,
    /// For whoever reads along.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}

/// Why a policy gave no answer; reads on after "the policy".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trap {
    /// It did not end in time.
    #[error("took longer than {limit}")]
    Time {
        /// The time it had.
        limit: String,
    },
    /// It wanted more memory than it may have.
    #[error("wanted {wanted} of memory, more than the {limit} it may have")]
    Memory {
        /// What it would have had in all.
        wanted: String,
        /// What it may have.
        limit: String,
    },
    /// It passed more to the host than it may.
    #[error("passed more than {limit} at once, in its answer or in a log line")]
    Size {
        /// What it may pass.
        limit: String,
    },
    /// It stopped itself; the text is its last word.
    #[error("panicked: {0}")]
    Panic(String),
    /// It broke a rule of WebAssembly, or stopped without a word.
    #[error("trapped: {0}")]
    Wasm(String),
    /// It answered what may not be answered.
    #[error("gave an answer that cannot be used: {0}")]
    Answer(String),
    /// The registry has no such policy for this question.
    #[error("{0}")]
    Missing(String),
}

impl Trap {
    /// Every word there is for a trap.
    pub const WORDS: [&'static str; 7] = ["time", "memory", "size", "panic", "wasm", "answer", "missing"];

    /// The kind of trap, in one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Time { .. } => "time",
            Self::Memory { .. } => "memory",
            Self::Size { .. } => "size",
            Self::Panic(_) => "panic",
            Self::Wasm(_) => "wasm",
            Self::Answer(_) => "answer",
            Self::Missing(_) => "missing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trap_has_a_word_of_its_own() {
        let text = String::new;
        let traps = [
            Trap::Time { limit: text() },
            Trap::Memory { wanted: text(), limit: text() },
            Trap::Size { limit: text() },
            Trap::Panic(text()),
            Trap::Wasm(text()),
            Trap::Answer(text()),
            Trap::Missing(text()),
        ];
        assert_eq!(traps.map(|trap| trap.word()), Trap::WORDS);
    }
}
