//! Faulty files with the exact words that are said of them.

use std::path::Path;

use serde_json::json;

use super::{super::Configuration, SERVICE, parse};

/// Each faulty line stands first in a file that is good without it.
fn assert_said(table: &[(&str, &str)]) {
    for (line, expected) in table {
        let said = parse(&format!("{line}\n{SERVICE}")).err().unwrap_or_default();
        assert_eq!(said, format!("/etc/aviary.yaml:{expected}"), "{line}");
    }
}

#[test]
fn unknown_fields_are_said_with_the_nearest_known_one() {
    assert_said(&[
        ("default: {}", r#"1:1: default: unknown field "default": did you mean "defaults"?"#),
        (
            "defaults: {breakPoint: 5%}",
            r#"1:12: defaults.breakPoint: unknown field "breakPoint": did you mean "break-point"?"#,
        ),
        (
            "defaults: {check_interval: 5s}",
            r#"1:12: defaults.check_interval: unknown field "check_interval": did you mean "check-interval"?"#,
        ),
        ("policies: {path: /x}", r#"1:12: policies.path: unknown field "path": known here are folder"#),
        (
            "prometheus: {url: http://p, bearer-token: secret}",
            r#"1:29: prometheus.bearer-token: unknown field "bearer-token": did you mean "bearer-token-file"?"#,
        ),
        (
            "xyz: 1",
            r#"1:1: xyz: unknown field "xyz": known here are prometheus, policies, listen, socket, lease, defaults, groups, services"#,
        ),
    ]);
}

#[test]
fn wrong_types_and_units_are_said_with_an_example() {
    assert_said(&[
        ("defaults: {warm-up: 90}", "1:21: defaults.warm-up: 90 has no unit: write a duration such as 90s or 90m"),
        ("defaults: {warm-up: 1.5}", "1:21: defaults.warm-up: 1.5 has no unit: write a duration such as 1.5s or 1.5m"),
        (
            "defaults: {warm-up: 5x}",
            r#"1:21: defaults.warm-up: "5x" is not a duration: write one such as 90s, 5m or 1h30m"#,
        ),
        ("defaults: {warm-up: -5s}", r#"1:21: defaults.warm-up: "-5s" is negative: write a duration such as 90s"#),
        ("defaults: {warm-up: 5us}", r#"1:21: defaults.warm-up: "5us" is finer than 1ms: round it"#),
        (
            "defaults: {warm-up: [5s]}",
            "1:21: defaults.warm-up: is a list, not a duration: write one such as 90s, 5m or 1h30m",
        ),
        (
            "defaults: {step: '2'}",
            r#"1:18: defaults.step: "2" is neither a share nor a number of pods: write one such as 20%, or 2 without quotes"#,
        ),
        (
            "defaults: {step: 0.2}",
            "1:18: defaults.step: 0.2 is not a whole number of pods: write 2, or a share such as 20%",
        ),
        ("defaults: {step: -1}", "1:18: defaults.step: -1 is no number of pods: write one such as 2"),
        ("defaults: {step: 120%}", r#"1:18: defaults.step: "120%" is out of bounds: write a share from 0% to 100%"#),
        ("defaults: {step: NaN%}", r#"1:18: defaults.step: "NaN%" is out of bounds: write a share from 0% to 100%"#),
        (
            "defaults: {step: true}",
            "1:18: defaults.step: is a boolean, not an amount: write a number of pods such as 2, or a share such as 20%",
        ),
        ("defaults: {passes: 1.5}", "1:20: defaults.passes: is not a count: write a whole number such as 3"),
        (
            "defaults: {shared-claims: maybe}",
            "1:27: defaults.shared-claims: is a text, not a boolean: write true or false",
        ),
        (
            "defaults: {on-rollback: kep}",
            r#"1:25: defaults.on-rollback: "kep" is not one of the choices: did you mean "keep"?"#,
        ),
        (
            "defaults: {on-rollback: 7}",
            r#"1:25: defaults.on-rollback: "a number" is not one of the choices: write one of revert, keep"#,
        ),
        ("defaults: [step]", "1:11: defaults: is a list, not a mapping: write its fields as name: value"),
        (
            "defaults: {analyzers: health}",
            "1:23: defaults.analyzers: is a text, not a list: write each item after a dash",
        ),
        (
            "defaults: {classifier: {policy: x, parameters: [1]}}",
            "1:48: defaults.classifier.parameters: is a list, not a mapping: write parameters as name: value",
        ),
        (
            "defaults: {classifier: {policy: x, parameters: {a: .nan}}}",
            "1:52: defaults.classifier.parameters.a: is a number that JSON cannot hold: choose a finite one of at most 64 bits",
        ),
        ("socket: 5", "1:9: socket: is a number, not a text: put it in quotes"),
        ("lease: { duration: 4s }", "1:20: lease.duration: cannot be: choose whole seconds from 5s to 5m"),
        ("lease: { duration: 5500ms }", "1:20: lease.duration: cannot be: choose whole seconds from 5s to 5m"),
        (
            "lease: { name: Aviary }",
            "1:16: lease.name: \"Aviary\" is not a name in kubernetes: use up to 253 lowercase letters, digits and dashes, with \
             a letter or digit at both ends",
        ),
        ("socket: ''", "1:9: socket: is empty: write a text, or leave the field out"),
        (
            "listen: localhost",
            r#"1:9: listen: "localhost" is not an address with a port: write one such as 127.0.0.1:8080"#,
        ),
    ]);
}

#[test]
fn values_out_of_bounds_are_said_with_a_good_one() {
    assert_said(&[
        ("defaults: {step: 0}", "1:18: defaults.step: is nothing: write a step such as 20% or 1"),
        ("defaults: {step: 0%}", "1:18: defaults.step: is nothing: write a step such as 20% or 1"),
        (
            "defaults: {break-point: 0%}",
            "1:25: defaults.break-point: is 0%, so that nothing would be tested: write a share such as 50%",
        ),
        (
            "defaults: {break-point: 3}",
            "1:25: defaults.break-point: is a number of pods: write a share of them, such as 50%",
        ),
        (
            "defaults: {check-interval: 99ms}",
            "1:28: defaults.check-interval: is out of bounds: choose a duration from 100ms to 24h",
        ),
        (
            "defaults: {warm-up: 25h, longest-step: 24h}",
            "1:21: defaults.warm-up: is out of bounds: choose a duration from 0s to 24h\n/etc/aviary.yaml:1:40: defaults.longest-step: longest-step 24h leaves no time for warm-up 25h and 3 checks every 30s: make it longer",
        ),
        (
            "defaults: {ready-deadline: 0s}",
            "1:28: defaults.ready-deadline: is out of bounds: choose a duration from 1ms to 24h",
        ),
        ("defaults: {passes: 0}", "1:20: defaults.passes: is 0: a step needs at least 1 pass"),
        (
            "defaults: {passes: 65, longest-step: 2h}",
            "1:20: defaults.passes: is more than the 64 checks of a rollout that are remembered: choose 1 to 64",
        ),
        (
            "defaults: {tolerated-failures: 64}",
            "1:32: defaults.tolerated-failures: is as many as the 64 checks of a rollout that are remembered: choose 0 to 63",
        ),
        (
            "defaults: {analyzers: []}",
            "1:23: defaults.analyzers: is an empty list: name at least one policy, such as health",
        ),
        (
            "defaults: {analyzers: [{}]}",
            "1:24: defaults.analyzers[0].policy: is missing: write the name of a policy, such as threshold",
        ),
        (
            "defaults: {classifier: {policy: a/b.wasm}}",
            "1:33: defaults.classifier.policy: is not the name of a policy: write its file's name without folder and .wasm",
        ),
        (
            "defaults: {failure-window: 1s}",
            "1:28: defaults.failure-window: failure-window 1s is shorter than check-interval 30s, so that no two failures ever fall into it: make it longer",
        ),
        (
            "defaults: {failure-window: 40m}",
            "1:28: defaults.failure-window: failure-window 40m is longer than the 64 checks of a rollout that are remembered take: make it 32m at most, or check-interval 37s500ms at least",
        ),
        (
            "defaults: {check-interval: 5s, failure-window: 10m}",
            "1:48: defaults.failure-window: failure-window 10m is longer than the 64 checks of a rollout that are remembered take: make it 5m20s at most, or check-interval 9s375ms at least",
        ),
        (
            "defaults: {progression: {policy: breakpoint, parameters: {pass-duration: 3600000}}}",
            "1:59: defaults.progression.parameters.pass-duration: pass-duration 1h is longer than the 64 checks of a rollout that are remembered take: make it 32m (1920000) at most, or check-interval 56s250ms at least",
        ),
        (
            "defaults: {progression: {policy: breakpoint, parameters: {failure-window: 1920001}}}",
            "1:59: defaults.progression.parameters.failure-window: failure-window 32m1ms is longer than the 64 checks of a rollout that are remembered take: make it 32m (1920000) at most, or check-interval 30s1ms at least",
        ),
        (
            "defaults: {progression: {policy: mine}, passes: 2}",
            "1:49: defaults.passes: is for the progression breakpoint, but mine is chosen: give it in its parameters",
        ),
    ]);
}

#[test]
fn faults_of_prometheus_are_said() {
    assert_said(&[
        ("prometheus: {}", "1:13: prometheus.url: is missing: write one such as http://prometheus:9090"),
        (
            "prometheus: {url: 'prometheus:9090'}",
            r#"1:19: prometheus.url: prometheus' address "prometheus:9090" is not a url (neither http nor https): write one such as http://prometheus:9090"#,
        ),
        (
            "prometheus: {url: http://me:pw@p}",
            "1:19: prometheus.url: prometheus' address must not contain credentials: use bearer-token-file or basic-auth",
        ),
        (
            "prometheus: {url: http://p, timeout: 0s}",
            "1:38: prometheus.timeout: is out of bounds: choose one from 100ms to 5m",
        ),
        (
            "prometheus: {url: http://p, tls: {ca: x}}",
            "1:19: prometheus.url: is plain http, but tls is configured: write https, or remove tls",
        ),
        (
            "prometheus: {url: https://p, tls: {ca: x, insecure: true}}",
            "1:35: prometheus.tls: has both ca and insecure: remove one of them",
        ),
        (
            "prometheus: {url: https://p, tls: {key: x}}",
            "1:35: prometheus.tls: has only one of certificate and key: a client needs both, as two PEM files",
        ),
        (
            "prometheus: {url: https://p, basic-auth: {username: a}}",
            "1:42: prometheus.basic-auth.password-file: is missing: name a file that holds the password and no more",
        ),
        (
            "prometheus: {url: https://p, bearer-token-file: x, basic-auth: {username: a, password-file: b}}",
            "1:13: prometheus: has both bearer-token-file and basic-auth: remove one of them",
        ),
    ]);
}

#[test]
fn faults_of_metrics_are_said() {
    let table = [
        ("{}", "1:22: defaults.metrics[0].name: is missing: write one that a person understands, such as errors"),
        ("{name: a}", "1:22: defaults.metrics[0]: asks for nothing: give one of series, query and condition"),
        (
            "{name: a, query: b, series: c, kind: gauge}",
            "1:22: defaults.metrics[0]: asks in several ways: give exactly one of series, query and condition",
        ),
        (
            "{name: a, series: b}",
            "1:22: defaults.metrics[0]: has no kind: say what the series is by kind: counter, gauge or histogram-bucket",
        ),
        (
            "{name: a, series: b, kind: histogram}",
            r#"1:49: defaults.metrics[0].kind: "histogram" is not one of the choices: did you mean "histogram-bucket"?"#,
        ),
        (
            "{name: a, query: b, kind: gauge}",
            "1:48: defaults.metrics[0].kind: is for series only: a query and a condition are evaluated by prometheus, remove it",
        ),
        (
            "{name: a, query: b, min: 2, max: 1}",
            "1:47: defaults.metrics[0].min: 2 is greater than max 1: exchange or correct them",
        ),
        (
            "{name: a, query: b, max: .inf}",
            "1:47: defaults.metrics[0].max: is not a finite number: leave it out for no limit",
        ),
        (
            "{name: a, query: b, max: 5s}",
            "1:47: defaults.metrics[0].max: is a text, not a number: write one such as 0.5",
        ),
        (
            "{name: a, query: b, window: 3h}",
            "1:50: defaults.metrics[0].window: a window of 3h is out of bounds: choose one from 1s to 2h",
        ),
        (
            "{name: a, query: 'b{c=\"{pods}\"}'}",
            "1:39: defaults.metrics[0].query: placeholder {pods} is a regular expression of several names: compare it with =~ or !~",
        ),
        (
            "{name: a, series: 'rate(b[1m])', kind: gauge}",
            "1:40: defaults.metrics[0].series: a series is a plain selector such as name{label=\"value\"}; its range is added by aviary: write anything else as query",
        ),
        (
            "{name: a, query: b}, {name: a, query: c}",
            r#"1:50: defaults.metrics[1].name: "a" is the name of another metric in this list: choose a different one"#,
        ),
    ];
    for (metrics, expected) in table {
        assert_said(&[(&format!("defaults: {{metrics: [{metrics}]}}\nprometheus: {{url: http://p}}"), expected)]);
    }
    assert_said(&[(
        "defaults: {metrics: [{name: a, query: b}]}",
        "1:22: defaults.metrics[0]: needs a prometheus to ask: add prometheus with its url",
    )]);
}

#[test]
fn faults_of_services_are_said_all_at_once_in_the_order_of_the_file() {
    let text = r"
services:
  - name: Foo
    namespace: shop
    warm-up: 1h
  - namespace: shop.eu
  - {name: foo, namespace: shop}
  - {name: a.b-c.d, namespace: shop, progression: {policy: mine}, tolerated-failures: 2}
  - {name: foo, namespace: shop, step: 0}
  - just a name
";
    let said = "\
/etc/aviary.yaml:3:5: services[0]: longest-step 1h leaves no time for warm-up 1h and 3 checks every 30s: make it longer
/etc/aviary.yaml:3:11: services[0].name: \"Foo\" is not a name in kubernetes: use up to 253 lowercase letters, digits and dashes, with a letter or digit at both ends
/etc/aviary.yaml:6:5: services[1]: is about no Deployment: give the name of one, or names or selector for all that match
/etc/aviary.yaml:6:16: services[1].namespace: \"shop.eu\" is not a name in kubernetes: use up to 63 lowercase letters, digits and dashes, with a letter or digit at both ends
/etc/aviary.yaml:8:87: services[3].tolerated-failures: is for the progression breakpoint, but mine is chosen: give it in its parameters
/etc/aviary.yaml:9:12: services[4].name: shop/foo is configured twice: remove one of them
/etc/aviary.yaml:9:40: services[4].step: is nothing: write a step such as 20% or 1
/etc/aviary.yaml:10:5: services[5]: is a text, not a mapping: write its fields as name: value";
    assert_eq!(parse(text).err().as_deref(), Some(said));
}

#[test]
fn what_is_no_configuration_is_said() {
    let table = [
        ("", "1:1: services: is missing: name at least one, with name and namespace"),
        ("services: []", "1:11: services: is an empty list: name at least one, with name and namespace"),
        ("services", "1:1: is a text, not a mapping: write its fields as name: value"),
        (
            "a: 1\na: 2",
            "2:1: is not valid YAML: duplicate mapping key `a` is not allowed here (look at indentation, colons and quotes)",
        ),
        (
            "a: 1\n b: 2",
            "2:3: is not valid YAML: mapping values are not allowed in this context (look at indentation, colons and quotes)",
        ),
        (
            "a: 1\n---\na: 2",
            "3:1: is not valid YAML: only single YAML document expected but multiple found (look at indentation, colons and quotes)",
        ),
        ("a: *b", "1:4: is not valid YAML: "),
    ];
    for (text, expected) in table {
        let said = parse(text).expect_err(text);
        let expected = format!("/etc/aviary.yaml:{expected}");
        assert!(said == expected || (expected.ends_with(": ") && said.starts_with(&expected)), "{said}");
    }
    let missing = Configuration::load(Path::new("/nowhere/aviary.yaml")).expect_err("no file");
    assert_eq!(
        (missing.json()[0]["line"].clone(), missing.json()[0]["file"].clone()),
        (json!(null), json!("/nowhere/aviary.yaml"))
    );
    let missing = missing.to_string();
    assert_eq!(
        missing,
        "/nowhere/aviary.yaml: cannot be read (No such file or directory (os error 2)): name a readable file"
    );
}

#[test]
fn a_program_gets_every_fault_with_its_place() {
    let text = "services:\n  - {name: a, namespace: b, step: 0}\n  - {name: a, namespace: b}\n";
    let faults = Configuration::parse(text, Path::new("/etc/aviary.yaml")).expect_err("faulty");
    let fault = |line: u64, column: u64, field: &str, message: &str| json!({ "file": "/etc/aviary.yaml", "line": line, "column": column, "field": field, "message": message });
    let expected = json!([
        fault(2, 35, "services[0].step", "is nothing: write a step such as 20% or 1"),
        fault(3, 12, "services[1].name", "b/a is configured twice: remove one of them"),
    ]);
    assert_eq!(faults.json(), expected);
}
