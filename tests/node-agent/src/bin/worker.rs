//! A queue worker to roll out: it pretends to consume events, serves its metrics, and fails in the ways it is told to.

use std::{
    process::exit,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use clap::Parser;
use node_agent::{arguments::Arguments, worker::Behaviour};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};

struct Worker {
    behaviour: Behaviour,
    since: Instant,
    started: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let worker = Arc::new(Worker::new(&arguments)?);
    let listener = TcpListener::bind((arguments.address, arguments.port))
        .await
        .with_context(|| format!("cannot listen on {}:{}", arguments.address, arguments.port))?;
    let mut routes = Router::new().route("/healthz", get(|| async { "ok" })).route("/ready", get(ready));
    if !arguments.no_metrics {
        routes = routes.route("/metrics", get(metrics));
    }
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let leave = arguments.leaves()?;
    tokio::select! {
        result = axum::serve(listener, routes.with_state(worker)) => result.context("cannot serve"),
        () = asked_to_stop(&mut terminate, arguments.ignore_sigterm) => Ok(()),
        () = after(leave) => exit(arguments.exit_code),
    }
}

impl Worker {
    fn new(arguments: &Arguments) -> Result<Self> {
        let behaviour = arguments.behaviour()?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        Ok(Self { behaviour, since: Instant::now(), started })
    }
}

async fn ready(State(worker): State<Arc<Worker>>) -> StatusCode {
    match worker.behaviour.is_ready(worker.since.elapsed()) {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn metrics(State(worker): State<Arc<Worker>>) -> String {
    worker.behaviour.exposition(worker.since.elapsed(), worker.started)
}

async fn asked_to_stop(terminate: &mut tokio::signal::unix::Signal, ignore: bool) {
    loop {
        terminate.recv().await;
        if !ignore {
            return;
        }
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}
