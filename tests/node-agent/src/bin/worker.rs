//! A queue worker to roll out: it pretends to consume events, serves its metrics, and fails in the ways it is told to.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::exit,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use clap::Parser;
use jiff::SignedDuration;
use node_agent::worker::{Behaviour, phase_of};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};

/// A queue worker that can be told how to fail.
#[derive(Debug, Parser)]
struct Arguments {
    /// The version it says it is.
    #[arg(long, env = "VERSION", default_value = "v1")]
    label: String,
    /// Where it listens.
    #[arg(long, env = "POD_IP", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    address: IpAddr,
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Events per second.
    #[arg(long, env = "RATE", default_value_t = 50.0)]
    rate: f64,
    /// Errors per event, 0 to 1.
    #[arg(long, env = "ERROR_RATE", default_value_t = 0.002)]
    error_rate: f64,
    /// Errors begin only then.
    #[arg(long, env = "ERRORS_AFTER", default_value = "0s")]
    errors_after: SignedDuration,
    /// How far behind it says it is, in seconds.
    #[arg(long, env = "LAG", default_value_t = 0.5)]
    lag: f64,
    /// Mean time that an event takes, in seconds.
    #[arg(long, env = "EVENT_SECONDS", default_value_t = 0.02)]
    event_seconds: f64,
    /// Ready only then.
    #[arg(long, env = "READY_AFTER", default_value = "0s")]
    ready_after: SignedDuration,
    #[arg(long, env = "NEVER_READY")]
    never_ready: bool,
    /// Does not serve /metrics.
    #[arg(long, env = "NO_METRICS")]
    no_metrics: bool,
    /// Goes on when it is asked to stop.
    #[arg(long, env = "IGNORE_SIGTERM")]
    ignore_sigterm: bool,
    /// Exits by itself so long after its start.
    #[arg(long, env = "EXIT_AFTER")]
    exit_after: Option<SignedDuration>,
    /// The code it exits with by itself.
    #[arg(long, env = "EXIT_CODE", default_value_t = 1)]
    exit_code: i32,
    /// The pod's name: each pod's rate swings a little in a way of its own.
    #[arg(long, env = "HOSTNAME", default_value = "")]
    name: String,
}

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
    let leave = arguments.exit_after.map(duration).transpose()?;
    tokio::select! {
        result = axum::serve(listener, routes.with_state(worker)) => result.context("cannot serve"),
        () = asked_to_stop(&mut terminate, arguments.ignore_sigterm) => Ok(()),
        () = after(leave) => exit(arguments.exit_code),
    }
}

impl Worker {
    fn new(arguments: &Arguments) -> Result<Self> {
        anyhow::ensure!(arguments.event_seconds > 0.0, "--event-seconds must be above 0");
        anyhow::ensure!((0.0..=1.0).contains(&arguments.error_rate), "--error-rate must be from 0 to 1");
        let behaviour = Behaviour {
            label: arguments.label.clone(),
            rate: arguments.rate,
            error_rate: arguments.error_rate,
            errors_after: duration(arguments.errors_after)?,
            ready_after: duration(arguments.ready_after)?,
            never_ready: arguments.never_ready,
            lag: arguments.lag,
            event_seconds: arguments.event_seconds,
            phase: phase_of(&arguments.name),
        };
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

fn duration(time: SignedDuration) -> Result<Duration> {
    Duration::try_from(time).with_context(|| format!("{time} is not a time to wait: it must be 0 or more"))
}
