//! What settings come to mean, and how it is written.

use std::{path::Path, time::Duration};

use aviary_core::settings::{Amount, MetricSource, Settings};
use serde_json::json;

use super::{
    super::{import, promql},
    good, read, worker,
};

const ORIGINAL: &str = include_str!("../../../../../config/examples/imported/canaries.yaml");
const OURS: &str = include_str!("../../../../../config/examples/imported/aviary.yaml");

fn settings(changes: &[(&str, &str)]) -> Settings {
    (*read(&good(&worker(changes)).yaml).entries[0].settings).clone()
}

#[test]
fn the_example_is_what_import_prints() {
    let imported = import(ORIGINAL, Path::new("config/examples/imported/canaries.yaml")).expect("a good file");
    let current = imported.yaml == OURS;
    assert!(
        current,
        "in config/examples/imported: aviary import canaries.yaml > aviary.yaml; it prints\n{}",
        imported.yaml
    );
    let names: Vec<_> = read(OURS).named().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    assert_eq!(names, ["shop/orders", "shop/payments", "shop/mailer", "shop/search", "shop/thumbnails"]);
}

#[test]
fn a_line_that_is_suggested_can_be_written() {
    let yaml = OURS.replace("# classifier: ", "classifier: ");
    let pointers = ["/template/spec/containers/**", "/template/spec/initContainers/**"];
    for entry in read(&yaml).entries {
        assert_eq!(entry.settings.classifier.parameters, json!({ "canary-pointers": pointers }));
    }
}

#[test]
fn times_and_counts_mean_what_they_meant() {
    let settings = settings(&[
        ("step", "15%"),
        ("start_delay", "2m"),
        ("check_max_failures", "3"),
        ("max_step_duration", "45s"),
        ("check_success_step_duration", "14s"),
    ]);
    let second = Duration::from_secs;
    assert_eq!((settings.step, settings.break_point), (Amount::Percent(15.0), Amount::Percent(50.0)));
    assert_eq!((settings.warm_up, settings.check_interval), (second(120), second(14)));
    // Checks at 0, 14, 28 and 42 s.
    let parameters = json!({ "passes": 4, "tolerated-failures": 2, "failure-window": (120 + 120 + 56) * 1000 });
    assert_eq!(settings.progression.parameters, parameters);
    assert_eq!((settings.ready_deadline, settings.longest_step), (second(120), second(592)));
    assert_eq!(settings.analyzers[0].parameters, json!({ "max-restarts": 0 }));
    assert_eq!(settings.analyzers[1].name, "threshold");
}

#[test]
fn what_differs_for_one_service_is_said() {
    let table = [
        (("breakpoint", "35%"), "3:0: worker.breakpoint: The step of 10% does not divide it: there 30% was the last"),
        (("breakpoint", "5%"), "The step of 10% is larger: there images were promoted without any check"),
        (("check_max_failures", "11"), "max_step_duration is 10m, which the original raises to 11m1s"),
        (("check_max_failures", "0"), "check_max_failures is 0, which is as good as 1"),
        (("abort", "0s"), "abort is 0s; from 1s to 24h can be said here"),
        (("abort", "25h"), "abort is 25h; from 1s to 24h can be said here"),
        (("max_step_duration", "13h"), "No more than 24h can be said here"),
        (("pause", "1"), "Left out, as the original does not know it either: pause: 1"),
        (
            ("check-max-failures", "{a: [1, 2.5, true, null]}"),
            "{a: [1, 2.5, true, null]} (did you mean check_max_failures?)",
        ),
    ];
    for ((name, value), expected) in table {
        let interval = if value == "13h" { "30m" } else { "60s" };
        let imported = good(&worker(&[("check_success_step_duration", interval), (name, value)]));
        let said = imported.differences.to_string();
        let expected = expected.trim_start_matches("3:0: ");
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
        let comments: Vec<&str> = imported.yaml.lines().filter_map(|line| line.trim().strip_prefix("# ")).collect();
        let text = expected.trim_start_matches("worker.breakpoint: ");
        assert!(comments.join(" ").contains(text), "{text:?} is not in\n{}", imported.yaml);
        read(&imported.yaml);
    }
}

#[test]
fn failures_count_no_longer_than_checks_are_remembered() {
    let imported = good(&worker(&[("check_max_failures", "2"), ("abort", "2h")]));
    let window = read(&imported.yaml).entries[0].settings.progression.parameters["failure-window"].clone();
    assert_eq!(window, 64 * 60 * 1000);
    let said = imported.differences.to_string();
    assert!(said.contains("No longer than 64 checks take: so many are remembered."), "{said}");
}

