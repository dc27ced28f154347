//! Checks, and whom they ask: Prometheus and the policies.

use std::time::{Duration, Instant};

use aviary_core::{
    judge::{Check, Outcome},
    settings::Settings,
};
use aviary_metrics::{QueryObserver, QueryResult};
use aviary_policy::{Answer, Notice, Trap};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Durations, Telemetry, quick, seconds};

/// The outcomes of checks and findings.
const OUTCOMES: [Outcome; 4] = [Outcome::Pass, Outcome::Inconclusive, Outcome::Fail, Outcome::Critical];
/// What a call gave that was answered.
const ANSWERED: &str = "ok";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    analyzer: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    policy: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    policy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    change: &'static str,
}

/// Checks, and whom they ask.
#[derive(Debug)]
pub struct Judging {
    checks: Family<OutcomeLabels, Counter>,
    findings: Family<FindingLabels, Counter>,
    queries: Durations<ResultLabels>,
    calls: Family<CallLabels, Counter>,
    call_durations: Durations<PolicyLabels>,
    changes: Family<ChangeLabels, Counter>,
    refused: Gauge,
}

impl Judging {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let judging = Self {
            checks: Family::default(),
            findings: Family::default(),
            queries: Family::new_with_constructor(quick),
            calls: Family::default(),
            call_durations: Family::new_with_constructor(quick),
            changes: Family::default(),
            refused: Gauge::default(),
        };
        judging.register_checks(registry);
        judging.register_policies(registry);
        judging
    }

    fn register_checks(&self, registry: &mut Registry) {
        registry.register("checks", "Checks by the worst of their findings", self.checks.clone());
        registry.register(
            "findings",
            "What each analyzer said; one that gave no answer is inconclusive",
            self.findings.clone(),
        );
        registry.register(
            "prometheus_query_duration_seconds",
            "Queries to Prometheus, up to the last byte of the answer: samples, no-data or error",
            self.queries.clone(),
        );
    }

    fn register_policies(&self, registry: &mut Registry) {
        registry.register(
            "policy_calls",
            "Questions to policies: ok, or why there was no answer: time, memory, size, panic, wasm, answer (unusable) or \
             missing",
            self.calls.clone(),
        );
        registry.register("policy_call_duration_seconds", "Time that a policy took", self.call_durations.clone());
        for change in Notice::WORDS {
            drop(self.changes.get_or_create(&ChangeLabels { change }));
        }
        registry.register("policy_changes", "What the policy folder brought", self.changes.clone());
        registry.register("policies_refused", "Files in the policy folder that are refused", self.refused.clone());
    }

    /// What may be counted of the policies of a service.
    pub fn expect(&self, settings: &Settings) {
        for outcome in OUTCOMES {
            drop(self.checks.get_or_create(&OutcomeLabels { outcome: outcome.to_string() }));
            for analyzer in &settings.analyzers {
                drop(self.findings.get_or_create(&finding(&analyzer.name, outcome)));
            }
        }
        let others = [&settings.classifier.name, &settings.progression.name];
        for policy in settings.analyzers.iter().map(|choice| &choice.name).chain(others) {
            for result in Trap::WORDS.into_iter().chain([ANSWERED]) {
                drop(self.calls.get_or_create(&CallLabels { policy: policy.clone(), result }));
            }
        }
    }

    /// A check was taken.
    pub fn checked(&self, check: &Check) {
        self.checks.get_or_create(&OutcomeLabels { outcome: check.outcome.to_string() }).inc();
        for found in &check.findings {
            self.findings.get_or_create(&finding(&found.policy.name, found.finding.outcome)).inc();
        }
    }

    /// Asks a policy, and counts what comes of it.
    pub fn ask<T>(&self, question: impl FnOnce() -> Answer<T>) -> Answer<T> {
        let begun = Instant::now();
        let answer = question();
        self.asked(&answer, begun.elapsed());
        answer
    }

    fn asked<T>(&self, answer: &Answer<T>, took: Duration) {
        let policy = answer.policy.name.clone();
        let result = answer.result.as_ref().err().map_or(ANSWERED, Trap::word);
        self.calls.get_or_create(&CallLabels { policy: policy.clone(), result }).inc();
        self.call_durations.get_or_create(&PolicyLabels { policy }).observe(seconds(took));
    }

    /// The policy folder brought something.
    pub fn policy_changed(&self, notice: &Notice) {
        self.changes.get_or_create(&ChangeLabels { change: notice.word() }).inc();
    }

    /// So many files of the policy folder are refused now.
    pub fn refuses(&self, files: usize) {
        self.refused.set(i64::try_from(files).unwrap_or(i64::MAX));
    }
}

impl QueryObserver for Telemetry {
    fn queried(&self, result: QueryResult, took: Duration) {
        let result = match result {
            QueryResult::Samples => "samples",
            QueryResult::NoData => "no-data",
            QueryResult::Error => "error",
        };
        self.judging.queries.get_or_create(&ResultLabels { result }).observe(seconds(took));
    }
}

fn finding(analyzer: &str, outcome: Outcome) -> FindingLabels {
    FindingLabels { analyzer: analyzer.to_owned(), outcome: outcome.to_string() }
}
