//! What the SDK promises to authors: rates, parameters, their schema, and answers where parameters cannot be read.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aviary_policy_sdk::{
    Analyzer, Finding, Label, Metric, MetricFinding, NoParameters, Observation, Outcome,
    Outcome::Pass,
    Span, Track, export, parameters,
    parameters::{Parameter, Value, read},
    testing::{MetricBuilder, NOW, ObservationBuilder},
};
use proptest::prelude::*;

parameters! {
    /// Everything a parameter
    /// can be.
    struct Everything {
        /// A share.
        share: f64 = 0.5,
        count: u32 = 3,
        long_duration: u64 = 60_000,
        enabled: bool = true,
        name: String = "a \"b\"".to_owned(),
        mode: Mode = Mode::TwoWords,
        limits: Limits = Limits::default(),
        optional: Option<u32> = None,
        list: Vec<String> = vec!["x".to_owned()],
    }
}

parameters! {
    /// A choice.
    enum Mode {
        /// One.
        One,
        /// The other.
        TwoWords,
    }
}

parameters! {
    struct Limits {
        max: f64 = 1.5,
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    for text in ["", " ", "null", "{}"] {
        assert_eq!(read::<Everything>(text).unwrap(), Everything::default());
    }
    let some =
        read::<Everything>(r#"{"long-duration":1,"mode":"one","limits":{"max":2},"optional":4,"list":[]}"#).unwrap();
    assert_eq!((some.long_duration, some.mode, some.limits.max, some.optional), (1, Mode::One, 2.0, Some(4)));
    assert_eq!((some.list.len(), some.share), (0, 0.5));
}

#[test]
fn faults_name_the_parameter_and_the_way_out() {
    let table = [
        (
            r#"{"count":-1}"#,
            "parameter `count` must be a whole number of zero or more, not -1; correct it, or leave it out to use 3",
        ),
        (
            r#"{"count":5000000000}"#,
            "parameter `count` must be at most 4294967295, not 5000000000; correct it, or leave it out to use 3",
        ),
        (r#"{"share":"x"}"#, "parameter `share` must be a number, not \"x\"; correct it, or leave it out to use 0.5"),
        (
            r#"{"enabled":1}"#,
            "parameter `enabled` must be true or false, not 1; correct it, or leave it out to use true",
        ),
        (
            r#"{"mode":"two"}"#,
            "parameter `mode` must be `one` or `two-words`, not \"two\"; correct it, or leave it out to use \"two-words\"",
        ),
        (
            r#"{"limits":{"max":[]}}"#,
            "parameter `limits.max` must be a number, not a list; correct it, or leave it out to use 1.5",
        ),
        (r#"{"limits":{"mix":1}}"#, "parameter `limits.mix` is unknown: known are `max`; correct it or leave it out"),
        (r#"{"list":["a",7]}"#, "parameter `list.1` must be a text, not 7; correct it or leave it out"),
        ("[]", "the parameters must be an object, not a list"),
        ("{", "the parameters are not JSON: EOF while parsing an object at line 1 column 1"),
    ];
    for (text, sentence) in table {
        assert_eq!(read::<Everything>(text).unwrap_err(), sentence);
    }
    let fault = read::<NoParameters>(r#"{"a":1}"#).unwrap_err();
    assert_eq!(fault, "parameter `a` is unknown: there are none; correct it or leave it out");
}

#[test]
fn schema_and_defaults_are_json_that_agree() {
    let info = export::describe::<Everything>("name", "1.2.3", "summary");
    let schema: Value = info.parameters_schema.parse().unwrap();
    let defaults: Value = info.defaults.parse().unwrap();
    assert_eq!(schema["description"], "Everything a parameter can be.");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["share"]["description"], "A share.");
    assert_eq!(schema["properties"]["mode"]["enum"].to_string(), r#"["one","two-words"]"#);
    assert_eq!(schema["properties"]["limits"]["properties"]["max"]["type"], "number");
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert_eq!(property["default"], defaults[name], "{name}");
    }
    assert_eq!(read::<Everything>(&info.defaults).unwrap(), Everything::default());
    assert_eq!(NoParameters::default().write(), "{}");
}

struct Picky;

impl Analyzer for Picky {
    type Parameters = Limits;

    fn analyze(_observation: &Observation, parameters: &Limits) -> Finding {
        Finding::pass(format!("max {}", parameters.max))
    }

    fn check(parameters: &Limits) -> Result<(), String> {
        if parameters.max < 0.0 { Err("too low".to_owned()) } else { Ok(()) }
    }
}

#[test]
fn parameters_are_read_and_checked_for_the_author() {
    assert_eq!(export::validate(r#"{"max":-1}"#, Picky::check), Err("too low".to_owned()));
    assert!(export::validate(r#"{"mix":1}"#, Picky::check).unwrap_err().contains("`mix` is unknown"));
    assert_eq!(export::validate("", Picky::check), Ok(()));
    let ask = |json| export::analyze::<Picky>(&ObservationBuilder::new().parameters(json).build());
    assert_eq!(ask(r#"{"max":7}"#).reason, "max 7");
    assert_eq!(ask(r#"{"max":"7"}"#).outcome, Outcome::Inconclusive);
}

struct Talker;

impl Analyzer for Talker {
    type Parameters = NoParameters;

    fn analyze(_observation: &Observation, _parameters: &NoParameters) -> Finding {
        let pods = vec!["pod".to_owned(); 2000];
        let line =
            MetricFinding { canary: Some(f64::NAN), limit: Some(1.0), pods, ..MetricFinding::new("m", Pass, "x") };
        let metrics = [vec![line], vec![MetricFinding::new("n", Pass, ""); 2000]].concat();
        Finding { score: Some(f64::NAN), metrics, ..Finding::pass("\u{e4}".repeat(2000)) }
    }
}

#[test]
fn an_answer_is_cut_to_what_the_host_takes() {
    let finding = export::analyze::<Talker>(&ObservationBuilder::new().build());
    assert_eq!(finding.reason, "\u{e4}".repeat(900) + "...");
    assert_eq!((finding.score, finding.metrics.len(), finding.metrics[0].pods.len()), (None, 1000, 1000));
    assert_eq!((finding.metrics[0].canary, finding.metrics[0].limit), (None, Some(1.0)));
    let unknown = format!(r#"{{"{}":1}}"#, "x".repeat(3000));
    assert_eq!(export::validate::<NoParameters>(&unknown, |_| Ok(())).unwrap_err().len(), 1803);
}

struct Careless;

impl Analyzer for Careless {
    type Parameters = NoParameters;

    fn analyze(_observation: &Observation, _parameters: &NoParameters) -> Finding {
        let pods = vec![" ".to_owned(), "p".repeat(300), "fine".to_owned()];
        let unnamed = MetricFinding { pods, ..MetricFinding::new(" ", Outcome::Critical, "") };
        let long = MetricFinding::new("\u{e4}".repeat(200), Outcome::Critical, "");
        Finding { score: Some(123.0), metrics: vec![unnamed, long], ..Finding::critical("\n ") }
    }
}

#[test]
fn a_careless_answer_is_mended_and_not_lost() {
    let finding = export::analyze::<Careless>(&ObservationBuilder::new().build());
    assert_eq!((finding.outcome, finding.score), (Outcome::Critical, Some(100.0)));
    assert_eq!(finding.reason, "critical, for which the policy gives no reason");
    let [unnamed, long] = finding.metrics.as_slice() else { panic!("two lines") };
    assert_eq!(unnamed.metric, "a metric without a name");
    assert_eq!(unnamed.pods, ["p".repeat(253) + "...", "fine".to_owned()]);
    assert_eq!(long.metric, "\u{e4}".repeat(126) + "...");
}

/// What the host refuses in a finding (`host/policy/src/hear.rs`).
fn refused(finding: &Finding) -> bool {
    let name = |name: &String| name.trim().is_empty() || name.len() > 256;
    let number = |number: &Option<f64>| number.is_some_and(|number| !number.is_finite());
    finding.score.is_some_and(|score| !(0.0..=100.0).contains(&score))
        || finding.reason.trim().is_empty()
        || finding.reason.len() > 2000
        || finding.metrics.len() > 1000
        || finding.metrics.iter().any(|line| {
            name(&line.metric)
                || line.pods.len() > 1000
                || line.pods.iter().any(name)
                || [line.canary, line.primary, line.limit].iter().any(number)
                || line.note.len() > 2000
        })
}

fn any_number() -> impl Strategy<Value = Option<f64>> {
    prop::option::of(prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(50.0)])
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,4}", "[ \t\n]{0,3}", "\u{e4}{0,2000}"]
}

struct Echo;

impl Analyzer for Echo {
    type Parameters = NoParameters;

    /// The observation's name, labels and pods are what the finding is made of.
    fn analyze(observation: &Observation, _parameters: &NoParameters) -> Finding {
        let text = |place: usize| observation.service.labels[place].value.clone();
        let number = |place: usize| observation.metrics[place].max;
        let line = MetricFinding {
            canary: number(0),
            primary: number(1),
            limit: number(2),
            pods: observation.pods.iter().map(|pod| pod.name.clone()).collect(),
            ..MetricFinding::new(text(0), Outcome::Fail, text(1))
        };
        Finding { score: number(3), metrics: vec![line], ..Finding::fail(text(2)) }
    }
}

#[test]
fn an_answer_is_no_larger_than_the_host_takes() {
    struct Large;
    impl Analyzer for Large {
        type Parameters = NoParameters;
        fn analyze(_observation: &Observation, _parameters: &NoParameters) -> Finding {
            let line = MetricFinding { pods: vec!["p".repeat(60); 500], ..MetricFinding::new("m", Pass, "x") };
            Finding { metrics: vec![line; 500], ..Finding::critical("too bad") }
        }
    }
    let finding = export::analyze::<Large>(&ObservationBuilder::new().build());
    let size: usize = finding.metrics.iter().flat_map(|line| &line.pods).map(String::len).sum();
    assert!((300_000..=1 << 19).contains(&size), "{size}");
    assert_eq!(finding.reason, "too bad");
}

#[test]
fn a_span_cuts_what_lies_outside() {
    let metric = MetricBuilder::gauge("m").values("a", [1.0, 2.0, 3.0]).build();
    let series = metric.of_pod("a").next().unwrap();
    let values = |span| series.within(span).map(|(_, value)| value).collect::<Vec<_>>();
    assert_eq!(values(Span::before(NOW, 15_000)), [2.0, 3.0]);
    assert_eq!(values(Span::before(NOW, 15_000).since(NOW - 14_999)), [3.0]);
    assert_eq!(series.latest(Span::before(NOW - 1, 15_000)), Some((NOW - 15_000, 2.0)));
    assert_eq!(series.rate(Span::before(NOW, 1)), None);
}

#[test]
fn a_rate_reaches_back_only_where_its_span_holds_a_single_sample() {
    let metric = MetricBuilder::counter("m").values("a", [0.0, 30.0, 90.0, 180.0]).build();
    let series = metric.of_pod("a").next().unwrap();
    let rate = |span| series.rate(span).map(|rate| (rate.per_second, rate.samples));
    let short = Span::before(NOW, 10_000);
    assert_eq!(rate(short), None);
    assert_eq!(rate(short.reaching_back(4_999)), None);
    assert_eq!(rate(short.reaching_back(5_000)), Some((6.0, 2)));
    assert_eq!(rate(short.reaching_back(60_000)), Some((6.0, 2)));
    assert_eq!(rate(short.reaching_back(60_000).since(NOW - 14_999)), None);
    assert_eq!(rate(Span::before(NOW, 15_000).reaching_back(60_000)), Some((6.0, 2)));
    assert_eq!(rate(Span::before(NOW, 30_000).reaching_back(60_000)), Some((5.0, 3)));
    // Nothing within: the last two, as long as the next one is not overdue by more than the span.
    let later = |now| Span::before(now, 10_000).reaching_back(60_000);
    assert_eq!(rate(later(NOW + 25_000)), Some((6.0, 2)));
    assert_eq!(rate(later(NOW + 25_001)), None);
    assert_eq!(rate(later(NOW + 25_000).since(NOW - 14_999)), None);
}

#[test]
fn a_counter_that_ended_is_not_added_to_one_that_goes_on() {
    let metric = MetricBuilder::counter("m").values("a", [0.0, 900.0]).ended(20_000).values("a", [0.0, 15.0]);
    let rate = |pods: MetricBuilder, length| {
        let metric = pods.build();
        metric
            .rate_of_pod("a", Span::before(NOW, length).reaching_back(60_000))
            .map(|rate| (rate.per_second, rate.samples))
    };
    assert_eq!(rate(metric.clone(), 15_000), Some((1.0, 2)));
    assert_eq!(rate(metric.clone(), 20_000), Some((61.0, 4)));
    assert_eq!(rate(metric.values("a", [7.0]), 15_000), Some((1.0, 2)));
    let ended = MetricBuilder::counter("m").values("a", [0.0, 900.0]).ended(20_000);
    assert_eq!(rate(ended, 15_000), Some((60.0, 2)));
}

#[test]
fn the_window_of_a_metric_begins_with_the_step_and_reaches_back_five_minutes() {
    let metric = |window| MetricBuilder::counter("m").window(window);
    let observation = ObservationBuilder::new().metric(metric(60_000)).metric(metric(480_000)).build();
    let [short, long] = observation.metrics.as_slice() else { panic!("two metrics") };
    let complete = observation.progress.step_complete.unwrap();
    assert_eq!(observation.window_of(short), Span { from: NOW - 60_000, to: NOW, reach: NOW - 360_000 });
    assert_eq!(observation.window_of(long), Span { from: NOW - 480_000, to: NOW, reach: complete });
}

#[test]
fn metrics_say_nothing_before_the_warm_up_is_over() {
    let early = |builder: ObservationBuilder| builder.build().too_early();
    assert_eq!(early(ObservationBuilder::new()), None);
    let warming_up = early(ObservationBuilder::new().warming_up());
    assert_eq!(warming_up.unwrap(), "the warm-up of 1 min after the scaling is not over");
    assert_eq!(early(ObservationBuilder::new().scaling()).unwrap(), "step 1 is still being scaled");
}

#[test]
fn of_several_findings_the_first_of_the_worst_counts() {
    let findings = [Finding::pass("a"), Finding::fail("b"), Finding::inconclusive("c"), Finding::fail("d")];
    assert_eq!(Finding::worst(findings).unwrap().reason, "b");
    assert_eq!(Finding::worst([]), None);
}

#[test]
fn a_metric_knows_its_tracks() {
    let metric = MetricBuilder::counter("m").values("a", [0.0, 30.0]).values("a", [0.0, 15.0]).values("b", [9.0]);
    let observation = ObservationBuilder::new().pod("a", Track::Canary).pod("b", Track::Primary).metric(metric).build();
    let metric = observation.metric("m").unwrap();
    assert_eq!(metric.rate_of_pod("a", Span::before(NOW, 60_000)).unwrap().per_second, 3.0);
    assert_eq!(metric.rate_of_pod("b", Span::before(NOW, 60_000)), None);
    let tracks: Vec<_> = metric.series.iter().map(|series| series.track).collect();
    assert_eq!(tracks, [Some(Track::Canary), Some(Track::Canary), Some(Track::Primary)]);
    assert_eq!((observation.progress.canary.ready, observation.progress.primary.wanted), (1, 1));
}

proptest! {
    #[test]
    fn no_finding_is_refused_by_the_host(
        texts in prop::collection::vec(any_text(), 3), numbers in prop::collection::vec(any_number(), 4),
        pods in prop::collection::vec(any_text(), 0..4),
    ) {
        let observation = ObservationBuilder::new().with(|it| {
            let label = |value: &String| Label { name: String::new(), value: value.clone() };
            it.service.labels = texts.iter().map(label).collect();
            it.metrics = numbers.iter().map(|max| Metric { max: *max, ..MetricBuilder::gauge("m").build() }).collect();
        });
        let observation = pods.iter().fold(observation, |observation, pod| observation.pod(pod, Track::Canary)).build();
        let finding = export::analyze::<Echo>(&observation);
        prop_assert!(!refused(&finding), "{finding:?}");
        prop_assert_eq!(finding.outcome, Outcome::Fail);
    }

    #[test]
    fn a_rate_counts_every_increase_whatever_resets_there_were(steps in prop::collection::vec((0_u32..1000, any::<bool>()), 1..40)) {
        let (mut value, mut total, mut values) = (1.0, 0.0, vec![1.0]);
        for (step, reset) in &steps {
            // A process that starts again begins at zero; what it counts until the next sample can hide the reset.
            let begin = if *reset && f64::from(*step) < value { 0.0 } else { value };
            value = begin + f64::from(*step);
            total += f64::from(*step);
            values.push(value);
        }
        let metric = MetricBuilder::counter("m").values("a", values).build();
        let seconds = 15.0 * f64::from(u32::try_from(steps.len()).unwrap());
        let rate = metric.rate_of_pod("a", Span::before(NOW, 3_600_000)).unwrap();
        prop_assert!((rate.per_second - total / seconds).abs() < 1e-6, "{rate:?} {total}");
        prop_assert_eq!(rate.samples as usize, steps.len() + 1);
    }
}
