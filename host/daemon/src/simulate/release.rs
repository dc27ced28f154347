//! A release as it is simulated: what was written of it, held against the configuration that is to judge it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use aviary_cluster::ServiceKey;
use aviary_core::settings::{MetricSettings, Settings};
use aviary_simulation::{
    cluster::End,
    metrics::{Conditions, Level, Outage, Poison},
};

use super::{
    levels::{level, long_enough},
    outcome::Ending,
    written::{self, BadPods, Exit, File, Metric, Pods, Version},
};
use crate::configuration::{
    Configuration, Fault, Faults, document,
    fields::{FromNode as _, Placed, nearest},
    values::Named,
};

/// How many pods there are unless the file says otherwise.
const REPLICAS: u32 = 10;
/// The most that can be simulated.
const MOST_REPLICAS: u32 = 100;
const READY_AFTER: Duration = Duration::from_secs(20);
const STOPS_AFTER: Duration = Duration::from_secs(5);
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);
const SHORTEST_SCRAPE_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_SCRAPE_INTERVAL: Duration = Duration::from_secs(300);
/// The shortest life of a container that ends by itself: what takes no time would happen without end at one moment.
const SHORTEST_LIFE: Duration = Duration::from_millis(100);
/// The exit code of a container that was killed.
const KILLED: i32 = 137;

/// A release, and the service that is released.
#[derive(Debug, Clone)]
pub struct Release {
    /// What it is, in a sentence.
    pub about: Option<String>,
    /// Which service.
    pub service: ServiceKey,
    /// The labels of its Deployment.
    pub labels: BTreeMap<String, String>,
    /// What the configuration says of it.
    pub settings: Arc<Settings>,
    /// How many pods it has.
    pub replicas: u32,
    /// Whether the manifest that is applied says so.
    pub applied_with_replicas: bool,
    /// How it is to end.
    pub expect: Option<Ending>,
    /// How pods are scraped, and what they share.
    pub conditions: Conditions,
    /// How pods of the accepted version behave.
    pub accepted: Arc<Behaviour>,
    /// How those of the candidate do.
    pub candidate: Arc<Behaviour>,
    /// A few that behave otherwise.
    pub bad: Option<Bad>,
    /// Metrics that the file has and the service has not.
    pub left_out: Vec<String>,
}

/// How a pod behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// How long it takes to be ready; never, if nothing.
    pub ready_after: Option<Duration>,
    /// How long it takes to stop.
    pub stops_after: Duration,
    /// Whether its image can be pulled.
    pub pullable: bool,
    /// How its container ends by itself.
    pub ends: Option<End>,
    /// What it shows, by metric.
    pub levels: BTreeMap<String, Level>,
}

/// A few pods that differ from the others of their version.
#[derive(Debug, Clone)]
pub struct Bad {
    /// Of which version they are.
    pub of: Version,
    /// How many there are.
    pub count: u32,
    /// How they behave.
    pub behaviour: Arc<Behaviour>,
}

impl Release {
    /// The image of a version.
    pub fn image(&self, version: Version) -> String {
        let tag = if version == Version::Candidate { "candidate" } else { "accepted" };
        format!("{}:{tag}", self.service.name)
    }

    /// Reads a release for `configuration`; `file` names it in faults. `service` goes before the one that it names.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn parse(
        text: &str,
        file: &Path,
        configuration: &Configuration,
        service: Option<&str>,
    ) -> Result<Self, Faults> {
        let mut faults = Faults::new(file);
        let release = document::read(text, &mut faults)
            .and_then(|node| File::from_node(&node, &mut faults))
            .and_then(|written| held(written, configuration, service, &mut faults));
        match release {
            Some(release) if faults.is_empty() => Ok(release),
            _ => Err(faults),
        }
    }
}

