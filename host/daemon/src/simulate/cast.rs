//! Who plays what: which pods of the cluster behave how, and Prometheus, who sees them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aviary_core::{judge::Track, time::Timestamp};
use aviary_metrics::{Asked, StandIn};
use aviary_simulation::{
    cluster::{Fate, Fates, NewPod, Pod},
    face::Face,
    metrics::{Chance, Per, Scraper, Seen, Wanted},
};

use super::{
    release::{Behaviour, Release},
    written::Version,
};
use crate::clock::Clock;

/// How much sooner or later a pod may be ready than it should be, as a share.
const READY_VARIES: f64 = 0.2;

/// How each pod behaves, by its name, as they are born.
#[derive(Debug, Clone, Default)]
pub struct Born(Arc<Mutex<BTreeMap<String, Arc<Behaviour>>>>);

impl Born {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Behaviour>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives pods their fates.
#[derive(Debug)]
pub struct Casting {
    release: Arc<Release>,
    born: Born,
    chance: Chance,
    /// How many pods were bad so far.
    bad: u32,
}

impl Casting {
    /// For a release; what it decides shows in `born`.
    pub const fn new(release: Arc<Release>, born: Born, chance: Chance) -> Self {
        Self { release, born, chance, bad: 0 }
    }

    fn behaviour(&mut self, pod: &NewPod<'_>) -> Arc<Behaviour> {
        let version =
            if pod.image == self.release.image(Version::Candidate) { Version::Candidate } else { Version::Accepted };
        let copy = if version == Version::Candidate { Track::Canary } else { Track::Primary };
        let in_copy = pod.deployment == copy_name(&self.release, copy);
        if let Some(bad) = self.release.bad.as_ref().filter(|bad| bad.of == version && in_copy && self.bad < bad.count)
        {
            self.bad += 1;
            return Arc::clone(&bad.behaviour);
        }
        Arc::clone(if version == Version::Candidate { &self.release.candidate } else { &self.release.accepted })
    }
}

impl Fates for Casting {
    fn fate(&mut self, pod: &NewPod<'_>) -> Fate {
        let behaviour = self.behaviour(pod);
        let varies = READY_VARIES.mul_add(2.0 * self.chance.share() - 1.0, 1.0);
        let fate = match behaviour.pullable {
            false => Fate::Unpullable,
            true => Fate::Runs {
                ready_after: behaviour.ready_after.map(|after| after.mul_f64(varies)),
                ends: behaviour.ends,
                stops_after: behaviour.stops_after,
            },
        };
        self.born.all().insert(pod.name.to_owned(), behaviour);
        fate
    }
}

/// The name of the Deployment of a track.
fn copy_name(release: &Release, track: Track) -> String {
    format!("{}-{}", release.service.name, track.word())
}

/// Prometheus, which scrapes the pods of a cluster.
#[derive(Debug, Clone)]
pub struct Prometheus {
    scraper: Arc<Mutex<Scraper>>,
    per: Arc<BTreeMap<String, Per>>,
}

impl Prometheus {
    /// For the metrics of a release.
    pub fn new(release: &Release, chance: Chance) -> Self {
        let bad = release.bad.as_ref().map(|bad| &bad.behaviour.levels);
        let levels: Vec<_> = [&release.accepted.levels, &release.candidate.levels].into_iter().chain(bad).collect();
        let scraper = Scraper::new(release.conditions.clone(), &release.settings.metrics, &levels, chance);
        let per = release.candidate.levels.iter().map(|(name, level)| (name.clone(), level.per)).collect();
        Self { scraper: Arc::new(Mutex::new(scraper)), per: Arc::new(per) }
    }

    fn scraper(&self) -> MutexGuard<'_, Scraper> {
        self.scraper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The release comes now.
    pub fn released(&self, now: Timestamp) {
        self.scraper().released(now);
    }

    /// Scrapes for ever.
    pub async fn scrape(self, face: Arc<Face>, born: Born, clock: Clock) {
        let interval: Duration = self.scraper().interval();
        loop {
            tokio::time::sleep(interval).await;
            // The cluster first: pods may be born as it is looked at.
            let pods = face.with(|cluster| cluster.pods().cloned().collect::<Vec<Pod>>());
            let born = born.all();
            let seen: Vec<Seen<'_>> =
                pods.iter().filter_map(|pod| Seen::of(pod, &born.get(&pod.name)?.levels)).collect();
            self.scraper().scrape(&seen, clock.now());
        }
    }
}

impl StandIn for Prometheus {
    fn answer(&self, asked: &Asked<'_>) -> Result<Vec<u8>, String> {
        let Asked { metric, scope, since, step } = *asked;
        let per = self.per.get(&metric.name).copied().unwrap_or_default();
        self.scraper().answer(&Wanted { metric, pods: &scope.pods, per, since, now: scope.now, step })
    }
}
