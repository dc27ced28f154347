//! What holds, as a list of settings the way they are written in the file, each with where it comes from.

use serde_json::{Value, json};

use super::{
    layers::{InForce, Policy, Source, Sourced},
    units::{amount_json, duration_text},
};

/// A setting that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<'a> {
    /// Its field, such as `step`, `classifier.direct-images` or `metrics.errors.max`.
    pub field: String,
    /// As it is written in the file.
    pub value: Value,
    /// Where it comes from.
    pub source: &'a Source,
}

impl InForce {
    /// All of it, in the order of the example.
    pub fn list(&self) -> Vec<Setting<'_>> {
        let plain = [
            plain("step", &self.step, |amount| amount_json(*amount)),
            plain("break-point", &self.break_point, |amount| amount_json(*amount)),
            plain("surge", &self.surge, |amount| amount_json(*amount)),
            plain("warm-up", &self.warm_up, |duration| duration_text(*duration).into()),
            plain("check-interval", &self.check_interval, |duration| duration_text(*duration).into()),
            plain("ready-deadline", &self.ready_deadline, |duration| duration_text(*duration).into()),
            plain("longest-step", &self.longest_step, |duration| duration_text(*duration).into()),
            plain("on-rollback", &self.on_rollback, |word| json!(word)),
            plain("shared-claims", &self.shared_claims, |shared| (*shared).into()),
        ];
        let mut list = Vec::from(plain);
        list.extend(policy("classifier", &self.classifier));
        list.push(plain_names("analyzers", &self.analyzers, |policy| &policy.name));
        for analyzer in &self.analyzers.value {
            list.extend(parameters(&format!("analyzers.{}", analyzer.value.name), &analyzer.value));
        }
        list.extend(self.progression());
        list.push(plain_names("metrics", &self.metrics, |metric| &metric.settings.name));
        list.extend(self.metrics.value.iter().flat_map(|metric| {
            let metric = &metric.value;
            let within = format!("metrics.{}", metric.settings.name);
            let fields = metric.fields.iter().map(|(name, value)| (*name, value));
            let parameters = metric.parameters.iter().map(|(name, value)| (name.as_str(), value));
            inner(&within, fields.chain(parameters))
        }));
        list
    }

    /// The pace stands beside the progression as in the file, unless it is written among the parameters or not told at all.
    fn progression(&self) -> Vec<Setting<'_>> {
        let pace = &self.pace;
        let pace = [
            plain("passes", &pace.passes, |count| (*count).into()),
            plain("tolerated-failures", &pace.tolerated_failures, |count| (*count).into()),
            plain("failure-window", &pace.failure_window, |duration| duration_text(*duration).into()),
        ];
        let parameters = &self.progression.value.parameters;
        let told = |setting: &Setting<'_>| {
            parameters.get(&setting.field).is_some_and(|parameter| parameter.source == *setting.source)
        };
        let told: Vec<Setting<'_>> = pace.into_iter().filter(told).collect();
        let own = parameters.iter().filter(|(name, _)| !told.iter().any(|setting| setting.field == **name));
        let own = inner("progression", own.map(|(name, value)| (name.as_str(), value)));
        let named = plain("progression", &self.progression, |policy| policy.name.as_str().into());
        [named].into_iter().chain(own).chain(told).collect()
    }
}

fn plain<'a, T>(field: &str, sourced: &'a Sourced<T>, value: impl FnOnce(&T) -> Value) -> Setting<'a> {
    Setting { field: field.to_owned(), value: value(&sourced.value), source: &sourced.source }
}

fn plain_names<'a, T>(field: &str, list: &'a Sourced<Vec<Sourced<T>>>, name: fn(&T) -> &String) -> Setting<'a> {
    plain(field, list, |list| list.iter().map(|one| name(&one.value).as_str()).collect())
}

fn policy<'a>(field: &str, sourced: &'a Sourced<Policy>) -> Vec<Setting<'a>> {
    let mut list = vec![plain(field, sourced, |policy| policy.name.as_str().into())];
    list.extend(parameters(field, &sourced.value));
    list
}

fn parameters<'a>(within: &str, policy: &'a Policy) -> Vec<Setting<'a>> {
    inner(within, policy.parameters.iter().map(|(name, value)| (name.as_str(), value)))
}

fn inner<'a>(within: &str, fields: impl Iterator<Item = (&'a str, &'a Sourced<Value>)>) -> Vec<Setting<'a>> {
    fields.map(|(name, sourced)| plain(&format!("{within}.{name}"), sourced, Value::clone)).collect()
}
