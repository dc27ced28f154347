//! Against a real Prometheus that scrapes a small exporter: what is asked is understood, and what is answered is read.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use aviary_core::{
    judge::{MetricKind, MetricObservation, MetricStatus, Track},
    time::Timestamp,
};
use aviary_metrics::{ClientCertificate, Credentials, PrometheusSettings};
use rcgen::{CertifiedKey, KeyPair};
use support::{
    client, condition, error_of, fetch_until,
    http::{Reply, Server},
    prometheus::RealPrometheus,
    query, scope, series,
};

const PODS: [(&str, Track); 3] =
    [("worker.1", Track::Primary), ("worker-2", Track::Canary), ("worker-old", Track::Original)];

/// An exporter that speaks for several pods and counts on with every scrape.
async fn exporter() -> Server {
    let scrapes = AtomicU64::new(0);
    Server::start(move |_| {
        let count = scrapes.fetch_add(1, Ordering::Relaxed);
        let mut text = String::new();
        // `workerx1` is matched by the expression `worker.1` that nobody escaped.
        for (pod, factor) in [("worker.1", 1), ("worker-2", 10), ("workerx1", 100), ("worker-old", 5)] {
            let labels = format!("namespace=\"shop\",pod=\"{pod}\"");
            text += &format!("errors_total{{{labels}}} {}\n", count * factor);
            text += &format!("seconds_bucket{{{labels},le=\"0.5\"}} {count}\n");
            text += &format!("seconds_bucket{{{labels},le=\"+Inf\"}} {}\n", count * 2);
            text += &format!("fine{{{labels}}} {}\n", u64::from(pod == "worker.1"));
        }
        Reply::answer("200 OK", "text/plain; version=0.0.4", &text)
    })
    .await
}

fn all_have_samples(observations: &[MetricObservation]) -> bool {
    observations.iter().all(|one| {
        one.status == MetricStatus::Samples
            && one.series.iter().all(|series| series.times.len() > 2 || one.kind == MetricKind::Condition)
    })
}

