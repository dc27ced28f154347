//! What policies cost here: start with the built-in ones, then calls of each, with small and large observations.
//!
//! `cargo run --release -p aviary-policy --example call-cost`

use std::time::{Duration, Instant};

use aviary_core::{
    judge::{
        Better, Change, MetricKind, MetricObservation, MetricStatus, Observation, PodObservation, Progress, Series,
        ServiceIdentity, Situation, Track, TrackSize,
    },
    time::Timestamp,
};
use aviary_policy::{Answer, Limits, Policies};
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_600_000;
const CALLS: usize = 500;

fn main() -> anyhow::Result<()> {
    let missing = Policies::missing_built_ins();
    anyhow::ensure!(missing.is_empty(), "not built in: {}; run `make policies`", missing.join(", "));
    let start = Instant::now();
    let policies = Policies::new(Limits::default())?;
    println!("start with {} built-in policies: {:?}", policies.list().len(), start.elapsed());

    let null = Value::Null;
    measure("image-change", || policies.classify("image-change", &change(), &null));
    measure("breakpoint", || policies.next("breakpoint", &situation(), &null));
    for (metrics, pods, samples) in [(1, 2, 5), (3, 50, 12), (3, 50, 60)] {
        let observation = observation(metrics, pods, samples);
        measure(&format!("threshold, {metrics} metrics x {pods} pods x {samples} samples"), || {
            policies.analyze("threshold", &observation, &null)
        });
        measure(&format!("health, {pods} pods"), || policies.analyze("health", &observation, &null));
    }
    Ok(())
}

fn measure<T>(what: &str, call: impl Fn() -> Answer<T>) {
    let mut times: Vec<Duration> = (0..CALLS).map(|_| timed(what, &call)).collect();
    times.sort();
    println!("{what}: p50 {:?}, p99 {:?}", times[CALLS / 2], times[CALLS * 99 / 100]);
}

fn timed<T>(what: &str, call: impl Fn() -> Answer<T>) -> Duration {
    let start = Instant::now();
    let answer = call();
    let time = start.elapsed();
    if let Err(trap) = answer.result {
        println!("{what}: the policy {trap}");
    }
    time
}

fn service() -> ServiceIdentity {
    ServiceIdentity { namespace: "shop".into(), name: "worker".into(), labels: vec![] }
}

fn change() -> Change {
    Change { service: service(), differences: vec![], images: vec![], replicas_before: 5, replicas_after: 5 }
}

fn situation() -> Situation {
    Situation { service: service(), progress: progress(), scalings: vec![], checks: vec![], resumed: None }
}

fn progress() -> Progress {
    Progress {
        rollout_id: "1".into(),
        now: Timestamp(NOW),
        started: Timestamp(NOW - 600_000),
        step_index: 1,
        step_started: Timestamp(NOW - 600_000),
        step_complete: Some(Timestamp(NOW - 500_000)),
        replicas: 5,
        canary: TrackSize { wanted: 1, ready: 1 },
        primary: TrackSize { wanted: 4, ready: 4 },
        break_point: 2,
        step: 1,
        warm_up: Duration::from_secs(60),
        warm_up_over: true,
        check_interval: Duration::from_secs(30),
        checks_in_step: 0,
        checks_in_all: 0,
    }
}

fn observation(metrics: usize, pods: usize, samples: i64) -> Observation {
    let track = |pod: usize| if pod == 0 { Track::Canary } else { Track::Primary };
    let series = |pod| Series {
        pod: Some(format!("worker-{pod}")),
        track: Some(track(pod)),
        labels: vec![("job".into(), "worker".into())],
        times: (0..samples).map(|sample| Timestamp(NOW - (samples - sample) * 5_000)).collect(),
        values: (0..samples).map(|sample| sample as f64).collect(),
    };
    let metric = |number| MetricObservation {
        name: format!("metric-{number}"),
        unit: "s".into(),
        kind: MetricKind::Gauge,
        better: Better::Lower,
        min: None,
        max: Some(100.0),
        window: Duration::from_secs(300),
        parameters: json!({}),
        status: MetricStatus::Samples,
        series: (0..pods).map(series).collect(),
        series_cut: 0,
    };
    let pod = |pod| PodObservation {
        name: format!("worker-{pod}"),
        track: track(pod),
        created: Timestamp(NOW - 600_000),
        became_ready: Some(Timestamp(NOW - 500_000)),
        ready: true,
        restart_count: 0,
        restarts: vec![],
        waiting_reason: None,
        waiting_message: None,
    };
    Observation {
        service: service(),
        progress: progress(),
        scalings: vec![],
        pods: (0..pods).map(pod).collect(),
        metrics: (0..metrics).map(metric).collect(),
    }
}
