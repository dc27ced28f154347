//! Answers to the core's questions: metrics are fetched, policies are asked.

mod lanes;

use std::sync::Arc;

use aviary_core::{
    answer::{Answer, images_of},
    judge::{
        AnalyzerFinding, Change, ChangeKind, Check, Classification, Finding, MetricObservation, Move, Observation,
        Outcome, PolicyIdentity, ServiceIdentity, Situation,
    },
    plan::Question,
    settings::{MetricSettings, PolicyChoice, Settings},
    spec::Spec,
    time::Timestamp,
};
use aviary_metrics::{Prometheus, Scope, unasked};
use aviary_policy::Policies;
use tracing::warn;

pub use self::lanes::Lanes;

use self::lanes::Caller;
use crate::{clock::Clock, telemetry::Telemetry};

/// What is asked for the answers.
#[derive(Clone)]
pub struct Judges {
    /// What time it is for the daemon.
    pub clock: Clock,
    /// The policies.
    pub policies: Policies,
    /// Who may ask them when.
    pub lanes: Arc<Lanes>,
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
        let images = images_of(&change);
        let service = change.service.clone();
        let call = move |policies: &Policies, choice: &PolicyChoice| {
            policies.classify(&choice.name, &change, &choice.parameters)
        };
        let asked = self.ask(choice, &service, call).await;
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
        observation.metrics = self.fetch(&settings, &observation).await;
        let (check, said) = self.judge(settings, Arc::new(observation), past).await;
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
    async fn judge(&self, settings: Settings, observation: Arc<Observation>, past: Past) -> (Check, Said) {
        let Past { early, checks, resumed } = past;
        let mut findings = Vec::new();
        for choice in settings.analyzers {
            findings.push(self.analyze(choice, &observation).await);
        }
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
        let said = self.next(settings.progression, situation).await;
        (check, Some(said))
    }

    async fn next(&self, choice: PolicyChoice, situation: Situation) -> Result<(Move, PolicyIdentity), String> {
        let service = situation.service.clone();
        let call = move |policies: &Policies, choice: &PolicyChoice| {
            policies.next(&choice.name, &situation, &choice.parameters)
        };
        let answer = self.ask(choice, &service, call).await?;
        match answer.result {
            Ok(next) => Ok((next, answer.policy)),
            Err(trap) => Err(format!("the policy {} {trap}", answer.policy.name)),
        }
    }

    /// An analyzer that gives no answer is inconclusive, with its message.
    async fn analyze(&self, choice: PolicyChoice, observation: &Arc<Observation>) -> AnalyzerFinding {
        let told = Arc::clone(observation);
        let name = choice.name.clone();
        let call =
            move |policies: &Policies, choice: &PolicyChoice| policies.analyze(&choice.name, &told, &choice.parameters);
        match self.ask(choice, &observation.service, call).await {
            Ok(answer) => {
                let finding = answer.result.unwrap_or_else(|trap| nothing_said(format!("the policy {trap}")));
                AnalyzerFinding { policy: answer.policy, finding }
            }
            Err(fault) => {
                let policy = PolicyIdentity { name, version: "none".to_owned(), digest: "none".to_owned() };
                AnalyzerFinding { policy, finding: nothing_said(fault) }
            }
        }
    }

    /// Asks a policy for a service, when its turn comes, where blocking is allowed.
    async fn ask<T: Send + 'static>(
        &self,
        choice: PolicyChoice,
        service: &ServiceIdentity,
        call: impl FnOnce(&Policies, &PolicyChoice) -> aviary_policy::Answer<T> + Send + 'static,
    ) -> Result<aviary_policy::Answer<T>, String> {
        let service = format!("{}/{}", service.namespace, service.name);
        let caller = Caller { policy: choice.name.clone(), service };
        let digest = || self.policies.digest(&caller.policy);
        let (policies, telemetry, clock) = (self.policies.clone(), Arc::clone(&self.telemetry), self.clock);
        let work = async move {
            let call = move || telemetry.judging.ask(|| call(&policies, &choice));
            // Virtual time waits for the call, so there is nobody to be held up.
            if clock.is_virtual() {
                return Ok(call());
            }
            tokio::task::spawn_blocking(call).await.map_err(|error| format!("the call failed: {error}"))
        };
        self.lanes.run(&caller, digest, work).await
    }
}

fn nothing_said(reason: String) -> Finding {
    Finding { outcome: Outcome::Inconclusive, score: None, reason, metrics: Vec::new() }
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