#[tokio::test]
async fn every_way_of_asking_gives_typed_samples() {
    let exporter = exporter().await;
    let real = RealPrometheus::start(&exporter.address.to_string(), &[], "").await;
    let prometheus = client(PrometheusSettings::at(format!("http://127.0.0.1:{}", real.port)));
    let metrics = [
        series("errors", r#"errors_total{namespace="{namespace}",pod=~"{pods}"}"#, MetricKind::Counter),
        series("seconds", r#"seconds_bucket{pod=~"{pods}"}"#, MetricKind::HistogramBucket),
        query("nothing", r#"0 * errors_total{pod=~"{pods}"} / 0"#),
        condition("fine", r#"fine{pod="{pod}"} == 1 # only good pods"#),
        condition("seen", r#"sum(fine{pod="<<pod>>"})"#),
        query("by track", r#"label_replace(sum(errors_total{pod="worker-2"}), "track", "canary", "", "")"#),
    ];
    let (scope, seen) = fetch_until(&prometheus, &metrics, &PODS, all_have_samples).await;
    assert_eq!(
        seen.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        metrics.each_ref().map(|one| one.name.as_str())
    );
    let [errors, seconds, nothing, fine, seen, by_track] = seen.as_slice() else { panic!("one for each metric") };

    assert_eq!(pods_of(errors), [("worker-2", Some(Track::Canary)), ("worker.1", Some(Track::Primary))]);
    for one in &errors.series {
        assert!(one.values.is_sorted() && one.values[0] < one.values[one.values.len() - 1], "raw, not rated: {one:?}");
        assert!(one.times.is_sorted() && one.times.iter().all(|time| within(*time, scope.rollout_started, scope.now)));
        assert!(one.labels.contains(&("namespace".to_owned(), "shop".to_owned())));
        assert!(!one.labels.iter().any(|(name, _)| name == "pod"));
    }
    assert_eq!((errors.unit.as_str(), errors.max, errors.series_cut), ("events/s", Some(1.0), 0));
    assert_eq!(errors.parameters, serde_json::json!({ "any": true }));

    assert_eq!(seconds.series.len(), 4);
    assert!(seconds.series.iter().any(|one| one.labels.contains(&("le".to_owned(), "+Inf".to_owned()))));
    assert!(nothing.series.iter().all(|one| one.values.iter().all(|value| value.is_nan())));
    assert!(nothing.series.iter().all(|one| one.times.last() == Some(&scope.now)));
    assert_eq!(pods_of(fine), [("worker.1", Some(Track::Primary))]);
    assert_eq!(pods_of(seen), [("worker-2", Some(Track::Canary)), ("worker.1", Some(Track::Primary))]);
    assert_eq!(by_track.series.iter().map(|one| one.track).collect::<Vec<_>>(), [Some(Track::Canary)]);
}

#[tokio::test]
async fn nothing_and_nonsense_are_told_apart() {
    let exporter = exporter().await;
    let real = RealPrometheus::start(&exporter.address.to_string(), &[], "").await;
    let url = format!("http://127.0.0.1:{}/", real.port);
    let prometheus = client(PrometheusSettings::at(&url));
    let metrics = [
        series("absent", "absent_total", MetricKind::Counter),
        query("nonsense", "rate(errors_total)"),
        condition("scalar", r#"scalar(fine{pod="{pod}"})"#),
        condition("number", "1"),
        query("ambiguous", "errors_total * on(namespace) errors_total"),
    ];
    // While it starts, everything is 503; and before the first scrape nothing is ambiguous.
    let started =
        |seen: &[MetricObservation]| seen[0].status == MetricStatus::NoData && seen[4].status != MetricStatus::NoData;
    let (_, seen) = fetch_until(&prometheus, &metrics, &PODS, started).await;
    for (at, words) in [
        (1, "bad_data"),
        (1, "parse error: expected type range vector"),
        (1, "400 Bad Request"),
        (1, url.as_str()),
        (2, "expected type instant vector in call to function \"label_replace\""),
        (3, "a number without labels"),
        (4, "422 Unprocessable Entity"),
    ] {
        assert!(error_of(&seen[at]).contains(words), "{words} is not in: {}", error_of(&seen[at]));
    }
}

const PASSWORD: &str = "U*U";
/// The published bcrypt test vector for that password.
const PASSWORD_HASH: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate")
}

#[tokio::test]
async fn tls_with_a_client_certificate_and_basic_authentication() {
    let (server, user) = (certificate("localhost"), certificate("aviary"));
    let files = [
        ("server.crt", server.cert.pem()),
        ("server.key", server.signing_key.serialize_pem()),
        ("user.crt", user.cert.pem()),
        ("user.key", user.signing_key.serialize_pem()),
        ("password", format!("{PASSWORD}\n")),
        ("wrong", "hunter2".to_owned()),
    ];
    let web = format!(
        "tls_server_config: {{cert_file: '{{folder}}/server.crt', key_file: '{{folder}}/server.key', \
         client_ca_file: '{{folder}}/user.crt', client_auth_type: RequireAndVerifyClientCert}}\n\
         basic_auth_users: {{aviary: '{PASSWORD_HASH}'}}\n"
    );
    let exporter = exporter().await;
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let real = RealPrometheus::start(&exporter.address.to_string(), &files, &web).await;
    let mut good = PrometheusSettings::at(format!("https://localhost:{}", real.port));
    good.tls.ca_file = Some(real.path("server.crt"));
    good.tls.client_certificate =
        Some(ClientCertificate { certificate_file: real.path("user.crt"), key_file: real.path("user.key") });
    good.credentials = Credentials::Basic { username: "aviary".to_owned(), password_file: real.path("password") };
    let metrics = [query("up", "up")];
    let answered = |seen: &[MetricObservation]| seen[0].status == MetricStatus::Samples;
    fetch_until(&client(good.clone()), &metrics, &PODS, answered).await;

    let mut wrong_password = good.clone();
    wrong_password.credentials =
        Credentials::Basic { username: "aviary".to_owned(), password_file: real.path("wrong") };
    let mut stranger = good.clone();
    stranger.tls.ca_file = Some(real.path("user.crt"));
    let mut nobody = good.clone();
    nobody.tls.client_certificate = None;
    for (settings, words) in [
        (wrong_password, "401 Unauthorized"),
        (stranger, "name its authority as prometheus.tls.ca"),
        (nobody, "it broke off the handshake (received fatal alert: BadCertificate): check prometheus.tls.certificate"),
    ] {
        let seen = client(settings).fetch(&metrics, &scope(&PODS)).await;
        assert!(error_of(&seen[0]).contains(words), "{words} is not in: {}", error_of(&seen[0]));
        assert!(!error_of(&seen[0]).contains("hunter2"));
    }
    let mut trusting = good;
    trusting.tls.ca_file = None;
    trusting.tls.insecure = true;
    fetch_until(&client(trusting), &metrics, &PODS, answered).await;
}

fn within(time: Timestamp, from: Timestamp, to: Timestamp) -> bool {
    (from..=to).contains(&time)
}

fn pods_of(observation: &MetricObservation) -> Vec<(&str, Option<Track>)> {
    let mut pods: Vec<_> =
        observation.series.iter().map(|one| (one.pod.as_deref().unwrap_or_default(), one.track)).collect();
    pods.sort();
    pods
}
