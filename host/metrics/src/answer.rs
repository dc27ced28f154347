//! Prometheus' JSON to series, bounded in number and size.

use std::{cmp::Reverse, collections::BTreeMap, fmt};

use aviary_core::{
    judge::{Series, Track},
    time::Timestamp,
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Unexpected, Visitor},
};

use crate::question::{POD_LABEL, Scope};

/// The most series of one metric.
const MOST_SERIES: usize = 500;
/// The most samples of one metric.
const MOST_SAMPLES: usize = 100_000;

/// How Prometheus begins what it has to say of a query itself (util/annotations).
const ABOUT_THE_QUERY: &str = "PromQL ";

/// The series of one metric, and how many were left out.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) series: Vec<Series>,
    pub(crate) cut: u32,
}

/// What Prometheus says when it does not answer the question.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    #[serde(rename = "errorType", default)]
    kind: String,
    error: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind.is_empty() { f.write_str(&self.error) } else { write!(f, "{}: {}", self.kind, self.error) }
    }
}

/// Reads the body of a successful answer.
pub(crate) fn read(body: &[u8], scope: &Scope) -> Result<Answer, String> {
    let envelope: Envelope = serde_json::from_slice(body)
        .map_err(|error| format!("its answer cannot be read ({error}): is this the address of a Prometheus?"))?;
    for warning in &envelope.warnings {
        tracing::warn!(service = scope.service, warning, "prometheus warns about its answer");
    }
    // The others come from what it gathers an answer from (remote read, the stores of Thanos): some of it is missing, and what
    // is missing must be no evidence.
    if let Some(warning) = envelope.warnings.iter().find(|warning| !warning.starts_with(ABOUT_THE_QUERY)) {
        return Err(format!("its answer may be a part of it: {warning}"));
    }
    match envelope.data {
        Data::Matrix(rows) | Data::Vector(rows) => Ok(bounded(to_series(rows, scope)?)),
        Data::Scalar(_) | Data::String(_) => {
            Err("the query gives a number without labels: write one that gives series, such as vector(..)".to_owned())
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    data: Data,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Matrix(Vec<Row>),
    Vector(Vec<Row>),
    Scalar(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    value: Option<Sample>,
    #[serde(default)]
    values: Vec<Sample>,
    #[serde(default)]
    histogram: Option<IgnoredAny>,
    #[serde(default)]
    histograms: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Sample(f64, Value);

struct Value(f64);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ValueVisitor)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number in quotes")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        text.parse().map(Value).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

fn to_series(rows: Vec<Row>, scope: &Scope) -> Result<Vec<Series>, String> {
    let native = rows.iter().any(|row| row.histogram.is_some() || row.histograms.is_some());
    let series: Vec<Series> =
        rows.into_iter().map(|row| one_series(row, scope)).filter(|s| !s.times.is_empty()).collect();
    if series.is_empty() && native {
        return Err("it answered with native histograms only: ask for a number of them by a query, such as \
                    histogram_quantile(0.99, ..)"
            .to_owned());
    }
    Ok(series)
}

fn one_series(row: Row, scope: &Scope) -> Series {
    let mut labels = row.metric;
    let pod = match labels.remove(POD_LABEL) {
        Some(pod) => {
            labels.retain(|label, value| label != "pod" || *value != pod);
            Some(pod)
        }
        None => pod_label(&labels, scope).and_then(|label| labels.remove(&label)),
    };
    let track = match &pod {
        Some(pod) => scope.track_of(pod),
        None => labels.get("track").and_then(|word| Track::ALL.into_iter().find(|track| track.word() == word)),
    };
    let mut samples = row.values;
    samples.extend(row.value);
    let (times, values) = samples.into_iter().map(|Sample(time, Value(value))| (millis(time), value)).unzip();
    Series { pod, track, labels: labels.into_iter().collect(), times, values }
}

/// The label that names the pod: `pod`, unless that is none of the service's and another one names one, such as
/// `kubernetes_pod_name`, or `exported_pod` beside the exporter's own.
fn pod_label(labels: &BTreeMap<String, String>, scope: &Scope) -> Option<String> {
    let names_one = |label: &&String| scope.track_of(&labels[*label]).is_some();
    let pod = labels.get_key_value("pod").map(|(label, _)| label);
    pod.filter(names_one).or_else(|| labels.keys().find(names_one)).or(pod).cloned()
}

#[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates")]
fn millis(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1000.0).round() as i64)
}

/// Keeps what fits, the canary's series before the primary's and those before what belongs to no track: after one that was left
/// out there is none, so that whoever sees the primary's knows that the canary's are complete.
fn bounded(mut series: Vec<Series>) -> Answer {
    let all = series.len();
    if all > MOST_SERIES || samples(&series) > MOST_SAMPLES {
        series.sort_by_key(|one| Reverse(one.track));
        series.truncate(MOST_SERIES);
        let mut room = MOST_SAMPLES;
        let mut fits = |one: &Series| room.checked_sub(one.times.len()).map(|left| room = left).is_some();
        let kept = series.iter().take_while(|one| fits(one)).count();
        series.truncate(kept);
    }
    let cut = u32::try_from(all - series.len()).unwrap_or(u32::MAX);
    Answer { series, cut }
}

fn samples(series: &[Series]) -> usize {
    series.iter().map(|one| one.times.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            namespace: "shop".to_owned(),
            service: "foo".to_owned(),
            pods: vec![("p1".to_owned(), Track::Primary), ("c1".to_owned(), Track::Canary)],
            rollout_started: Timestamp(0),
            now: Timestamp(0),
        }
    }

    fn matrix(rows: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{rows}]}}}}"#)
    }

    fn row(pod: &str, samples: usize) -> String {
        let values = vec![r#"[1,"1"]"#; samples].join(",");
        format!(r#"{{"metric":{{"pod":"{pod}"}},"values":[{values}]}}"#)
    }

    #[test]
    fn labels_times_and_values_are_read_as_they_are() {
        let body = matrix(r#"{"metric":{"pod":"c1","le":"+Inf"},"values":[[1.0005,"NaN"],[2,"-Inf"],[3.25,"1e3"]]}"#);
        let answer = read(body.as_bytes(), &scope()).expect("an answer");
        let [series] = answer.series.as_slice() else { panic!("one series") };
        assert_eq!((series.pod.as_deref(), series.track), (Some("c1"), Some(Track::Canary)));
        assert_eq!(series.labels, [("le".to_owned(), "+Inf".to_owned())]);
        assert_eq!(series.times, [1001, 2000, 3250].map(Timestamp));
        assert!(series.values[0].is_nan());
        assert_eq!(series.values[1..], [f64::NEG_INFINITY, 1000.0]);
    }

    #[test]
    fn the_pod_of_a_condition_is_the_one_it_was_asked_for() {
        let body =
            r#"{"data":{"result":[{"metric":{"aviary_pod":"p1","pod":"x"},"value":[7,"1"]}],"resultType":"vector"}}"#;
        let answer = read(body.as_bytes(), &scope()).expect("an answer");
        assert_eq!((answer.series[0].pod.as_deref(), answer.series[0].track), (Some("p1"), Some(Track::Primary)));
        assert_eq!(answer.series[0].labels, [("pod".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn a_pod_is_known_by_whatever_label_names_it() {
        for (metric, pod, track, left) in [
            (r#"{"kubernetes_pod_name":"c1","app":"foo"}"#, Some("c1"), Some(Track::Canary), &["app"][..]),
            (r#"{"pod":"exporter","exported_pod":"p1"}"#, Some("p1"), Some(Track::Primary), &["pod"]),
            (r#"{"pod":"c1","leader":"p1"}"#, Some("c1"), Some(Track::Canary), &["leader"]),
            (r#"{"pod":"gone","app":"foo"}"#, Some("gone"), None, &["app"]),
            (r#"{"app":"foo"}"#, None, None, &["app"]),
        ] {
            let body = matrix(&format!(r#"{{"metric":{metric},"values":[[1,"1"]]}}"#));
            let answer = read(body.as_bytes(), &scope()).expect("an answer");
            let [series] = answer.series.as_slice() else { panic!("one series") };
            assert_eq!((series.pod.as_deref(), series.track), (pod, track), "{metric}");
            assert_eq!(series.labels.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(), left, "{metric}");
        }
    }

    #[test]
    fn an_answer_of_which_a_part_is_missing_is_none() {
        let warned = |warning: &str| {
            format!(r#"{{"data":{{"resultType":"matrix","result":[{}]}},"warnings":["{warning}"]}}"#, row("c1", 1))
        };
        assert!(read(warned("PromQL warning: bucket label le is missing").as_bytes(), &scope()).is_ok());
        let fault = read(warned("fetch series: store 10.0.0.7 is down").as_bytes(), &scope()).expect_err("a part");
        assert_eq!(fault, "its answer may be a part of it: fetch series: store 10.0.0.7 is down");
    }

    #[test]
    fn a_track_label_serves_where_no_pod_is_named() {
        let body =
            matrix(r#"{"metric":{"track":"canary"},"values":[[1,"1"]]},{"metric":{"pod":"gone"},"values":[[1,"1"]]}"#);
        let answer = read(body.as_bytes(), &scope()).expect("an answer");
        assert_eq!(answer.series.iter().map(|one| one.track).collect::<Vec<_>>(), [Some(Track::Canary), None]);
    }

    #[test]
    fn too_many_series_are_cut_from_the_end_that_matters_least() {
        let rows = [vec![row("gone", 1); 300], vec![row("p1", 1); 300], vec![row("c1", 1); 300]].concat().join(",");
        let answer = read(matrix(&rows).as_bytes(), &scope()).expect("an answer");
        let of = |track| answer.series.iter().filter(|one| one.track == track).count();
        assert_eq!((of(Some(Track::Canary)), of(Some(Track::Primary)), of(None)), (300, 200, 0));
        assert_eq!(answer.cut, 400);
    }

    #[test]
    fn too_many_samples_are_cut_by_whole_series() {
        let rows = [row("p1", 60_000), row("c1", 60_000), row("p1", 30_000)].join(",");
        let answer = read(matrix(&rows).as_bytes(), &scope()).expect("an answer");
        assert_eq!(answer.series.iter().map(|one| one.times.len()).collect::<Vec<_>>(), [60_000]);
        assert_eq!((answer.series[0].track, answer.cut), (Some(Track::Canary), 2));
    }

    #[test]
    fn what_is_no_answer_is_a_fault_in_words() {
        let table = [
            ("[]", "cannot be read"),
            (r#"{"status":"success"}"#, "cannot be read"),
            (r#"{"data":{"resultType":"scalar","result":[1,"1"]}}"#, "a number without labels"),
            (r#"{"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}"#, "cannot be read"),
            (r#"{"data":{"resultType":"matrix","result":[{"metric":{},"histograms":[[1,{}]]}]}}"#, "native histograms"),
        ];
        for (body, words) in table {
            let fault = read(body.as_bytes(), &scope()).expect_err(body);
            assert!(fault.contains(words), "{fault}");
        }
        assert!(read("[".repeat(100_000).as_bytes(), &scope()).is_err());
    }
}
