//! What a person reads.

use std::path::Path;

use serde_json::json;

use super::{Configuration, Output, Show, Value, labels};

const FILE: &str = r#"
prometheus: {url: http://p}
defaults:
  passes: 4
  step: 20%
  progression: {policy: breakpoint, parameters: {tolerated-failures: 2}}
  metrics:
    - name: errors
      series: 'worker_errors_total{namespace="{namespace}",pod=~"{pods}"}'
      kind: counter
      max: 0.5
      parameters: {without-samples: pass}
groups:
  workers: {surge: 0, step: 10%}
services:
  - {name: payments, namespace: shop, group: workers, step: 1}
  - {names: "p*", namespace: shop, progression: {policy: mine, parameters: {x: [1]}}, metrics: [], warm-up: 1s500ms}
  - {selector: "team=ingest", namespace: shop}
  - {name: payments, namespace: other}
"#;

fn shown(service: &str, with: Option<&str>, output: Output) -> Result<String, String> {
    let file = Path::new("/etc/aviary/aviary.yaml");
    let configuration = Configuration::parse(FILE, file).expect("good");
    let labels = with.map(|text| labels(text).expect("labels"));
    let show = Show { service: service.to_owned(), config: None, labels, policies: None, output };
    let breakpoint = json!({ "passes": 1, "failure-window": 0, "tolerated-failures": 0, "inconclusive": "hold" });
    let defaults =
        serde_json::from_value(json!({ "breakpoint": breakpoint, "threshold": { "x": 1 } })).expect("parameters");
    show.shown(&configuration, file, &defaults).map_err(|error| error.to_string())
}

#[test]
fn every_setting_is_shown_with_where_it_comes_from() {
    let expected = r#"shop/payments in /etc/aviary/aviary.yaml
  aviary.yaml:16 services[0] shop/payments holds
  aviary.yaml:17 services[1] shop/p* also matches, but comes later
  aviary.yaml:18 services[2] shop/* (team=ingest) also matches, but comes later

step                            1                  aviary.yaml:16 services[0]
break-point                     50%                built in
surge                           0                  aviary.yaml:14 group workers
warm-up                         2m                 built in
check-interval                  30s                built in
ready-deadline                  10m                built in
longest-step                    1h                 built in
on-rollback                     revert             built in
shared-claims                   false              built in
classifier                      image-change       built in
analyzers                       health, threshold  built in
progression                     breakpoint         aviary.yaml:6 defaults
progression.tolerated-failures  2                  aviary.yaml:6 defaults
passes                          4                  aviary.yaml:4 defaults
failure-window                  10m                built in
metrics                         errors             aviary.yaml:8 defaults
metrics.errors.series           worker_errors_total{namespace="{namespace}",pod=~"{pods}"}
                                                   aviary.yaml:9 defaults
metrics.errors.kind             counter            aviary.yaml:10 defaults
metrics.errors.better           neither            built in
metrics.errors.max              0.5                aviary.yaml:11 defaults
metrics.errors.window           1m                 built in
metrics.errors.without-samples  pass               aviary.yaml:12 defaults
analyzers.threshold.x           1                  policy threshold
progression.inconclusive        hold               policy breakpoint
"#;
    assert_eq!(shown("shop/payments", Some("team=ingest"), Output::Text).as_deref(), Ok(expected));
}

#[test]
fn another_progression_is_not_told_the_pace() {
    let page = shown("pay", None, Output::Text).expect("shop/p*");
    let line = |field: &str| page.lines().find(|line| line.split(' ').next() == Some(field)).map(str::to_owned);
    assert_eq!(line("passes"), None);
    let at = "aviary.yaml:17 services[1]";
    assert!(line("progression.x").is_some_and(|line| line.contains(" [1] ") && line.ends_with(at)), "{page}");
    assert!(line("warm-up").is_some_and(|line| line.contains(" 1s500ms ") && line.ends_with(at)), "{page}");
    assert!(line("metrics").is_some_and(|line| line.contains(" none ") && line.ends_with(at)), "{page}");
    assert!(page.ends_with("by --labels team=ingest,tier=batch\n"), "{page}");
}

#[test]
fn a_program_gets_the_same() {
    let answer: Value =
        serde_json::from_str(&shown("other/payments", None, Output::Json).expect("named")).expect("JSON");
    let settings = answer["settings"].as_array().expect("a list");
    let of = |field: &str| settings.iter().find(|setting| setting["field"] == field).cloned();
    let from = json!({ "layer": "defaults", "line": 5, "column": 9, "field": "defaults.step" });
    assert_eq!(of("step"), Some(json!({ "field": "step", "value": "20%", "from": from })));
    assert_eq!(of("surge"), Some(json!({ "field": "surge", "value": "25%", "from": { "layer": "built in" } })));
    assert_eq!(answer["holds"]["entry"], "other/payments");
    assert_eq!((&answer["also_match"], &answer["file"]), (&json!([]), &json!("/etc/aviary/aviary.yaml")));
}

#[test]
fn a_service_that_is_none_or_several_is_said_with_the_way_out() {
    let table = [
        ("payments", "payments can be several services: name one of other/payments, shop/payments"),
        (
            "other/pay",
            "no entry of services is about other/pay: add one by name, names or selector, or give its labels by --labels if a \
             selector is to match; those that come near are other/payments",
        ),
        (
            "nowhere/x",
            "no entry of services is about nowhere/x: add one by name, names or selector, or give its labels by --labels if a \
             selector is to match",
        ),
    ];
    for (service, expected) in table {
        assert_eq!(shown(service, None, Output::Text), Err(expected.to_owned()));
    }
    assert!(shown("shop/x", Some("team=ingest"), Output::Text).is_ok());
    assert!(labels("team").is_err_and(|said| said.ends_with("write them as team=ingest,tier=batch")));
}
