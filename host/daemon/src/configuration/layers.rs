//! What holds for an entry: of each setting the value of the innermost layer that says anything, and where it is from.

use std::{collections::BTreeMap, fmt, time::Duration};

use aviary_core::{
    record::REMEMBERED,
    settings::{Amount, BREAKPOINT, MetricSettings, OnRollback, PolicyChoice, Settings},
};
use serde_json::{Value, json};

use super::{
    fault::{Fault, Place},
    fields::Placed,
    metrics::CheckedMetric,
    settings::{Checked, Choice},
    units::duration_text,
    values::Parameters,
};

/// Who says what a setting is, from the outermost to the innermost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Aviary itself.
    BuiltIn,
    /// `defaults:`
    Defaults,
    /// One of `groups:`, by its name.
    Group(String),
    /// One of `services:`, by its number from 0.
    Entry(usize),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::Defaults => f.write_str("defaults"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Entry(number) => write!(f, "services[{number}]"),
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Who says it.
    pub layer: Layer,
    /// Where it begins; for what is built in the place of the entry.
    pub place: Place,
    /// Such as `services[0].analyzers[1]`.
    pub path: String,
}

impl Source {
    /// A fault found here later, in the words of the others.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { place: Some(self.place), path: self.path.clone(), message: message.into() }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced<T> {
    /// What holds.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
}

/// A policy with its parameters; those that the pace gives come from elsewhere than the policy's name.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The stem of its file, or a built-in name.
    pub name: String,
    /// By name.
    pub parameters: BTreeMap<String, Sourced<Value>>,
}

/// A metric with its fields as they are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// What is asked and how it is judged.
    pub settings: MetricSettings,
    /// Those that are written or have a value of Aviary's own, by name.
    pub fields: Vec<(&'static str, Sourced<Value>)>,
    /// By name.
    pub parameters: BTreeMap<String, Sourced<Value>>,
}

/// Everything that holds for the services of an entry; the fields are those of `Settings`.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    pub step: Sourced<Amount>,
    pub break_point: Sourced<Amount>,
    pub surge: Sourced<Amount>,
    pub warm_up: Sourced<Duration>,
    pub check_interval: Sourced<Duration>,
    pub ready_deadline: Sourced<Duration>,
    pub longest_step: Sourced<Duration>,
    pub on_rollback: Sourced<OnRollback>,
    pub shared_claims: Sourced<bool>,
    pub classifier: Sourced<Policy>,
    pub analyzers: Sourced<Vec<Sourced<Policy>>>,
    pub progression: Sourced<Policy>,
    /// What the built-in progression is given, unless its own parameters say otherwise.
    pub pace: Pace,
    pub metrics: Sourced<Vec<Sourced<Metric>>>,
}

/// How checks of a step are counted; parameters of the built-in progression.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Checks that must pass.
    pub passes: Sourced<u32>,
    /// So many may fail.
    pub tolerated_failures: Sourced<u32>,
    /// Within this time.
    pub failure_window: Sourced<Duration>,
}

