//! Against servers that misbehave: every metric gets its error in words, in time, and no secret is in it.

mod support;

use std::{fs, time::Duration};

use aviary_core::judge::{MetricKind, MetricStatus, Track};
use aviary_metrics::{Credentials, PrometheusSettings, Secret};
use support::{
    client, error_of,
    http::{Reply, Server},
    install_cryptography, query, scope, series,
};

const PODS: [(&str, Track); 2] = [("p", Track::Primary), ("c", Track::Canary)];

/// What is said of one query to a server that answers by `reply`.
async fn error(reply: Reply) -> String {
    let server = Server::start(move |_| reply.clone()).await;
    let mut settings = PrometheusSettings::at(server.url());
    settings.timeout = Duration::from_millis(500);
    let seen = client(settings).fetch(&[query("q", "up")], &scope(&PODS)).await;
    assert!(error_of(&seen[0]).starts_with(&format!("prometheus at {}/: ", server.url())), "{}", error_of(&seen[0]));
    assert!(seen[0].series.is_empty());
    error_of(&seen[0]).replace(&server.url(), "URL")
}

#[tokio::test]
async fn nobody_is_there() {
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let url = format!("http://{free}");
    let seen = client(PrometheusSettings::at(&url)).fetch(&[query("q", "up")], &scope(&PODS)).await;
    let expected = format!("prometheus at {url}/: cannot connect: Connection refused (os error 111)");
    assert_eq!(error_of(&seen[0]), expected);
}

#[tokio::test]
async fn wrong_answers_are_said_in_one_line() {
    let truncated = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"sta".to_vec();
    let redirect =
        b"HTTP/1.1 302 Found\r\nlocation: http://me:hunter2@elsewhere/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let table = [
        (Reply::json("500 Internal Server Error", ""), "500 Internal Server Error: (an empty answer)"),
        (
            Reply::json(
                "503 Service Unavailable",
                r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
            ),
            "503 Service Unavailable: timeout: query timed out",
        ),
        (
            Reply::answer("502 Bad Gateway", "text/plain", "\n\u{1b}[31mno upstream\r\nx"),
            "502 Bad Gateway:  [31mno upstream",
        ),
        (
            Reply::answer("200 OK", "text/html; charset=utf-8", "<html>sign in</html>"),
            "200 OK: a web page: is this the address of a Prometheus?",
        ),
        (
            Reply::answer("401 Unauthorized", "text/plain", "no"),
            "401 Unauthorized: no (check prometheus.bearer-token-file or basic-auth)",
        ),
        (Reply::Bytes(redirect), "302 Found: it points to ...@elsewhere/: put that address into the configuration"),
        (
            Reply::json("200 OK", r#"{"status":"success","data":{"resultType":"matrix","result":"#),
            "its answer cannot be read (EOF while parsing a value at line 1 column 59): is this the address of a Prometheus?",
        ),
        (
            Reply::json("200 OK", "null"),
            "its answer cannot be read (invalid type: null, expected struct Envelope at line 1 column 4): \
             is this the address of a Prometheus?",
        ),
        (Reply::Bytes(truncated), "its answer broke off: "),
        (Reply::Bytes(Vec::new()), "its answer broke off: "),
        (Reply::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "its answer broke off: "),
    ];
    for (reply, words) in table {
        let error = error(reply).await;
        let said = error.strip_prefix("prometheus at URL/: ").expect("the address first");
        assert!(said == words || (words.ends_with(": ") && said.starts_with(words)), "{said:?} instead of {words:?}");
        assert!(!error.contains('\n') && error.len() < 500);
    }
}

