//! What pods show of themselves: a made-up load, scraped as Prometheus scrapes, and told as Prometheus tells. PromQL is not
//! evaluated: a metric's samples are what its level says, in the shape that is asked for. Pure but for a generator of random
//! numbers, which is seeded: the same pods seen at the same times give the same samples.

mod answer;
mod chance;
mod group;
mod level;
mod scraper;
mod series;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use aviary_core::time::Timestamp;

pub use self::{
    answer::{PodSeries, Wanted},
    chance::Chance,
    scraper::{Scraper, Seen},
};

/// What a pod shows under one metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Level {
    /// Of a counter its rate per second, of histogram buckets the quantile that is judged, of a condition the chance that it
    /// holds, else the value.
    pub value: f64,
    /// How far single samples are off, as a share of the level (one standard deviation). Without it a counter counts whole
    /// events, which come at random.
    pub noise: Option<f64>,
    /// How far pods differ for good, as a share of the level (one standard deviation).
    pub spread: f64,
    /// By how much it grows while a container runs.
    pub per_hour: f64,
    /// What a container that has just started shows; it fades.
    pub warm_up: Option<Passing>,
    /// What is shown after pods have come to or gone from the consumer group.
    pub rebalance: Option<Passing>,
    /// What changes as a container gets older, the youngest first.
    pub then: Vec<Later>,
    /// Whether it goes by the share of the partitions that a pod has.
    pub by_partitions: bool,
    /// Of histogram buckets, events a second.
    pub events: f64,
    /// Whose number a sample is.
    pub per: Per,
}

impl Level {
    /// From here on the mean of a condition holds: half of the pods.
    pub(super) const HOLDS: f64 = 0.5;
}

/// Something that passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passing {
    /// How long it takes.
    pub lasts: Duration,
    /// By what the level is multiplied.
    pub times: f64,
}

/// How a level goes on from some age of the container.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Later {
    /// From which age on.
    pub after: Duration,
    /// By what the value is multiplied from then on.
    pub times: f64,
    /// By how much it grows from then on.
    pub per_hour: f64,
}

/// Whose number a sample is; of several pods it is the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Per {
    /// Each pod's own.
    #[default]
    Pod,
    /// That of all pods of a track.
    Track,
    /// That of all pods.
    Service,
}

/// What is not well with Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It neither answers nor scrapes.
    Down,
    /// It does not answer, but scrapes.
    Unreachable,
    /// It answers, but does not get at the pods.
    NoSamples,
    /// Every sample that it takes is NaN.
    Nan,
}

/// A time at which something is not well with Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it begins, after the release.
    pub from: Duration,
    /// How long it takes.
    pub lasts: Duration,
    /// What it is.
    pub fault: Fault,
}

/// A partition with a message that no version can take.
#[derive(Debug, Clone, PartialEq)]
pub struct Poison {
    /// Which, from 0.
    pub partition: u32,
    /// Since when it is there, after the release.
    pub from: Duration,
    /// By what the levels of the pod that has it are multiplied, by metric.
    pub times: BTreeMap<String, f64>,
}

/// How all pods are scraped and what they share.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions {
    /// The time between two scrapes of a pod.
    pub interval: Duration,
    /// The share of scrapes that fail.
    pub missed: f64,
    /// The partitions that ready pods share, if there are any.
    pub partitions: Option<u32>,
    /// One of them that is bad.
    pub poison: Option<Poison>,
    /// When Prometheus is not well.
    pub outages: Vec<Outage>,
    /// When the release came, from which these times count.
    pub released: Option<Timestamp>,
}

impl Conditions {
    /// What is not well at a time; of several faults the first.
    #[must_use]
    pub fn fault(&self, at: Timestamp) -> Option<Fault> {
        let since = self.since_release(at)?;
        let is_on = |outage: &&Outage| since >= outage.from && since - outage.from < outage.lasts;
        self.outages.iter().find(is_on).map(|outage| outage.fault)
    }

    /// How long ago the release came.
    pub(super) fn since_release(&self, at: Timestamp) -> Option<Duration> {
        self.released.filter(|released| at >= *released).map(|released| at.since(released))
    }
}
