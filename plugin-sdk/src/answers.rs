//! Answers in one line: findings, classifications and moves.

use std::fmt;

use crate::{
    Attribute, Classification, Finding, KindOfChange, MetricFinding, Move, NextStep, Outcome, Situation, Timestamp,
    Track,
};

impl Finding {
    /// A finding without a score and without a line per metric.
    pub fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, score: None, reason: reason.into(), metrics: Vec::new(), attributes: Vec::new() }
    }

    /// Conclusively good.
    pub fn pass(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Pass, reason)
    }

    /// Nothing can be said.
    pub fn inconclusive(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Inconclusive, reason)
    }

    /// Bad.
    pub fn fail(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, reason)
    }

    /// So bad that it is rolled back at once.
    pub fn critical(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Critical, reason)
    }

    /// The worst of several, of as bad ones the first; `None` of none.
    pub fn worst(findings: impl IntoIterator<Item = Self>) -> Option<Self> {
        findings.into_iter().reduce(|worst, finding| if finding.outcome > worst.outcome { finding } else { worst })
    }
}

impl Outcome {
    /// The worst of several; `None` of none.
    pub fn worst(outcomes: impl IntoIterator<Item = Self>) -> Option<Self> {
        outcomes.into_iter().max()
    }
}

impl MetricFinding {
    /// A line that says only what a metric means.
    pub fn new(metric: impl Into<String>, outcome: Outcome, note: impl Into<String>) -> Self {
        Self {
            metric: metric.into(),
            outcome,
            canary: None,
            primary: None,
            limit: None,
            pods: Vec::new(),
            samples_used: 0,
            samples_left_out: 0,
            note: note.into(),
        }
    }
}

impl Classification {
    /// A classification with its reason.
    pub fn new(kind: KindOfChange, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

impl Move {
    /// A move with its reason.
    pub fn new(next: NextStep, reason: impl Into<String>) -> Self {
        Self { next, reason: reason.into() }
    }
}

/// How many checks before the newest a situation holds at most.
pub const REMEMBERED: usize = 64;

impl Situation {
    /// The time of the oldest check, where there were others before it which the host has forgotten.
    #[must_use]
    pub fn remembered_since(&self) -> Option<Timestamp> {
        let counted = self.checks.iter().rev().skip(1).filter(|check| !check.early).count();
        let forgotten = self.checks.len() > REMEMBERED || counted < self.progress.checks_in_all as usize;
        self.checks.first().filter(|_| forgotten).map(|check| check.at)
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        find_attribute(&self.attributes, key)
    }
}

fn find_attribute<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.key == key).map(|attribute| attribute.value.as_str())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
            Self::Critical => "critical",
        })
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Original => "original",
            Self::Primary => "primary",
            Self::Canary => "canary",
        })
    }
}
