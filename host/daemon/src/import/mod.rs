//! The configuration of the original Aviary, a Python program, as one of ours: read strictly, translated setting by setting,
//! and written with a comment wherever the meaning differs.

pub mod command;
mod meaning;
mod original;
mod pace;
mod promql;
#[cfg(test)]
mod tests;
mod values;
mod words;
mod yaml;

use std::{collections::BTreeSet, path::Path};

use crate::configuration::{Fault, Faults};
use meaning::{field, here, once};
use original::{Deployment, Original};
use yaml::{Field, Value};

/// What became of a file.
#[derive(Debug)]
pub struct Imported {
    /// Our configuration.
    pub yaml: String,
    /// What means something else than it did, at the place of the original's file where it comes from.
    pub differences: Faults,
    /// How many services there are.
    pub services: usize,
}

/// Translates the text of an original's file; `file` names it.
///
/// # Errors
/// Every fault that was found.
pub fn import(text: &str, file: &Path) -> Result<Imported, Faults> {
    let original = Original::read(text, file)?;
    let mut faults = Faults::new(file);
    let services: Vec<Vec<Field>> =
        original.deployments.iter().filter_map(|deployment| service(deployment, &mut faults)).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut differences = Faults::new(file);
    let count = services.len();
    let mut fields = document(&original, services);
    say_once(&mut fields, &mut BTreeSet::new(), &mut differences);
    let name = file.file_name().map_or_else(|| file.to_string_lossy(), std::ffi::OsStr::to_string_lossy);
    Ok(Imported { yaml: yaml::write(&words::head(&name), &fields), differences, services: count })
}

/// A service's own fields.
fn service(deployment: &Deployment, faults: &mut Faults) -> Option<Vec<Field>> {
    let pace = pace::pace(deployment, faults)?;
    let mut fields = meaning::settings(deployment, &pace);
    fields.extend(meaning::metrics(deployment));
    Some(fields)
}

fn document(original: &Original, mut services: Vec<Vec<Field>>) -> Vec<Field> {
    let mut defaults = shared(&mut services);
    let metrics = defaults.iter().position(|field| field.name == "metrics").unwrap_or(defaults.len());
    defaults.splice(metrics..metrics, meaning::policies());
    let named = |(deployment, fields): (&Deployment, Vec<Field>)| {
        let name = field("name", Value::Text(deployment.name.value.clone()), meaning::unknown(&deployment.unknown));
        let namespace = field("namespace", Value::Text(original.namespace.value.clone()), Vec::new());
        [name, namespace].into_iter().chain(fields).collect()
    };
    let services = original.deployments.iter().zip(services).map(named).collect();
    let others = original.others.iter().map(|other| here(other, words::no_deployment(&other.value)));
    let url = field("url", Value::Text(original.prometheus.value.clone()), Vec::new());
    vec![
        field("prometheus", Value::Fields(vec![url]), vec![once(&original.prometheus, words::PROMETHEUS)]),
        field("defaults", Value::Fields(defaults), Vec::new()),
        field("services", Value::Items(services), others.collect()),
    ]
}

/// Takes out of the services what is the same in all of them. What a lone service asks stays its own.
fn shared(services: &mut [Vec<Field>]) -> Vec<Field> {
    let Some((first, others)) = services.split_first() else { return Vec::new() };
    let common = |field: &&Field| {
        (field.name != "metrics" || !others.is_empty()) && others.iter().all(|other| other.contains(field))
    };
    let shared: Vec<Field> = first.iter().filter(common).cloned().collect();
    for service in services {
        service.retain(|field| !shared.contains(field));
    }
    shared
}

/// Keeps of the notes that hold for every field of a name the first, and tells all that are kept.
fn say_once(fields: &mut [Field], said: &mut BTreeSet<String>, differences: &mut Faults) {
    for field in fields {
        field.notes.retain(|note| !note.once || said.insert(note.text.clone()));
        for note in &field.notes {
            let (place, path) = note.from.clone().unzip();
            let message = [note.text.as_str()].into_iter().chain(note.instead).collect::<Vec<_>>().join(" ");
            differences.push(Fault { place, path: path.unwrap_or_default(), message });
        }
        match &mut field.value {
            Value::Fields(fields) => say_once(fields, said, differences),
            Value::Items(items) => items.iter_mut().for_each(|fields| say_once(fields, said, differences)),
            Value::Plain(_) | Value::Text(_) => {}
        }
    }
}
