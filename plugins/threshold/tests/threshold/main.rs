//! What threshold says of metrics in every state they can be in.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod missing;

use aviary_policy_sdk::{
    Analyzer, Finding, Outcome, Track,
    parameters::read,
    testing::{MetricBuilder, ObservationBuilder},
};
use proptest::prelude::*;
use threshold::{Settings, Threshold};

/// A canary `c` and a primary `p`, judged with the default parameters.
fn judge(metric: MetricBuilder) -> Finding {
    judge_with(metric, "")
}

fn judge_with(metric: MetricBuilder, parameters: &str) -> Finding {
    let observation = ObservationBuilder::new().pod("c", Track::Canary).pod("p", Track::Primary).metric(metric).build();
    Threshold::analyze(&observation, &read(parameters).unwrap())
}

/// A counter that grows by `step` every 15 s.
fn growing(step: f64) -> Vec<f64> {
    (0..6).map(|index| 100.0 + step * f64::from(index)).collect()
}

#[test]
fn a_growing_counter_fails_and_the_reason_names_metric_value_limit_and_pod() {
    let finding = judge(MetricBuilder::counter("errors").max(0.5).values("c", growing(48.0)).values("p", growing(0.0)));
    assert_eq!(finding.outcome, Outcome::Fail);
    assert_eq!(finding.reason, "errors is 3.2/s on c, above its limit of 0.5/s (primary 0/s)");
    assert_eq!(finding.score, Some(0.0));
    let line = &finding.metrics[0];
    assert_eq!((line.canary, line.primary, line.limit), (Some(3.2), Some(0.0), Some(0.5)));
    assert_eq!((line.pods.as_slice(), line.samples_used, line.samples_left_out), (&["c".to_owned()][..], 6, 0));
}

