//! How releases end.

use aviary_core::judge::Track;

use super::*;
use crate::simulate::{many, outcome::Ending, story::What};

const ORDERS: Option<&str> = Some("shop/orders");
const PAYMENTS: Option<&str> = Some("shop/payments");

#[test]
fn each_release_that_comes_along_ends_as_its_comment_says() {
    let table = [
        ("good", ORDERS, Ending::Promoted),
        ("good", PAYMENTS, Ending::Promoted),
        // By a pattern, and with surge 0.
        ("good", Some("shop/worker-mail"), Ending::Promoted),
        ("crash-loop", ORDERS, Ending::RolledBack),
        ("errors-doubled", ORDERS, Ending::RolledBack),
        ("latency", ORDERS, Ending::Promoted),
        ("latency", PAYMENTS, Ending::RolledBack),
        ("memory-leak", ORDERS, Ending::Promoted),
        ("stall", ORDERS, Ending::Promoted),
        ("stall", PAYMENTS, Ending::RolledBack),
        ("bad-pod", ORDERS, Ending::RolledBack),
        ("poison-partition", ORDERS, Ending::RolledBack),
        ("prometheus-down", ORDERS, Ending::Paused),
    ];
    for name in ready::names() {
        assert!(table.iter().any(|(tried, ..)| *tried == name), "{name} is not tried");
    }
    for (name, service, ending) in table {
        let trial = trial(&ready(name), example(|text| text), service, 1);
        let run = trial.run().unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(run.ending, ending, "{name}: {}", told(&trial, &run));
        let expected = trial.release.expect;
        assert!(service != ORDERS || expected.is_none_or(|expected| expected == ending), "{name} expects {expected:?}");
    }
}

