//! What is refused, with its place and the way out.

use super::{imported, worker};

fn faults(text: &str) -> String {
    match imported(text) {
        Ok(imported) => panic!("accepted\n{text}\n{}", imported.yaml),
        Err(faults) => faults,
    }
}

#[test]
fn what_has_no_meaning_here_is_refused() {
    let table = [
        (("step", "0%"), "worker.step: is 0%, so that no image would ever be tested: write a share from 1% to 100%"),
        (("step", "10"), "worker.step: is a number, which the original fails at: write 10%"),
        (("step", "2.5%"), "worker.step: \"2.5%\" is not a whole share: write one such as 50%"),
        (("breakpoint", "101%"), "worker.breakpoint: \"101%\" is out of bounds: write a share from 1% to 100%"),
        (("breakpoint", "'50'"), "worker.breakpoint: \"50\" is not a whole share"),
        (("abort", ""), "worker.abort: is missing: write a time such as 120s, 2m or 1h"),
        (("abort", "120"), "worker.abort: 120 has no unit, which the original fails at: write 120s or 120m"),
        (
            ("abort", "1m30s"),
            "worker.abort: \"1m30s\" is not a time of the original: write a whole number with s, m or h",
        ),
        (("abort", "-5s"), "worker.abort: \"-5s\" is not a time of the original"),
        (("abort", "99999999999999999h"), "worker.abort: \"99999999999999999h\" is longer than anybody waits"),
        (("check_success_step_duration", "0s"), "is 0s, so that checks never pause: write a time such as 30s"),
        (("check_success_step_duration", "5s"), "120 checks fit into a step, but the last 64 are all that count here"),
        (("check_success_step_duration", "5s"), "make it at least 10s"),
        (
            ("check_max_failures", "65"),
            "worker.check_max_failures: 66 checks fit into a step, but the last 64 are all that count",
        ),
        (("check_max_failures", "9223372036854775807"), "all that count here: write a number below 64"),
        (
            ("check_max_failures", "'3'"),
            "worker.check_max_failures: is a text, not a whole number: write one such as 3",
        ),
        (("start_delay", "24h"), "worker.max_step_duration: with start_delay takes a step to 24h or more"),
        (("success", ""), "worker.success: is missing: the original fails at its first check; write []"),
        (("success", "[{}]"), "worker.success[0].expr: is missing: write the PromQL"),
        (("success", "[{expr: 1}]"), "worker.success[0].expr: is a number, not a text: put it in quotes"),
        (("success", "[{expr: 'up_<<pod>> > 1'}]"), "expr: placeholder <<pod>> stands outside of quotes"),
        (("success", "[{expr: 'up{a=\"<<pod>>'}]"), "expr: a string is opened by \" and never closed"),
    ];
    for ((name, value), expected) in table {
        let said = faults(&worker(&[(name, value)]));
        assert!(said.starts_with("/tmp/canaries.yaml:") && said.contains(expected), "{expected:?} is not in\n{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn all_faults_are_said_at_once_with_their_places() {
    let said = faults("namespace: Shop\nworker:\n  step: x\n  abort: 5\nother: 3\n");
    let lines = [
        "1:1: prometheus-base-url: is missing",
        "1:12: namespace: \"Shop\" is not a name in kubernetes",
        "3:9: worker.step: \"x\" is not a whole share",
        "3:3: worker.breakpoint: is missing",
        "3:3: worker.check_success_step_duration: is missing",
        "3:3: worker.max_step_duration: is missing",
        "3:3: worker.success: is missing",
        "4:10: worker.abort: 5 has no unit",
        "5:8: other: is a number, not a mapping",
    ];
    for line in lines {
        assert!(said.contains(&format!("/tmp/canaries.yaml:{line}")), "{line:?} is not in\n{said}");
    }
    assert_eq!(said.lines().count(), lines.len(), "{said}");
}

#[test]
fn a_file_of_another_kind_is_told_from_ours() {
    let manifest = "kind: ConfigMap\nmetadata: {name: aviary}\ndata: {canaries.yaml: 'namespace: shop'}\n";
    assert!(faults(manifest).contains("is a manifest: give the canaries.yaml in it as a file of its own"));
    let none = faults("prometheus-base-url: http://p\nnamespace: shop\n");
    assert!(none.contains("has no Deployment: write at least one"), "{none}");
    let address = worker(&[]).replace("http://p:9090", "http://me:secret@p");
    let said = faults(&address);
    assert!(said.contains("prometheus-base-url") && !said.contains("secret"), "{said}");
    let twice = faults(&(worker(&[]) + "worker: {}\n"));
    assert!(twice.contains("is not valid YAML"), "{twice}");
}
