//! A condition: a sample means that the pod is good, none that it is not, if it holds anywhere in the primary.

use aviary_policy_sdk::{Metric, MetricFinding, Observation, Outcome, Pod, Series, Track};

use crate::{
    Judged, WithoutSamples,
    reading::{self, Why},
    words,
};

/// Whether a condition holds.
#[derive(Clone, Copy, PartialEq)]
enum Holds {
    Yes,
    No,
    /// Its value is NaN.
    Unclear,
}

/// What a condition says of the canary.
pub(crate) fn judge(metric: &Metric, observation: &Observation, without_samples: WithoutSamples) -> Judged {
    let canary = states(metric, observation, Track::Canary);
    let primary = states(metric, observation, Track::Primary);
    let unclear = pods_that(&canary, Holds::Unclear);
    let missing = pods_that(&canary, Holds::No);
    let good = primary.iter().filter(|(_, holds)| *holds == Holds::Yes).count();
    let name = &metric.name;
    let (outcome, pods, sentence) = if missing.is_empty() && unclear.is_empty() {
        (Outcome::Pass, Vec::new(), format!("{name} holds on every canary pod"))
    } else if let Some(series) = reading::left_out(metric).filter(|_| !missing.is_empty()) {
        let (on, why) = (words::on_pods(&missing), words::why(metric, Why::LeftOut(series)));
        (Outcome::Inconclusive, missing, format!("{name} cannot be judged{on}: {why}"))
    } else if !missing.is_empty() && good > 0 {
        let on = words::on_pods(&missing);
        let of = primary.len();
        (Outcome::Fail, missing, format!("{name} does not hold{on}, while it does on {good} of {of} primary pods"))
    } else if unclear.is_empty() && without_samples == WithoutSamples::Pass {
        (Outcome::Pass, Vec::new(), format!("{name} holds on no primary pod, which passes"))
    } else if missing.is_empty() {
        let on = words::on_pods(&unclear);
        (Outcome::Inconclusive, unclear, format!("{name} is NaN{on}, which says nothing"))
    } else {
        let on = words::on_pods(&missing);
        (Outcome::Inconclusive, missing, format!("{name} does not hold{on}, but neither does it on any primary pod"))
    };
    let line = MetricFinding {
        canary: share(&canary),
        primary: share(&primary),
        pods,
        samples_used: samples(metric),
        ..MetricFinding::new(name, outcome, "canary and primary are percent of pods on which it holds")
    };
    Judged { line, sentence }
}

fn states<'a>(metric: &Metric, observation: &'a Observation, track: Track) -> Vec<(&'a Pod, Holds)> {
    let by_pod = metric.series.iter().any(|series| series.pod.is_some());
    let whole = || metric.of_track(Some(track)).chain(metric.of_track(None)).collect::<Vec<_>>();
    let state = |pod: &'a Pod| {
        let series = if by_pod { metric.of_pod(&pod.name).collect() } else { whole() };
        (pod, holds(&series))
    };
    observation.pods_of(track).map(state).collect()
}

fn holds(series: &[&Series]) -> Holds {
    let mut values = series.iter().filter_map(|series| series.samples().next_back()).map(|(_, value)| value).peekable();
    if values.peek().is_none() {
        return Holds::No;
    }
    if values.any(f64::is_nan) { Holds::Unclear } else { Holds::Yes }
}

fn pods_that(states: &[(&Pod, Holds)], wanted: Holds) -> Vec<String> {
    states.iter().filter(|(_, holds)| *holds == wanted).map(|(pod, _)| pod.name.clone()).collect()
}

fn share(states: &[(&Pod, Holds)]) -> Option<f64> {
    let good = states.iter().filter(|(_, holds)| *holds == Holds::Yes).count();
    (!states.is_empty()).then(|| words::percent(good, states.len()))
}

fn samples(metric: &Metric) -> u32 {
    let count: usize = metric.series.iter().map(|series| series.times.len()).sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}
