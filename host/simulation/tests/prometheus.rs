//! Prometheus' HTTP interface by table, and as Aviary's own client finds it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{sync::Arc, time::Duration};

use aviary_core::{
    judge::{Better, MetricKind, MetricObservation, MetricStatus, Track},
    settings::{MetricSettings, MetricSource},
    time::Timestamp,
};
use aviary_metrics::{Prometheus, PrometheusSettings, Scope};
use aviary_simulation::prometheus::{Selector, Series, router};
use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const NOW: Timestamp = Timestamp(1_000_000);

/// Two pods with a counter, whose samples are 10 s apart, and one with a number that has gone stale.
fn all() -> Vec<Series> {
    let series = |name: &str, pod: &str, samples: &[(i64, f64)]| Series {
        labels: [("__name__", name), ("namespace", "shop"), ("pod", pod)]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into(),
        samples: samples.iter().map(|(seconds, value)| (Timestamp(seconds * 1000), *value)).collect(),
    };
    vec![
        series("jobs_total", "a.1", &[(970, 1.0), (980, 2.0), (990, 3.5), (1000, f64::NAN)]),
        series("jobs_total", "ax1", &[(985, 10.0), (995, f64::INFINITY)]),
        series("jobs_total", "b", &[(600, 7.0)]),
    ]
}

fn prometheus() -> Router {
    let source = |selector: &Selector| all().into_iter().filter(|series| selector.fits(&series.labels)).collect();
    router(Arc::new(|| NOW), Arc::new(source))
}

async fn asked(request: Request<Body>) -> (u16, Value) {
    let answer = prometheus().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&to_bytes(answer.into_body(), 1 << 20).await.unwrap()).unwrap_or_default())
}

async fn got(path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let get = Request::get(format!("/api/v1/{path}?{form}")).body(Body::empty()).unwrap();
    let answer = asked(get).await;
    let post = Request::post(format!("/api/v1/{path}")).body(Body::from(form)).unwrap();
    assert_eq!(asked(post).await, answer, "a form is asked as an address is");
    answer
}

#[tokio::test]
async fn what_is_asked_is_answered_as_prometheus_does() {
    let pod = |pod: &str| json!({"__name__": "jobs_total", "namespace": "shop", "pod": pod});
    let table = [
        (
            "query",
            vec![("query", "jobs_total")],
            "vector",
            json!([
                {"metric": pod("a.1"), "value": [1000.0, "NaN"]},
                {"metric": pod("ax1"), "value": [1000.0, "+Inf"]},
            ]),
        ),
        (
            "query",
            vec![("query", "jobs_total"), ("time", "989.5")],
            "vector",
            json!([
                {"metric": pod("a.1"), "value": [989.5, "2"]},
                {"metric": pod("ax1"), "value": [989.5, "10"]},
            ]),
        ),
        (
            "query",
            vec![("query", r#"jobs_total{pod=~"a\\.1|b"}[20s]"#), ("time", "1000")],
            "matrix",
            json!([
                {"metric": pod("a.1"), "values": [[990.0, "3.5"], [1000.0, "NaN"]]},
            ]),
        ),
        ("query", vec![("query", "nothing")], "vector", json!([])),
        (
            "query_range",
            vec![("query", r#"{pod="a.1"}"#), ("start", "965"), ("end", "991"), ("step", "10s")],
            "matrix",
            json!([
                {"metric": pod("a.1"), "values": [[975.0, "1"], [985.0, "2"]]},
            ]),
        ),
    ];
    for (path, pairs, kind, rows) in table {
        let data = json!({"resultType": kind, "result": rows});
        assert_eq!(got(path, &pairs).await, (200, json!({"status": "success", "data": data})), "{pairs:?}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused_as_a_parse_error_is() {
    let range = |query, end, step| vec![("query", query), ("start", "10"), ("end", end), ("step", step)];
    let table = [
        ("query", vec![], r#"invalid parameter "query": 1:1: parse error: unexpected end of input"#),
        ("query", vec![("query", "sum(jobs_total)")], r#"invalid parameter "query": 1:4: parse error: unexpected '('"#),
        ("query", vec![("query", "jobs_total"), ("time", "now")], r#"invalid parameter "time": cannot parse "now""#),
        ("query_range", range("jobs_total[5m]", "20", "5"), "invalid expression type \"range vector\" for range query"),
        ("query_range", range("jobs_total", "9", "5"), "end timestamp must not be before start time"),
        ("query_range", range("jobs_total", "20", "0"), "zero or negative query resolution step"),
        ("query_range", range("jobs_total", "20", "-1"), r#"invalid parameter "step": cannot parse "-1""#),
        ("query_range", range("jobs_total", "99999", "1"), "exceeded maximum resolution"),
    ];
    for (path, pairs, words) in table {
        let (status, body) = got(path, &pairs).await;
        assert_eq!((status, &body["status"], &body["errorType"]), (400, &json!("error"), &json!("bad_data")));
        assert!(body["error"].as_str().unwrap().contains(words), "{pairs:?}: {body}");
    }
    assert_eq!(got("labels", &[]).await.0, 404);
}

fn metric(source: MetricSource, kind: MetricKind) -> MetricSettings {
    MetricSettings {
        name: "jobs".to_owned(),
        unit: String::new(),
        source,
        kind,
        better: Better::Higher,
        min: None,
        max: None,
        window: Duration::from_secs(15),
        parameters: json!({}),
    }
}

/// Each series as its pod, its track and its values.
fn seen(observed: &MetricObservation) -> Vec<(&str, Option<Track>, &[f64])> {
    observed.series.iter().map(|one| (one.pod.as_deref().unwrap(), one.track, one.values.as_slice())).collect()
}

#[tokio::test]
async fn aviarys_own_client_finds_its_samples() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, prometheus()).await });
    let scope = Scope {
        namespace: "shop".to_owned(),
        service: "jobs".to_owned(),
        pods: [("a.1", Track::Canary), ("b", Track::Primary)].map(|(pod, track)| (pod.to_owned(), track)).into(),
        rollout_started: NOW,
        now: Timestamp(995_000),
    };
    let selector = r#"jobs_total{namespace="{namespace}",pod=~"{pods}"}"#.to_owned();
    let metrics = [
        metric(MetricSource::Series(selector.clone()), MetricKind::Counter),
        metric(MetricSource::Query(selector), MetricKind::Evaluated),
        metric(MetricSource::Condition(r#"jobs_total{pod="{pod}"} > 1"#.to_owned()), MetricKind::Condition),
    ];
    let client = Prometheus::new(PrometheusSettings::at(address)).unwrap();
    let observed = client.fetch(&metrics, &scope).await;
    assert_eq!(seen(&observed[0]), [("a.1", Some(Track::Canary), &[1.0, 2.0, 3.5][..])]);
    let evaluated = seen(&observed[1]);
    assert_eq!((evaluated[0].0, evaluated[0].2.last()), ("a.1", Some(&3.5)));
    let MetricStatus::Error(fault) = &observed[2].status else { panic!("a condition is beyond a plain selector") };
    assert!(fault.contains("400 Bad Request: bad_data") && fault.contains("1:14: parse error"), "{fault}");
}
