//! Who kills the daemon, at moments that a seed chooses, and lets the control plane fail in between.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use scenarios::{Daemon, Patience, wait_until};

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
pub enum Aim {
    /// At any time.
    AnyTime,
    /// Right after a write of this kind was seen: before, within and after what follows it.
    After(Write),
    /// While it starts.
    WhileStarting,
}

/// Kills the daemon and starts it again.
#[derive(Debug)]
pub struct Killer<'a> {
    scene: &'a Scene,
    daemon: Daemon,
    random: fastrand::Rng,
    /// How long a daemon lives on average before it is aimed at.
    life: Duration,
    killed: Option<Instant>,
}

impl<'a> Killer<'a> {
    /// Of a daemon that runs.
    pub fn new(scene: &'a Scene, daemon: Daemon, seed: u64, life: Duration) -> Self {
        Self { scene, daemon, random: fastrand::Rng::with_seed(seed), life, killed: None }
    }

    /// Kills so often, with the trials spread evenly between; ends early when the run is over, or after `limit`.
    ///
    /// # Errors
    /// When the daemon does not work again.
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
            self.wait(aim)?;
            self.kill();
        }
        self.ready()
    }

    /// The daemon, which runs on.
    pub fn into_daemon(self) -> Daemon {
        self.daemon
    }

    fn aim(&mut self) -> Aim {
        match self.random.u32(..10) {
            0..3 => Aim::AnyTime,
            3..6 => Aim::After(Write::Record),
            6..9 => Aim::After(Write::Act),
            _ => Aim::WhileStarting,
        }
    }

    fn wait(&mut self, aim: Aim) -> Result<()> {
        if aim == Aim::WhileStarting {
            sleep(self.up_to(LONGEST_START));
            return Ok(());
        }
        self.ready()?;
        sleep(self.up_to(self.life * 2));
        if let Aim::After(write) = aim {
            // None comes while nothing is to be done; any time is as good then.
            let _seen = self.scene.ledger.next(write, WRITE_WITHIN);
            sleep(self.up_to(LONGEST_AIM));
        }
        Ok(())
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.random.f64())
    }

    fn kill(&mut self) {
        let (phases, last) = (self.scene.ledger.phases().into_values().collect(), self.scene.ledger.last());
        let struck = Instant::now();
        self.daemon.kill();
        let dead = Instant::now();
        sleep(AFTERMATH);
        let unheard = self.scene.ledger.since(dead).len();
        let last = last.map(|Heard { at, write, .. }| (write, struck - at));
        self.scene.killed(Blow { phases, last, unheard });
        self.daemon.start();
        self.killed = Some(dead);
    }

    fn ready(&mut self) -> Result<()> {
        self.wait_until_ready()?;
        if let Some(killed) = self.killed.take() {
            self.scene.recovered(Recovery::Kill(killed.elapsed()));
        }
        Ok(())
    }

    /// Waits until the daemon says that it is ready.
    fn wait_until_ready(&self) -> Result<()> {
        let says_so = || {
            let status = self.daemon.ask("status", None)?;
            (status["result"]["daemon"]["not_ready"].as_array()?.is_empty()).then_some(())
        };
        let patience = Patience { limit: WORKS_WITHIN, pause: Duration::from_millis(10) };
        wait_until(patience, says_so).map_err(|waited| anyhow::anyhow!("the daemon is not ready within {waited:?}"))
    }

    /// Lets the control plane fail, and waits until Aviary works again for every service.
    fn stand(&mut self, trial: Trial) -> Result<()> {
        self.ready()?;
        self.scene.say(&format!("-- {trial}"));
        let scene = self.scene;
        let nobody = (!trial.outage.leaves_the_api()).then(|| scene.nobody());
        scene.outages().begin();
        let over = trial.outage.happen(|| {
            if trial.kill {
                self.kill();
            }
        });
        scene.outages().end();
        drop(nobody);
        // What a daemon needs that starts during an outage is not what one needs that starts.
        self.killed = None;
        let over = over?;
        self.wait_until_ready()?;
        self.scene.recovered(Recovery::Sight(trial, over.elapsed()));
        self.scene.say(&format!("-- sees everything after {:.1} s", over.elapsed().as_secs_f64()));
        self.writes_again(trial, over)
    }

    fn writes_again(&mut self, trial: Trial, over: Instant) -> Result<()> {
        for namespace in self.scene.ledger.phases().into_keys() {
            let next = || {
                let heard = self.scene.ledger.since(over);
                heard.into_iter().filter(|heard| heard.namespace == namespace).map(|heard| heard.at).min()
            };
            let patience = Patience { limit: WORKS_WITHIN, pause: Duration::from_millis(20) };
            let next = wait_until(patience, next)
                .map_err(|waited| anyhow::anyhow!("nothing is written for {namespace} in {waited:?}"))?;
            self.scene.recovered(Recovery::Write(trial, next - over));
            self.scene.say(&format!("-- {namespace}: next write after {:.1} s", (next - over).as_secs_f64()));
        }
        Ok(())
    }
}