#[test]
fn metrics_in_every_state() {
    use Outcome::{Fail, Inconclusive, Pass};
    let gauge = || MetricBuilder::gauge("lag").max(10.0);
    let counter = || MetricBuilder::counter("errors").max(1.0);
    let table = [
        ("gauge within", gauge().values("c", [99.0, 10.0]), Pass, "lag is 10, within its limit of 10"),
        ("gauge above", gauge().unit("s").values("c", [0.0, 11.0]), Fail, "lag is 11 s on c, above its limit of 10 s"),
        ("below a minimum", MetricBuilder::gauge("rate").min(5.0).values("c", [4.0]), Fail, "below its limit of 5"),
        ("one series of two", gauge().values("c", [1.0]).values("c", [12.0]), Fail, "lag is 12 on c"),
        ("told apart", gauge().values("c", [10.0001]), Fail, "lag is 10.0001 on c, above its limit of 10.0"),
        ("infinite", gauge().values("c", [f64::INFINITY]), Fail, "lag is infinite on c"),
        ("NaN", gauge().values("c", [1.0, f64::NAN]), Inconclusive, "lag is NaN on c"),
        ("only the primary's", gauge().values("p", [1.0]), Inconclusive, "lag cannot be judged on c: no samples"),
        ("no data", gauge().no_data(), Inconclusive, "lag cannot be judged on c: no samples"),
        ("error", gauge().error("500 Internal"), Inconclusive, "lag could not be fetched: 500 Internal"),
        ("of the track", gauge().whole(Some(Track::Canary), [11.0]), Fail, "lag is 11, above its limit of 10"),
        (
            "of the primary's track",
            gauge().whole(Some(Track::Primary), [11.0]),
            Inconclusive,
            "lag cannot be judged: no samples",
        ),
        ("of the service", gauge().whole(None, [11.0]), Fail, "lag is 11, above its limit of 10"),
        ("a single sample", counter().values("c", [5000.0]), Inconclusive, "fewer than two samples in its window"),
        ("a reset", counter().values("c", [1e6, 0.0, 3.0]), Pass, "errors is 0.1/s, within its limit of 1/s"),
        ("a reset that grew", counter().values("c", [1e6, 60.0, 90.0]), Fail, "errors is 3/s on c"),
        ("NaN in a counter", counter().values("c", [0.0, f64::NAN, 0.0]), Inconclusive, "errors is NaN"),
        ("added up", counter().values("c", [0.0, 9.0]).values("c", [0.0, 9.0]), Fail, "errors is 1.2/s on c"),
        ("unit", counter().unit("events/s").values("c", [0.0, 15.0]), Pass, "errors is 1 events/s, within"),
        (
            "bad parameter",
            gauge().values("c", [1.0]).parameters(r#"{"quantile":2}"#),
            Inconclusive,
            "at most 1, not 2.0",
        ),
        ("others' parameters", gauge().values("c", [1.0]).parameters(r#"{"weight":2}"#), Pass, "lag is 1, within"),
    ];
    for (case, metric, outcome, reason) in table {
        let finding = judge(metric);
        assert_eq!(finding.outcome, outcome, "{case}: {}", finding.reason);
        assert!(finding.reason.contains(reason), "{case}: {}", finding.reason);
    }
}

#[test]
fn a_window_as_long_as_the_scrape_interval_will_do() {
    let errors = |step: f64| {
        let values = (0..9).map(|index| step * f64::from(index));
        MetricBuilder::counter("errors").max(1.0).window(60_000).values("c", values).every(60_000)
    };
    let good = judge(errors(6.0).ended(30_000));
    assert_eq!((good.outcome, good.reason.as_str()), (Outcome::Pass, "errors is 0.1/s, within its limit of 1/s"));
    assert_eq!((good.metrics[0].samples_used, good.metrics[0].samples_left_out), (2, 7));
    let late = judge(errors(6.0).ended(119_000));
    assert_eq!((late.outcome, late.metrics[0].samples_used), (Outcome::Pass, 2), "{}", late.reason);
    assert_eq!(judge(errors(6.0).ended(121_000)).outcome, Outcome::Inconclusive);
    let bad = judge(errors(600.0).ended(30_000));
    assert_eq!((bad.outcome, bad.reason.as_str()), (Outcome::Fail, "errors is 10/s on c, above its limit of 1/s"));
    let latency = |le, times| {
        let values = (0..9).map(move |index| f64::from(index * times));
        move |metric: MetricBuilder| metric.bucket("c", le, values).every(60_000).ended(30_000)
    };
    let metric = MetricBuilder::histogram("latency").max(1.0).window(60_000);
    let metric = latency("+Inf", 10)(latency("1", 10)(latency("0.5", 5)(metric)));
    let finding = judge(metric.parameters(r#"{"quantile":0.5}"#));
    assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Pass, "latency is 0.5, within its limit of 1"));
}

#[test]
fn a_rate_reaches_back_neither_beyond_the_step_nor_further_than_five_minutes() {
    let errors = || MetricBuilder::counter("errors").max(1.0).window(60_000).values("c", [0.0, 9e9, 9e9]).every(60_000);
    let judged = |since: i64, metric| {
        let observation = ObservationBuilder::new().pod("c", Track::Canary).metric(metric);
        let observation = observation.with(|it| it.progress.step_complete = Some(it.progress.now - since)).build();
        Threshold::analyze(&observation, &Settings::default())
    };
    let early = judged(50_000, errors().ended(30_000));
    assert_eq!(early.outcome, Outcome::Inconclusive);
    assert_eq!(early.reason, "errors cannot be judged on c: fewer than two samples since the step was complete");
    let later = judged(100_000, errors().ended(30_000));
    assert_eq!((later.outcome, later.reason.as_str()), (Outcome::Pass, "errors is 0/s, within its limit of 1/s"));
    let far = judge(MetricBuilder::counter("errors").max(1.0).window(60_000).values("c", [0.0, 0.0]).every(400_000));
    assert_eq!(far.outcome, Outcome::Inconclusive);
    assert_eq!(
        far.reason,
        "errors cannot be judged on c: fewer than two samples in its window of 1 min; give it a window of some scrape \
         intervals"
    );
}

#[test]
fn samples_outside_the_window_or_from_before_the_step_are_left_out() {
    let counter = || MetricBuilder::counter("errors").max(1.0);
    // Ninety seconds of errors, then none for a minute.
    let burst = || (0..7).map(|index| 600.0 * f64::from(index)).chain([3600.0; 4]);
    assert_eq!(judge(counter().values("c", burst())).outcome, Outcome::Fail);
    let windowed = judge(counter().window(60_000).values("c", burst()));
    assert_eq!(windowed.outcome, Outcome::Pass, "{}", windowed.reason);
    assert_eq!((windowed.metrics[0].samples_used, windowed.metrics[0].samples_left_out), (5, 6));
    let observation = ObservationBuilder::new().pod("c", Track::Canary).metric(counter().values("c", burst()));
    let observation = observation.with(|it| it.progress.step_complete = Some(it.progress.now - 60_000)).build();
    assert_eq!(Threshold::analyze(&observation, &Settings::default()).outcome, Outcome::Pass);
}

#[test]
fn a_quantile_is_interpolated_from_rates_of_buckets() {
    // In the last 15 s: 50 up to 0.1, 40 more up to 1, 10 above.
    let latency = |max: f64| {
        let metric = MetricBuilder::histogram("latency").unit("s").max(max);
        metric.bucket("c", "0.1", [900.0, 950.0]).bucket("c", "1", [900.0, 990.0]).bucket("c", "+Inf", [900.0, 1000.0])
    };
    let table = [
        (0.25, 0.5, Outcome::Pass, "latency is 0.05 s, within its limit of 0.5 s"),
        (0.7, 0.5, Outcome::Fail, "latency is 0.55 s on c, above its limit of 0.5 s"),
        (0.95, 0.5, Outcome::Fail, "latency is at least 1 s on c, above its limit of 0.5 s"),
        (0.95, 2.0, Outcome::Inconclusive, "latency is at least 1 s on c, its largest bucket"),
    ];
    for (quantile, max, outcome, reason) in table {
        let finding = judge_with(latency(max), &format!(r#"{{"quantile":{quantile}}}"#));
        assert_eq!((finding.outcome, finding.reason.contains(reason)), (outcome, true), "{}", finding.reason);
    }
    let silent =
        MetricBuilder::histogram("latency").max(1.0).bucket("c", "1", [9.0, 9.0]).bucket("c", "+Inf", [9.0, 9.0]);
    assert_eq!(judge(silent).reason, "latency cannot be judged on c: nothing was observed in the window");
}

#[test]
fn a_condition_is_broken_only_if_it_holds_somewhere_in_the_primary() {
    use Outcome::{Fail, Inconclusive, Pass};
    let works = || MetricBuilder::condition("works");
    let table = [
        ("both", works().values("c", [1.0]).values("p", [1.0]), Pass, "works holds on every canary pod"),
        ("only the canary", works().values("c", [0.0]), Pass, "works holds on every canary pod"),
        (
            "only the primary",
            works().values("p", [1.0]),
            Fail,
            "works does not hold on c, while it does on 1 of 1 primary",
        ),
        ("nowhere", works().no_data(), Inconclusive, "neither does it on any primary pod"),
        ("NaN", works().values("c", [f64::NAN]).values("p", [1.0]), Inconclusive, "works is NaN on c"),
        ("error", works().error("refused"), Inconclusive, "works could not be fetched: refused"),
        (
            "cut",
            works().cut(2).no_data(),
            Inconclusive,
            "works cannot be judged on c: the answer was too large, 2 series",
        ),
        ("cut, but all there", works().cut(2).values("c", [1.0]), Pass, "works holds on every canary pod"),
    ];
    for (case, metric, outcome, reason) in table {
        let finding = judge(metric);
        assert_eq!(finding.outcome, outcome, "{case}: {}", finding.reason);
        assert!(finding.reason.contains(reason), "{case}: {}", finding.reason);
    }
    let cut = judge_with(works().cut(2).no_data(), r#"{"without-samples":"pass"}"#);
    assert_eq!(cut.outcome, Inconclusive, "{}", cut.reason);
    assert_eq!(judge_with(works().no_data(), r#"{"without-samples":"pass"}"#).outcome, Pass);
}

#[test]
fn nothing_is_judged_before_the_warm_up_is_over() {
    let bad = || MetricBuilder::gauge("lag").max(1.0).values("c", [9.0]);
    let builder = || ObservationBuilder::new().pod("c", Track::Canary).metric(bad());
    for (observation, reason) in [
        (builder().warming_up().build(), "the warm-up of 1 min after the scaling is not over"),
        (builder().scaling().build(), "step 1 is still being scaled"),
    ] {
        let finding = Threshold::analyze(&observation, &Settings::default());
        assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Inconclusive, reason));
    }
}

#[test]
fn without_limits_a_ready_pod_is_needed() {
    let unlimited = || MetricBuilder::gauge("lag").error("refused");
    let ready = ObservationBuilder::new().pod("c", Track::Canary).metric(unlimited()).build();
    let finding = Threshold::analyze(&ready, &Settings::default());
    assert_eq!((finding.outcome, finding.metrics.len()), (Outcome::Pass, 1));
    assert_eq!(finding.reason, "no limits are configured; 1 canary pod is ready");
    let unready = ObservationBuilder::new().waiting("c", Track::Canary, "ContainerCreating").build();
    assert_eq!(Threshold::analyze(&unready, &Settings::default()).outcome, Outcome::Inconclusive);
}

#[test]
fn the_worst_metric_and_the_worst_pod_count() {
    let metric =
        |name, values: [f64; 2]| MetricBuilder::gauge(name).max(10.0).values("c", [values[0]]).values("d", [values[1]]);
    let observation = ObservationBuilder::new().pod("c", Track::Canary).pod("d", Track::Canary);
    let observation = observation.metric(metric("good", [1.0, 2.0])).metric(metric("bad", [11.0, 30.0]));
    let observation =
        observation.metric(metric("unknown", [1.0, f64::NAN])).metric(metric("worse", [11.0, 1.0])).build();
    let finding = Threshold::analyze(&observation, &Settings::default());
    assert_eq!(finding.reason, "bad is 30 on d and c, above its limit of 10; fail as well: worse");
    assert_eq!((finding.outcome, finding.score), (Outcome::Fail, Some(25.0)));
}

#[test]
fn a_pod_without_samples_keeps_the_others_from_passing() {
    let metric = MetricBuilder::gauge("lag").max(10.0).values("c", [1.0]);
    let observation = ObservationBuilder::new().pod("c", Track::Canary).pod("d", Track::Canary).metric(metric).build();
    let finding = Threshold::analyze(&observation, &Settings::default());
    assert_eq!(finding.reason, "lag cannot be judged on d: no samples");
    let metric = MetricBuilder::gauge("lag").max(10.0).values("gone", [1.0]);
    let nobody = ObservationBuilder::new().pod("p", Track::Primary).metric(metric).build();
    assert_eq!(Threshold::analyze(&nobody, &Settings::default()).outcome, Outcome::Inconclusive);
}

#[test]
fn a_quantile_out_of_range_is_refused_at_the_door() {
    for quantile in ["0", "-1", "1.5"] {
        let settings: Settings = read(&format!(r#"{{"quantile":{quantile}}}"#)).unwrap();
        assert!(Threshold::check(&settings).unwrap_err().starts_with("parameter `quantile` must be above 0"));
    }
    Threshold::check(&Settings::default()).unwrap();
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), -100.0..100.0]
}

proptest! {
    #[test]
    fn a_gauge_that_is_nan_now_never_passes(values in prop::collection::vec(any_value(), 0..8), max in -100.0..100.0) {
        let metric = MetricBuilder::gauge("m").max(max).values("c", values.into_iter().chain([f64::NAN]));
        prop_assert_eq!(judge_with(metric, r#"{"without-samples":"pass"}"#).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn a_counter_with_a_nan_in_its_window_never_passes(
        mut values in prop::collection::vec(any_value(), 2..12), place in any::<prop::sample::Index>(), max in 0.0..100.0,
    ) {
        *place.get_mut(&mut values) = f64::NAN;
        let metric = MetricBuilder::counter("m").max(max).values("c", values);
        prop_assert_ne!(judge(metric).outcome, Outcome::Pass);
    }

    #[test]
    fn a_pod_with_samples_passes_with_without_samples_pass_only_where_it_does_without(
        values in prop::collection::vec(any_value(), 1..6), apart in 1_i64..400, ended in 0_i64..600, cut in 0_u32..2,
        kind in 0..3_usize, max in 0.0..50.0,
    ) {
        let metric = || {
            let metric = [MetricBuilder::counter, MetricBuilder::gauge, MetricBuilder::histogram][kind]("m");
            let labels: &[(&str, &str)] = if kind == 2 { &[("le", "+Inf")] } else { &[] };
            let metric = metric.max(max).window(60_000).series(Some("c"), None, labels, values.clone());
            metric.every(1000 * apart).ended(1000 * ended).cut(cut)
        };
        let outcome = judge_with(metric(), r#"{"without-samples":"pass"}"#).outcome;
        prop_assert_eq!(outcome, judge(metric()).outcome);
    }

    #[test]
    fn a_pass_is_within_the_limits_and_no_answer_has_a_number_the_host_refuses(
        values in prop::collection::vec(any_value(), 0..8), min in prop::option::of(-50.0..0.0), max in 0.0..50.0,
    ) {
        let metric = MetricBuilder::gauge("m").max(max).values("c", values.clone()).values("p", values.clone());
        let metric = min.into_iter().fold(metric, MetricBuilder::min);
        let finding = judge(metric);
        let last = values.last().copied().unwrap_or(f64::NAN);
        let within = last <= max && min.is_none_or(|min| last >= min);
        prop_assert_eq!(finding.outcome == Outcome::Pass, within, "{}", finding.reason);
        let line = &finding.metrics[0];
        let numbers = [line.canary, line.primary, line.limit, finding.score];
        prop_assert!(numbers.into_iter().flatten().all(f64::is_finite));
    }

    #[test]
    fn a_quantile_lies_within_its_buckets(
        counts in prop::collection::vec(0_u32..1000, 4), quantile in 0.01_f64..1.0,
    ) {
        let bounds = ["0.5", "1", "2", "+Inf"];
        let mut total = 0.0;
        let metric = bounds.iter().zip(&counts).fold(MetricBuilder::histogram("m").max(100.0), |metric, (bound, count)| {
            total += f64::from(*count);
            metric.bucket("c", bound, [0.0, total])
        });
        let finding = judge(metric.parameters(&format!(r#"{{"quantile":{quantile}}}"#)));
        match finding.metrics[0].canary {
            Some(value) => prop_assert!((0.0..=2.0).contains(&value), "{}", finding.reason),
            None => prop_assert!(total == 0.0 || counts[..3].iter().sum::<u32>() == 0, "{}", finding.reason),
        }
    }
}

#[test]
fn a_pod_that_replaces_another_one_has_a_warm_up_of_its_own() {
    use Outcome::{Fail, Inconclusive};
    let complete = ObservationBuilder::new().build().progress;
    let (now, since) = (complete.now, complete.step_complete.unwrap());
    let table = [
        ("not ready yet", since + 1, None, Inconclusive),
        ("just ready", since + 1, Some(now - 1), Inconclusive),
        ("ready for as long as the warm-up", since + 1, Some(now - 60_000), Fail),
        ("of the step", since, None, Fail),
    ];
    for (case, created, became_ready, outcome) in table {
        for metric in [
            MetricBuilder::condition("works").values("p", [1.0]),
            MetricBuilder::gauge("lag").max(10.0).values("new", [11.0]).values("old", [1.0]),
        ] {
            let metric = metric.values("old", [1.0]);
            let observation = ObservationBuilder::new().pod("old", Track::Canary).pod("p", Track::Primary);
            let observation = observation.pod_with("new", Track::Canary, |pod| {
                (pod.created, pod.became_ready, pod.ready) = (created, became_ready, became_ready.is_some());
            });
            let finding = Threshold::analyze(&observation.metric(metric).build(), &read("").unwrap());
            assert_eq!(finding.outcome, outcome, "{case}: {}", finding.reason);
        }
    }
    let both = MetricBuilder::gauge("lag").max(10.0).values("new", [11.0]).values("old", [11.0]);
    let observation = ObservationBuilder::new().pod("old", Track::Canary).metric(both);
    let observation = observation.pod_with("new", Track::Canary, |pod| pod.created = now - 1).build();
    assert_eq!(Threshold::analyze(&observation, &read("").unwrap()).outcome, Fail, "an old one is bad, too");
}
