//! When services are to be looked at again even if nothing happens.

use std::collections::{BTreeMap, BTreeSet};

use aviary_cluster::ServiceKey;
use aviary_core::time::Timestamp;

/// One alarm for each service at most, the earliest first.
#[derive(Debug, Default)]
pub struct Alarms {
    of_service: BTreeMap<ServiceKey, Timestamp>,
    in_order: BTreeSet<(Timestamp, ServiceKey)>,
}

impl Alarms {
    /// Sets the alarm of a service in place of its last one.
    pub fn set(&mut self, key: &ServiceKey, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.of_service.insert(key.clone(), at),
            None => self.of_service.remove(key),
        };
        if let Some(before) = before {
            self.in_order.remove(&(before, key.clone()));
        }
        self.in_order.extend(at.map(|at| (at, key.clone())));
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// Whose alarm is due at `now`; it stays set.
    pub fn due(&self, now: Timestamp) -> Vec<ServiceKey> {
        self.in_order.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_replaces_the_last_one_of_its_service() {
        let key = |name: &str| ServiceKey::new("shop", name);
        let mut alarms = Alarms::default();
        for (name, at) in [("a", 30), ("b", 10), ("c", 20), ("b", 40)] {
            alarms.set(&key(name), Some(Timestamp(at)));
        }
        assert_eq!(alarms.next(), Some(Timestamp(20)));
        assert_eq!(alarms.due(Timestamp(30)), [key("c"), key("a")]);
        alarms.set(&key("c"), None);
        alarms.set(&key("nobody"), None);
        assert_eq!(alarms.next(), Some(Timestamp(30)));
        assert_eq!(alarms.due(Timestamp(29)), []);
    }
}
