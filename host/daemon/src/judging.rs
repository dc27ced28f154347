//! Answers to the core's questions: metrics are fetched, policies are asked.

use std::sync::Arc;

use aviary_core::{
    answer::{Answer, images_of},
    judge::{
        AnalyzerFinding, Change, ChangeKind, Check, Classification, Finding, MetricObservation, Move, Observation,
        Outcome, PolicyIdentity, Situation,
    },
    plan::Question,
    settings::{MetricSettings, PolicyChoice, Settings},
    spec::Spec,
    time::Timestamp,
};
use aviary_metrics::{Prometheus, Scope, unasked};
use aviary_policy::Policies;
use tracing::warn;

use crate::telemetry::Telemetry;

/// What is asked for the answers.
#[derive(Clone)]
pub struct Judges {
    /// The policies.
    pub policies: Policies,
    /// Where metrics come from, if anything needs them.
    pub prometheus: Option<Arc<Prometheus>>,
    /// Who counts.
    pub telemetry: Arc<Telemetry>,
}

impl Judges {
    /// The answer to `question`; `candidate` is what the original asks for.
    pub async fn answer(&self, question: Question, candidate: Spec) -> Answer {
        match question {
            Question::Classify { epoch, digest, change, classifier } => {
                let classification = self.classify(classifier, *change).await;
                Answer::Classified { epoch, digest, candidate: Box::new(candidate), classification }
            }
            Question::Observe { epoch, early, evidence, observation, checks, resumed, settings, .. } => {
                let past = Past { early, checks, resumed };
                self.observe(*settings, epoch, evidence, *observation, past).await
            }
        }
    }

    /// A classifier that gives no answer means `canary`: the careful way.
    async fn classify(&self, choice: PolicyChoice, change: Change) -> Classification {
        let (policies, telemetry) = (self.policies.clone(), self.telemetry.clone());
        let images = images_of(&change);
        let ask = move || policies.classify(&choice.name, &change, &choice.parameters);
        let asked = blocking(move || telemetry.judging.ask(ask)).await;
        let trap = match asked.map(|answer| (answer.policy, answer.result)) {
            Ok((_, Ok(classification))) => return classification,
            Ok((policy, Err(trap))) => format!("the policy {} {trap}", policy.name),
            Err(fault) => fault,
        };
        warn!(%trap, "a classifier gave no answer");
        Classification { kind: ChangeKind::Canary, reason: format!("{images} ({trap}, so it is judged)") }
    }

    async fn observe(
        &self,
        settings: Settings,
        epoch: u64,
        evidence: String,
        mut observation: Observation,
        past: Past,
    ) -> Answer {
        let early = past.early;
        observation.metrics = self.fetch(&settings, &observation).await;
        let (judges, at_start) = (self.clone(), observation.progress.now);
        let judged = blocking(move || judges.judge(&settings, &observation, past)).await;
        let (check, said) = match judged {
            Ok(judged) => judged,
            Err(fault) => {
                let check = Check {
                    at: at_start,
                    step_index: 0,
                    canary: 0,
                    early,
                    outcome: Outcome::Inconclusive,
                    findings: Vec::new(),
                };
                (check, Some(Err(fault)))
            }
        };
        self.telemetry.judging.checked(&check);
        Answer::Checked { epoch, evidence, check: Box::new(check), said }
    }

    async fn fetch(&self, settings: &Settings, observation: &Observation) -> Vec<MetricObservation> {
        let scope = Scope {
            namespace: observation.service.namespace.clone(),
            service: observation.service.name.clone(),
            pods: observation.pods.iter().map(|pod| (pod.name.clone(), pod.track)).collect(),
            rollout_started: observation.progress.started,
            now: observation.progress.now,
        };
        match &self.prometheus {
            Some(prometheus) => prometheus.fetch(&settings.metrics, &scope).await,
            None => settings.metrics.iter().map(not_asked).collect(),
        }
    }

    /// Every analyzer, then the progression; the worst finding counts, and a critical one needs no progression.
    fn judge(&self, settings: &Settings, observation: &Observation, past: Past) -> (Check, Said) {
        let Past { early, checks, resumed } = past;
        let findings: Vec<AnalyzerFinding> =
            settings.analyzers.iter().map(|choice| self.analyze(choice, observation)).collect();
        let outcome = findings.iter().map(|found| found.finding.outcome).max().unwrap_or(Outcome::Inconclusive);
        let progress = observation.progress.clone();
        let (at, step_index, canary) = (progress.now, progress.step_index, progress.canary.wanted);
        let check = Check { at, step_index, canary, early, outcome, findings };
        if outcome == Outcome::Critical {
            return (check, None);
        }
        let situation = Situation {
            service: observation.service.clone(),
            progress,
            scalings: observation.scalings.clone(),
            checks: checks.into_iter().chain([check.clone()]).collect(),
            resumed,
        };
        let said = self.next(&settings.progression, &situation);
        (check, Some(said))
    }

    fn next(&self, choice: &PolicyChoice, situation: &Situation) -> Result<(Move, PolicyIdentity), String> {
        let ask = || self.policies.next(&choice.name, situation, &choice.parameters);
        let answer = self.telemetry.judging.ask(ask);
        match answer.result {
            Ok(next) => Ok((next, answer.policy)),
            Err(trap) => Err(format!("the policy {} {trap}", answer.policy.name)),
        }
    }

    /// An analyzer that gives no answer is inconclusive, with its message.
    fn analyze(&self, choice: &PolicyChoice, observation: &Observation) -> AnalyzerFinding {
        let ask = || self.policies.analyze(&choice.name, observation, &choice.parameters);
        let answer = self.telemetry.judging.ask(ask);
        let finding = answer.result.unwrap_or_else(|trap| Finding {
            outcome: Outcome::Inconclusive,
            score: None,
            reason: format!("the policy {trap}"),
            metrics: Vec::new(),
        });
        AnalyzerFinding { policy: answer.policy, finding }
    }
}

/// A rollout may have begun with metrics when the configuration still named a Prometheus.
fn not_asked(metric: &MetricSettings) -> MetricObservation {
    unasked(metric, "the configuration names no prometheus any more")
}

/// What came before a check.
struct Past {
    early: bool,
    checks: Vec<Check>,
    resumed: Option<Timestamp>,
}

type Said = Option<Result<(Move, PolicyIdentity), String>>;

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("the call failed: {error}"))
}
