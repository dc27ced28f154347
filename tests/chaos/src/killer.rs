//! Who kills daemons, at moments that a seed chooses, and lets the control plane fail in between.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use scenarios::{Daemon, Patience, wait_until};
use serde_json::Value;

use crate::{
    ledger::{Heard, Write},
    outage::Trial,
    report::{Blow, Recovery},
    scene::Scene,
};

/// A daemon is ready within this time, and works again after an outage.
const WORKS_WITHIN: Duration = Duration::from_secs(120);
/// As long as it takes from a write that was seen until the next one is under way, and somewhat longer.
const LONGEST_AIM: Duration = Duration::from_millis(15);
/// As long as a start takes.
const LONGEST_START: Duration = Duration::from_millis(800);
/// So long a write that is aimed at is waited for.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// A write of the dead daemon that the API server has taken is seen by then.
const AFTERMATH: Duration = Duration::from_millis(100);

/// When to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// At any time.
    AnyTime,
    /// Right after a write of this kind was seen: before, within and after what follows it.
    After(Write),
    /// While it starts.
    WhileStarting,
}

/// Kills daemons and starts them again.
#[derive(Debug)]
pub struct Killer<'a> {
    scene: &'a Scene,
    daemons: Vec<Daemon>,
    random: fastrand::Rng,
    /// How long a daemon lives on average before it is aimed at.
    life: Duration,
    /// Which one was started last, and when it was killed before.
    started: (usize, Option<Instant>),
}

impl<'a> Killer<'a> {
    /// Of daemons that run.
    pub fn new(scene: &'a Scene, daemons: Vec<Daemon>, seed: u64, life: Duration) -> Self {
        Self { scene, daemons, random: fastrand::Rng::with_seed(seed), life, started: (0, None) }
    }

    /// Kills so often, with the trials spread evenly between; ends early when the run is over, or after `limit`.
    ///
    /// # Errors
    /// When a daemon does not work again.
    pub fn work(&mut self, kills: usize, trials: &[Trial], limit: Duration) -> Result<()> {
        for number in 0..kills {
            if self.scene.is_over() || self.scene.elapsed() > limit {
                return Ok(());
            }
            let due = |index: usize| (index + 1) * kills / (trials.len() + 1) == number;
            for (_, trial) in trials.iter().enumerate().filter(|(index, _)| due(*index)) {
                self.stand(*trial).with_context(|| trial.to_string())?;
            }
            let aim = self.aim();
            let victim = self.wait(aim)?;
            self.kill(victim)?;
        }
        self.ready()
    }

    /// The daemons, which run on.
    pub fn into_daemons(self) -> Vec<Daemon> {
        self.daemons
    }

    fn aim(&mut self) -> Aim {
        match self.random.u32(..10) {
            0..3 => Aim::AnyTime,
            3..6 => Aim::After(Write::Record),
            6..9 => Aim::After(Write::Act),
            _ => Aim::WhileStarting,
        }
    }

