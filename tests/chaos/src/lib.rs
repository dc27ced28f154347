//! Crash for real: services are released again and again, well and badly, on a real control plane, while the daemon is killed
//! at any time and parts of the control plane fail. Every release must end as it would have, capacity must be held, and
//! nothing may be lost; an outsider who has nothing to do with the daemon sees to that.
//!
//! A seed chooses what is released, and when it is killed. Two runs of a seed do the same things, but not at the same times.

#![allow(clippy::unwrap_used, reason = "all of it is a test's, which may panic")]

mod capacity;
mod ending;
mod killer;
mod ledger;
mod outage;
mod release;
mod report;
mod scene;
mod team;

use std::{fs, path::Path, process::exit, sync::mpsc::channel, thread, time::Duration};

use anyhow::Result;
use local_cluster::{Process, stop_signals};
use scenarios::{Configuration, Daemon, Outsider, Place, cluster};

use crate::{killer::Killer, scene::Scene, team::Team};
pub use crate::{
    outage::{Outage, Trial},
    report::Report,
};

const LEASE: &str = "5s";
/// As a shell has it for what Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// What to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Chooses everything.
    pub seed: u64,
    /// How often the daemon is killed, besides kills within outages.
    pub kills: usize,
    /// Daemons that compete for the lease.
    pub daemons: usize,
    /// Services that are released beside each other.
    pub services: usize,
    /// How long a daemon lives on average before it is aimed at.
    pub life: Duration,
    /// What happens to the control plane, spread evenly between the kills.
    pub trials: Vec<Trial>,
    /// When to end at the latest, but for releases under way.
    pub limit: Duration,
}

impl Settings {
    fn all_kills(&self) -> usize {
        self.kills + self.trials.iter().filter(|trial| trial.kill).count()
    }
}

/// Does it, on a cluster of its own, and tells how it went; each release as it ends, on stdout.
///
/// # Errors
/// When it cannot be begun, or what must be kept cannot be written.
pub fn run(settings: &Settings) -> Result<Report> {
    let scene = Scene::new(Report::new(settings.seed, settings.all_kills()));
    let (sender, told) = channel();
    let place = |number: usize| {
        Place::new(&format!("shop-{number}"), |namespace| Outsider::through_outages(namespace, sender.clone()))
    };
    let places: Vec<Place> = (1..=settings.services).map(place).collect();
    drop(sender);
    let folder = tempfile::Builder::new().prefix("aviary-chaos-").tempdir()?;
    leave_when_asked(folder.path())?;
    let text = configuration(&places);
    let daemon = |number: usize| Daemon::new(&folder.path().join(number.to_string()), &places[0].namespace, &text);
    let daemons = (1..=settings.daemons).map(daemon).collect();
    let logs = thread::scope(|threads| {
        let ledger = &scene.ledger;
        threads.spawn(move || ledger.follow(told));
        let teams = (1..).zip(places).map(|(number, place)| {
            let team = Team::new(&scene, place, settings.seed.wrapping_mul(1000).wrapping_add(number));
            threads.spawn(|| team.work())
        });
        let teams: Vec<_> = teams.collect();
        let daemons = kill(&scene, daemons, settings);
        let panicked = teams.into_iter().filter_map(|team| team.join().err()).count();
        (0..panicked).for_each(|_| scene.violated("a team panicked"));
        daemons.iter().map(Daemon::log).collect::<Vec<_>>()
    });
    let report = scene.into_report();
    keep(&logs, &report)?;
    Ok(report)
}

/// Who asks it to stop waits for no release: daemons and cluster end with this process, and the folder goes here.
fn leave_when_asked(folder: &Path) -> Result<()> {
    let (asked, folder) = (stop_signals()?, folder.to_owned());
    thread::spawn(move || {
        if asked.recv().is_ok() {
            // Again where a daemon has just put something into it.
            let _removed = (0..10).any(|_| fs::remove_dir_all(&folder).is_ok());
            exit(INTERRUPTED);
        }
    });
    Ok(())
}

/// Starts the daemons and kills them again and again; gives those that run in the end.
fn kill(scene: &Scene, mut daemons: Vec<Daemon>, settings: &Settings) -> Vec<Daemon> {
    let _end = scene.ends_with_this();
    daemons.iter_mut().for_each(Daemon::start);
    let mut killer = Killer::new(scene, daemons, settings.seed, settings.life);
    if let Err(error) = killer.work(settings.kills, &settings.trials, settings.limit) {
        scene.violated(&format!("{error:#}"));
    }
    killer.into_daemons()
}

/// Short times, as the scenarios have, and the shortest lease, but a deadline that no outage outlasts.
fn configuration(places: &[Place]) -> String {
    let namespaces: Vec<&str> = places.iter().map(|place| place.namespace.as_str()).collect();
    Configuration::default().lease(LEASE).with("passes", 1).with("ready-deadline", "5m").text_of(&namespaces)
}

/// Keeps what helps to understand what happened.
fn keep(logs: &[String], report: &Report) -> Result<()> {
    let folder = scenarios::target().join(format!("chaos-{}", report.seed));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("report.txt"), report.to_string())?;
    for (number, log) in (1..).zip(logs) {
        fs::write(folder.join(format!("aviary-{number}.log")), log)?;
    }
    for process in Process::ALL {
        // One that never ran has none.
        let _copied = fs::copy(cluster().log(process), folder.join(format!("{process}.log")));
    }
    println!("logs are kept in {}", folder.display());
    Ok(())
}
