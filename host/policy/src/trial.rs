//! The trial of a new policy: it must accept its own defaults, and answer an ordinary question and a bare one.

use aviary_core::judge::{Change, MetricObservation, MetricStatus, Observation, Situation};
use serde_json::Value;

use crate::{
    answer::{Answer, Kind, Trap},
    component::Refusal,
    policy::Policy,
    typical::{self, Size},
};

type Try = fn(&Policy) -> Result<(), Refusal>;

/// Tries `policy` with its own default parameters: what it does wrong, each found when it is asked for.
pub(crate) fn faults(policy: &Policy) -> impl Iterator<Item = Refusal> {
    let tries: [Try; 3] = [defaults, |policy| question(policy, false), |policy| question(policy, true)];
    tries.into_iter().filter_map(|try_it| try_it(policy).err())
}

fn defaults(policy: &Policy) -> Result<(), Refusal> {
    let act = || "asked whether it accepts its own default parameters".to_owned();
    let accepted = policy.validate(&Value::Null);
    let accepted = accepted.result.map_err(|trap| Refusal::Trial { act: act(), trap })?;
    accepted.map_err(|reason| Refusal::Description(format!("it does not accept its own defaults: {reason}")))
}

fn question(policy: &Policy, bare: bool) -> Result<(), Refusal> {
    let null = Value::Null;
    match policy.kind {
        Kind::Classifier => passed(policy.classify(&change(bare), &null), "a change", bare),
        Kind::Analyzer => passed(policy.analyze(&observation(bare), &null), "a check", bare),
        Kind::Progression => passed(policy.next(&situation(bare), &null), "a situation", bare),
    }
}

fn passed<T>(answer: Answer<T>, what: &str, bare: bool) -> Result<(), Refusal> {
    let with = if bare { "empty lists" } else { "ordinary content" };
    let refused = |trap: Trap| Refusal::Trial { act: format!("asked about {what} with {with}"), trap };
    answer.result.map(drop).map_err(refused)
}

fn change(bare: bool) -> Change {
    let change = typical::change();
    if bare { Change { differences: vec![], images: vec![], ..change } } else { change }
}

/// A few pods and metrics, of which one could not be fetched.
fn observation(bare: bool) -> Observation {
    let mut observation = typical::observation(Size { metrics: 3, pods: 2, samples: 5 });
    if let Some(metric) = observation.metrics.last_mut() {
        let status = MetricStatus::Error("connection refused".to_owned());
        *metric = MetricObservation { status, series: vec![], ..metric.clone() };
    }
    if bare {
        return Observation { scalings: vec![], pods: vec![], metrics: vec![], ..observation };
    }
    observation
}

fn situation(bare: bool) -> Situation {
    let situation = typical::situation();
    if bare { Situation { scalings: vec![], checks: vec![], ..situation } } else { situation }
}
