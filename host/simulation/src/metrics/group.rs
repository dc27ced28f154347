//! The consumer group: ready pods share the partitions among them.

use aviary_core::time::Timestamp;

use super::{Conditions, Poison, Seen};

/// The pods that share the partitions.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// By name, the order in which partitions are dealt out.
    pods: Vec<String>,
    /// Since when it is so.
    pub(super) since: Option<Timestamp>,
}

impl Group {
    /// Takes in who is ready; one who comes or goes makes it another group.
    pub(super) fn meet(&mut self, pods: &[Seen<'_>], now: Timestamp) {
        let mut ready: Vec<String> = pods.iter().filter(|pod| pod.ready).map(|pod| pod.name.to_owned()).collect();
        ready.sort();
        if ready != self.pods {
            (self.pods, self.since) = (ready, Some(now));
        }
    }

    /// The partitions of a pod, in units of what a pod has on the average; 1 where there are none.
    pub(super) fn share(&self, conditions: &Conditions, pod: &str) -> f64 {
        let Some(partitions) = conditions.partitions.filter(|_| !self.pods.is_empty()) else { return 1.0 };
        let (first, end) = self.dealt(partitions, pod);
        f64::from(end - first) * count(self.pods.len()) / f64::from(partitions)
    }

    /// By what a poisoned partition multiplies a metric of a pod.
    pub(super) fn poisoned(&self, conditions: &Conditions, pod: &str, metric: &str, at: Timestamp) -> f64 {
        let has = |poison: &&Poison| {
            let (first, end) = self.dealt(conditions.partitions.unwrap_or(0), pod);
            conditions.since_release(at).is_some_and(|since| since >= poison.from)
                && (first..end).contains(&poison.partition)
        };
        conditions.poison.as_ref().filter(has).and_then(|poison| poison.times.get(metric)).copied().unwrap_or(1.0)
    }

    /// The first partition of a pod and the one after its last.
    fn dealt(&self, partitions: u32, pod: &str) -> (u32, u32) {
        let Some(place) = self.pods.iter().position(|name| name == pod) else { return (0, 0) };
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let (place, pods) = (number(place), number(self.pods.len()));
        let (each, more) = (partitions / pods, partitions % pods);
        let first = |place: u32| each * place + place.min(more);
        (first(place), first(place + 1))
    }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    #[test]
    fn every_partition_is_one_pods_and_the_poisoned_one_goes_with_it() {
        let poison =
            Poison { partition: 4, from: Duration::from_millis(10), times: [("errors".to_owned(), 5.0)].into() };
        let conditions = Conditions {
            interval: Duration::from_secs(15),
            missed: 0.0,
            partitions: Some(7),
            poison: Some(poison),
            outages: Vec::new(),
            released: Some(Timestamp(0)),
        };
        let levels = BTreeMap::new();
        let seen = |name, ready| Seen { name, levels: &levels, started: Timestamp(0), restarts: 0, ready };
        let mut group = Group::default();
        group.meet(&[seen("b", true), seen("a", true), seen("c", false), seen("d", true)], Timestamp(3));
        assert_eq!(["a", "b", "d"].map(|pod| group.dealt(7, pod)), [(0, 3), (3, 5), (5, 7)]);
        assert_eq!((group.dealt(7, "c"), group.since), ((0, 0), Some(Timestamp(3))));
        let times = |pod, at| group.poisoned(&conditions, pod, "errors", Timestamp(at));
        assert_eq!([times("a", 10), times("b", 9), times("b", 10)], [1.0, 1.0, 5.0]);
        assert!((group.share(&conditions, "a") - 9.0 / 7.0).abs() < 1e-9);
    }
}
