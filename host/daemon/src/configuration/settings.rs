//! What may stand in `defaults:`, in a group and in a service, each field checked by itself.

use std::time::Duration;

use aviary_core::{record::REMEMBERED, settings::Amount};

use super::{
    fault::Faults,
    fields::Placed,
    metrics::{self, CheckedMetric},
    raw::{Overrides, Policy},
    values::Parameters,
};

const MILLISECOND: Duration = Duration::from_millis(1);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A policy that was chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    pub name: String,
    pub parameters: Parameters,
}

/// Overrides of which the policies and metrics are validated.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    pub plain: Overrides,
    pub classifier: Option<Placed<Choice>>,
    pub analyzers: Option<Placed<Vec<Placed<Choice>>>>,
    pub progression: Option<Placed<Choice>>,
    pub metrics: Option<Placed<Vec<Placed<CheckedMetric>>>>,
}

/// Checks each field by itself.
pub fn check(mut raw: Overrides, faults: &mut Faults) -> Checked {
    check_amounts(&raw, faults);
    check_durations(&raw, faults);
    check_counts(&raw, faults);
    let analyzers = raw.analyzers.take().map(|analyzers| {
        if analyzers.value.is_empty() {
            analyzers.fault(faults, "is an empty list: name at least one policy, such as health");
        }
        analyzers.map(|list| list.into_iter().filter_map(|policy| choice(policy, faults)).collect())
    });
    Checked {
        classifier: raw.classifier.take().and_then(|policy| choice(policy, faults)),
        analyzers,
        progression: raw.progression.take().and_then(|policy| choice(policy, faults)),
        metrics: raw.metrics.take().map(|list| list.map(|list| metrics::metrics(list, faults))),
        plain: raw,
    }
}

fn check_amounts(raw: &Overrides, faults: &mut Faults) {
    if let Some(step) = &raw.step
        && matches!(step.value, Amount::Pods(0) | Amount::Percent(0.0))
    {
        step.fault(faults, "is nothing: write a step such as 20% or 1");
    }
    match &raw.break_point {
        Some(point) if matches!(point.value, Amount::Pods(_)) => {
            point.fault(faults, "is a number of pods: write a share of them, such as 50%");
        }
        Some(point) if matches!(point.value, Amount::Percent(0.0)) => {
            point.fault(faults, "is 0%, so that nothing would be tested: write a share such as 50%");
        }
        _ => {}
    }
}

/// What is forgotten cannot be counted: a step would wait for its passes until `longest-step`, and failures never be too many.
fn check_counts(raw: &Overrides, faults: &mut Faults) {
    let most = u32::try_from(REMEMBERED).unwrap_or(u32::MAX);
    match &raw.passes {
        Some(passes) if passes.value == 0 => passes.fault(faults, "is 0: a step needs at least 1 pass"),
        Some(passes) if passes.value > most => passes.fault(
            faults,
            format!("is more than the {most} checks of a rollout that are remembered: choose 1 to {most}"),
        ),
        _ => {}
    }
    if let Some(failures) = raw.tolerated_failures.as_ref().filter(|failures| failures.value >= most) {
        let message =
            format!("is as many as the {most} checks of a rollout that are remembered: choose 0 to {}", most - 1);
        failures.fault(faults, message);
    }
}

fn check_durations(raw: &Overrides, faults: &mut Faults) {
    let table = [
        (&raw.warm_up, Duration::ZERO, "0s"),
        (&raw.check_interval, SHORTEST_INTERVAL, "100ms"),
        (&raw.failure_window, MILLISECOND, "1ms"),
        (&raw.ready_deadline, MILLISECOND, "1ms"),
        (&raw.longest_step, MILLISECOND, "1ms"),
    ];
    for (field, shortest, words) in table {
        if let Some(field) = field.as_ref().filter(|field| !(shortest..=DAY).contains(&field.value)) {
            field.fault(faults, format!("is out of bounds: choose a duration from {words} to 24h"));
        }
    }
}

fn choice(raw: Placed<Policy>, faults: &mut Faults) -> Option<Placed<Choice>> {
    let name = raw.value.policy?;
    let plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let accepted = name.value.chars().all(plain) && name.value.starts_with(|first: char| first.is_ascii_alphanumeric());
    let name =
        name.accept(accepted, faults, "is not the name of a policy: write its file's name without folder and .wasm")?;
    let choice = Choice { name, parameters: raw.value.parameters };
    Some(Placed { place: raw.place, path: raw.path, value: choice })
}
