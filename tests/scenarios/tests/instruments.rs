//! The instruments of the scenarios tell the truth: what the outsider sees, and a Prometheus that misbehaves on demand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::catch_unwind;
use std::thread;

use scenarios::{Answering, Identity, Manifest, Outsider, Patience, Proxy, Story, cluster, wait_until};

/// Waits until so many pods are available, and no others are there.
fn wait_for(outsider: &Outsider, pods: u32) -> Story {
    let all = |story: &Story| story.moments.last().is_some_and(|last| last.available() == pods && last.pods() == pods);
    let look = || Some(outsider.story()).filter(all);
    wait_until(Patience::seconds(30), look).unwrap_or_else(|waited| panic!("not {pods} pods within {waited:?}"))
}

fn apply(manifest: &Manifest) {
    let arguments = ["apply", "-f", "-", "--namespace=instruments"];
    let output = cluster().kubectl(Identity::Ci, &arguments, Some(&manifest.text())).unwrap();
    assert!(output.success, "{}", output.stderr);
}

#[test]
fn the_outsider_sees_pods_start_and_capacity_lost() {
    cluster().create_namespace("instruments").unwrap();
    let outsider = Outsider::of("instruments");
    apply(&Manifest::new("worker:v1").replicas(3));
    let story = wait_for(&outsider, 3);
    assert_eq!(story.of_track("original").count(), 3);
    assert_eq!(story.of("foo").last().unwrap().replicas, 3);

    let since = std::time::Instant::now();
    apply(&Manifest::new("worker:v1").replicas(1));
    wait_for(&outsider, 1);
    apply(&Manifest::new("worker:v2").replicas(1));
    let look = || outsider.story_since(since).pods.values().any(|pod| pod.image == "worker:v2").then_some(());
    wait_until(Patience::seconds(30), look).unwrap();
    wait_for(&outsider, 1);
    let story = outsider.story_since(since);
    assert_eq!(story.started(since), 1);
    story.never_fewer_available_than(1);
    story.never_more_pods_than(3);
    assert!(catch_unwind(|| story.never_fewer_available_than(2)).is_err(), "one was left");
    assert!(catch_unwind(|| story.never_more_pods_than(2)).is_err(), "there were three");
}

/// What the proxy answers to a query.
fn ask(proxy: &Proxy) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(proxy.url().trim_start_matches("http://"))?;
    let head = "POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    stream.write_all(format!("{head}Content-Length: 7\r\n\r\nquery=1").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn the_proxy_misbehaves_on_demand() {
    let proxy = Proxy::before(&cluster().prometheus_url());
    assert!(ask(&proxy).unwrap().contains("\"scalar\""));
    for (answering, expected) in [(Answering::Failing, "HTTP/1.1 500"), (Answering::Empty, "\"result\":[]")] {
        proxy.set(answering);
        assert!(ask(&proxy).unwrap().contains(expected));
        assert_eq!(proxy.answered(), 1);
    }
    proxy.set(Answering::Refusing);
    let refused =
        || ask(&proxy).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused).then_some(());
    wait_until(Patience::seconds(5), refused).unwrap();
    proxy.set(Answering::Truly);
    wait_until(Patience::seconds(5), || ask(&proxy).ok().filter(|answer| answer.contains("\"scalar\""))).unwrap();
    // Many at a time, as several services ask.
    let askers: Vec<_> = (0..8).map(|_| proxy.clone()).map(|proxy| thread::spawn(move || ask(&proxy))).collect();
    assert!(askers.into_iter().all(|asker| asker.join().unwrap().unwrap().contains("200 OK")));
}