#[tokio::test]
async fn slow_answers_end_at_the_time_limit() {
    for reply in [Reply::Silence, Reply::Drip] {
        let error = error(reply).await;
        assert!(error.contains("no full answer within 500ms"), "{error}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let server = Server::start(|_| Reply::Endless).await;
    let prometheus = client(PrometheusSettings::at(server.url()));
    let seen = prometheus.fetch(&[query("q", "up"), series("s", "up", MetricKind::Gauge)], &scope(&PODS)).await;
    for one in &seen {
        assert!(error_of(one).ends_with("its answer is larger than 8 MiB: select fewer series"), "{}", error_of(one));
    }
    // Three answers of 8 MiB and what the sockets hold.
    let sent = server.seen.lock().expect("no panic").sent;
    assert!((24 << 20..64 << 20).contains(&sent), "{sent} bytes were sent");
    let asked: Vec<_> = server.requests().into_iter().filter(|request| request.contains("/api/v1/query ")).collect();
    assert!(asked.len() == 2 && asked[0].contains("%5B360s%5D") && asked[1].contains("%5B60s%5D"), "{asked:?}");
}

#[tokio::test]
async fn questions_are_posted_four_at_once_and_answered_in_order() {
    let server = Server::start(|_| Reply::Together(4)).await;
    let metrics: Vec<_> = (0..12).map(|number| query(&number.to_string(), "up{pod=~\"{pods}\"}")).collect();
    let seen = client(PrometheusSettings::at(format!("{}/prefix", server.url()))).fetch(&metrics, &scope(&PODS)).await;
    assert_eq!(
        seen.iter().map(|one| &one.name).collect::<Vec<_>>(),
        metrics.iter().map(|one| &one.name).collect::<Vec<_>>()
    );
    assert!(seen.iter().all(|one| one.status == MetricStatus::NoData));
    assert_eq!(server.seen.lock().expect("no panic").most_under_way, 4);
    let requests = server.requests();
    assert_eq!(requests.len(), 12);
    for request in requests {
        assert!(request.starts_with("POST /prefix/api/v1/query_range HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("query=up%7Bpod%3D%7E%22p%7Cc%22%7D&start="), "{request}");
    }
}

#[tokio::test]
async fn a_rotated_token_is_seen_and_never_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("token");
    let server = Server::start(|_| Reply::json("403 Forbidden", r#"{"error":"no"}"#)).await;
    let mut settings = PrometheusSettings::at(server.url());
    settings.credentials = Credentials::BearerTokenFile(file.clone());
    let prometheus = client(settings);
    let metrics = [query("q", "up")];
    let seen = prometheus.fetch(&metrics, &scope(&PODS)).await;
    assert!(error_of(&seen[0]).contains(&format!("cannot read the bearer token from {}", file.display())));
    for token in ["first", "second"] {
        fs::write(&file, format!("{token}\n")).expect("a file");
        let seen = prometheus.fetch(&metrics, &scope(&PODS)).await;
        assert!(error_of(&seen[0]).contains("403 Forbidden: no") && !error_of(&seen[0]).contains(token));
        let request = server.requests().pop().expect("a request");
        assert!(request.contains(&format!("authorization: Bearer {token}\r\n")), "{request}");
    }
    fs::write(&file, "bro\nken").expect("a file");
    let seen = prometheus.fetch(&metrics, &scope(&PODS)).await;
    assert!(!error_of(&seen[0]).contains("ken\""), "{}", error_of(&seen[0]));
}

#[test]
fn an_inline_token_is_never_printed() {
    let mut settings = PrometheusSettings::at("http://prometheus:9090");
    settings.credentials = Credentials::BearerToken(Secret("hunter2".to_owned()));
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(!format!("{:?}", client(settings)).contains("hunter2"));
}

#[test]
fn bad_settings_are_refused_with_a_way_out() {
    install_cryptography();
    let table = [
        ("prometheus:9090", "neither http nor https"),
        ("", "is not a url"),
        ("http://me:hunter2@prometheus:port", "is not a url"),
        ("http://me:hunter2@prometheus", "use bearer-token-file or basic-auth"),
        ("http://prometheus?a=b", "end it after the path"),
    ];
    for (url, words) in table {
        let fault = aviary_metrics::Prometheus::new(PrometheusSettings::at(url)).expect_err(url).to_string();
        assert!(fault.contains(words) && !fault.contains("hunter2"), "{fault}");
    }
    let mut settings = PrometheusSettings::at("https://prometheus");
    for (text, words) in
        [(None, "No such file"), (Some(""), "it has no certificate"), (Some("-----BEGIN"), "it has no certificate")]
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("ca.crt");
        if let Some(text) = text {
            fs::write(&file, text).expect("a file");
        }
        settings.tls.ca_file = Some(file);
        let fault = aviary_metrics::Prometheus::new(settings.clone()).expect_err("no authority").to_string();
        assert!(
            fault.contains(words) && fault.contains("ca.crt") && fault.contains("name a readable PEM file"),
            "{fault}"
        );
    }
}
