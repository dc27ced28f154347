//! What a Deployment's settings mean here: each field of ours, with what is to be said where it means something else.

use std::{collections::BTreeSet, time::Duration};

use aviary_core::settings::MetricSource;

use super::{
    original::{Deployment, Success},
    pace::Pace,
    values::{MaxFailures, Share},
    words,
    yaml::{Field, Note, Value},
};
use crate::configuration::{fields::Placed, units::duration_text};

/// The fields of a service in the order in which they are written; its name is apart.
pub fn settings(deployment: &Deployment, pace: &Pace) -> Vec<Field> {
    let time = |seconds: u64| Value::Plain(duration_text(Duration::from_secs(seconds)));
    let count = |count: u64| Value::Plain(count.to_string());
    let mut fields = vec![
        field("step", Value::Plain(format!("{}%", deployment.step.value.0)), Vec::new()),
        field("break-point", Value::Plain(format!("{}%", deployment.break_point.value.0)), break_point(deployment)),
        field("warm-up", time(pace.warm_up), Vec::new()),
        field("check-interval", time(pace.check_interval), Vec::new()),
        field("passes", count(pace.passes), passes(deployment, pace)),
        field("tolerated-failures", count(pace.tolerated_failures), tolerated(deployment)),
    ];
    if pace.tolerated_failures > 0 {
        fields.push(field("failure-window", time(pace.failure_window), failure_window(deployment, pace)));
    }
    fields.push(field("ready-deadline", time(pace.ready_deadline), ready_deadline(deployment, pace)));
    fields.push(field("longest-step", time(pace.longest_step), longest_step(deployment, pace)));
    fields
}

/// What holds for all services alike.
pub fn policies() -> Vec<Field> {
    let policy = |name: &str| field("policy", Value::Plain(name.to_owned()), Vec::new());
    let restarts = field("parameters", Value::Plain("{ max-restarts: 0 }".to_owned()), Vec::new());
    let analyzers = Value::Items(vec![vec![policy("health"), restarts], vec![policy("threshold")]]);
    let of_file = |text: &str, instead| Note { from: None, text: text.to_owned(), instead, once: true };
    let notes = vec![of_file(words::CLASSIFIER, Some(words::CANARY_POINTERS)), of_file(words::RESTARTS, None)];
    vec![field("analyzers", analyzers, notes)]
}

/// What a service's checks ask; nothing if they ask nothing.
pub fn metrics(deployment: &Deployment) -> Option<Field> {
    let success = &deployment.success;
    let mut names = BTreeSet::new();
    let items: Vec<Vec<Field>> = success.value.iter().map(|one| metric(one, &mut names)).collect();
    let notes = vec![once(success, words::METRICS)];
    (!items.is_empty()).then(|| field("metrics", Value::Items(items), notes))
}

fn metric(success: &Success, names: &mut BTreeSet<String>) -> Vec<Field> {
    let asked = &success.asked;
    let metric = &asked.value.metric;
    let numbered = (2..).map(|number| format!("{metric}-{number}"));
    let name = std::iter::once(metric.clone()).chain(numbered).find(|name| names.insert(name.clone()));
    let mut notes = unknown(&success.unknown);
    let mut fields = Vec::new();
    match &asked.value.source {
        MetricSource::Condition(text) => fields.push(field("condition", Value::Text(text.clone()), Vec::new())),
        MetricSource::Query(text) | MetricSource::Series(text) => {
            notes.push(once(asked, words::WHOLE));
            fields.push(field("query", Value::Text(text.clone()), Vec::new()));
            fields.push(field("min", Value::Plain("1".to_owned()), Vec::new()));
        }
    }
    fields.insert(0, field("name", Value::Text(name.unwrap_or_default()), notes));
    fields
}

/// What the original does not know either.
pub fn unknown(fields: &[Placed<String>]) -> Vec<Note> {
    fields.iter().map(|unknown| here(unknown, words::unknown(&unknown.value))).collect()
}

fn break_point(deployment: &Deployment) -> Vec<Note> {
    let (Share(step), Share(share)) = (deployment.step.value, deployment.break_point.value);
    let mut notes = vec![once(&deployment.break_point, words::BREAK_POINT)];
    if step > share {
        notes.push(here(&deployment.break_point, words::never_tested(step)));
    } else if share % step > 0 {
        notes.push(here(&deployment.break_point, words::last_tested(step, share - share % step)));
    }
    let compares = |success: &Success| matches!(success.asked.value.source, MetricSource::Condition(_));
    if share == 100 && deployment.success.value.iter().any(compares) {
        notes.push(here(&deployment.break_point, words::NO_PRIMARY.to_owned()));
    }
    notes
}

fn passes(deployment: &Deployment, pace: &Pace) -> Vec<Note> {
    let from = &deployment.max_step_duration;
    let mut notes = vec![once(from, words::PASSES)];
    if let Some(raised) = pace.raised {
        notes.push(here(from, words::raised(from.value.0, raised)));
    } else if from.value.0 == 0 {
        notes.push(here(from, words::NO_CHECK.to_owned()));
    }
    notes
}

fn tolerated(deployment: &Deployment) -> Vec<Note> {
    let Some(from) = &deployment.max_failures else { return Vec::new() };
    let mut notes = Vec::new();
    match from.value {
        MaxFailures(number) if number < 1 => notes.push(here(from, words::as_one(number))),
        MaxFailures(1) => {}
        MaxFailures(_) => notes.push(once(from, words::TOLERATED)),
    }
    notes
}

fn failure_window(deployment: &Deployment, pace: &Pace) -> Vec<Note> {
    let from = &deployment.check_interval;
    let mut notes = vec![once(from, words::FAILURE_WINDOW)];
    if pace.failure_window < pace.step {
        notes.push(here(from, words::FAILURE_WINDOW_BOUNDED.to_owned()));
    }
    notes
}

fn ready_deadline(deployment: &Deployment, pace: &Pace) -> Vec<Note> {
    let from = &deployment.abort;
    let mut notes = vec![once(from, words::READY)];
    if from.value.0 != pace.ready_deadline {
        notes.push(here(from, words::bounded(from.value.0)));
    }
    notes
}

fn longest_step(deployment: &Deployment, pace: &Pace) -> Vec<Note> {
    let from = &deployment.max_step_duration;
    let mut notes = vec![once(from, words::LONGEST)];
    if pace.longest_step < 2 * pace.step {
        notes.push(here(from, words::LONGEST_BOUNDED.to_owned()));
    }
    notes
}

pub fn field(name: &'static str, value: Value, notes: Vec<Note>) -> Field {
    Field { name, value, notes }
}

/// Holds for every field of that name.
pub fn once<T>(from: &Placed<T>, text: &str) -> Note {
    Note { once: true, ..here(from, text.to_owned()) }
}

/// Holds for this one.
pub fn here<T>(from: &Placed<T>, text: String) -> Note {
    Note { from: Some((from.place, from.path.clone())), text, instead: None, once: false }
}
