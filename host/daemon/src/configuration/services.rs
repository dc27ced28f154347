//! The file as a whole: groups and entries by name, and what must hold between their fields.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use aviary_core::{record::REMEMBERED, settings::BREAKPOINT, time::humane};

use super::{
    Configuration, Entry, InForce, Layer, Source,
    fault::Faults,
    fields::{Placed, nearest},
    layers::{Layers, remembered_for},
    lease,
    names::said,
    prometheus,
    raw::{File, NO_SERVICE, Overrides, Service},
    settings::{Checked, check},
    units::duration_text,
    values::Named,
    which,
};

/// How many groups are compared with a name that is none.
const MOST_SUGGESTED: usize = 100;

/// Validates a whole file.
pub fn configuration(raw: File, file: &Path, faults: &mut Faults) -> Configuration {
    let folder = file.parent().unwrap_or(Path::new(""));
    let has_prometheus = raw.prometheus.is_some();
    let prometheus = raw.prometheus.and_then(|section| prometheus::settings(section, folder, faults));
    let lease = raw.lease.and_then(|section| lease::choice(section, faults)).unwrap_or_default();
    let outer = Outer::check(raw.defaults, raw.groups, faults);
    let entries = raw.services.map(|list| entries(list, &outer, faults)).unwrap_or_default();
    if !has_prometheus {
        check_no_metrics(&entries, faults);
    }
    Configuration {
        prometheus,
        policies_folder: raw.policies.and_then(|policies| policies.folder).map(|path| folder.join(path)),
        listen: raw.listen,
        socket: raw.socket.map(|path| folder.join(path)),
        lease,
        entries,
    }
}

/// The layers around the entries.
struct Outer {
    defaults: Checked,
    groups: BTreeMap<String, (Source, Checked)>,
}

impl Outer {
    fn check(defaults: Overrides, groups: Named<Overrides>, faults: &mut Faults) -> Self {
        let defaults = check(defaults, faults);
        let mut outer = Self { defaults, groups: BTreeMap::new() };
        check_progression(&outer.defaults.plain, &[&outer.defaults], faults);
        for (name, raw) in groups.0 {
            let own = check(raw, faults);
            check_progression(&own.plain, &[&own, &outer.defaults], faults);
            let source = Source { layer: Layer::Group(name.value.clone()), place: name.place, path: name.path };
            outer.groups.insert(name.value, (source, own));
        }
        outer
    }

    fn group(&self, named: &Placed<String>, faults: &mut Faults) -> Option<&(Source, Checked)> {
        let found = self.groups.get(&named.value);
        if found.is_none() {
            let known: Vec<&str> = self.groups.keys().take(MOST_SUGGESTED).map(String::as_str).collect();
            let remedy = nearest(&named.value, &known).map_or_else(
                || "write it into groups, or leave group out".to_owned(),
                |nearest| format!("did you mean {nearest:?}?"),
            );
            named.fault(faults, format!("there is no group {}: {remedy}", said(&named.value)));
        }
        found
    }

    fn check_used(&self, services: &[Placed<Service>], faults: &mut Faults) {
        let used: BTreeSet<&String> =
            services.iter().filter_map(|service| Some(&service.value.group.as_ref()?.value)).collect();
        for (source, _) in self.groups.iter().filter(|(name, _)| !used.contains(name)).map(|(_, group)| group) {
            faults.push(source.fault("is used by no service: name it in one by group, or remove it"));
        }
    }
}

fn entries(list: Placed<Vec<Placed<Service>>>, outer: &Outer, faults: &mut Faults) -> Vec<Entry> {
    if list.value.is_empty() && faults.is_empty() {
        list.fault(faults, format!("is an empty list: {NO_SERVICE}"));
    }
    which::check_names(&list.value, faults);
    outer.check_used(&list.value, faults);
    let entries: Vec<Entry> =
        list.value.into_iter().enumerate().filter_map(|(number, raw)| entry(number, raw, outer, faults)).collect();
    which::check_shadows(&entries, faults);
    entries
}

