//! Services: their own settings, else the file's defaults, else Aviary's; and what must hold between the fields.

use std::{collections::BTreeSet, path::Path, time::Duration};

use aviary_core::{
    settings::{Amount, PolicyChoice, Settings},
    time::humane,
};
use serde_json::json;

use super::{
    Configuration, Places, ServiceConfiguration, Source,
    fault::{Fault, Faults},
    fields::Placed,
    prometheus,
    raw::{File, NO_SERVICE, Overrides, Service},
    settings::{BREAKPOINT, Checked, Chosen, check},
};

/// Validates a whole file.
pub fn configuration(raw: File, file: &Path, faults: &mut Faults) -> Configuration {
    let folder = file.parent().unwrap_or(Path::new(""));
    let has_prometheus = raw.prometheus.is_some();
    let prometheus = raw.prometheus.and_then(|section| prometheus::settings(section, folder, faults));
    let defaults = check(raw.defaults, faults);
    check_progression(&defaults.plain, defaults.progression.as_ref(), faults);
    let services = raw.services.map(|list| services(list, &defaults, faults)).unwrap_or_default();
    if !has_prometheus {
        check_no_metrics(&services, faults);
    }
    Configuration {
        prometheus,
        policies_folder: raw.policies.and_then(|policies| policies.folder).map(|path| folder.join(path)),
        listen: raw.listen,
        socket: raw.socket.map(|path| folder.join(path)),
        services,
    }
}

/// The values that hold where neither service nor defaults say anything.
struct Pace {
    warm_up: Duration,
    check_interval: Duration,
    passes: u32,
    tolerated_failures: u32,
    failure_window: Duration,
    longest_step: Duration,
}

fn services(list: Placed<Vec<Placed<Service>>>, defaults: &Checked, faults: &mut Faults) -> Vec<ServiceConfiguration> {
    if list.value.is_empty() && faults.is_empty() {
        list.fault(faults, format!("is an empty list: {NO_SERVICE}"));
    }
    check_names(&list.value, faults);
    list.value.into_iter().filter_map(|raw| service(raw, defaults, faults)).collect()
}

fn check_names(services: &[Placed<Service>], faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for service in services {
        let Service { namespace, name, .. } = &service.value;
        if let Some(namespace) = namespace {
            check_name(namespace, 63, false, faults);
        }
        let Some(name) = name else { continue };
        check_name(name, 253, true, faults);
        let Some(namespace) = namespace else { continue };
        if !seen.insert((&namespace.value, &name.value)) {
            let message = format!("{}/{} is configured twice: remove one of them", namespace.value, name.value);
            name.fault(faults, message);
        }
    }
}

/// The rule of Kubernetes for names (RFC 1123).
fn check_name(name: &Placed<String>, longest: usize, dots: bool, faults: &mut Faults) {
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    let label =
        |label: &str| label.chars().all(plain) && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let labels = if dots { name.value.split('.').all(label) } else { label(&name.value) };
    if !labels || name.value.len() > longest {
        let message = format!(
            "{:?} is not a name in kubernetes: use up to {longest} lowercase letters, digits and dashes, with a letter or digit \
             at both ends",
            name.value
        );
        name.fault(faults, message);
    }
}

fn service(raw: Placed<Service>, defaults: &Checked, faults: &mut Faults) -> Option<ServiceConfiguration> {
    let own = check(raw.value.overrides, faults);
    let here = Source { place: raw.place, path: raw.path };
    let progression = own.progression.as_ref().or(defaults.progression.as_ref());
    check_progression(&own.plain, progression, faults);
    let plain = merge(own.plain.clone(), &defaults.plain);
    let pace = pace(&plain);
    check_pace(&plain, &pace, &here, faults);
    let merged = Checked {
        classifier: own.classifier.or_else(|| defaults.classifier.clone()),
        analyzers: own.analyzers.or_else(|| defaults.analyzers.clone()),
        progression: own.progression.or_else(|| defaults.progression.clone()),
        metrics: own.metrics.or_else(|| defaults.metrics.clone()),
        plain,
    };
    let (settings, places) = settings(merged, &pace, here);
    Some(ServiceConfiguration { namespace: raw.value.namespace?.value, name: raw.value.name?.value, settings, places })
}

