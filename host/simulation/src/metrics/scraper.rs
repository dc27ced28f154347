//! Scraping: every so often each pod that runs is looked at, and what it shows is kept for as long as anybody may ask.

use std::{collections::BTreeMap, time::Duration};

use aviary_core::{settings::MetricSettings, time::Timestamp};

use super::{
    Chance, Conditions, Fault, Level,
    group::Group,
    level::Moment,
    series::{Metric, Sampled, Show},
};
use crate::cluster::{Pod, State};

/// How long samples are kept, in milliseconds: longer than the past that the daemon asks for.
const KEPT: u64 = (2 * 3600 + 600) * 1000;

/// A pod that runs, as a scrape sees it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it shows, by metric.
    pub levels: &'a BTreeMap<String, Level>,
    /// Since when its container runs.
    pub started: Timestamp,
    /// How often that was started again.
    pub restarts: u32,
    /// Whether it is ready, and so takes its share of the partitions.
    pub ready: bool,
}

impl<'a> Seen<'a> {
    /// A pod of a cluster, if it runs.
    #[must_use]
    pub fn of(pod: &'a Pod, levels: &'a BTreeMap<String, Level>) -> Option<Self> {
        let State::Running(started) = pod.state else { return None };
        let ready = pod.ready.is_some() && pod.leaves.is_none();
        Some(Self { name: &pod.name, levels, started, restarts: pod.restarts, ready })
    }
}

/// A pod that was seen before.
#[derive(Debug)]
struct Known {
    /// How much before a scrape its samples are taken.
    phase: Duration,
    /// By what its levels differ from those of others, by metric.
    differs: BTreeMap<String, f64>,
    /// When it was looked at last.
    last: Timestamp,
}

/// Looks at pods, and remembers.
#[derive(Debug)]
pub struct Scraper {
    pub(super) conditions: Conditions,
    pub(super) metrics: BTreeMap<String, Metric>,
    chance: Chance,
    known: BTreeMap<String, Known>,
    group: Group,
}

impl Scraper {
    /// Nothing seen yet; pods may show any of `levels` under each of `metrics`.
    #[must_use]
    pub fn new(
        conditions: Conditions,
        metrics: &[MetricSettings],
        levels: &[&BTreeMap<String, Level>],
        chance: Chance,
    ) -> Self {
        let metric = |metric: &MetricSettings| {
            let values = levels.iter().filter_map(|levels| Some(levels.get(&metric.name)?.value));
            (metric.name.clone(), Metric::new(metric, values))
        };
        let metrics = metrics.iter().map(metric).collect();
        Self { conditions, metrics, chance, known: BTreeMap::new(), group: Group::default() }
    }

    /// The release comes now.
    pub fn released(&mut self, now: Timestamp) {
        self.conditions.released = Some(now);
    }

    /// The time between two scrapes.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.conditions.interval
    }

    /// Scrapes all pods that run, in the order in which they are given.
    pub fn scrape(&mut self, pods: &[Seen<'_>], now: Timestamp) {
        self.group.meet(pods, now);
        pods.iter().for_each(|pod| self.look_at(pod, now));
        let oldest = Timestamp(now.0.saturating_sub_unsigned(KEPT));
        self.metrics.values_mut().for_each(|metric| metric.forget(oldest));
    }

    fn look_at(&mut self, pod: &Seen<'_>, now: Timestamp) {
        let show = self.show(now);
        let known = self.known.entry(pod.name.to_owned());
        let known = known.or_insert_with(|| Known::new(pod, self.conditions.interval, &mut self.chance));
        let at = Timestamp(now.0.saturating_sub_unsigned(u64::try_from(known.phase.as_millis()).unwrap_or(0)));
        if at <= pod.started || at <= known.last {
            return;
        }
        let passed = at.since(known.last.max(pod.started));
        known.last = at;
        for (name, level) in pod.levels {
            let Some(metric) = self.metrics.get_mut(name) else { continue };
            let differs = known.differs.get(name).copied().unwrap_or(1.0);
            let moment = Moment {
                age: at.since(pod.started),
                since_rebalance: self.group.since.map(|since| at.since(since)),
                partitions: self.group.share(&self.conditions, pod.name),
                times: differs * self.group.poisoned(&self.conditions, pod.name, name, at),
            };
            let (name, restarts, at_present) = (pod.name, pod.restarts, level.at(moment));
            metric.sample(Sampled { name, restarts, level, at_present, passed }, at, show, &mut self.chance);
        }
    }

    fn show(&mut self, now: Timestamp) -> Show {
        let is_missed = self.chance.share() < self.conditions.missed;
        match self.conditions.fault(now) {
            Some(Fault::Down | Fault::NoSamples) => Show::Nothing,
            _ if is_missed => Show::Nothing,
            Some(Fault::Nan) => Show::Nan,
            Some(Fault::Unreachable) | None => Show::Value,
        }
    }
}

impl Known {
    fn new(pod: &Seen<'_>, interval: Duration, chance: &mut Chance) -> Self {
        let phase = interval.mul_f64(chance.share());
        let differs = pod.levels.iter().map(|(name, level)| (name.clone(), chance.about(level.spread)));
        Self { phase, differs: differs.collect(), last: Timestamp(0) }
    }
}