fn entry(number: usize, raw: Placed<Service>, outer: &Outer, faults: &mut Faults) -> Option<Entry> {
    let which = which::which(&raw, faults);
    let group = raw.value.group.as_ref().and_then(|named| outer.group(named, faults));
    let own = check(raw.value.overrides, faults);
    let source = Source { layer: Layer::Entry(number), place: raw.place, path: raw.path };
    let around = group.map(|(source, said)| (source.layer.clone(), said));
    let layers = [(source.layer.clone(), &own)].into_iter().chain(around).chain([(Layer::Defaults, &outer.defaults)]);
    let layers = Layers::new(layers.collect(), source.place, &source.path);
    let in_force = layers.in_force();
    said_for(&own.plain, &in_force.progression.value.name, faults);
    check_pace(&in_force, faults);
    check_remembered(&in_force, faults);
    let settings = Arc::new(in_force.settings());
    Some(Entry { namespace: raw.value.namespace?.value, which: which?, source, settings, in_force: Arc::new(in_force) })
}

/// Only the built-in progression is told the pace: saying it beside another one would have no effect.
fn check_progression(plain: &Overrides, layers: &[&Checked], faults: &mut Faults) {
    let chosen = layers.iter().find_map(|said| said.progression.as_ref());
    said_for(plain, chosen.map_or(BREAKPOINT, |choice| &choice.value.name), faults);
}

fn said_for(plain: &Overrides, progression: &str, faults: &mut Faults) {
    if progression == BREAKPOINT {
        return;
    }
    let message =
        format!("is for the progression {BREAKPOINT}, but {progression} is chosen: give it in its parameters");
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

fn check_pace(holds: &InForce, faults: &mut Faults) {
    let (interval, passes, window) = (holds.check_interval.value, holds.pace.passes.value, &holds.pace.failure_window);
    let shortest = holds.warm_up.value.saturating_add(interval.saturating_mul(passes));
    if holds.longest_step.value <= shortest {
        let message = format!(
            "longest-step {} leaves no time for warm-up {} and {passes} checks every {}: make it longer",
            humane(holds.longest_step.value),
            humane(holds.warm_up.value),
            humane(interval)
        );
        faults.push(holds.longest_step.source.fault(message));
    }
    if holds.pace.tolerated_failures.value > 0 && window.value < interval {
        let message = format!(
            "failure-window {} is shorter than check-interval {}, so that no two failures ever fall into it: make it longer",
            humane(window.value),
            humane(interval)
        );
        faults.push(window.source.fault(message));
    }
}

/// What reaches further back than checks are remembered would never be met, or never be too much.
fn check_remembered(holds: &InForce, faults: &mut Faults) {
    let progression = &holds.progression.value;
    let longest = remembered_for(holds.check_interval.value);
    for name in ["failure-window", "pass-duration"].iter().filter(|_| progression.name == BREAKPOINT) {
        let Some(given) = progression.parameters.get(*name) else { continue };
        let Some(asked) = given.value.as_u64().map(Duration::from_millis).filter(|asked| *asked > longest) else {
            continue;
        };
        let own = given.source != holds.pace.failure_window.source;
        let milliseconds = if own { format!(" ({})", longest.as_millis()) } else { String::new() };
        let least = u64::try_from(asked.as_millis().div_ceil(REMEMBERED as u128)).unwrap_or(u64::MAX);
        let message = format!(
            "{name} {} is longer than the {REMEMBERED} checks of a rollout that are remembered take: make it {}{milliseconds} at most, \
             or check-interval {} at least",
            duration_text(asked),
            duration_text(longest),
            duration_text(Duration::from_millis(least))
        );
        faults.push(given.source.fault(message));
    }
}

fn check_no_metrics(entries: &[Entry], faults: &mut Faults) {
    for metric in entries.iter().filter_map(|entry| entry.in_force.metrics.value.first()) {
        faults.push(metric.source.fault("needs a prometheus to ask: add prometheus with its url"));
    }
}