fn merge(own: Overrides, defaults: &Overrides) -> Overrides {
    Overrides {
        step: own.step.or_else(|| defaults.step.clone()),
        break_point: own.break_point.or_else(|| defaults.break_point.clone()),
        surge: own.surge.or_else(|| defaults.surge.clone()),
        warm_up: own.warm_up.or_else(|| defaults.warm_up.clone()),
        check_interval: own.check_interval.or_else(|| defaults.check_interval.clone()),
        passes: own.passes.or_else(|| defaults.passes.clone()),
        tolerated_failures: own.tolerated_failures.or_else(|| defaults.tolerated_failures.clone()),
        failure_window: own.failure_window.or_else(|| defaults.failure_window.clone()),
        ready_deadline: own.ready_deadline.or_else(|| defaults.ready_deadline.clone()),
        longest_step: own.longest_step.or_else(|| defaults.longest_step.clone()),
        on_rollback: own.on_rollback.or(defaults.on_rollback),
        shared_claims: own.shared_claims.or(defaults.shared_claims),
        ..Overrides::default()
    }
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

fn pace(plain: &Overrides) -> Pace {
    Pace {
        warm_up: value(plain.warm_up.as_ref(), minutes(2)),
        check_interval: value(plain.check_interval.as_ref(), Duration::from_secs(30)),
        passes: value(plain.passes.as_ref(), 3),
        tolerated_failures: value(plain.tolerated_failures.as_ref(), 1),
        failure_window: value(plain.failure_window.as_ref(), minutes(10)),
        longest_step: value(plain.longest_step.as_ref(), minutes(60)),
    }
}

fn value<T: Copy>(field: Option<&Placed<T>>, otherwise: T) -> T {
    field.map_or(otherwise, |field| field.value)
}

fn settings(merged: Checked, pace: &Pace, here: Source) -> (Settings, Places) {
    let Checked { plain, classifier, analyzers, progression, metrics } = merged;
    let (classifier, classifier_place) = classifier.unwrap_or_else(|| built_in("image-change", &here));
    let analyzers = analyzers.unwrap_or_else(|| vec![built_in("health", &here), built_in("threshold", &here)]);
    let (mut progression, progression_place) = progression.unwrap_or_else(|| built_in(BREAKPOINT, &here));
    give_pace(&mut progression, pace);
    let (analyzers, analyzer_places) = analyzers.into_iter().unzip();
    let (metrics, metric_places) = metrics.unwrap_or_default().into_iter().unzip();
    let settings = Settings {
        step: value(plain.step.as_ref(), Amount::Percent(20.0)),
        break_point: value(plain.break_point.as_ref(), Amount::Percent(50.0)),
        surge: value(plain.surge.as_ref(), Amount::Percent(25.0)),
        warm_up: pace.warm_up,
        check_interval: pace.check_interval,
        ready_deadline: value(plain.ready_deadline.as_ref(), minutes(10)),
        longest_step: pace.longest_step,
        on_rollback: plain.on_rollback.unwrap_or_default(),
        shared_claims: plain.shared_claims.unwrap_or(false),
        classifier,
        analyzers,
        progression,
        metrics,
    };
    let places = Places {
        service: here,
        classifier: classifier_place,
        analyzers: analyzer_places,
        progression: progression_place,
        metrics: metric_places,
    };
    (settings, places)
}

fn built_in(name: &str, here: &Source) -> Chosen {
    (PolicyChoice { name: name.to_owned(), parameters: json!({}) }, here.clone())
}

/// Hands the pace to the progression that knows it by these names, unless its own parameters give it.
fn give_pace(progression: &mut PolicyChoice, pace: &Pace) {
    let Some(parameters) = progression.parameters.as_object_mut().filter(|_| progression.name == BREAKPOINT) else {
        return;
    };
    let milliseconds = u64::try_from(pace.failure_window.as_millis()).unwrap_or(u64::MAX);
    let pace = [
        ("passes", json!(pace.passes)),
        ("tolerated-failures", json!(pace.tolerated_failures)),
        ("failure-window", json!(milliseconds)),
    ];
    for (name, value) in pace {
        parameters.entry(name).or_insert(value);
    }
}

/// Only the built-in progression is told the pace: saying it beside another one would have no effect.
fn check_progression(plain: &Overrides, progression: Option<&Chosen>, faults: &mut Faults) {
    let Some((choice, _)) = progression.filter(|(choice, _)| choice.name != BREAKPOINT) else { return };
    let message =
        format!("is for the progression {BREAKPOINT}, but {} is chosen: give it in its parameters", choice.name);
    if let Some(field) = &plain.passes {
        field.fault(faults, &message);
    }
    if let Some(field) = &plain.tolerated_failures {
        field.fault(faults, &message);
    }
    if let Some(field) = &plain.failure_window {
        field.fault(faults, &message);
    }
}

fn check_pace(plain: &Overrides, pace: &Pace, here: &Source, faults: &mut Faults) {
    let shortest = pace.warm_up.saturating_add(pace.check_interval.saturating_mul(pace.passes));
    if pace.longest_step <= shortest {
        let message = format!(
            "longest-step {} leaves no time for warm-up {} and {} checks every {}: make it longer",
            humane(pace.longest_step),
            humane(pace.warm_up),
            pace.passes,
            humane(pace.check_interval)
        );
        said_at(plain.longest_step.as_ref(), here, faults, message);
    }
    if pace.tolerated_failures > 0 && pace.failure_window < pace.check_interval {
        let message = format!(
            "failure-window {} is shorter than check-interval {}, so that no two failures ever fall into it: make it longer",
            humane(pace.failure_window),
            humane(pace.check_interval)
        );
        said_at(plain.failure_window.as_ref(), here, faults, message);
    }
}

fn said_at(field: Option<&Placed<Duration>>, here: &Source, faults: &mut Faults, message: String) {
    match field {
        Some(field) => field.fault(faults, message),
        None => faults.push(here.fault(message)),
    }
}

fn check_no_metrics(services: &[ServiceConfiguration], faults: &mut Faults) {
    for metric in services.iter().filter_map(|service| service.places.metrics.first()) {
        let message = "needs a prometheus to ask: add prometheus with its url";
        faults.push(Fault { place: Some(metric.place), path: metric.path.clone(), message: message.to_owned() });
    }
}
