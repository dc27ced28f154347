//! A policy's answers in the core's words. They are untrusted: every field is checked, and one bad field is a trap.

use aviary_core::judge;

use crate::{answer::Trap, contract::types as wit, text};

/// Bytes of a sentence.
const SENTENCE: usize = 2_000;
/// Bytes of a name.
const NAME: usize = 256;
/// Lines per metric, and pods in a line.
const LIST: usize = 1_000;

/// The first fault of an answer, in words.
type Heard<T> = Result<T, String>;

pub(crate) fn classification(answer: wit::Classification) -> Result<judge::Classification, Trap> {
    let kind = match answer.kind {
        wit::KindOfChange::Ignore => judge::ChangeKind::Ignore,
        wit::KindOfChange::Scale => judge::ChangeKind::Scale,
        wit::KindOfChange::Direct => judge::ChangeKind::Direct,
        wit::KindOfChange::Canary => judge::ChangeKind::Canary,
    };
    let reason = sentence("reason", &answer.reason).map_err(Trap::Answer)?;
    Ok(judge::Classification { kind, reason })
}

pub(crate) fn finding(answer: wit::Finding) -> Result<judge::Finding, Trap> {
    try_finding(answer).map_err(Trap::Answer)
}

pub(crate) fn decision(answer: wit::Move) -> Result<judge::Move, Trap> {
    let next = match answer.next {
        wit::NextStep::Hold => judge::Next::Hold,
        wit::NextStep::Advance(0) => {
            return Err(Trap::Answer("advance to 0 pods; answer rollback to end the canary".to_owned()));
        }
        wit::NextStep::Advance(pods) => judge::Next::Advance(pods),
        wit::NextStep::Promote => judge::Next::Promote,
        wit::NextStep::Rollback => judge::Next::Rollback,
        wit::NextStep::Pause => judge::Next::Pause,
    };
    let reason = sentence("reason", &answer.reason).map_err(Trap::Answer)?;
    Ok(judge::Move { next, reason })
}

/// A sentence that must say something.
pub(crate) fn sentence(field: &str, said: &str) -> Heard<String> {
    let said = remark(field, said)?;
    if said.is_empty() { Err(format!("{field} is empty; it must be a sentence")) } else { Ok(said) }
}

/// A name that must name something.
pub(crate) fn name(field: &str, said: &str) -> Heard<String> {
    match text::printable(said) {
        said if said.is_empty() => Err(format!("{field} is empty")),
        said if said.len() > NAME => Err(format!("{field} has {} bytes; at most {NAME} are allowed", said.len())),
        said => Ok(said),
    }
}

fn remark(field: &str, said: &str) -> Heard<String> {
    if said.len() > SENTENCE {
        return Err(format!("{field} has {} bytes; at most {SENTENCE} are allowed", said.len()));
    }
    Ok(text::printable(said))
}

fn try_finding(answer: wit::Finding) -> Heard<judge::Finding> {
    if let Some(score) = answer.score.filter(|score| !(0.0..=100.0).contains(score)) {
        return Err(format!("score is {score}; it must be from 0 to 100"));
    }
    short("metrics", answer.metrics.len())?;
    Ok(judge::Finding {
        outcome: outcome(answer.outcome),
        score: answer.score,
        reason: sentence("reason", &answer.reason)?,
        metrics: answer.metrics.into_iter().map(metric_finding).collect::<Heard<_>>()?,
    })
}

fn metric_finding(answer: wit::MetricFinding) -> Heard<judge::MetricFinding> {
    let metric = name("the name of a metric", &answer.metric)?;
    let of = |field: &str| format!("{field} of metric {metric}");
    short(&of("pods"), answer.pods.len())?;
    Ok(judge::MetricFinding {
        outcome: outcome(answer.outcome),
        canary: number(&of("canary"), answer.canary)?,
        primary: number(&of("primary"), answer.primary)?,
        limit: number(&of("limit"), answer.limit)?,
        pods: answer.pods.iter().map(|pod| name(&of("a pod"), pod)).collect::<Heard<_>>()?,
        samples_used: answer.samples_used,
        samples_left_out: answer.samples_left_out,
        note: remark(&of("note"), &answer.note)?,
        metric,
    })
}

/// NaN and infinity have no JSON: a record that held them could not be read again.
fn number(field: &str, value: Option<f64>) -> Heard<Option<f64>> {
    match value.filter(|value| !value.is_finite()) {
        Some(value) => Err(format!("{field} is {value}; leave out what is no number")),
        None => Ok(value),
    }
}

fn short(field: &str, length: usize) -> Heard<()> {
    if length > LIST { Err(format!("{field} has {length} entries; at most {LIST} are allowed")) } else { Ok(()) }
}

fn outcome(outcome: wit::Outcome) -> judge::Outcome {
    match outcome {
        wit::Outcome::Pass => judge::Outcome::Pass,
        wit::Outcome::Inconclusive => judge::Outcome::Inconclusive,
        wit::Outcome::Fail => judge::Outcome::Fail,
        wit::Outcome::Critical => judge::Outcome::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> wit::MetricFinding {
        wit::MetricFinding {
            metric: "latency".to_owned(),
            outcome: wit::Outcome::Fail,
            canary: Some(2.0),
            primary: None,
            limit: Some(1.0),
            pods: vec!["orders-canary-x".to_owned()],
            samples_used: 5,
            samples_left_out: 1,
            note: String::new(),
        }
    }

    fn of_line(line: wit::MetricFinding) -> Result<judge::Finding, Trap> {
        let metrics = vec![line];
        let reason = "too slow".to_owned();
        finding(wit::Finding { outcome: wit::Outcome::Fail, score: None, reason, metrics, attributes: vec![] })
    }

    #[test]
    fn a_sound_line_is_taken_as_it_is() {
        let heard = of_line(line()).expect("sound");
        let line = &heard.metrics[0];
        assert_eq!((line.metric.as_str(), line.outcome, line.samples_used), ("latency", judge::Outcome::Fail, 5));
        assert_eq!((line.canary, line.primary, line.limit), (Some(2.0), None, Some(1.0)));
    }

    #[test]
    fn a_bad_field_of_a_line_is_named() {
        let many = vec!["pod".to_owned(); LIST + 1];
        let table = [
            (wit::MetricFinding { canary: Some(f64::NAN), ..line() }, "canary of metric latency is NaN"),
            (wit::MetricFinding { primary: Some(f64::INFINITY), ..line() }, "primary of metric latency is inf"),
            (wit::MetricFinding { limit: Some(f64::NEG_INFINITY), ..line() }, "limit of metric latency is -inf"),
            (wit::MetricFinding { metric: String::new(), ..line() }, "the name of a metric is empty"),
            (wit::MetricFinding { pods: many, ..line() }, "pods of metric latency has 1001 entries"),
            (wit::MetricFinding { pods: vec!["p".repeat(300)], ..line() }, "a pod of metric latency has 300 bytes"),
            (wit::MetricFinding { note: "n".repeat(SENTENCE + 1), ..line() }, "note of metric latency has 2001 bytes"),
        ];
        for (line, fault) in table {
            let trap = of_line(line).expect_err(fault).to_string();
            assert!(trap.contains(fault), "{trap}");
        }
    }
}
