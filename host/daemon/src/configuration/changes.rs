//! What differs between two versions of a file, in words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{InForce, Setting};

impl InForce {
    /// What `after` holds otherwise, in the order of the file: `step 20% -> 10%`. Of a metric or analyzer that comes or goes
    /// only the name.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let (before, after) = (self.list(), after.list());
        let strangers = Strangers::of(&before, &after);
        let fields = after.iter().chain(before.iter().filter(|setting| value(&after, &setting.field).is_none()));
        let words = fields.filter(|setting| !strangers.own(&setting.field)).map(|setting| {
            let (from, to) = (value(&before, &setting.field), value(&after, &setting.field));
            (from != to).then(|| format!("{} {} -> {}", setting.field, text(from), text(to)))
        });
        words.flatten().collect()
    }
}

/// The beginnings of the fields of what is in one list only.
struct Strangers(Vec<String>);

impl Strangers {
    fn of(before: &[Setting<'_>], after: &[Setting<'_>]) -> Self {
        let only_once = |field: &str| {
            let (before, after) = (names(before, field), names(after, field));
            let names = before.symmetric_difference(&after);
            names.map(|name| format!("{field}.{name}.")).collect::<Vec<_>>()
        };
        Self(["analyzers", "metrics"].into_iter().flat_map(only_once).collect())
    }

    fn own(&self, field: &str) -> bool {
        self.0.iter().any(|beginning| field.starts_with(beginning))
    }
}

fn names<'a>(list: &'a [Setting<'_>], field: &str) -> BTreeSet<&'a str> {
    let names = value(list, field).and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).collect()
}

fn value<'a>(list: &'a [Setting<'_>], field: &str) -> Option<&'a Value> {
    list.iter().find(|setting| setting.field == field).map(|setting| &setting.value)
}

/// As it is written in the file.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) if list.is_empty() => "none".to_owned(),
        Some(Value::Array(list)) => list.iter().map(|one| text(Some(one))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Configuration;

    fn changes(before: &str, after: &str) -> Vec<String> {
        let read = |fields: &str| {
            let text = format!(
                "prometheus: {{ url: 'http://prometheus:9090' }}\nservices:\n  - {{ name: foo, namespace: shop, {fields} }}\n"
            );
            Configuration::parse(&text, Path::new("aviary.yaml")).unwrap_or_else(|faults| panic!("{faults}"))
        };
        read(before).entries[0].in_force.changes(&read(after).entries[0].in_force)
    }

    #[test]
    fn a_change_is_said_as_it_is_written() {
        let errors = |rest: &str| format!("metrics: [{{ name: errors, query: q, {rest} }}]");
        let table: [(&str, &str, &[&str]); 9] = [
            ("", "", &[]),
            ("step: 20%", "", &[]),
            ("step: 20%", "step: 10%, warm-up: 90s", &["step 20% -> 10%", "warm-up 2m -> 1m30s"]),
            ("step: 2, passes: 3", "step: 50%, passes: 5", &["step 2 -> 50%", "passes 3 -> 5"]),
            (
                "",
                "failure-window: 20m, on-rollback: keep",
                &["on-rollback revert -> keep", "failure-window 10m -> 20m"],
            ),
            ("", "analyzers: [{ policy: health }]", &["analyzers health, threshold -> health"]),
            (
                "analyzers: [{ policy: threshold }]",
                "analyzers: [{ policy: threshold, parameters: { least: 3 } }]",
                &["analyzers.threshold.least none -> 3"],
            ),
            (
                "classifier: { policy: image-change, parameters: { canary-pointers: [/a, /b] } }",
                "classifier: { policy: image-change }",
                &["classifier.canary-pointers /a, /b -> none"],
            ),
            (
                "progression: { policy: slow, parameters: { days: 2 } }",
                "",
                &[
                    "progression slow -> breakpoint",
                    "passes none -> 3",
                    "tolerated-failures none -> 1",
                    "failure-window none -> 10m",
                    "progression.days 2 -> none",
                ],
            ),
        ];
        for (before, after, words) in table {
            assert_eq!(changes(before, after), words, "{before:?} to {after:?}");
        }
        assert_eq!(
            changes(&errors("max: 2"), &errors("max: 0.5, min: 0")),
            ["metrics.errors.min none -> 0.0", "metrics.errors.max 2.0 -> 0.5"]
        );
        assert_eq!(changes("", &errors("max: 2")), ["metrics none -> errors"]);
        assert_eq!(changes(&errors("max: 2"), ""), ["metrics errors -> none"]);
    }
}
