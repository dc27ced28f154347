//! What is written of the metrics elsewhere: the list of them, the dashboard and the alert rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use regex::Regex;

use super::*;

const LIST: &str = include_str!("../../../../../config/metrics.md");
const DASHBOARD: &str = include_str!("../../../../../config/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../../../../config/alerts.yaml");

/// A metric as a scrape shows it.
#[derive(Debug, Default)]
struct Described {
    kind: String,
    help: String,
    labels: Vec<String>,
}

/// Every metric there is, by its name in PromQL; a histogram by the name before `_bucket`.
fn described() -> BTreeMap<String, Described> {
    let (telemetry, _tracked) = everything_happened();
    let (_, page) = telemetry.exposition("");
    let mut metrics: BTreeMap<String, Described> = BTreeMap::new();
    let label = Regex::new(r#"(\w+)=""#).unwrap();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            metrics.entry(name.to_owned()).or_default().help = help.trim_end_matches('.').to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            metrics.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let parts = ["_bucket", "_sum", "_count"];
            let found = parts
                .iter()
                .filter_map(|part| name.strip_suffix(part))
                .chain([name])
                .find(|n| metrics.contains_key(*n));
            let described = metrics.get_mut(found.expect(name)).expect(name);
            let labels = label.captures_iter(line).map(|found| found[1].to_owned()).filter(|label| label != "le");
            described.labels = labels.collect();
        }
    }
    metrics
}

#[test]
fn the_list_of_metrics_is_complete_and_true() {
    let row = |(name, metric): (&String, &Described)| {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {} | {} | {} |", metric.kind, labels.join(", "), metric.help)
    };
    let expected: Vec<String> = described().iter().map(row).collect();
    let listed: Vec<&str> = LIST.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(listed == expected, "the rows of config/metrics.md are to be:\n{}", expected.join("\n"));
}

/// Names of metrics in PromQL, each with the labels that its braces name, and the labels of aggregations.
fn named(expression: &str) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let selector = Regex::new(r"\b((?:aviary|process)_\w+)(?:\{([^}]*)\})?").unwrap();
    let label = Regex::new(r#"(\w+)\s*(?:=~|!~|!=|=)\s*""#).unwrap();
    let group = Regex::new(r"\b(?:by|without|on)\s*\(([^)]*)\)").unwrap();
    let labels = |text: &str| label.captures_iter(text).map(|found| found[1].to_owned()).collect();
    let selectors = selector.captures_iter(expression);
    let metrics =
        selectors.map(|found| (found[1].to_owned(), labels(found.get(2).map_or("", |braces| braces.as_str()))));
    let groups = group.captures_iter(expression).flat_map(|found| {
        found[1].split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect::<Vec<_>>()
    });
    (metrics.collect(), groups.collect())
}

/// Every metric exists and has the labels it is asked for; those that a scrape adds are anybody's.
fn holds_against_registry(place: &str, expression: &str) {
    let described = described();
    let of_scrape = ["job", "instance", "namespace"];
    let (metrics, groups) = named(expression);
    let mut known: BTreeSet<&str> = of_scrape.into_iter().chain(["le"]).collect();
    assert!(!metrics.is_empty() || expression.contains("up{"), "{place}: no metric of Aviary in {expression}");
    for (name, labels) in &metrics {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let histogram = base.and_then(|base| described.get(base)).filter(|metric| metric.kind == "histogram");
        let metric = described.get(name).filter(|metric| metric.kind != "histogram").or(histogram);
        let metric = metric.unwrap_or_else(|| panic!("{place}: there is no {name}: {expression}"));
        known.extend(metric.labels.iter().map(String::as_str));
        for label in labels.iter().filter(|label| !of_scrape.contains(&label.as_str())) {
            assert!(metric.labels.contains(label), "{place}: {name} has no label {label}: {expression}");
        }
    }
    for label in groups {
        assert!(known.contains(label.as_str()), "{place}: nothing here has the label {label}: {expression}");
    }
}

#[test]
fn every_expression_of_the_dashboard_names_what_there_is() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut seen = 0;
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            holds_against_registry(panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} expressions");
}

#[test]
fn panels_of_the_dashboard_have_ids_of_their_own_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} twice", panel["id"]);
        let place = |field: &str| panel["gridPos"][field].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{} is too wide", panel["title"]);
        for cell in (0..place("w") * place("h")).map(|n| (place("x") + n % place("w"), place("y") + n / place("w"))) {
            assert!(taken.insert(cell), "{} covers another panel", panel["title"]);
        }
    }
}

#[test]
fn every_alert_names_what_there_is() {
    let rules: Value = serde_saphyr::from_str(ALERTS).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 8);
    for rule in rules {
        holds_against_registry(rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
    }
}

#[test]
fn the_page_is_what_was_asked_for() {
    let (telemetry, _tracked) = everything_happened();
    let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let (kind, page) = telemetry.exposition(prometheus);
    assert!(kind.starts_with("application/openmetrics-text;"));
    assert!(page.ends_with("# EOF\n") && page.contains("# TYPE aviary_rollouts counter"));
    let (kind, page) = telemetry.exposition("*/*");
    assert!(kind.starts_with("text/plain;"));
    assert!(page.contains("# TYPE aviary_rollouts_total counter"));
}

/// What promtool says where it finds fault; `tests/setup` installs it, with Prometheus.
fn promtool(arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool; tests/setup sees to it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn promtool_finds_no_fault_with_the_page() {
    let (telemetry, _tracked) = everything_happened();
    assert_eq!(promtool(&["check", "metrics"], &telemetry.exposition("").1), None);
}

#[test]
fn the_alerts_fire_when_they_should() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let rules = format!("{root}/config/alerts.yaml");
    assert_eq!(promtool(&["check", "rules", &rules], ""), None);
    assert_eq!(promtool(&["test", "rules", &format!("{root}/tests/alerts.yaml")], ""), None);
}