/// The layers of the file that hold for an entry, the innermost first.
pub struct Layers<'a> {
    layers: Vec<(Layer, &'a Checked)>,
    entry: (Place, &'a str),
}

/// As long as so many checks take as are remembered.
pub fn remembered_for(check_interval: Duration) -> Duration {
    check_interval.saturating_mul(u32::try_from(REMEMBERED).unwrap_or(u32::MAX))
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

impl<'a> Layers<'a> {
    /// The layers of the file for the entry that stands at `place` and `path`, the innermost first.
    pub const fn new(layers: Vec<(Layer, &'a Checked)>, place: Place, path: &'a str) -> Self {
        Self { layers, entry: (place, path) }
    }

    fn pace(&self) -> Pace {
        Pace {
            passes: self.or(|said| said.plain.passes.as_ref(), 3),
            tolerated_failures: self.or(|said| said.plain.tolerated_failures.as_ref(), 1),
            failure_window: self.or(
                |said| said.plain.failure_window.as_ref(),
                minutes(10).min(remembered_for(self.check_interval().value)),
            ),
        }
    }

    fn check_interval(&self) -> Sourced<Duration> {
        self.or(|said| said.plain.check_interval.as_ref(), Duration::from_secs(30))
    }

    /// Everything that holds.
    pub fn in_force(&self) -> InForce {
        let (mut progression, pace) = (self.policy(|said| said.progression.as_ref(), BREAKPOINT), self.pace());
        give_pace(&mut progression.value, &pace);
        InForce {
            step: self.or(|said| said.plain.step.as_ref(), Amount::Percent(20.0)),
            break_point: self.or(|said| said.plain.break_point.as_ref(), Amount::Percent(50.0)),
            surge: self.or(|said| said.plain.surge.as_ref(), Amount::Percent(25.0)),
            warm_up: self.or(|said| said.plain.warm_up.as_ref(), minutes(2)),
            check_interval: self.check_interval(),
            ready_deadline: self.or(|said| said.plain.ready_deadline.as_ref(), minutes(10)),
            longest_step: self.or(|said| said.plain.longest_step.as_ref(), minutes(60)),
            on_rollback: self.or(|said| said.plain.on_rollback.as_ref(), OnRollback::default()),
            shared_claims: self.or(|said| said.plain.shared_claims.as_ref(), false),
            classifier: self.policy(|said| said.classifier.as_ref(), "image-change"),
            analyzers: self.analyzers(),
            progression,
            pace,
            metrics: self.metrics(),
        }
    }

    fn innermost<T>(&self, field: impl Fn(&'a Checked) -> Option<&'a Placed<T>>) -> Option<(&Layer, &'a Placed<T>)> {
        self.layers.iter().find_map(|(layer, said)| Some((layer, field(said)?)))
    }

    fn or<T: Clone + 'a>(&self, field: impl Fn(&'a Checked) -> Option<&'a Placed<T>>, built_in: T) -> Sourced<T> {
        self.innermost(field).map_or_else(|| self.built_in(built_in), |(layer, found)| sourced(layer, found, T::clone))
    }

    fn policy(&self, field: impl Fn(&'a Checked) -> Option<&'a Placed<Choice>>, built_in: &str) -> Sourced<Policy> {
        let found = self.innermost(field);
        found.map_or_else(|| self.built_in(plain_policy(built_in)), |(layer, found)| policy(layer, found))
    }

    fn analyzers(&self) -> Sourced<Vec<Sourced<Policy>>> {
        match self.innermost(|said| said.analyzers.as_ref()) {
            Some((layer, found)) => sourced(layer, found, |list| list.iter().map(|one| policy(layer, one)).collect()),
            None => {
                let names = ["health", "threshold"];
                self.built_in(names.map(|name| self.built_in(plain_policy(name))).to_vec())
            }
        }
    }

    fn metrics(&self) -> Sourced<Vec<Sourced<Metric>>> {
        match self.innermost(|said| said.metrics.as_ref()) {
            Some((layer, found)) => {
                sourced(layer, found, |list| list.iter().map(|one| self.metric(layer, one)).collect())
            }
            None => self.built_in(Vec::new()),
        }
    }

    fn metric(&self, layer: &Layer, found: &Placed<CheckedMetric>) -> Sourced<Metric> {
        let CheckedMetric { settings, written } = &found.value;
        let text = |field: &Option<Placed<String>>| Some(sourced(layer, field.as_ref()?, |text| json!(text)));
        let number = |field: &Option<Placed<f64>>| Some(sourced(layer, field.as_ref()?, |number| json!(number)));
        let fields = [
            ("series", text(&written.series)),
            ("query", text(&written.query)),
            ("condition", text(&written.condition)),
            ("kind", written.kind.as_ref().map(|kind| sourced(layer, kind, |kind| json!(kind)))),
            ("unit", text(&written.unit)),
            ("better", Some(self.or_built_in(layer, written.better.as_ref(), json!(settings.better)))),
            ("min", number(&written.min)),
            ("max", number(&written.max)),
            ("window", Some(self.or_built_in(layer, written.window.as_ref(), json!(duration_text(settings.window))))),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let parameters = parameters(layer, &written.parameters);
        sourced(layer, found, |_| Metric { settings: settings.clone(), fields, parameters })
    }

    /// What is at the field, if it is written, or what is built in.
    fn or_built_in<T>(&self, layer: &Layer, field: Option<&Placed<T>>, value: Value) -> Sourced<Value> {
        match field {
            Some(field) => sourced(layer, field, |_| value),
            None => self.built_in(value),
        }
    }

    fn built_in<T>(&self, value: T) -> Sourced<T> {
        let (place, path) = self.entry;
        Sourced { value, source: Source { layer: Layer::BuiltIn, place, path: path.to_owned() } }
    }
}

fn sourced<T, U>(layer: &Layer, found: &Placed<T>, value: impl FnOnce(&T) -> U) -> Sourced<U> {
    let source = Source { layer: layer.clone(), place: found.place, path: found.path.clone() };
    Sourced { value: value(&found.value), source }
}

fn policy(layer: &Layer, found: &Placed<Choice>) -> Sourced<Policy> {
    let parameters = parameters(layer, &found.value.parameters);
    sourced(layer, found, |choice| Policy { name: choice.name.clone(), parameters })
}

fn parameters(layer: &Layer, written: &Parameters) -> BTreeMap<String, Sourced<Value>> {
    written.0.iter().map(|(name, value)| (name.clone(), sourced(layer, value, Value::clone))).collect()
}

fn plain_policy(name: &str) -> Policy {
    Policy { name: name.to_owned(), parameters: BTreeMap::new() }
}

/// Hands the pace to the progression that knows it by these names, unless its own parameters give it.
fn give_pace(progression: &mut Policy, pace: &Pace) {
    if progression.name != BREAKPOINT {
        return;
    }
    let milliseconds = u64::try_from(pace.failure_window.value.as_millis()).unwrap_or(u64::MAX);
    let pace = [
        ("passes", json!(pace.passes.value), &pace.passes.source),
        ("tolerated-failures", json!(pace.tolerated_failures.value), &pace.tolerated_failures.source),
        ("failure-window", json!(milliseconds), &pace.failure_window.source),
    ];
    for (name, value, source) in pace {
        let given = || Sourced { value, source: source.clone() };
        progression.parameters.entry(name.to_owned()).or_insert_with(given);
    }
}

impl Policy {
    fn choice(&self) -> PolicyChoice {
        let parameters = self.parameters.iter().map(|(name, value)| (name.clone(), value.value.clone()));
        PolicyChoice { name: self.name.clone(), parameters: Value::Object(parameters.collect()) }
    }
}

impl InForce {
    /// The same without the places.
    pub fn settings(&self) -> Settings {
        Settings {
            step: self.step.value,
            break_point: self.break_point.value,
            surge: self.surge.value,
            warm_up: self.warm_up.value,
            check_interval: self.check_interval.value,
            ready_deadline: self.ready_deadline.value,
            longest_step: self.longest_step.value,
            on_rollback: self.on_rollback.value,
            shared_claims: self.shared_claims.value,
            classifier: self.classifier.value.choice(),
            analyzers: self.analyzers.value.iter().map(|policy| policy.value.choice()).collect(),
            progression: self.progression.value.choice(),
            metrics: self.metrics.value.iter().map(|metric| metric.value.settings.clone()).collect(),
        }
    }
}
