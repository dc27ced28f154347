//! The level of a metric, from what is written of it and what holds where nothing is.

use std::time::Duration;

use aviary_core::{judge::MetricKind, settings::MetricSettings};
use aviary_simulation::metrics::{Later, Level, Passing};

use super::written::{self, Metric};
use crate::configuration::{Faults, fields::Placed};

/// Where nothing is said, so much of its limit.
const OF_LIMIT: f64 = 0.5;
/// Events a second of a histogram.
const EVENTS: f64 = 20.0;
/// The shortest time that anything takes which fades.
const SHORTEST: Duration = Duration::from_secs(1);

/// What `written` says of a metric's level; what it leaves open is as `below`.
pub fn level(written: &Metric, below: Option<&Level>, metric: &MetricSettings, faults: &mut Faults) -> Level {
    let base = below.cloned().unwrap_or_else(|| usual(metric));
    let times = not_negative(written.times.as_ref(), faults).unwrap_or(1.0);
    let value = value(written, metric, faults).unwrap_or(base.value) * times;
    if let Some(placed) = &written.value
        && metric.kind == MetricKind::Condition
        && !(0.0..=1.0).contains(&placed.value)
    {
        placed.fault(faults, "is no chance, as a condition needs: write a number from 0 to 1");
    }
    Level {
        value,
        noise: written.noise.map(|share| share.0).or(base.noise),
        spread: written.spread.map_or(base.spread, |share| share.0),
        per_hour: written.per_hour.map_or(base.per_hour, |growth| growth.of(value)),
        warm_up: passing(written.warm_up.as_ref(), faults).or(base.warm_up),
        rebalance: passing(written.rebalance.as_ref(), faults).or(base.rebalance),
        then: written.then.as_ref().map_or(base.then, |list| then(&list.value, value, faults)),
        by_partitions: written.by_partitions.unwrap_or(base.by_partitions),
        events: not_negative(written.events.as_ref(), faults).unwrap_or(base.events),
        per: written.per.unwrap_or(base.per),
    }
}

/// Says so if something takes less than `shortest`.
pub fn long_enough(duration: &Placed<Duration>, shortest: Duration, faults: &mut Faults) {
    if duration.value < shortest {
        let shortest = aviary_core::time::humane(shortest);
        duration.fault(faults, format!("is too short to be simulated: write at least {shortest}"));
    }
}

/// A metric of which nothing is said is well within its limits.
fn usual(metric: &MetricSettings) -> Level {
    let value = share_of_limit(metric, OF_LIMIT).unwrap_or(1.0);
    Level { value, events: EVENTS, ..Level::default() }
}

fn value(written: &Metric, metric: &MetricSettings, faults: &mut Faults) -> Option<f64> {
    match (&written.value, &written.of_limit) {
        (Some(value), None) => Some(value.value),
        (None, Some(share)) => {
            let value = share_of_limit(metric, share.value.0);
            if value.is_none() {
                let name = &metric.name;
                share.fault(faults, format!("the metric {name} has no limit to take a share of: give its value"));
            }
            value
        }
        (Some(_), Some(share)) => {
            share.fault(faults, "is given beside value: leave one of them out");
            None
        }
        (None, None) => None,
    }
}

/// So much of the way to the limit, from zero or from the other limit; where zero is beyond it, as much beyond that 100%
/// reaches it from there.
fn share_of_limit(metric: &MetricSettings, share: f64) -> Option<f64> {
    let (limit, zero_is_within) = match (metric.min, metric.max) {
        (Some(min), Some(max)) => return Some(min + (max - min) * share),
        (None, Some(max)) => (max, max >= 0.0),
        (Some(min), None) => (min, min <= 0.0),
        (None, None) => return None,
    };
    if zero_is_within { Some(limit * share) } else { (share > 0.0).then(|| limit / share) }
}

fn not_negative(number: Option<&Placed<f64>>, faults: &mut Faults) -> Option<f64> {
    let placed = number?;
    if placed.value < 0.0 {
        placed.fault(faults, "is below 0: write how many times as much, or how many, there are");
    }
    Some(placed.value)
}

fn passing(written: Option<&Placed<written::Passing>>, faults: &mut Faults) -> Option<Passing> {
    let written = &written?.value;
    let (lasts, times) = (written.lasts.as_ref()?, not_negative(written.times.as_ref(), faults)?);
    long_enough(lasts, SHORTEST, faults);
    Some(Passing { lasts: lasts.value, times })
}

fn then(written: &[Placed<written::Later>], value: f64, faults: &mut Faults) -> Vec<Later> {
    let mut list: Vec<Later> = Vec::new();
    for placed in written {
        let Some(after) = placed.value.after.as_ref() else { continue };
        if list.last().is_some_and(|last| after.value <= last.after) {
            after.fault(faults, "is not later than the one before it: put them in order");
        }
        let times = not_negative(placed.value.times.as_ref(), faults).unwrap_or(1.0);
        list.push(Later {
            after: after.value,
            times,
            per_hour: placed.value.per_hour.map_or(0.0, |growth| growth.of(value)),
        });
    }
    list
}
