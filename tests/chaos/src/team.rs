//! A team: releases one version of its service after the other, and looks whether each ends as it must.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use aviary_core::record::{Ending, PastRollout};
use local_cluster::Identity;
use scenarios::Place;

use crate::{
    capacity,
    ending::{Past, Standing},
    release::{Act, Deck, Release, Version},
    report::Done,
    scene::Scene,
};

/// A release ends within this time, and what outages take besides.
const ENDS_WITHIN: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A team and its service.
#[derive(Debug)]
pub struct Team<'a> {
    scene: &'a Scene,
    place: Place,
    deck: Deck,
    past: Past,
    released: usize,
}

impl<'a> Team<'a> {
    /// A team in a place of its own; a seed chooses what it does.
    pub fn new(scene: &'a Scene, place: Place, seed: u64) -> Self {
        let mut deck = Deck::new(seed);
        let (accepted, replicas) = deck.first();
        let past = Past { accepted, replicas, rollouts: Vec::new(), rejected: Vec::new() };
        Self { scene, place, deck, past, released: 0 }
    }

    /// Releases until the run is over; what is not as it must be is a violation.
    pub fn work(mut self) {
        let _end = self.scene.ends_with_this();
        if let Err(error) = self.adoption() {
            return self.violated("adoption", &error);
        }
        while !self.scene.is_over() {
            let release = self.deck.deal(&self.past.accepted, self.past.replicas);
            self.released += 1;
            if let Err(error) = self.release(&release) {
                return self.violated(&release.to_string(), &error);
            }
        }
        if let Err(error) = self.told_once() {
            self.violated("events", &error);
        }
        self.scene.report().gaps.extend(self.place.outsider.story().gaps);
    }

    /// Deploys the first version; Aviary takes the service into its care when it is complete.
    fn adoption(&mut self) -> Result<()> {
        let adoption = Release::adoption(&self.past.accepted, self.past.replicas);
        self.apply(&adoption.accepted, Some(adoption.replicas))?;
        let complete = || {
            let available = self.place.get("deployment", "foo")["status"]["availableReplicas"].as_u64();
            let adopted = self.scene.ledger.record(&self.place.namespace).map(drop);
            adopted.or((available == Some(u64::from(adoption.replicas))).then_some(()))
        };
        self.patiently(complete).context("the first pods do not come")?;
        self.settle(&adoption, Instant::now()).map(drop)
    }

    fn violated(&self, what: &str, error: &anyhow::Error) {
        self.scene.violated(&format!("{} #{} {what}: {error:#}", self.place.namespace, self.released));
    }

    fn release(&mut self, release: &Release) -> Result<()> {
        let (begun, kills) = (Instant::now(), self.scene.kills());
        for act in &release.acts {
            match act {
                Act::Apply(version, replicas) => self.apply(version, *replicas)?,
                Act::AwaitRollout(version, thought) => self.await_rollout(version, *thought)?,
                Act::Scale(replicas) => self.scale(*replicas)?,
            }
        }
        let words = self.settle(release, begun)?;
        let (name, number, took) = (&self.place.namespace, self.released, begun.elapsed().as_secs_f64());
        let kills = self.scene.kills() - kills;
        self.scene.say(&format!("{name} #{number} {release}: {words} in {took:.1} s, {kills} kills"));
        Ok(())
    }

    fn apply(&self, version: &Version, replicas: Option<u32>) -> Result<()> {
        let manifest = replicas.into_iter().fold(version.manifest(), |manifest, replicas| manifest.replicas(replicas));
        self.ci(&["apply", "-f", "-"], Some(&manifest.text()))
    }

    fn scale(&self, replicas: u32) -> Result<()> {
        self.ci(&["scale", "deployment", "foo", &format!("--replicas={replicas}")], None)
    }

    fn ci(&self, arguments: &[&str], stdin: Option<&str>) -> Result<()> {
        let _no_outage = self.scene.people();
        self.place.kubectl(Identity::Ci, arguments, stdin).checked().map(drop)
    }

    fn await_rollout(&self, version: &Version, thought: Duration) -> Result<()> {
        let begun = || {
            let record = self.scene.ledger.record(&self.place.namespace)?;
            let digest = version.spec(&record.accepted.value()).digest();
            let under_way = record.rollout().is_some_and(|rollout| rollout.digest == digest);
            (under_way || !self.past.new_rollouts(&record).is_empty()).then_some(())
        };
        self.patiently(begun).with_context(|| format!("the rollout of {} does not begin", version.image))?;
        sleep(thought);
        Ok(())
    }

    /// Waits until the service stands as it must after `release`, and looks back; gives how its rollouts ended.
    fn settle(&mut self, release: &Release, begun: Instant) -> Result<String> {
        let mut last = String::new();
        let stands = || {
            let settled = self.stands(release);
            settled.map_err(|error| last = error).ok()
        };
        let Some((standing, new)) = self.patiently(stands) else { bail!("it does not end as it must: {last}") };
        let story = self.place.outsider.story_since(begun);
        let outage = self.scene.outages().since(begun);
        let held = capacity::check(&story, &self.past, release, outage).map_err(anyhow::Error::msg)?;
        self.past.rejected = standing.rejected(&self.past, &new, release);
        let endings: Vec<Ending> = new.iter().map(|rollout| rollout.ending).collect();
        self.past.rollouts.extend(new);
        (self.past.accepted, self.past.replicas) = (release.accepted.clone(), release.replicas);
        let done = Done { kind: release.kind, endings, held };
        let words = done.words();
        self.scene.done(done);
        Ok(words)
    }

    fn stands(&self, release: &Release) -> Result<(Standing, Vec<PastRollout>), String> {
        let standing = Standing::of(&self.place)?;
        let new = standing.after(&self.past, release)?;
        Ok((standing, new))
    }

    /// Waits for as long as a release may take; an outage does not count.
    fn patiently<T>(&self, mut so: impl FnMut() -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        loop {
            let no_outage = self.scene.people();
            let found = so();
            drop(no_outage);
            let late = begun.elapsed() > ENDS_WITHIN + self.scene.outages().since(begun);
            if found.is_some() || late {
                return found;
            }
            sleep(LOOK_EVERY);
        }
    }

    /// No ending is told twice; one that was stored just before a kill may not be told at all.
    fn told_once(&self) -> Result<()> {
        let told =
            [("Promoted", Ending::Promoted), ("RolledBack", Ending::RolledBack), ("Superseded", Ending::Superseded)];
        for (reason, ending) in told {
            let events = self.place.events_of("foo", reason).len();
            let endings = self.past.rollouts.iter().filter(|rollout| rollout.ending == ending).count();
            ensure!(events <= endings, "{events} events {reason}, but {endings} rollouts ended so");
            self.scene.report().told(ending, events);
        }
        Ok(())
    }
}
