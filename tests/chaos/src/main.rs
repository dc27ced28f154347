//! `make chaos`: what is asked for on the command line, and how it went.

use std::{process::ExitCode, time::Duration};

use chaos::{Outage, Settings, Trial};
use clap::{Parser, ValueEnum};

/// Of the time that a run may take, so much is life of the daemon; the rest are starts, outages and the last releases.
const SHARE_OF_LIFE: f64 = 0.45;

/// Kills the daemon while services are released, and lets the control plane fail, on a cluster of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often the daemon is killed.
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    kills: usize,
    /// Chooses what is released, and when it is killed; a new one each time if not given.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How long it may take, but for the releases that are under way then.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    minutes: u32,
    /// Daemons that compete for the lease; mostly the one that has it is killed.
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    daemons: usize,
    /// Services that are released beside each other.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    services: usize,
    /// How the control plane fails, each alone and then with a kill in the middle; all if none is named.
    #[arg(long, value_enum, value_name = "OUTAGE", num_args = 0..)]
    outages: Option<Vec<Named>>,
}

/// An outage with its length.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Named {
    /// The API server stands still for 40 s.
    Freeze,
    /// The API server is killed, and started again after 10 s.
    Restart,
    /// No controller manager runs for 15 s.
    NoControllers,
    /// The daemon that has the lease stands still for 15 s, and has lost it when it goes on.
    Holder,
}

impl Arguments {
    fn settings(&self) -> Settings {
        let limit = Duration::from_secs(60) * self.minutes;
        let seconds = limit.as_secs_f64() * SHARE_OF_LIFE / self.kills.max(1) as f64;
        Settings {
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..100_000)),
            kills: self.kills,
            daemons: self.daemons,
            services: self.services,
            life: Duration::from_secs_f64(seconds),
            trials: trials(self.outages.as_deref().unwrap_or(Named::value_variants())),
            limit,
        }
    }
}

impl Named {
    fn outage(self) -> Outage {
        match self {
            Self::Freeze => Outage::Freeze(Duration::from_secs(40)),
            Self::Restart => Outage::Restart(Duration::from_secs(10)),
            Self::NoControllers => Outage::NoControllers(Duration::from_secs(15)),
            Self::Holder => Outage::Holder(Duration::from_secs(15)),
        }
    }
}

/// All outages alone, then all with a kill in the middle.
fn trials(outages: &[Named]) -> Vec<Trial> {
    let trial = |kill| outages.iter().map(move |named| Trial { outage: named.outage(), kill });
    [false, true].into_iter().flat_map(trial).collect()
}

fn main() -> ExitCode {
    let settings = Arguments::parse().settings();
    println!(
        "seed {}: {} kills, {} daemons, {} services",
        settings.seed, settings.kills, settings.daemons, settings.services
    );
    match chaos::run(&settings) {
        Ok(report) => {
            println!("\n{report}");
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}
