//! Good files with what they mean, the shipped example first.

use std::{collections::BTreeMap, path::Path, time::Duration};

use aviary_core::{
    judge::{Better, MetricKind},
    settings::{Amount, MetricSource, OnRollback, Settings},
};
use aviary_metrics::{ClientCertificate, Credentials};
use serde_json::json;

use super::{
    super::{Faults, Layer, Source, fault::Place},
    EXAMPLE, SERVICE, good,
};

#[test]
fn what_is_left_out_has_the_values_of_the_example() {
    let example = good(EXAMPLE);
    let plain = good(SERVICE);
    let (shown, plain) = (&example.entries[0].settings, &plain.entries[0].settings);
    let parameters = json!({ "canary-pointers": [], "direct-images": [] });
    assert_eq!(shown.classifier.parameters, parameters);
    let mut shown = Settings { metrics: Vec::new(), ..(**shown).clone() };
    shown.classifier.parameters = json!({});
    assert_eq!(shown, **plain);
    assert_eq!(
        plain.progression.parameters,
        json!({ "passes": 3, "tolerated-failures": 1, "failure-window": 600_000 })
    );
}

#[test]
fn the_example_means_what_it_says() {
    let example = good(EXAMPLE);
    assert_eq!(example.listen.map(|address| address.port()), Some(8080));
    assert_eq!(example.socket.as_deref(), Some(Path::new("/run/aviary/aviary.sock")));
    assert_eq!(example.policies_folder.as_deref(), Some(Path::new("/etc/aviary/policies")));
    let [orders, payments, workers, ingest] = example.entries.as_slice() else { panic!("four entries") };
    let [errors] = orders.settings.metrics.as_slice() else { panic!("one metric") };
    assert!(matches!(&errors.source, MetricSource::Series(text) if text.starts_with("worker_errors_total{")));
    assert_eq!((errors.kind, errors.better, errors.max), (MetricKind::Counter, Better::Lower, Some(0.5)));
    assert_eq!((payments.settings.step, payments.settings.surge), (Amount::Pods(1), Amount::Pods(0)));
    assert_eq!(payments.settings.break_point, Amount::Percent(50.0));
    let kinds: Vec<_> = payments.settings.metrics.iter().map(|metric| metric.kind).collect();
    assert_eq!(kinds, [MetricKind::Evaluated, MetricKind::Condition]);
    assert_eq!((workers.settings.surge, workers.settings.step), (Amount::Pods(0), Amount::Percent(20.0)));
    assert_eq!((ingest.settings.surge, ingest.settings.step), (Amount::Pods(0), Amount::Percent(10.0)));
    let labels =
        BTreeMap::from([("team", "ingest"), ("tier", "batch")].map(|(name, value)| (name.into(), value.into())));
    for (name, namespace, expected) in [
        ("worker-a", "shop", Some(workers)),
        ("worker-legacy-a", "shop", None),
        ("worker-test-1", "shop", None),
        ("worker-test-12", "shop", Some(workers)),
        ("a", "ingest", Some(ingest)),
        ("payments", "shop", Some(payments)),
    ] {
        assert_eq!(example.service(namespace, name, &labels), expected, "{name}");
    }
}

#[test]
fn what_the_example_comments_out_is_good_too() {
    let start = EXAMPLE.find("  # tls:").expect("the section");
    let end = EXAMPLE.find("# Policies that").expect("the next section");
    let written = |line: &str| line.strip_prefix("  # ").map_or(line.to_owned(), |field| format!("  {field}"));
    let unwanted = |line: &&str| {
        !["insecure:", "One of the two", "basic-auth:", "username:", "password-file:"]
            .iter()
            .any(|word| line.contains(word))
    };
    let section = EXAMPLE[start..end].lines().filter(unwanted).map(written).collect::<Vec<_>>().join("\n");
    let text = format!("prometheus:\n  url: https://p\n{section}\n{SERVICE}");
    let prometheus = good(&text).prometheus.expect("the section");
    let folder = Path::new("/etc/aviary/prometheus");
    let client = ClientCertificate { certificate_file: folder.join("tls.crt"), key_file: folder.join("tls.key") };
    assert_eq!(prometheus.tls.client_certificate, Some(client));
    assert_eq!(prometheus.tls.ca_file, Some(folder.join("ca.crt")));
    assert_eq!(prometheus.credentials, Credentials::BearerTokenFile("/var/run/secrets/prometheus/token".into()));
}

