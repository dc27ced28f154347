//! Which Deployments the entries are about, and that every entry is about some that no earlier one has taken.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Entry, Which,
    entry::Pattern,
    fault::Faults,
    fields::Placed,
    glob::Glob,
    names::{LONGEST_NAME, LONGEST_NAMESPACE, check_name},
    raw::Service,
    selector,
};

/// Checks names and namespaces, and that no two entries are about the same name.
pub fn check_names(services: &[Placed<Service>], faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for service in services {
        let Service { namespace, name, .. } = &service.value;
        if let Some(namespace) = namespace {
            check_name(namespace, LONGEST_NAMESPACE, false, faults);
        }
        let Some(name) = name else { continue };
        if name.value.contains(['*', '?']) {
            name.fault(faults, "is a pattern: write names instead of name");
            continue;
        }
        check_name(name, LONGEST_NAME, true, faults);
        let Some(namespace) = namespace else { continue };
        if !seen.insert((&namespace.value, &name.value)) {
            let message = format!("{}/{} is configured twice: remove one of them", namespace.value, name.value);
            name.fault(faults, message);
        }
    }
}

/// Which Deployments an entry is about, unless it says so in a way that cannot be.
pub fn which(raw: &Placed<Service>, faults: &mut Faults) -> Option<Which> {
    let Service { name, names, except, selector, .. } = &raw.value;
    match name {
        Some(name) => {
            let message = "is for many services: remove it, or name";
            [names, selector].into_iter().flatten().for_each(|field| field.fault(faults, message));
            except.iter().for_each(|field| field.fault(faults, message));
            Some(Which::Named(name.value.clone()))
        }
        None => pattern(raw, faults).map(Which::Matching),
    }
}

fn pattern(raw: &Placed<Service>, faults: &mut Faults) -> Option<Pattern> {
    let names = raw.value.names.as_ref().and_then(|field| glob(field, faults));
    let selector = raw
        .value
        .selector
        .as_ref()
        .and_then(|field| selector::parse(&field.value).map_err(|message| field.fault(faults, message)).ok());
    if let Some(field) = raw.value.names.as_ref().filter(|field| !field.value.contains(['*', '?'])) {
        field.fault(faults, "is the name of one service: write name instead of names");
    }
    let mut except = Vec::new();
    for field in raw.value.except.iter().flat_map(|list| &list.value) {
        let excepted = glob(field, faults);
        if excepted.as_ref().is_some_and(|excepted| excepted.text() == "*" || Some(excepted) == names.as_ref()) {
            field.fault(faults, "leaves nothing of what the entry matches: remove it, or the entry");
        }
        except.extend(excepted);
    }
    (names.is_some() || selector.is_some()).then_some(Pattern { names, selector, except })
}

fn glob(field: &Placed<String>, faults: &mut Faults) -> Option<Glob> {
    Glob::parse(&field.value).map_err(|message| field.fault(faults, message)).ok()
}

/// Checks that no pattern comes after one that takes all of its services.
pub fn check_shadows(entries: &[Entry], faults: &mut Faults) {
    let mut earlier: BTreeMap<Shape, Vec<(&Entry, &Pattern)>> = BTreeMap::new();
    for entry in entries {
        let Which::Matching(pattern) = &entry.which else { continue };
        let shapes = wider(&entry.namespace, pattern);
        let mut before = shapes.iter().filter_map(|shape| earlier.get(shape)).flatten();
        match before.find(|(_, first)| first.covers(pattern)) {
            Some((first, _)) => {
                let line = first.source.place.line;
                let message = format!(
                    "holds for nothing: {}, in line {line}, takes all of its services; remove one of them, or exchange them",
                    first.which
                );
                faults.push(entry.source.fault(message));
            }
            None => earlier.entry(shapes[0].clone()).or_default().push((entry, pattern)),
        }
    }
}

/// A namespace, a pattern of names and a selector, empty for any; so that not all pairs need be compared.
type Shape = (String, String, String);

/// The shape of a pattern, and those of patterns that may cover it.
fn wider(namespace: &str, pattern: &Pattern) -> [Shape; 4] {
    let names = pattern.names.as_ref().map(Glob::text).filter(|names| *names != "*").unwrap_or_default();
    let selector = pattern.selector.as_ref().map(ToString::to_string).unwrap_or_default();
    let shape = |names: &str, selector: &str| (namespace.to_owned(), names.to_owned(), selector.to_owned());
    [shape(names, &selector), shape("", &selector), shape(names, ""), shape("", "")]
}
