//! What the watches told of Aviary's writes: when each was seen, and the newest record of every service.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc::Receiver},
    time::{Duration, Instant},
};

use aviary_core::record::{Phase, Record};
use scenarios::{Told, What};

/// What Aviary writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Write {
    /// A record: what is about to be done.
    Record,
    /// A copy: what was announced.
    Act,
}

/// One write that was seen.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// Of which service, by its namespace.
    pub namespace: String,
    /// What.
    pub write: Write,
}

/// All that was seen.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: Mutex<Pages>,
    turned: Condvar,
}

#[derive(Debug, Default)]
struct Pages {
    heard: Vec<Heard>,
    records: BTreeMap<String, Record>,
    /// The highest epoch of the lease under which something was stored.
    leases: u64,
    faults: Vec<String>,
}

impl Ledger {
    /// Takes in what is told until nobody is left to tell.
    pub fn follow(&self, told: Receiver<Told>) {
        for told in told {
            self.take(told);
        }
    }

    /// The newest record of a service.
    pub fn record(&self, namespace: &str) -> Option<Record> {
        self.pages().records.get(namespace).cloned()
    }

    /// The phase of every service, in a word.
    pub fn phases(&self) -> BTreeMap<String, &'static str> {
        self.pages().records.iter().map(|(namespace, record)| (namespace.clone(), word(&record.phase))).collect()
    }

    /// The writes that were seen from `since` on.
    pub fn since(&self, since: Instant) -> Vec<Heard> {
        let pages = self.pages();
        pages.heard.iter().rev().take_while(|heard| heard.at >= since).cloned().collect()
    }

    /// The write that was seen last.
    pub fn last(&self) -> Option<Heard> {
        self.pages().heard.last().cloned()
    }

    /// Waits for the next write of a kind; nothing where none comes within `limit`.
    pub fn next(&self, write: Write, limit: Duration) -> Option<Heard> {
        let begun = Instant::now();
        let fresh = |pages: &Pages| pages.heard.last().filter(|last| last.write == write && last.at >= begun).cloned();
        let nothing = |pages: &mut Pages| fresh(pages).is_none();
        let (pages, _) =
            self.turned.wait_timeout_while(self.pages(), limit, nothing).unwrap_or_else(PoisonError::into_inner);
        fresh(&pages)
    }

    /// How often the lease was taken, as far as records tell.
    pub fn leases(&self) -> u64 {
        self.pages().leases
    }

    /// What must never be and was seen.
    pub fn faults(&self) -> Vec<String> {
        self.pages().faults.clone()
    }

    fn take(&self, told: Told) {
        let Told { at, namespace, what } = told;
        let mut pages = self.pages();
        let write = match what {
            What::Record(text) => {
                pages.take_record(&namespace, &text);
                Write::Record
            }
            // The original is written by people too.
            What::Deployment(seen) if seen.name != "foo" => Write::Act,
            What::Deployment(_) => return,
        };
        pages.heard.push(Heard { at, namespace, write });
        self.turned.notify_all();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// A record can always be read and is never gone. Its epoch never falls: it was never written from an older one; nor does
    /// that of its lease: who was deposed writes no more.
    fn take_record(&mut self, namespace: &str, text: &str) {
        let record = match Record::parse(text) {
            Ok(record) => record,
            Err(error) => return self.faults.push(format!("{namespace}: a record was stored that is none: {error}")),
        };
        let before = self.records.get(namespace).map_or(0, |before| before.epoch);
        if record.epoch < before {
            self.faults.push(format!("{namespace}: the epoch of the record fell from {before} to {}", record.epoch));
        }
        let lease = |record: &Record| record.lease.as_ref().map_or(0, |lease| lease.epoch);
        let (before, now) = (self.records.get(namespace).map_or(0, lease), lease(&record));
        if now < before {
            self.faults.push(format!("{namespace}: a record of lease {now} was stored after one of lease {before}"));
        }
        self.leases = self.leases.max(now);
        self.records.insert(namespace.to_owned(), record);
    }
}

/// A phase in a word or two.
pub fn word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Adopting => "adopting",
        Phase::Steady => "steady",
        Phase::Direct(_) => "direct",
        Phase::Canary(_) => "canary",
        Phase::Promoting(_) => "promoting",
        Phase::RollingBack(_) => "rolling back",
        Phase::Releasing => "releasing",
        Phase::Released => "released",
    }
}

#[cfg(test)]
mod tests {
    use aviary_core::{lease::Lease, spec::Spec};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_that_is_gone_or_from_the_past_is_a_fault() {
        let record = Record::new("foo", "uid", Spec::of(&json!({})), 3);
        let later = Record { epoch: 4, ..record.clone() };
        let lease = |epoch| Lease { name: "aviary/aviary".to_owned(), epoch };
        let (deposed, acting) = (record.clone().under(&lease(1)), record.clone().under(&lease(2)));
        for (texts, fault) in [
            (vec![later.text(), record.text()], "fell from 4 to 0"),
            (vec![record.text(), String::new()], "is none"),
            (vec![acting.text(), deposed.text()], "of lease 1 was stored after one of lease 2"),
        ] {
            let mut pages = Pages::default();
            texts.iter().for_each(|text| pages.take_record("shop", text));
            assert!(pages.faults.len() == 1 && pages.faults[0].contains(fault), "{:?}", pages.faults);
        }
        let mut pages = Pages::default();
        [record.text(), later.text()].iter().for_each(|text| pages.take_record("shop", text));
        assert_eq!(pages.faults, Vec::<String>::new());
    }
}
