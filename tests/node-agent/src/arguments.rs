//! The command line of the worker, for the program and for whoever wants to know what it would do.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Parser;
use jiff::SignedDuration;

use crate::worker::{Behaviour, phase_of};

/// A queue worker that can be told how to fail.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// The version it says it is.
    #[arg(long, env = "VERSION", default_value = "v1")]
    pub label: String,
    /// Where it listens.
    #[arg(long, env = "POD_IP", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub address: IpAddr,
    /// The port there.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Events per second.
    #[arg(long, env = "RATE", default_value_t = 50.0)]
    pub rate: f64,
    /// Errors per event, 0 to 1.
    #[arg(long, env = "ERROR_RATE", default_value_t = 0.002)]
    pub error_rate: f64,
    /// Errors begin only then.
    #[arg(long, env = "ERRORS_AFTER", default_value = "0s")]
    pub errors_after: SignedDuration,
    /// How far behind it says it is, in seconds.
    #[arg(long, env = "LAG", default_value_t = 0.5)]
    pub lag: f64,
    /// Mean time that an event takes, in seconds.
    #[arg(long, env = "EVENT_SECONDS", default_value_t = 0.02)]
    pub event_seconds: f64,
    /// Ready only then.
    #[arg(long, env = "READY_AFTER", default_value = "0s")]
    pub ready_after: SignedDuration,
    /// Never ready, and consuming nothing.
    #[arg(long, env = "NEVER_READY")]
    pub never_ready: bool,
    /// Does not serve /metrics.
    #[arg(long, env = "NO_METRICS")]
    pub no_metrics: bool,
    /// Goes on when it is asked to stop.
    #[arg(long, env = "IGNORE_SIGTERM")]
    pub ignore_sigterm: bool,
    /// Exits by itself so long after its start.
    #[arg(long, env = "EXIT_AFTER")]
    pub exit_after: Option<SignedDuration>,
    /// The code it exits with by itself.
    #[arg(long, env = "EXIT_CODE", default_value_t = 1)]
    pub exit_code: i32,
    /// The pod's name: each pod's rate swings a little in a way of its own.
    #[arg(long, env = "HOSTNAME", default_value = "")]
    pub name: String,
}

impl Arguments {
    /// What a worker with these arguments does.
    ///
    /// # Errors
    /// A share that is none, or a time that is negative.
    pub fn behaviour(&self) -> Result<Behaviour> {
        anyhow::ensure!(self.event_seconds > 0.0, "--event-seconds must be above 0");
        anyhow::ensure!((0.0..=1.0).contains(&self.error_rate), "--error-rate must be from 0 to 1");
        Ok(Behaviour {
            label: self.label.clone(),
            rate: self.rate,
            error_rate: self.error_rate,
            errors_after: duration(self.errors_after)?,
            ready_after: duration(self.ready_after)?,
            never_ready: self.never_ready,
            lag: self.lag,
            event_seconds: self.event_seconds,
            phase: phase_of(&self.name),
        })
    }

    /// How long after its start it exits by itself, if it does.
    ///
    /// # Errors
    /// A time that is negative.
    pub fn leaves(&self) -> Result<Option<Duration>> {
        self.exit_after.map(duration).transpose()
    }
}

fn duration(time: SignedDuration) -> Result<Duration> {
    Duration::try_from(time).with_context(|| format!("{time} is not a time to wait: it must be 0 or more"))
}
