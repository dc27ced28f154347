//! `make chaos`: what is asked for on the command line, and how it went.

use std::{process::ExitCode, time::Duration};

use chaos::{Outage, Settings, Trial};
use clap::{CommandFactory as _, Parser, ValueEnum, error::ErrorKind};

/// Until the cluster is there, and something to spare.
const START: Duration = Duration::from_secs(30);
/// What a kill takes besides a life: until a write comes that it is aimed at, and until all daemons are ready again or another
/// one has the lease. It was 3 to 4 s in runs of 200.
const KILL: Duration = Duration::from_secs(5);
/// Releases do not get on where daemons live shorter, on average.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// Kills the daemon while services are released, and lets the control plane fail, on a cluster of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often the daemon is killed.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    kills: u32,
    /// Chooses what is released, and when it is killed; a new one each time if not given.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How long it may take, but for the releases that are under way then.
    #[arg(long, value_name = "NUMBER", default_value_t = 30)]
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
    fn settings(&self) -> Result<Settings, String> {
        let trials = trials(self.outages.as_deref().unwrap_or(Named::value_variants()));
        Ok(Settings {
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..100_000)),
            kills: self.kills as usize,
            daemons: self.daemons,
            services: self.services,
            life: self.life(&trials)?,
            trials,
            limit: self.limit(),
        })
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(60) * self.minutes
    }

    /// What all else leaves of the time, shared between the kills.
    fn life(&self, trials: &[Trial]) -> Result<Duration, String> {
        let outages: Duration = trials.iter().map(|trial| trial.outage.takes()).sum();
        let besides = START + outages + KILL * self.kills;
        let least = besides + SHORTEST_LIFE * self.kills;
        if self.limit() < least {
            let (kills, outages, minutes) = (self.kills, trials.len(), least.as_secs().div_ceil(60));
            return Err(format!(
                "{kills} kills and {outages} outages take {minutes} minutes at least: raise --minutes, or ask for less"
            ));
        }
        Ok((self.limit() - besides) / self.kills)
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
    let refuse = |why| Arguments::command().error(ErrorKind::ValueValidation, why).exit();
    let settings = Arguments::parse().settings().unwrap_or_else(refuse);
    println!(
        "seed {}: {} kills, {} daemons that live for {:.1} s on average, {} services",
        settings.seed,
        settings.kills,
        settings.daemons,
        settings.life.as_secs_f64(),
        settings.services
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &str) -> Result<Settings, String> {
        Arguments::try_parse_from(["chaos"].into_iter().chain(arguments.split_whitespace())).unwrap().settings()
    }

    #[test]
    fn what_cannot_end_in_time_is_refused_with_the_time_that_it_takes() {
        // Start, outages with what follows, then kills.
        for (arguments, seconds) in [
            ("--kills 7 --outages", 30 + 7 * 6),
            ("--kills 5 --outages restart", 30 + 2 * 50 + 5 * 6),
            ("--kills 20", 30 + 2 * (45 + 50 + 20 + 20) + 20 * 6),
            ("", 30 + 2 * (45 + 50 + 20 + 20) + 200 * 6),
        ] {
            let minutes = u64::div_ceil(seconds, 60);
            let least = settings(&format!("{arguments} --minutes {minutes}")).unwrap();
            assert!((SHORTEST_LIFE..SHORTEST_LIFE + Duration::from_secs(60) / 5).contains(&least.life), "{least:?}");
            let refused = settings(&format!("{arguments} --minutes {}", minutes - 1)).unwrap_err();
            assert!(refused.contains(&format!(" take {minutes} minutes at least")), "{refused}");
        }
    }

    #[test]
    fn what_is_advertised_can_end_in_time() {
        settings("").unwrap();
        let mut tried = 0;
        for text in [include_str!("../../../README.md"), include_str!("../../../Makefile")] {
            for example in text.split("CHAOS=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                settings(example).unwrap_or_else(|why| panic!("{example}: {why}"));
                tried += 1;
            }
        }
        assert!(tried >= 3, "{tried} examples");
    }
}
