//! What Prometheus is asked for one metric: which endpoint, which query, which times.

use std::time::Duration;

use aviary_core::{
    judge::{MetricKind, Track},
    settings::{MetricSettings, MetricSource},
    time::{Timestamp, humane},
};
use thiserror::Error;

use crate::template::{Placeholder, Template, TemplateFault, Values, push_quoted};

/// The longest past that is asked for.
pub const LONGEST_RANGE: Duration = Duration::from_secs(2 * 60 * 60);
/// The shortest window of a metric.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

/// How much is asked for from before the rollout.
const BEFORE_ROLLOUT: Duration = Duration::from_secs(5 * 60);
/// The finest resolution of an evaluated query.
const FINEST_STEP: Duration = Duration::from_secs(5);
/// About how many points an evaluated query has at most.
const POINTS: u32 = 240;
/// The label by which a condition's answer names the pod.
pub(crate) const POD_LABEL: &str = "aviary_pod";

/// Whose samples are wanted, and of when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The service's namespace.
    pub namespace: String,
    /// The service's name.
    pub service: String,
    /// Every pod that may be named by a sample; queries ask for those of primary and canary.
    pub pods: Vec<(String, Track)>,
    /// When the rollout began.
    pub rollout_started: Timestamp,
    /// The time of the check; the last sample that is asked for.
    pub now: Timestamp,
}

impl Scope {
    /// The track of the pod with that name.
    #[must_use]
    pub fn track_of(&self, pod: &str) -> Option<Track> {
        self.pods.iter().find(|(name, _)| name == pod).map(|(_, track)| *track)
    }

    fn asked_pods(&self) -> Vec<&str> {
        self.pods.iter().filter(|(_, track)| *track != Track::Original).map(|(name, _)| name.as_str()).collect()
    }
}

/// Why a metric's settings cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MetricFault {
    /// Something about a placeholder.
    #[error(transparent)]
    Template(#[from] TemplateFault),
    /// Nothing is asked.
    #[error("the PromQL is empty: write a query")]
    Empty,
    /// A pod's name where one query asks for all.
    #[error("{{pod}} is for a condition: ask for all pods in one query with pod=~\"{{pods}}\"")]
    PodOutsideCondition,
    /// A series that is more than a selector.
    #[error(
        "a series is a plain selector such as name{{label=\"value\"}}; its range is added by aviary: \
         write anything else as query"
    )]
    NotASelector,
    /// A kind that does not go with the source.
    #[error("the kind of a {0} cannot be {1}: {2}")]
    Kind(&'static str, &'static str, &'static str),
    /// A window out of bounds.
    #[error("a window of {} is out of bounds: choose one from {} to {}", humane(*.0), humane(SHORTEST_WINDOW), humane(LONGEST_RANGE))]
    Window(Duration),
}

/// Checks all that can be checked of a metric without Prometheus.
///
/// # Errors
/// What is wrong and the way out.
pub fn validate_metric(metric: &MetricSettings) -> Result<(), MetricFault> {
    let text = source_text(&metric.source);
    if text.trim().is_empty() {
        return Err(MetricFault::Empty);
    }
    let template = Template::parse(text)?;
    if template.uses(Placeholder::Pod) && !matches!(metric.source, MetricSource::Condition(_)) {
        return Err(MetricFault::PodOutsideCondition);
    }
    if matches!(metric.source, MetricSource::Series(_)) && !is_selector(text) {
        return Err(MetricFault::NotASelector);
    }
    validate_kind(&metric.source, metric.kind)?;
    if (SHORTEST_WINDOW..=LONGEST_RANGE).contains(&metric.window) {
        Ok(())
    } else {
        Err(MetricFault::Window(metric.window))
    }
}

/// One POST to Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The time of the first sample that is wanted; that of the last is the scope's.
    pub(crate) since: Timestamp,
    /// The time between two points of an evaluated query.
    pub(crate) step: Option<Duration>,
    pub(crate) path: &'static str,
    pub(crate) form: Vec<(&'static str, String)>,
}

/// What to ask for `metric` with a past of at most `longest`; nothing if no pod is there to be asked about.
pub(crate) fn question(
    metric: &MetricSettings,
    scope: &Scope,
    longest: Duration,
) -> Result<Option<Question>, MetricFault> {
    let template = Template::parse(source_text(&metric.source))?;
    let pods = scope.asked_pods();
    if pods.is_empty() && (template.uses(Placeholder::Pods) || template.uses(Placeholder::Pod)) {
        return Ok(None);
    }
    let values = Values {
        namespace: &scope.namespace,
        service: &scope.service,
        tracks: &[Track::Primary.word(), Track::Canary.word()],
        pods: &pods,
        pod: "",
    };
    let range = range(metric.window, scope).min(longest.max(metric.window));
    Ok(Some(match metric.source {
        MetricSource::Series(_) => {
            let seconds = whole_seconds(range);
            Question {
                since: before(scope.now, seconds),
                ..instant(format!("{}[{seconds}s]", template.render(&values).trim()), scope.now)
            }
        }
        MetricSource::Query(_) => evaluated(template.render(&values), range, scope.now),
        MetricSource::Condition(_) => instant(condition(&template, &values), scope.now),
    }))
}

