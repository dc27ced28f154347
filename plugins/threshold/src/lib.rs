//! The default analyzer: the latest value of each metric, or the rate of a counter, against its limits.

mod condition;
mod quantile;
mod reading;
mod verdict;
mod words;

use aviary_policy_sdk::{
    Analyzer, Finding, Metric, MetricFinding, MetricKind, MetricStatus, Observation, Outcome, Track, parameters,
};

parameters! {
    /// What threshold does where limits alone do not say it.
    pub struct Settings {
        /// What it means that a canary pod has no series of a metric at all; a metric's own parameter of this name goes
        /// first. Samples that are too few or too old are inconclusive in any case.
        pub without_samples: WithoutSamples = WithoutSamples::Inconclusive,
        /// The quantile that is computed from histogram buckets, above 0 and up to 1; a metric's own parameter goes
        /// first.
        pub quantile: f64 = 0.95,
    }
}

parameters! {
    /// What it means that there are no samples.
    pub enum WithoutSamples {
        /// Nothing can be said.
        Inconclusive,
        /// Nothing bad happened: for counters that appear with the first error.
        Pass,
    }
}

/// The policy.
pub struct Threshold;

aviary_policy_sdk::export_analyzer!(Threshold);

/// What one metric said: the line for it, and the sentence if it decides.
pub(crate) struct Judged {
    pub(crate) line: MetricFinding,
    pub(crate) sentence: String,
}

impl Judged {
    pub(crate) fn inconclusive(metric: &Metric, sentence: String) -> Self {
        Self { line: MetricFinding::new(&metric.name, Outcome::Inconclusive, &sentence), sentence }
    }
}

impl Analyzer for Threshold {
    type Parameters = Settings;

    fn analyze(observation: &Observation, settings: &Settings) -> Finding {
        if let Some(reason) = observation.too_early() {
            return Finding::inconclusive(reason);
        }
        let (limited, others): (Vec<_>, Vec<_>) = observation.metrics.iter().partition(|metric| is_limited(metric));
        if limited.is_empty() {
            return Finding { metrics: unlimited(&others), ..without_limits(observation) };
        }
        let judged: Vec<Judged> = limited.iter().map(|metric| judge(metric, observation, settings)).collect();
        let mut finding = conclude(&judged);
        finding.metrics.extend(judged.into_iter().map(|judged| judged.line));
        finding.metrics.extend(unlimited(&others));
        finding
    }

    fn check(settings: &Settings) -> Result<(), String> {
        quantile::check(settings.quantile).map(|_| ())
    }
}

fn is_limited(metric: &Metric) -> bool {
    metric.kind == MetricKind::Condition || metric.min.is_some() || metric.max.is_some()
}

fn unlimited(metrics: &[&Metric]) -> Vec<MetricFinding> {
    let line = |metric: &&Metric| MetricFinding::new(&metric.name, Outcome::Pass, "has no limits and is not judged");
    metrics.iter().map(line).collect()
}

fn without_limits(observation: &Observation) -> Finding {
    match observation.pods_of(Track::Canary).filter(|pod| pod.ready).count() {
        0 => Finding::inconclusive("no limits are configured and no canary pod is ready"),
        ready => Finding::pass(format!("no limits are configured; {} ready", words::pods(ready))),
    }
}

fn judge(metric: &Metric, observation: &Observation, settings: &Settings) -> Judged {
    if let MetricStatus::Error(error) = &metric.status {
        return Judged::inconclusive(metric, format!("{} could not be fetched: {error}", metric.name));
    }
    if observation.pods_of(Track::Canary).next().is_none() {
        return Judged::inconclusive(metric, format!("there is no canary pod to judge {} on", metric.name));
    }
    let settings = match own_settings(metric, settings) {
        Ok(settings) => settings,
        Err(fault) => return Judged::inconclusive(metric, fault),
    };
    let judged = match metric.kind {
        MetricKind::Condition => condition::judge(metric, observation, settings.without_samples),
        _ => verdict::judge(metric, observation, &settings),
    };
    excused(judged, observation)
}

/// What speaks against nothing but pods that still warm up is no failure.
fn excused(mut judged: Judged, observation: &Observation) -> Judged {
    let pods = &judged.line.pods;
    let warms_up = |name: &String| observation.pods.iter().any(|pod| pod.name == *name && observation.warms_up(pod));
    if judged.line.outcome == Outcome::Fail && !pods.is_empty() && pods.iter().all(warms_up) {
        judged.line.outcome = Outcome::Inconclusive;
        judged.sentence += "; that came after the step was complete, and its warm-up is not over";
    }
    judged
}

fn own_settings(metric: &Metric, settings: &Settings) -> Result<Settings, String> {
    let without_samples = metric.parameter("without-samples")?.unwrap_or(settings.without_samples);
    let quantile = metric.parameter("quantile")?.unwrap_or(settings.quantile);
    let quantile = quantile::check(quantile).map_err(|fault| format!("metric `{}`: {fault}", metric.name))?;
    Ok(Settings { without_samples, quantile })
}

/// The worst metric counts; of several as bad the first is told in full.
fn conclude(judged: &[Judged]) -> Finding {
    let outcome = Outcome::worst(judged.iter().map(|judged| judged.line.outcome)).unwrap_or(Outcome::Inconclusive);
    let decisive: Vec<&Judged> = judged.iter().filter(|judged| judged.line.outcome == outcome).collect();
    let passing = judged.iter().filter(|judged| judged.line.outcome == Outcome::Pass).count();
    let told = if outcome == Outcome::Pass { 3 } else { 1 };
    let mut reason = decisive.iter().take(told).map(|judged| judged.sentence.as_str()).collect::<Vec<_>>().join("; ");
    let rest: Vec<&str> = decisive.iter().skip(told).map(|judged| judged.line.metric.as_str()).collect();
    if !rest.is_empty() {
        reason += &format!("; {outcome} as well: {}", rest.join(", "));
    }
    Finding { score: Some(words::percent(passing, judged.len())), ..Finding::new(outcome, reason) }
}
