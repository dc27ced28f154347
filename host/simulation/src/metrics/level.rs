//! A pod's level at one moment, before noise.

use std::time::Duration;

use super::{Level, Passing};

/// How things stand for one pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// How long its container has run.
    pub age: Duration,
    /// How long ago the consumer group changed.
    pub since_rebalance: Option<Duration>,
    /// Its partitions, in units of what a pod has on the average.
    pub partitions: f64,
    /// What it is multiplied by besides: how this pod differs from others, poison.
    pub times: f64,
}

impl Level {
    /// The level at a moment.
    pub(super) fn at(&self, moment: Moment) -> f64 {
        let later = self.then.iter().rev().find(|later| moment.age >= later.after);
        let partitions = if self.by_partitions { moment.partitions } else { 1.0 };
        let warm_up = self.warm_up.map_or(1.0, |passing| passing.fading(moment.age));
        let rebalance = self.rebalance.zip(moment.since_rebalance);
        let rebalance = rebalance.map_or(1.0, |(passing, since)| passing.lasting(since));
        let times = later.map_or(1.0, |later| later.times) * partitions * warm_up * rebalance * moment.times;
        self.value.mul_add(times, self.grown(moment.age))
    }

    /// What has come in addition since the container started.
    fn grown(&self, age: Duration) -> f64 {
        let hours = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() / 3600.0;
        let (mut grown, mut since, mut per_hour) = (0.0, Duration::ZERO, self.per_hour);
        for later in self.then.iter().take_while(|later| later.after <= age) {
            grown += per_hour * hours(since, later.after);
            (since, per_hour) = (later.after, later.per_hour);
        }
        grown + per_hour * hours(since, age)
    }
}

impl Passing {
    /// What is left of it, in a straight line to nothing.
    fn fading(self, since: Duration) -> f64 {
        let left = 1.0 - since.as_secs_f64() / self.lasts.as_secs_f64();
        if left > 0.0 { (self.times - 1.0).mul_add(left, 1.0) } else { 1.0 }
    }

    /// All of it until it is over.
    fn lasting(self, since: Duration) -> f64 {
        if since < self.lasts { self.times } else { 1.0 }
    }
}
