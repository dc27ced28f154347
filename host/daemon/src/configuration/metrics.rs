//! `metrics:` validated.

use std::{collections::BTreeSet, time::Duration};

use aviary_core::{
    judge::MetricKind,
    settings::{MetricSettings, MetricSource},
};
use aviary_metrics::{MetricFault, validate_metric};

use super::{fault::Faults, fields::Placed, names::said, raw::Metric};

const WINDOW: Duration = Duration::from_secs(60);

/// A metric with the fields that say so.
#[derive(Debug, Clone)]
pub struct CheckedMetric {
    pub settings: MetricSettings,
    pub written: Metric,
}

/// Validates a list of metrics; the faulty ones are left out.
pub fn metrics(raw: Vec<Placed<Metric>>, faults: &mut Faults) -> Vec<Placed<CheckedMetric>> {
    let mut names = BTreeSet::new();
    for name in raw.iter().filter_map(|metric| metric.value.name.as_ref()) {
        if !names.insert(name.value.clone()) {
            name.fault(
                faults,
                format!("{} is the name of another metric in this list: choose a different one", said(&name.value)),
            );
        }
    }
    raw.into_iter().filter_map(|metric| one(metric, faults)).collect()
}

fn one(raw: Placed<Metric>, faults: &mut Faults) -> Option<Placed<CheckedMetric>> {
    check_limits(&raw.value, faults);
    let (source, kind) = (source(&raw, faults), kind(&raw, faults));
    let (text, source) = source?;
    let settings = settings(&raw.value, source, kind?)?;
    if let Err(fault) = validate_metric(&settings) {
        match (&fault, &raw.value.window) {
            (MetricFault::Window(_), Some(window)) => window.fault(faults, fault.to_string()),
            _ => text.fault(faults, fault.to_string()),
        }
    }
    Some(raw.map(|written| CheckedMetric { settings, written }))
}

fn settings(raw: &Metric, source: MetricSource, kind: MetricKind) -> Option<MetricSettings> {
    Some(MetricSettings {
        name: raw.name.as_ref()?.value.clone(),
        unit: raw.unit.as_ref().map(|unit| unit.value.clone()).unwrap_or_default(),
        source,
        kind,
        better: raw.better.as_ref().map(|better| better.value).unwrap_or_default(),
        min: raw.min.as_ref().map(|min| min.value),
        max: raw.max.as_ref().map(|max| max.value),
        window: raw.window.as_ref().map_or(WINDOW, |window| window.value),
        parameters: raw.parameters.json(),
    })
}

fn check_limits(raw: &Metric, faults: &mut Faults) {
    if let (Some(min), Some(max)) = (&raw.min, &raw.max)
        && min.value > max.value
    {
        min.fault(faults, format!("{} is greater than max {}: exchange or correct them", min.value, max.value));
    }
}

/// The one source, and where its text stands.
fn source(raw: &Placed<Metric>, faults: &mut Faults) -> Option<(Placed<String>, MetricSource)> {
    let Metric { series, query, condition, .. } = &raw.value;
    match (series, query, condition) {
        (Some(text), None, None) => Some((text.clone(), MetricSource::Series(text.value.clone()))),
        (None, Some(text), None) => Some((text.clone(), MetricSource::Query(text.value.clone()))),
        (None, None, Some(text)) => Some((text.clone(), MetricSource::Condition(text.value.clone()))),
        (None, None, None) => {
            raw.fault(faults, "asks for nothing: give one of series, query and condition");
            None
        }
        _ => {
            raw.fault(faults, "asks in several ways: give exactly one of series, query and condition");
            None
        }
    }
}

fn kind(raw: &Placed<Metric>, faults: &mut Faults) -> Option<MetricKind> {
    let Metric { series, query, kind, .. } = &raw.value;
    match (series, kind) {
        (Some(_), Some(kind)) => Some(kind.value),
        (Some(_), None) => {
            raw.fault(faults, "has no kind: say what the series is by kind: counter, gauge or histogram-bucket");
            None
        }
        (None, Some(kind)) => {
            kind.fault(faults, "is for series only: a query and a condition are evaluated by prometheus, remove it");
            None
        }
        (None, None) if query.is_some() => Some(MetricKind::Evaluated),
        (None, None) => Some(MetricKind::Condition),
    }
}