    /// Waits for the moment; gives who is to be killed: mostly the one that acts.
    fn wait(&mut self, aim: Aim) -> Result<usize> {
        if aim == Aim::WhileStarting {
            sleep(self.up_to(LONGEST_START));
            return Ok(self.started.0);
        }
        self.ready()?;
        sleep(self.up_to(self.life * 2));
        let any = self.random.usize(..self.daemons.len());
        let victim = if self.random.u32(..4) == 0 { any } else { self.holder().unwrap_or(any) };
        if let Aim::After(write) = aim {
            // None comes while nothing is to be done; any time is as good then.
            let _seen = self.scene.ledger.next(write, WRITE_WITHIN);
            sleep(self.up_to(LONGEST_AIM));
        }
        Ok(victim)
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.random.f64())
    }

    /// Kills it and starts it again: at once, or when another one has taken over.
    fn kill(&mut self, victim: usize) -> Result<()> {
        let others = self.daemons.len() > 1 && self.random.bool() && self.holder() == Some(victim);
        let dead = self.strike(victim);
        if others {
            let another = || self.holder().filter(|holder| *holder != victim);
            let taken = wait_until(patience(), another);
            taken.map_err(|waited| anyhow!("no other daemon has the lease within {waited:?}"))?;
            self.scene.recovered(Recovery::Takeover(dead.elapsed()));
        }
        self.daemons[victim].start();
        self.started = (victim, (!others).then_some(dead));
        Ok(())
    }

    fn strike(&mut self, victim: usize) -> Instant {
        let (phases, last) = (self.scene.ledger.phases().into_values().collect(), self.scene.ledger.last());
        let struck = Instant::now();
        self.daemons[victim].kill();
        let dead = Instant::now();
        sleep(AFTERMATH);
        let unheard = self.scene.ledger.since(dead).len();
        let last = last.map(|Heard { at, write, .. }| (write, struck - at));
        self.scene.killed(Blow { phases, last, unheard });
        dead
    }

    /// The daemon that has the lease, by its own word.
    fn holder(&self) -> Option<usize> {
        self.daemons.iter().position(|daemon| status(daemon)["lease"]["state"] == "held")
    }

    fn ready(&mut self) -> Result<()> {
        self.wait_until_ready()?;
        if let Some(killed) = self.started.1.take() {
            self.scene.recovered(Recovery::Kill(killed.elapsed()));
        }
        Ok(())
    }

    /// Waits until each daemon says that it is ready, and one that it has the lease.
    fn wait_until_ready(&self) -> Result<()> {
        let is_ready = |daemon| status(daemon)["not_ready"].as_array().is_some_and(Vec::is_empty);
        let ready = || (self.daemons.iter().all(is_ready) && self.holder().is_some()).then_some(());
        wait_until(patience(), ready).map_err(|waited| anyhow!("the daemons are not ready within {waited:?}"))
    }

    /// Lets something fail, and waits until Aviary works again for every service.
    fn stand(&mut self, trial: Trial) -> Result<()> {
        self.ready()?;
        self.scene.say(&format!("-- {trial}"));
        let scene = self.scene;
        let nobody = (!trial.outage.leaves_the_api()).then(|| scene.nobody());
        scene.outages().begin();
        let over = self.endure(trial);
        scene.outages().end();
        drop(nobody);
        let over = over?;
        self.wait_until_ready()?;
        scene.recovered(Recovery::Sight(trial, over.elapsed()));
        scene.say(&format!("-- everything is seen after {:.1} s", over.elapsed().as_secs_f64()));
        self.writes_again(trial, over)
    }

    /// From beginning to end; gives when that was.
    fn endure(&mut self, trial: Trial) -> Result<Instant> {
        let holder = self.holder().context("no daemon has the lease")?;
        let half = trial.outage.duration() / 2;
        trial.outage.begin(&self.daemons[holder])?;
        sleep(half);
        if trial.kill {
            // Where the holder stands still, the one that has taken over dies.
            let victim = if trial.outage.stops_the_holder() { (holder + 1) % self.daemons.len() } else { holder };
            self.strike(victim);
            self.daemons[victim].start();
        }
        sleep(half);
        trial.outage.end(&self.daemons[holder])?;
        // What a daemon needs that starts during an outage is not what one needs that starts.
        self.started.1 = None;
        Ok(Instant::now())
    }

    fn writes_again(&mut self, trial: Trial, over: Instant) -> Result<()> {
        for namespace in self.scene.ledger.phases().into_keys() {
            let next = || {
                let heard = self.scene.ledger.since(over);
                heard.into_iter().filter(|heard| heard.namespace == namespace).map(|heard| heard.at).min()
            };
            let next = wait_until(patience(), next)
                .map_err(|waited| anyhow!("nothing is written for {namespace} in {waited:?}"))?;
            self.scene.recovered(Recovery::Write(trial, next - over));
            self.scene.say(&format!("-- {namespace}: next write after {:.1} s", (next - over).as_secs_f64()));
        }
        Ok(())
    }
}

fn patience() -> Patience {
    Patience { limit: WORKS_WITHIN, pause: Duration::from_millis(10) }
}

/// What a daemon says of itself; null while it does not answer.
fn status(daemon: &Daemon) -> Value {
    daemon.ask("status", None).map(|answer| answer["result"]["daemon"].clone()).unwrap_or_default()
}