#[test]
fn what_is_no_delay_to_python_is_none() {
    for nothing in ["0s", "0", "''", "false", ""] {
        assert_eq!(settings(&[("start_delay", nothing)]).warm_up, Duration::ZERO, "{nothing:?}");
    }
}

#[test]
fn expressions_are_asked_as_they_were() {
    let condition = |text: &str| MetricSource::Condition(text.to_owned());
    let table = [
        (r#"up{pod="<<pod>>"} == 1"#, "up", condition(r#"up{pod="{pod}"} == 1"#)),
        ("up{pod='<<pod>>'}", "up", condition("up{pod='{pod}'}")),
        (r#"a{p=~`<<pod>>\.x"`}"#, "a", condition(r#"a{p=~"{pod}\\.x\""}"#)),
        (
            r#"a{p="<<pod>>",q="{id}",r="<<x>>",s=`{id}`}"#,
            "a",
            condition(r#"a{p="{pod}",q="\x7bid}",r="\x3c<x>>",s="\x7bid}"}"#),
        ),
        (r#"a{p="x$<<pod>>",q=~"\\p{Greek}"}"#, "a", condition(r#"a{p="x$<<pod>>",q=~"\\p{Greek}"}"#)),
        (
            r#"sum by (pod, le) (rate(b_total{pod="<<pod>>"}[5m])) / on (pod) c > 2"#,
            "b_total",
            condition(r#"sum by (pod, le) (rate(b_total{pod="{pod}"}[5m])) / on (pod) c > 2"#),
        ),
        (r#"0 < {__name__="d",pod="<<pod>>"}"#, "condition", condition(r#"0 < {__name__="d",pod="{pod}"}"#)),
        ("lag < 5", "lag", MetricSource::Query("count(lag < 5) or vector(0)".to_owned())),
        ("lag < 5 # <<pod>>", "lag", MetricSource::Query("count(lag < 5 # <<pod>>\n) or vector(0)".to_owned())),
        ("sum(x:y) by (z) > 1", "x:y", MetricSource::Query("count(sum(x:y) by (z) > 1) or vector(0)".to_owned())),
    ];
    for (expression, metric, source) in table {
        let asked = promql::asked(expression);
        assert_eq!((asked.metric.as_str(), &asked.source), (metric, &source), "{expression}");
        let success = format!("[{{expr: {}}}]", json!(expression));
        let metrics = settings(&[("success", &success)]).metrics;
        assert_eq!((metrics[0].name.as_str(), &metrics[0].source), (metric, &source), "{expression}");
        let least = matches!(source, MetricSource::Query(_)).then_some(1.0);
        assert_eq!((metrics[0].min, metrics[0].max), (least, None));
    }
}

#[test]
fn metrics_have_names_of_their_own() {
    let success = "[{expr: 'a > 1'}, {expr: 'a < 9'}, {expr: 'a-2 > 1'}, {expr: 'b'}, {expr: 'a != 5'}]";
    let names: Vec<String> = settings(&[("success", success)]).metrics.into_iter().map(|metric| metric.name).collect();
    assert_eq!(names, ["a", "a-2", "a-3", "b", "a-4"]);
}

#[test]
fn what_all_services_share_stands_in_the_defaults() {
    let one = worker(&[("success", "[{expr: up}]")]);
    let another = one.split_once("worker:").expect("a service").1.replace("120s", "3m");
    let yaml = good(&format!("{one}other:{another}")).yaml;
    let (defaults, services) = yaml.split_once("services:").expect("services");
    for field in ["step: 10%", "passes: 10", "analyzers:", "metrics:"] {
        assert!(defaults.contains(field) && !services.contains(field), "{field}\n{yaml}");
    }
    for field in ["ready-deadline: 2m", "ready-deadline: 3m", "longest-step: 24m", "longest-step: 26m"] {
        assert!(services.contains(field), "{field}\n{yaml}");
    }
    assert_eq!(yaml.matches("From abort").count(), 1, "{yaml}");
}

#[test]
fn templates_for_anchors_are_left_out() {
    let text = "prometheus-base-url: http://p\nnamespace: shop\n.usual: &usual {step: 10%, breakpoint: 50%, abort: 2m, \
        max_step_duration: 10m, check_success_step_duration: 1m, success: []}\nworker:\n  <<: *usual\n  step: 20%\n";
    let imported = good(text);
    assert!(imported.yaml.contains("no Deployment can have that name: .usual: {step: \"10%\""), "{}", imported.yaml);
    assert_eq!(imported.services, 1);
    assert_eq!(read(&imported.yaml).entries[0].settings.step, Amount::Percent(20.0));
}
