//! What is wrong with a release is said with its place and the way out.

use super::*;
use crate::{configuration::Faults, simulate::written};

fn faults(text: &str, service: Option<&str>) -> Faults {
    let configuration = example(|text| text);
    let read = Release::parse(text, Path::new("release.yaml"), &configuration, service);
    read.err().unwrap_or_else(|| panic!("{text} is taken"))
}

#[test]
fn a_fault_has_its_place_and_the_way_out() {
    let table = [
        ("replicas: 0", "release.yaml:1:11: replicas: 0 pods cannot be simulated: choose from 1 to 100"),
        ("replica: 3", "release.yaml:1:1: replica: unknown field \"replica\": did you mean \"replicas\"?"),
        (
            "accepted: { metrics: { errrs: { value: 1 } } }",
            "release.yaml:1:24: accepted.metrics.errrs: shop/orders has no metric of that name: did you mean \"errors\"?",
        ),
        (
            "accepted: { metrics: { errors: { value: 1, of-limit: 20% } } }",
            "accepted.metrics.errors.of-limit: is given beside value: leave one of them out",
        ),
        ("candidate: { metrics: { errors: { times: -1 } } }", "candidate.metrics.errors.times: is below 0"),
        (
            "candidate: { metrics: { errors: { spread: 20 } } }",
            "candidate.metrics.errors.spread: is not a share from 0% to 100%: write one such as 20%",
        ),
        (
            "candidate: { metrics: { errors: { per-hour: much } } }",
            "candidate.metrics.errors.per-hour: is no growth: write a number such as 0.5, or a share of the value such as 80%",
        ),
        (
            "candidate: { metrics: { errors: { then: [{ after: 2m }, { after: 1m }] } } }",
            "candidate.metrics.errors.then[1].after: is not later than the one before it: put them in order",
        ),
        (
            "candidate: { metrics: { errors: { warm-up: { lasts: 0s, times: 2 } } } }",
            "candidate.metrics.errors.warm-up.lasts: is too short to be simulated: write at least 1s",
        ),
        (
            "candidate: { metrics: { errors: { warm-up: { times: 2 } } } }",
            "candidate.metrics.errors.warm-up.lasts: is missing: write a duration such as 90s",
        ),
        ("candidate: { exits: { code: 3 } }", "candidate.exits.after: is missing: write a duration such as 2m"),
        (
            "candidate: { exits: { after: 0s } }",
            "candidate.exits.after: is too short to be simulated: write at least 100ms",
        ),
        ("candidate: { ready-after: 20 }", "candidate.ready-after: 20 has no unit"),
        ("bad-pods: { count: 1 }", "bad-pods.of: is missing: write accepted or candidate"),
        ("partitions: 0", "partitions: is no number of partitions"),
        ("partitions: 3\npoison: { partition: 3 }", "release.yaml:2:22: poison.partition: there is no partition 3"),
        (
            "poison: { partition: 0 }",
            "poison.partition: there is no partition 0: give partitions, of which this is one, counted from 0",
        ),
        ("prometheus: [{ fault: gone }]", "prometheus[0].fault: \"gone\" is not one of the choices"),
        ("scrape-interval: 10m", "scrape-interval: is out of bounds: choose one from 1s to 5m"),
        ("service: shop/nobody", "release.yaml:1:10: service: nothing in the configuration is about shop/nobody"),
        ("expect: promote", "expect: \"promote\" is not one of the choices: did you mean \"promoted\"?"),
        ("service: [", "is not valid YAML"),
    ];
    for (text, said) in table {
        let faults = faults(text, None).to_string();
        assert!(faults.contains(said), "{text}: {faults}");
    }
}

#[test]
fn a_condition_needs_a_chance_and_a_share_needs_a_limit() {
    let table = [
        (
            "accepted: { metrics: { consumes: { value: 2 } } }",
            "is no chance, as a condition needs: write a number from 0 to 1",
        ),
        (
            "accepted: { metrics: { consumes: { of-limit: 50% } } }",
            "the metric consumes has no limit to take a share of: give its value",
        ),
    ];
    for (text, said) in table {
        let faults = faults(text, Some("shop/payments")).to_string();
        assert!(faults.contains(said), "{text}: {faults}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    assert_eq!(faults("replicas: 0\npartitions: 0\nscrape-interval: 1h", None).len(), 3);
}

#[test]
fn a_generic_release_leaves_out_what_a_service_does_not_have() {
    let release = parsed(&ready("latency"), &example(|text| text), None);
    assert_eq!(
        (release.left_out.as_slice(), release.service.to_string().as_str()),
        (&["latency".to_owned()][..], "shop/orders")
    );
}

#[test]
fn what_is_left_open_is_as_below_and_a_metric_of_which_nothing_is_said_is_within_its_limits() {
    let text = "accepted: { ready-after: 40s, metrics: { errors: { value: 0.1, spread: 10% } } }\ncandidate: { metrics: { errors: { times: 3 } } }";
    let release = parsed(text, &example(|text| text), None);
    let (accepted, candidate) = (&release.accepted.levels["errors"], &release.candidate.levels["errors"]);
    assert!((candidate.value - 0.3).abs() < 1e-9 && (candidate.spread - accepted.spread).abs() < 1e-9);
    assert_eq!(release.candidate.ready_after, Some(Duration::from_secs(40)));
    let release = parsed("about: nothing", &example(|text| text), Some("shop/payments"));
    let value = |name: &str| release.candidate.levels[name].value;
    assert_eq!((value("latency"), value("consumes")), (0.4, 1.0));
}

#[test]
fn a_pattern_is_about_a_service_by_its_name_or_labels() {
    let configuration = example(|text| text);
    let release = parsed("service: worker-mail", &configuration, None);
    assert_eq!(release.service.to_string(), "shop/worker-mail");
    let release = parsed("service: ingest/any\nlabels: { team: ingest, tier: batch }", &configuration, None);
    assert_eq!(release.service.to_string(), "ingest/any");
}

#[test]
fn the_schema_that_comes_along_is_the_readers() {
    let shipped = std::fs::read_to_string(repository().join("config/release.schema.json")).expect("the schema");
    let shipped: serde_json::Value = serde_json::from_str(&shipped).expect("JSON");
    assert_eq!(shipped, written::schema(), "write it anew: aviary simulate --schema > config/release.schema.json");
}