#[test]
fn what_the_comments_say_of_other_settings_is_so() {
    let slow = |text: String| {
        let text = text.replace("check-interval: 30s ", "check-interval: 2m ").replace("passes: 3 ", "passes: 30 ");
        text.replace("longest-step: 1h ", "longest-step: 2h ")
    };
    let table = [
        ("bad-pod", "of: candidate", "of: accepted", Ending::Promoted),
        ("poison-partition", "partition: 0", "partition: 23", Ending::Promoted),
        ("prometheus-down", "lasts: 2h", "lasts: 10m", Ending::Promoted),
    ];
    for (name, before, after, ending) in table {
        let text = ready(name).replace("expect:", "# expect:");
        assert!(text.contains(before), "{name}");
        let run = played(&text.replace(before, after), example(|text| text), ORDERS);
        assert_eq!(run.ending, ending, "{name}: {}", run.reason);
    }
    let leak = played(&ready("memory-leak"), example(slow), ORDERS);
    assert_eq!(leak.ending, Ending::RolledBack, "{}", leak.reason);
    assert!(leak.reason.contains("OOMKilled"), "{}", leak.reason);
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_tells_another() {
    let told = |seed| {
        let trial = trial(&ready("errors-doubled"), example(|text| text), ORDERS, seed);
        let run = trial.run().unwrap_or_else(|error| panic!("{error:#}"));
        told(&trial, &run)
    };
    let first = told(7);
    assert_eq!(first, told(7));
    assert_ne!(first, told(8));
}

#[test]
fn many_runs_are_those_of_the_seeds_that_follow() {
    let trial = trial(&ready("errors-doubled"), example(|text| text), ORDERS, 5);
    let runs = many::run(&trial, 3).unwrap_or_else(|error| panic!("{error:#}"));
    let alone = |seed| Trial { seed, ..trial.clone() }.run().unwrap_or_else(|error| panic!("{error:#}"));
    for (seed, run) in (5..).zip(&runs) {
        let alone = alone(seed);
        assert_eq!((run.seed, run.ending, run.decided), (alone.seed, alone.ending, alone.decided));
        assert_eq!((run.ended, run.exposure), (alone.ended, alone.exposure));
    }
    let json = many::json(&runs);
    assert_eq!((json["runs"].as_u64(), json["outcomes"][0]["seeds"].as_array().map(Vec::len)), (Some(3), Some(3)));
}

#[test]
fn a_policy_of_the_teams_own_judges() {
    let folder = tempfile::tempdir().expect("a folder");
    let threshold = repository().join("target/policies/threshold.wasm");
    let built =
        std::env::var_os("AVIARY_POLICIES_DIR").map_or(threshold, |at| PathBuf::from(at).join("threshold.wasm"));
    std::fs::copy(built, folder.path().join("ours.wasm")).expect("the policy `threshold`");
    let configuration = example(|text| text.replacen("- policy: threshold", "- policy: ours", 1));
    let policies = load_policies(Some(folder.path().to_owned()), &configuration, Path::new("aviary.yaml"));
    let trial = trial(&ready("errors-doubled"), configuration, ORDERS, 1);
    let run =
        Trial { policies: policies.expect("policies"), ..trial }.run().unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(run.ending, Ending::RolledBack);
    let judged = run.entries.iter().filter_map(|entry| match &entry.what {
        What::Checked(check, _) => Some(check),
        What::Said { .. } => None,
    });
    assert!(judged.flat_map(|check| &check.findings).any(|found| found.policy.name == "ours"));
}

#[test]
fn a_crash_loop_exposes_little_and_a_promotion_everything() {
    let minutes = |name, track| played(&ready(name), example(|text| text), ORDERS).exposure.minutes(track);
    assert!(minutes("crash-loop", Track::Canary) < 2.0);
    assert!(minutes("good", Track::Primary) > 0.0);
}

#[test]
fn a_manifest_with_replicas_starts_unproven_pods_for_a_moment() {
    let text = format!("{}applied-with-replicas: true\n", ready("good"));
    let run = played(&text, example(|text| text), ORDERS);
    assert_eq!(run.ending, Ending::Promoted);
    let run = played(&ready("good"), example(|text| text), ORDERS);
    assert!(run.exposure.minutes(Track::Original) < f64::EPSILON);
}

#[test]
fn a_service_that_is_selected_by_any_of_its_labels_is_released() {
    for label in ["app.kubernetes.io/name", "app", "simulated"] {
        let selected = |text: String| text.replace("team=ingest,tier in (batch,stream)", &format!("{label}=api"));
        let text = format!("service: ingest/any\nlabels: {{ {label}: api }}\n{}", ready("good"));
        let run = played(&text, example(selected), None);
        assert_eq!(run.ending, Ending::Promoted, "{label}: {}", run.reason);
    }
    let unlabelled = |text: String| text.replace("team=ingest,tier in (batch,stream)", "!app.kubernetes.io/name");
    let run = played(&format!("service: ingest/any\n{}", ready("good")), example(unlabelled), None);
    assert_eq!(run.ending, Ending::Promoted, "{}", run.reason);
}

#[test]
fn what_is_never_ready_is_rolled_back_at_the_deadline() {
    for candidate in ["ready-after: never", "pullable: false"] {
        let run = played(&format!("candidate: {{ {candidate} }}"), example(|text| text), ORDERS);
        assert_eq!(run.ending, Ending::RolledBack, "{candidate}: {}", run.reason);
    }
}

#[test]
fn a_release_that_does_not_end_in_time_is_not_finished() {
    let trial = Trial { until: Duration::from_secs(300), ..trial(&ready("good"), example(|text| text), ORDERS, 1) };
    let run = trial.run().unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!((run.ending, run.ended), (Ending::Unfinished, Duration::from_secs(300)));
    assert!(run.reason.contains("step 2"), "{}", run.reason);
}

#[test]
fn what_goes_direct_or_is_none_of_aviarys_business_is_told_as_that() {
    let direct = |text: String| text.replace("direct-images: []", "direct-images: ['orders:*']");
    assert_eq!(played(&ready("crash-loop"), example(direct), ORDERS).ending, Ending::Unfinished);
    let good = played(&ready("good"), example(direct), ORDERS);
    assert_eq!((good.ending, good.reason.contains("direct")), (Ending::Direct, true), "{}", good.reason);
}

#[test]
fn what_works_as_before_is_within_its_limits_whatever_they_are() {
    let table = [
        ("counter", "max: 0.5"),
        ("counter", "min: 2"),
        ("counter", "min: 80, max: 100"),
        ("gauge", "min: 0"),
        ("gauge", "max: 0"),
        ("gauge", "max: -5"),
        ("gauge", "min: -10"),
        ("gauge", "min: -10, max: -9"),
        ("gauge", "min: -10, max: 10"),
        ("gauge", "min: 7, max: 7"),
    ];
    for (kind, limits) in table {
        let limits = limits.replace(", ", "\n      ");
        let limited = |text: String| {
            text.replace("max: 0.5 ", &format!("{limits} ")).replace("kind: counter", &format!("kind: {kind}"))
        };
        let run = played(&ready("good"), example(limited), ORDERS);
        assert_eq!(run.ending, Ending::Promoted, "{kind}, {limits}: {}", run.reason);
    }
}

#[test]
fn one_pod_and_many_are_released_as_ten_are() {
    for replicas in [1, 2, 60] {
        let text = ready("good").replace("replicas: 10", &format!("replicas: {replicas}"));
        let run = played(&text, example(|text| text), ORDERS);
        assert_eq!(run.ending, Ending::Promoted, "{replicas}: {}", run.reason);
    }
}