fn held(written: File, configuration: &Configuration, asked: Option<&str>, faults: &mut Faults) -> Option<Release> {
    let labels = written.labels.0.iter().map(|(name, value)| (name.value.clone(), value.clone())).collect();
    let service = service(&written, configuration, asked, &labels, faults)?;
    let settings = Arc::clone(&configuration.service(&service.namespace, &service.name, &labels)?.settings);
    let mut reading = Reading {
        service: &service,
        metrics: &settings.metrics,
        generic: written.generic == Some(true),
        left_out: BTreeSet::new(),
        faults,
    };
    let accepted = reading.pods(&written.accepted, None);
    let candidate = reading.pods(&written.candidate, Some(&accepted));
    let bad = written.bad_pods.as_ref().and_then(|bad| reading.bad(&bad.value, &accepted, &candidate));
    let conditions = reading.conditions(&written);
    let replicas = written.replicas.as_ref().map_or(REPLICAS, |replicas| replicas.value);
    if let Some(placed) = written.replicas.as_ref().filter(|_| !(1..=MOST_REPLICAS).contains(&replicas)) {
        placed.fault(reading.faults, format!("{replicas} pods cannot be simulated: choose from 1 to {MOST_REPLICAS}"));
    }
    let left_out = reading.left_out.into_iter().collect();
    Some(Release {
        about: written.about,
        service,
        labels,
        settings,
        replicas,
        applied_with_replicas: written.applied_with_replicas == Some(true),
        expect: written.expect,
        conditions,
        accepted: Arc::new(accepted),
        candidate: Arc::new(candidate),
        bad,
        left_out,
    })
}

/// The service that is asked for, or that the file names, or the first that the configuration names.
fn service(
    written: &File,
    configuration: &Configuration,
    asked: Option<&str>,
    labels: &BTreeMap<String, String>,
    faults: &mut Faults,
) -> Option<ServiceKey> {
    let whole = |message: String| Fault { place: None, path: "service".to_owned(), message };
    match (asked, &written.service) {
        (Some(asked), _) => find(configuration, asked, labels).map_err(|message| faults.push(whole(message))).ok(),
        (None, Some(named)) => {
            find(configuration, &named.value, labels).map_err(|message| named.fault(faults, message)).ok()
        }
        (None, None) => {
            let first = configuration.named().next().map(|(namespace, name)| ServiceKey::new(namespace, name));
            if first.is_none() {
                let remedy = "is missing, and the configuration names none: write one that its patterns match, as namespace/name";
                faults.push(whole(remedy.to_owned()));
            }
            first
        }
    }
}

fn find(configuration: &Configuration, named: &str, labels: &BTreeMap<String, String>) -> Result<ServiceKey, String> {
    let (within, name) = named.split_once('/').map_or((None, named), |(within, name)| (Some(within), name));
    match configuration.namespaces_with(within, name, labels).as_slice() {
        [namespace] => Ok(ServiceKey::new(*namespace, name)),
        [] => {
            let remedy = "name one that it is about, and give labels if a selector is to match";
            Err(format!("nothing in the configuration is about {named}: {remedy}"))
        }
        several => Err(format!(
            "{name} is in several namespaces: write {}",
            several.iter().map(|namespace| format!("{namespace}/{name}")).collect::<Vec<_>>().join(" or ")
        )),
    }
}

/// The parts of a file, held against the service's metrics.
struct Reading<'a> {
    service: &'a ServiceKey,
    metrics: &'a [MetricSettings],
    generic: bool,
    left_out: BTreeSet<String>,
    faults: &'a mut Faults,
}

