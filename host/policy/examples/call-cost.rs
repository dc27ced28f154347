//! What policies cost here: start with the built-in ones, then calls of each, with small and large observations.
//!
//! `cargo run --release -p aviary-policy --example call-cost`

use std::time::{Duration, Instant};

use aviary_policy::{
    Answer, Limits, Policies,
    typical::{self, Size},
};
use serde_json::Value;

const CALLS: usize = 500;

fn main() -> anyhow::Result<()> {
    let missing = Policies::missing_built_ins();
    anyhow::ensure!(missing.is_empty(), "not built in: {}; run `make policies`", missing.join(", "));
    let start = Instant::now();
    let policies = Policies::new(Limits::default())?;
    println!("start with {} built-in policies: {:?}", policies.list().len(), start.elapsed());

    let null = Value::Null;
    measure("image-change", || policies.classify("image-change", &typical::change(), &null));
    measure("breakpoint", || policies.next("breakpoint", &typical::situation(), &null));
    for (metrics, pods, samples) in [(1, 2, 5), (3, 50, 12), (3, 50, 60)] {
        let observation = typical::observation(Size { metrics, pods, samples });
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
    let answer = call();
    if let Err(trap) = answer.result {
        println!("{what}: the policy {trap}");
    }
    answer.spent.time
}