fn source_text(source: &MetricSource) -> &str {
    match source {
        MetricSource::Series(text) | MetricSource::Query(text) | MetricSource::Condition(text) => text,
    }
}

fn validate_kind(source: &MetricSource, kind: MetricKind) -> Result<(), MetricFault> {
    let raw = matches!(kind, MetricKind::Gauge | MetricKind::Counter | MetricKind::HistogramBucket);
    match (source, kind) {
        (MetricSource::Series(_), _) if raw => Ok(()),
        (MetricSource::Query(_), MetricKind::Evaluated) | (MetricSource::Condition(_), MetricKind::Condition) => Ok(()),
        (MetricSource::Series(_), _) => {
            Err(MetricFault::Kind("series", kind_word(kind), "choose counter, gauge or histogram-bucket"))
        }
        (MetricSource::Query(_), _) => Err(MetricFault::Kind("query", kind_word(kind), "leave the kind out")),
        (MetricSource::Condition(_), _) => Err(MetricFault::Kind("condition", kind_word(kind), "leave the kind out")),
    }
}

const fn kind_word(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Gauge => "gauge",
        MetricKind::Counter => "counter",
        MetricKind::HistogramBucket => "histogram-bucket",
        MetricKind::Evaluated => "evaluated",
        MetricKind::Condition => "condition",
    }
}

/// A metric's name, a brace with matchers, or both, and nothing after it.
fn is_selector(text: &str) -> bool {
    let text = text.trim();
    let name = text.find(|character: char| !(character.is_ascii_alphanumeric() || "_:".contains(character)));
    let Some(end) = name else {
        return !text.starts_with(|first: char| first.is_ascii_digit());
    };
    let matchers = text[end..].trim_start();
    matchers.starts_with('{') && closing_brace(matchers) == Some(matchers.len() - 1)
}

/// Where the first brace that is not in a string closes.
fn closing_brace(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            Some(open) if character == open => quote = None,
            Some(open) => escaped = character == '\\' && open != '`',
            None if "\"'`".contains(character) => quote = Some(character),
            None if character == '}' => return Some(at),
            None => {}
        }
    }
    None
}

fn range(window: Duration, scope: &Scope) -> Duration {
    (scope.now.since(scope.rollout_started) + BEFORE_ROLLOUT).max(window).min(LONGEST_RANGE)
}

const fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000) as u64
}

fn instant(query: String, now: Timestamp) -> Question {
    Question { since: now, step: None, path: "api/v1/query", form: vec![("query", query), ("time", seconds(now))] }
}

/// A range query whose last point is `now`.
fn evaluated(query: String, range: Duration, now: Timestamp) -> Question {
    let step = whole_seconds((range / POINTS).max(FINEST_STEP));
    let past = whole_seconds(range) / step * step;
    let start = before(now, past);
    let form = vec![("query", query), ("start", seconds(start)), ("end", seconds(now)), ("step", format!("{step}s"))];
    Question { since: start, step: Some(Duration::from_secs(step)), path: "api/v1/query_range", form }
}

fn before(now: Timestamp, seconds: u64) -> Timestamp {
    Timestamp(now.0.saturating_sub_unsigned(seconds * 1000))
}

fn seconds(time: Timestamp) -> String {
    let (whole, millis) = (time.0.div_euclid(1000), time.0.rem_euclid(1000));
    if whole < 0 { "0".to_owned() } else { format!("{whole}.{millis:03}") }
}