impl Reading<'_> {
    /// Behaviour in which pods may differ from others `below`.
    fn pods(&mut self, written: &Pods, below: Option<&Behaviour>) -> Behaviour {
        written.metrics.0.iter().for_each(|(name, _)| self.is_known(name));
        let mut levels = BTreeMap::new();
        for metric in self.metrics {
            let found = written.metrics.0.iter().find(|(name, _)| name.value == metric.name);
            let nothing = Metric::default();
            let below = below.and_then(|below| below.levels.get(&metric.name));
            let own = found.map_or(&nothing, |(_, own)| own);
            levels.insert(metric.name.clone(), level(own, below, metric, self.faults));
        }
        let ready_after = written.ready_after.as_ref().map(|after| after.value.0);
        let usual = (Some(READY_AFTER), STOPS_AFTER, true);
        let (ready, stops, pullable) =
            below.map_or(usual, |below| (below.ready_after, below.stops_after, below.pullable));
        Behaviour {
            ready_after: ready_after.unwrap_or(ready),
            stops_after: written.stops_after.as_ref().map_or(stops, |after| after.value),
            pullable: written.pullable.unwrap_or(pullable),
            ends: match &written.exits {
                Some(exit) => self.end(exit),
                None => below.and_then(|below| below.ends),
            },
            levels,
        }
    }

    fn end(&mut self, written: &Exit) -> Option<End> {
        let after = written.after.as_ref()?;
        long_enough(after, SHORTEST_LIFE, self.faults);
        let out_of_memory = written.out_of_memory == Some(true);
        let usual = if out_of_memory { KILLED } else { 1 };
        let exit_code = written.code.map_or(usual, |code| i32::try_from(code).unwrap_or(i32::MAX));
        Some(End { after: after.value, exit_code, out_of_memory })
    }

    fn bad(&mut self, written: &BadPods, accepted: &Behaviour, candidate: &Behaviour) -> Option<Bad> {
        let of = written.of?;
        let below = if of == Version::Accepted { accepted } else { candidate };
        let behaviour = Arc::new(self.pods(&written.pods, Some(below)));
        Some(Bad { of, count: written.count.unwrap_or(1), behaviour })
    }

    fn conditions(&mut self, written: &File) -> Conditions {
        let interval = written.scrape_interval.as_ref().map_or(SCRAPE_INTERVAL, |interval| interval.value);
        if let Some(placed) = &written.scrape_interval
            && !(SHORTEST_SCRAPE_INTERVAL..=LONGEST_SCRAPE_INTERVAL).contains(&interval)
        {
            placed.fault(self.faults, "is out of bounds: choose one from 1s to 5m");
        }
        let partitions = written.partitions.as_ref().map(|partitions| partitions.value);
        if let Some(placed) = written.partitions.as_ref().filter(|placed| placed.value == 0) {
            placed.fault(self.faults, "is no number of partitions: write at least 1, or leave it out");
        }
        Conditions {
            interval,
            missed: written.missed_scrapes.map_or(0.0, |share| share.0),
            partitions,
            poison: written.poison.as_ref().and_then(|poison| self.poison(&poison.value, partitions)),
            outages: written.prometheus.iter().filter_map(|outage| self.outage(&outage.value)).collect(),
            released: None,
        }
    }

    fn poison(&mut self, written: &written::Poison, partitions: Option<u32>) -> Option<Poison> {
        let partition = written.partition.as_ref()?;
        if partitions.is_none_or(|partitions| partition.value >= partitions) {
            let remedy = "give partitions, of which this is one, counted from 0";
            partition.fault(self.faults, format!("there is no partition {}: {remedy}", partition.value));
        }
        written.metrics.0.iter().for_each(|(name, _)| self.is_known(name));
        let times = named(&written.metrics);
        Some(Poison { partition: partition.value, from: written.from.unwrap_or_default(), times })
    }

    fn outage(&mut self, written: &written::Outage) -> Option<Outage> {
        let lasts = written.lasts.as_ref().map_or(Duration::MAX, |lasts| lasts.value);
        Some(Outage { from: written.from.unwrap_or_default(), lasts, fault: written.fault? })
    }

    /// What the service does not have is a fault, unless the file is for any configuration.
    fn is_known(&mut self, name: &Placed<String>) {
        let known: Vec<&str> = self.metrics.iter().map(|metric| metric.name.as_str()).collect();
        if known.contains(&name.value.as_str()) {
            return;
        }
        if self.generic {
            self.left_out.insert(name.value.clone());
            return;
        }
        let remedy = match nearest(&name.value, &known) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None if known.is_empty() => "leave it out, or configure it".to_owned(),
            None => format!("it has {}", known.join(", ")),
        };
        name.fault(self.faults, format!("{} has no metric of that name: {remedy}", self.service));
    }
}

fn named(written: &Named<f64>) -> BTreeMap<String, f64> {
    written.0.iter().map(|(name, times)| (name.value.clone(), *times)).collect()
}