#[test]
fn a_service_goes_before_the_defaults_and_paths_start_at_the_file() {
    let configuration = good(
        r"
prometheus: {url: https://p, basic-auth: {username: a, password-file: secret/password}, timeout: 1s500ms}
policies: {folder: mine}
defaults:
  passes: 5
  on-rollback: keep
  metrics: &metrics [{name: a, query: b}, {name: c, query: d}]
  progression: {policy: breakpoint, parameters: {passes: 7, inconclusive: pause}}
services:
  - {name: a, namespace: shop, failure-window: 20m, metrics: [], shared-claims: true}
  - {name: b, namespace: shop, progression: {policy: mine, parameters: {x: [1, two, {y: null}]}}}
  - {name: c, namespace: shop, progression: {policy: breakpoint}, metrics: *metrics}
",
    );
    let prometheus = configuration.prometheus.as_ref().expect("the section");
    assert_eq!(prometheus.timeout, Duration::from_millis(1500));
    let password_file = "/etc/secret/password".into();
    assert_eq!(prometheus.credentials, Credentials::Basic { username: "a".to_owned(), password_file });
    assert_eq!(configuration.policies_folder.as_deref(), Some(Path::new("/etc/mine")));
    let [a, b, c] = configuration.entries.as_slice() else { panic!("three services") };
    let parameters =
        json!({ "passes": 7, "tolerated-failures": 1, "failure-window": 1_200_000, "inconclusive": "pause" });
    assert_eq!(a.settings.progression.parameters, parameters);
    assert_eq!((a.settings.metrics.len(), a.settings.on_rollback), (0, OnRollback::Keep));
    assert!(a.settings.shared_claims && !b.settings.shared_claims);
    assert_eq!(b.settings.progression.parameters, json!({ "x": [1, "two", { "y": null }] }));
    assert_eq!(c.settings.progression.parameters["passes"], 5);
    assert_eq!((b.settings.metrics.len(), c.settings.metrics.len()), (2, 2));
    assert_eq!(
        b.in_force.progression.source,
        Source {
            layer: Layer::Entry(1),
            place: Place { line: 11, column: 45 },
            path: "services[1].progression".into()
        }
    );
    assert_eq!(b.in_force.classifier.source.path, "services[1]");
    assert_eq!(a.in_force.progression.source.path, "defaults.progression");
    assert_eq!(b.in_force.metrics.value[1].source.path, "defaults.metrics[1]");
    let mut faults = Faults::new(Path::new("/etc/aviary.yaml"));
    faults.push(b.in_force.progression.source.fault("mine says no: ask it nicely"));
    assert_eq!(faults.to_string(), "/etc/aviary.yaml:11:45: services[1].progression: mine says no: ask it nicely");
}

#[test]
fn the_configurations_for_kustomize_are_good() {
    good(include_str!("../../../../../config/kustomize/aviary.yaml"));
    good(include_str!("../../../../../config/kustomize-example/aviary/aviary.yaml"));
}

#[test]
fn failures_count_together_for_ten_minutes_or_as_long_as_checks_are_remembered() {
    let window = |line: &str| {
        let configuration = good(&format!("defaults: {line}\n{SERVICE}"));
        configuration.entries[0].settings.progression.parameters["failure-window"].clone()
    };
    assert_eq!(window("{}"), 600_000);
    assert_eq!(window("{check-interval: 5s}"), 320_000);
    assert_eq!(window("{failure-window: 32m}"), 1_920_000);
    assert_eq!(
        window("{progression: {policy: breakpoint, parameters: {failure-window: 0, pass-duration: 1920000}}}"),
        0
    );
}