/// One query for all pods: each pod's own, marked with its name.
fn condition(template: &Template, values: &Values<'_>) -> String {
    if !template.uses(Placeholder::Pod) {
        return template.render(values);
    }
    let of_pod = |pod: &&str| {
        // The line break ends a comment that the query may end with.
        let mut query =
            format!("label_replace(({}\n), \"{POD_LABEL}\", \"", template.render(&Values { pod, ..*values }));
        push_quoted(&mut query, &pod.replace('$', "$$"), '"');
        query.push_str("\", \"\", \"\")");
        query
    };
    values.pods.iter().map(of_pod).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
pub(crate) mod tests {
    use aviary_core::judge::Better;

    use super::*;

    /// A metric of which nothing else counts.
    pub(crate) fn metric(source: MetricSource, kind: MetricKind) -> MetricSettings {
        MetricSettings {
            name: "m".to_owned(),
            unit: String::new(),
            source,
            kind,
            better: Better::Neither,
            min: None,
            max: None,
            window: Duration::from_secs(60),
            parameters: serde_json::json!({}),
        }
    }

    fn series(text: &str) -> MetricSettings {
        metric(MetricSource::Series(text.to_owned()), MetricKind::Counter)
    }

    fn scope(rollout_minutes: i64) -> Scope {
        let now = 1_700_000_000_250;
        Scope {
            namespace: "shop".to_owned(),
            service: "foo".to_owned(),
            pods: [("old", Track::Original), ("p1", Track::Primary), ("c1", Track::Canary)]
                .map(|(name, track)| (name.to_owned(), track))
                .into(),
            rollout_started: Timestamp(now - rollout_minutes * 60_000),
            now: Timestamp(now),
        }
    }

    fn asked(metric: &MetricSettings, scope: &Scope) -> Vec<(&'static str, String)> {
        question(metric, scope, LONGEST_RANGE).expect("a good metric").expect("a question").form
    }

    #[test]
    fn a_series_is_asked_raw_from_before_the_rollout_to_now() {
        let form = asked(&series(r#"foo{pod=~"{pods}"} "#), &scope(10));
        let query = r#"foo{pod=~"p1|c1"}[900s]"#.to_owned();
        assert_eq!(form, [("query", query), ("time", "1700000000.250".to_owned())]);
    }

    #[test]
    fn the_past_is_bounded_and_never_shorter_than_the_window() {
        assert!(asked(&series("foo"), &scope(600))[0].1.ends_with("[7200s]"));
        let mut long = series("foo");
        long.window = Duration::from_millis(1_800_500);
        assert!(asked(&long, &scope(1))[0].1.ends_with("[1801s]"));
        let short = question(&long, &scope(600), Duration::from_secs(60)).expect("good").expect("a question");
        assert!(short.form[0].1.ends_with("[1801s]"));
    }

    #[test]
    fn a_query_is_asked_as_a_range_that_ends_now() {
        let form = asked(&metric(MetricSource::Query("up".to_owned()), MetricKind::Evaluated), &scope(30));
        let expected = [("query", "up"), ("start", "1699997903.250"), ("end", "1700000000.250"), ("step", "9s")];
        assert_eq!(form, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_condition_is_asked_for_all_pods_at_once() {
        let condition = MetricSource::Condition(r#"up{pod="<<pod>>"} > 0"#.to_owned());
        let form = asked(&metric(condition, MetricKind::Condition), &scope(1));
        let of = |pod| format!("label_replace((up{{pod=\"{pod}\"}} > 0\n), \"aviary_pod\", \"{pod}\", \"\", \"\")");
        assert_eq!(form[0].1, format!("{} or {}", of("p1"), of("c1")));
    }

    #[test]
    fn without_pods_nothing_is_asked_about_pods() {
        let nobody = Scope { pods: vec![("old".to_owned(), Track::Original)], ..scope(1) };
        assert_eq!(question(&series(r#"foo{pod=~"{pods}"}"#), &nobody, LONGEST_RANGE), Ok(None));
        assert!(question(&series("foo"), &nobody, LONGEST_RANGE).is_ok_and(|question| question.is_some()));
    }

    #[test]
    fn a_series_must_be_a_plain_selector() {
        let good =
            ["foo", "foo:rate_1", " foo {} ", r#"{__name__=~"foo.*"}"#, r#"foo{a="}\"b",c='}'}"#, "foo{a=`}\\`}"];
        for text in good {
            assert_eq!(validate_metric(&series(text)), Ok(()), "{text}");
        }
        for text in ["rate(foo[1m])", "foo[5m]", "foo offset 5m", "foo{a=\"b\"} > 0", "1foo", "foo{", "foo}", "a b"] {
            assert_eq!(validate_metric(&series(text)), Err(MetricFault::NotASelector), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_said_at_the_door() {
        let query = |text: &str| metric(MetricSource::Query(text.to_owned()), MetricKind::Evaluated);
        assert_eq!(validate_metric(&query(" ")), Err(MetricFault::Empty));
        assert_eq!(validate_metric(&query(r#"up{pod="{pod}"}"#)), Err(MetricFault::PodOutsideCondition));
        let fault = validate_metric(&metric(MetricSource::Query("up".to_owned()), MetricKind::Counter));
        assert_eq!(
            fault.map_err(|fault| fault.to_string()),
            Err("the kind of a query cannot be counter: leave the kind out".to_owned())
        );
        let mut long = series("foo");
        long.window = Duration::from_secs(3 * 3600);
        assert_eq!(
            validate_metric(&long).map_err(|fault| fault.to_string()),
            Err("a window of 3h is out of bounds: choose one from 1s to 2h".to_owned())
        );
    }
}
