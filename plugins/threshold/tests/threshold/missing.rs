//! What threshold says where samples are missing, too old, or not all there.

use super::*;

#[test]
fn a_pod_that_has_samples_is_never_passed_for_want_of_them() {
    let counter = || MetricBuilder::counter("errors").max(1.0);
    let bucket = |le: &str, values| MetricBuilder::histogram("latency").max(1.0).bucket("c", le, values);
    let table = [
        ("a single one", counter().values("c", [5000.0]), "fewer than two samples"),
        ("older than the window", counter().window(60_000).values("c", [0.0, 9e9]).ended(90_000), "fewer than two"),
        ("a gauge that ended", MetricBuilder::gauge("lag").max(1.0).values("c", [9.0]).ended(400_000), "no recent"),
        ("no last bucket", bucket("1", [0.0, 9.0]), "no bucket with le=\"+Inf\""),
        ("a bucket's single sample", bucket("+Inf", [0.0, 9.0]).ended(400_000), "fewer than two samples"),
        ("nothing observed", bucket("+Inf", [9.0, 9.0]), "nothing was observed in the window"),
    ];
    for (case, metric, reason) in table {
        let finding = judge_with(metric, r#"{"without-samples":"pass"}"#);
        assert_eq!(finding.outcome, Outcome::Inconclusive, "{case}: {}", finding.reason);
        assert!(finding.reason.contains(reason), "{case}: {}", finding.reason);
    }
}

#[test]
fn a_track_without_series_is_without_samples_too() {
    let only_primary = || MetricBuilder::counter("errors").max(1.0).whole(Some(Track::Primary), [0.0, 9.0]);
    let passed = judge_with(only_primary(), r#"{"without-samples":"pass"}"#);
    assert_eq!((passed.outcome, passed.reason.as_str()), (Outcome::Pass, "errors has no samples, which passes"));
    let undecided = judge(only_primary());
    assert_eq!(undecided.outcome, Outcome::Inconclusive);
    assert_eq!(undecided.reason, "errors cannot be judged: no samples");
}

#[test]
fn a_series_that_ended_says_nothing_where_another_of_its_pod_goes_on() {
    use Outcome::{Fail, Inconclusive, Pass};
    let lag = || MetricBuilder::gauge("lag").max(10.0);
    let long = |value: f64| vec![value; 40];
    let table = [
        ("moved away long ago", lag().values("c", long(99.0)).ended(400_000).values("c", long(1.0)), Pass, "lag is 1"),
        ("moved away just now", lag().values("c", long(99.0)).ended(45_000).values("c", long(1.0)), Pass, "lag is 1"),
        ("a missed scrape", lag().values("c", long(99.0)).ended(15_000).values("c", long(1.0)), Fail, "lag is 99 on c"),
        (
            "scraped less often",
            lag().values("c", long(99.0)).every(60_000).ended(60_000).values("c", long(1.0)),
            Fail,
            "lag is 99 on c",
        ),
        (
            "the one that goes on is bad",
            lag().values("c", [1.0; 9]).ended(90_000).values("c", [99.0]),
            Fail,
            "lag is 99",
        ),
        (
            "all ended",
            lag().values("c", [1.0]).ended(400_000).values("c", [1.0]).ended(500_000),
            Inconclusive,
            "no recent",
        ),
        (
            "another pod's",
            lag().values("c", [1.0; 9]).ended(400_000).values("p", [1.0]),
            Inconclusive,
            "lag cannot be judged on c: no recent samples",
        ),
        (
            "of the track",
            lag().whole(Some(Track::Canary), long(99.0)).ended(60_000).whole(Some(Track::Canary), long(1.0)),
            Pass,
            "lag is 1",
        ),
        (
            "of the service beside the track's",
            lag().whole(Some(Track::Canary), long(99.0)).ended(60_000).whole(None, long(1.0)),
            Fail,
            "lag is 99",
        ),
    ];
    for (case, metric, outcome, reason) in table {
        let finding = judge(metric);
        assert_eq!(finding.outcome, outcome, "{case}: {}", finding.reason);
        assert!(finding.reason.contains(reason), "{case}: {}", finding.reason);
    }
}

#[test]
fn the_samples_of_a_series_that_ended_are_told_as_left_out() {
    let metric = MetricBuilder::gauge("lag").max(10.0).values("c", [9.0; 40]).ended(60_000).values("c", [1.0; 40]);
    let line = judge(metric).metrics.remove(0);
    assert_eq!((line.samples_used, line.samples_left_out), (1, 79));
    assert!(line.note.starts_with("79 samples left out: "), "{}", line.note);
}

#[test]
fn of_a_cut_answer_nothing_passes_that_may_be_incomplete() {
    use Outcome::{Fail, Inconclusive, Pass};
    let counter = || MetricBuilder::counter("errors").max(1.0);
    let gauge = || MetricBuilder::gauge("lag").min(-5.0).max(10.0);
    let latency = |last| {
        let metric = MetricBuilder::histogram("latency").max(0.5).cut(3);
        metric.bucket("c", "1", [0.0, 1.0]).bucket("c", "+Inf", [0.0, last])
    };
    let cut = "the answer was too large, 3 series were left out; aggregate by pod in a query";
    let pass = r#"{"without-samples":"pass"}"#;
    let table = [
        ("within", counter().cut(3).values("c", growing(1.0)), Inconclusive, cut),
        ("above all the same", counter().cut(3).values("c", growing(48.0)), Fail, "errors is 3.2/s on c, above"),
        (
            "too little of a sum",
            MetricBuilder::counter("work").min(5.0).cut(3).values("c", growing(1.0)),
            Inconclusive,
            cut,
        ),
        ("a gauge within", gauge().cut(3).values("c", [1.0]), Inconclusive, cut),
        ("a gauge below", gauge().cut(3).values("c", [-9.0]), Fail, "lag is -9 on c, below"),
        ("a pod that is gone", counter().cut(3).no_data().parameters(pass), Inconclusive, cut),
        ("a quantile", latency(9.0), Inconclusive, cut),
        ("the primary's", counter().cut(3).values("c", growing(1.0)).values("p", growing(1.0)), Pass, "errors is"),
        (
            "the service's as well",
            gauge().cut(3).whole(Some(Track::Primary), [1.0]).whole(None, [1.0]),
            Inconclusive,
            cut,
        ),
    ];
    for (case, metric, outcome, reason) in table {
        let finding = judge(metric);
        assert_eq!(finding.outcome, outcome, "{case}: {}", finding.reason);
        assert!(finding.reason.contains(reason), "{case}: {}", finding.reason);
    }
}

#[test]
fn samples_that_are_not_there_pass_only_where_a_parameter_says_so() {
    let pass = r#"{"without-samples":"pass"}"#;
    let metric = || MetricBuilder::counter("errors").max(1.0);
    assert_eq!(judge_with(metric().no_data(), pass).outcome, Outcome::Pass);
    assert_eq!(judge_with(metric().error("refused"), pass).outcome, Outcome::Inconclusive);
    assert_eq!(judge_with(metric().values("c", [0.0, f64::NAN]), pass).outcome, Outcome::Inconclusive);
    assert_eq!(judge(metric().no_data().parameters(pass)).outcome, Outcome::Pass);
}
