//! What policies and Prometheus say: the truth about an image, nothing, or a failure.

use aviary_core::{
    answer::Answer,
    judge::{
        AnalyzerFinding, ChangeKind, Check, Classification, Finding, Move, Next, Observation, Outcome, PolicyIdentity,
    },
    plan::Question,
    spec::Spec,
};
use foldhash::HashMap;
use serde::{Deserialize, Serialize};

use crate::specs::Behaviour;

/// What comes back for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// What is so.
    Honest,
    /// Prometheus has no samples: nothing can be said.
    Empty,
    /// A policy traps.
    Trapped,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    candidate: Spec,
    behaviour: Behaviour,
    identity: u32,
}

/// All questions so far.
#[derive(Debug, Default)]
pub struct Answers {
    asked: Vec<Asked>,
    by_text: HashMap<String, u32>,
    identities: Vec<String>,
    later: HashMap<(u32, i64), u32>,
}

impl Answers {
    /// The number of a question, its epoch apart; `candidate` is what the original asks for, `behaviour` is what the
    /// image under question does.
    pub fn ask(&mut self, question: &Question, candidate: &Spec, behaviour: Behaviour) -> u32 {
        let text = format!("{question:?} {behaviour:?}");
        if let Some(id) = self.by_text.get(&text) {
            return *id;
        }
        let id = number(self.asked.len());
        let identity = self.identity_of(question.identity().1);
        self.asked.push(Asked { question: question.clone(), candidate: candidate.clone(), behaviour, identity });
        self.by_text.insert(text, id);
        id
    }

    fn identity_of(&mut self, identity: String) -> u32 {
        let found = self.identities.iter().position(|known| *known == identity);
        number(found.unwrap_or_else(|| {
            self.identities.push(identity);
            self.identities.len() - 1
        }))
    }

    /// What tells two questions of one epoch apart for the daemon.
    #[must_use]
    pub fn identity(&self, question: u32) -> u32 {
        self.asked[question as usize].identity
    }

    /// The same question, asked so many milliseconds ago.
    pub fn earlier(&mut self, question: u32, millis: i64) -> u32 {
        if let Some(id) = self.later.get(&(question, millis)) {
            return *id;
        }
        let asked = &self.asked[question as usize];
        let (mut moved, candidate, behaviour) = (asked.question.clone(), asked.candidate.clone(), asked.behaviour);
        if let Question::Observe { observation, .. } = &mut moved {
            observation.progress.now.0 -= millis;
        }
        let id = self.ask(&moved, &candidate, behaviour);
        self.later.insert((question, millis), id);
        id
    }

    /// Whether it is about a change, not a check.
    #[must_use]
    pub fn is_about_a_change(&self, question: u32) -> bool {
        matches!(self.asked[question as usize].question, Question::Classify { .. })
    }

    /// Whether the answer says that a check with `break_point` pods in the canary, or more, passed.
    #[must_use]
    pub fn passed(&self, question: u32, verdict: Verdict, break_point: u8) -> bool {
        let asked = &self.asked[question as usize];
        match &asked.question {
            Question::Observe { early: false, observation, .. } => {
                let at_break_point = observation.progress.canary.wanted >= u32::from(break_point);
                at_break_point && outcome(observation, asked.behaviour, verdict) == Outcome::Pass
            }
            _ => false,
        }
    }

    /// What is answered, with `epoch` in place of the question's.
    #[must_use]
    pub fn answer(&self, question: u32, verdict: Verdict, epoch: u64) -> Answer {
        let asked = &self.asked[question as usize];
        match &asked.question {
            Question::Classify { digest, change, .. } => {
                let other = change.images.is_empty() && verdict != Verdict::Trapped;
                let kind = if other { ChangeKind::Direct } else { ChangeKind::Canary };
                let classification = Classification { kind, reason: "the image changed or it did not".to_owned() };
                let candidate = Box::new(asked.candidate.clone());
                Answer::Classified { epoch, digest: digest.clone(), candidate, classification }
            }
            Question::Observe { early, evidence, observation, .. } => {
                let outcome = outcome(observation, asked.behaviour, verdict);
                let check = Box::new(check(observation, *early, outcome));
                let said = said(observation, *early, outcome, verdict);
                Answer::Checked { epoch, evidence: evidence.clone(), check, said }
            }
        }
    }
}

fn outcome(observation: &Observation, behaviour: Behaviour, verdict: Verdict) -> Outcome {
    if verdict == Verdict::Empty {
        return Outcome::Inconclusive;
    }
    if observation.pods.iter().any(|pod| pod.waiting_reason.is_some()) {
        return Outcome::Critical;
    }
    if behaviour == Behaviour::Failing { Outcome::Fail } else { Outcome::Pass }
}

fn policy(name: &str) -> PolicyIdentity {
    PolicyIdentity { name: name.to_owned(), version: "1".to_owned(), digest: "d".to_owned() }
}

fn check(observation: &Observation, early: bool, outcome: Outcome) -> Check {
    let progress = &observation.progress;
    let finding = Finding { outcome, score: None, reason: format!("it is {outcome}"), metrics: Vec::new() };
    Check {
        at: progress.now,
        step_index: progress.step_index,
        canary: progress.canary.wanted,
        early,
        outcome,
        findings: vec![AnalyzerFinding { policy: policy("health"), finding }],
    }
}

/// As the default progression: one pass is enough for a step, one failure is too much.
fn said(
    observation: &Observation,
    early: bool,
    outcome: Outcome,
    verdict: Verdict,
) -> Option<Result<(Move, PolicyIdentity), String>> {
    if verdict == Verdict::Trapped {
        return Some(Err("the policy breakpoint trapped".to_owned()));
    }
    let progress = &observation.progress;
    let (size, break_point) = (progress.canary.wanted, progress.break_point);
    let next = match outcome {
        Outcome::Critical => return None,
        Outcome::Fail => Next::Rollback,
        Outcome::Pass if !early && size >= break_point => Next::Promote,
        Outcome::Pass if !early => Next::Advance((size + progress.step).min(break_point)),
        Outcome::Pass | Outcome::Inconclusive => Next::Hold,
    };
    Some(Ok((Move { next, reason: format!("the last check is {outcome}") }, policy("breakpoint"))))
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
