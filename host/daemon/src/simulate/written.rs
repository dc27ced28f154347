//! The file of a release as it is written: every field optional and with its place, nothing judged yet.

use std::time::Duration;

use aviary_simulation::metrics::{Fault, Per};
use serde_json::{Value, json};

use super::outcome::Ending;
use crate::configuration::{
    Definitions, Faults,
    document::{Node, Value as Content},
    fields::{Fields, FromNode, Placed, Section},
    schema_of,
    units::percent,
    values::{Named, one_of, words},
};

/// The schema of the file, for editors.
pub fn schema() -> Value {
    schema_of::<File>("A release for aviary simulate")
}

/// The whole file.
#[derive(Debug)]
pub struct File {
    pub about: Option<String>,
    pub generic: Option<bool>,
    pub service: Option<Placed<String>>,
    pub labels: Named<String>,
    pub replicas: Option<Placed<u32>>,
    pub applied_with_replicas: Option<bool>,
    pub expect: Option<Ending>,
    pub scrape_interval: Option<Placed<Duration>>,
    pub missed_scrapes: Option<Share>,
    pub partitions: Option<Placed<u32>>,
    pub poison: Option<Placed<Poison>>,
    pub prometheus: Vec<Placed<Outage>>,
    pub accepted: Pods,
    pub candidate: Pods,
    pub bad_pods: Option<Placed<BadPods>>,
}

/// `accepted:`, `candidate:` and what else says how pods behave.
#[derive(Debug, Clone, Default)]
pub struct Pods {
    pub ready_after: Option<Placed<ReadyAfter>>,
    pub stops_after: Option<Placed<Duration>>,
    pub pullable: Option<bool>,
    pub exits: Option<Exit>,
    pub metrics: Named<Metric>,
}

/// `bad-pods:`
#[derive(Debug, Clone)]
pub struct BadPods {
    pub of: Option<Version>,
    pub count: Option<u32>,
    pub pods: Pods,
}

/// One of the two versions of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Accepted,
    Candidate,
}

/// `exits:`
#[derive(Debug, Clone)]
pub struct Exit {
    pub after: Option<Placed<Duration>>,
    pub code: Option<u32>,
    pub out_of_memory: Option<bool>,
}

/// One of `metrics:`
#[derive(Debug, Clone, Default)]
pub struct Metric {
    pub value: Option<Placed<f64>>,
    pub of_limit: Option<Placed<Share>>,
    pub times: Option<Placed<f64>>,
    pub noise: Option<Share>,
    pub spread: Option<Share>,
    pub per_hour: Option<Growth>,
    pub warm_up: Option<Placed<Passing>>,
    pub rebalance: Option<Placed<Passing>>,
    pub then: Option<Placed<Vec<Placed<Later>>>>,
    pub by_partitions: Option<bool>,
    pub events: Option<Placed<f64>>,
    pub per: Option<Per>,
}

/// `warm-up:` and `rebalance:` of a metric.
#[derive(Debug, Clone)]
pub struct Passing {
    pub lasts: Option<Placed<Duration>>,
    pub times: Option<Placed<f64>>,
}

/// One of `then:`
#[derive(Debug, Clone)]
pub struct Later {
    pub after: Option<Placed<Duration>>,
    pub times: Option<Placed<f64>>,
    pub per_hour: Option<Growth>,
}

/// One of `prometheus:`
#[derive(Debug, Clone)]
pub struct Outage {
    pub fault: Option<Fault>,
    pub from: Option<Duration>,
    pub lasts: Option<Placed<Duration>>,
}

/// `poison:`
#[derive(Debug, Clone)]
pub struct Poison {
    pub partition: Option<Placed<u32>>,
    pub from: Option<Duration>,
    pub metrics: Named<f64>,
}

/// A share such as `20%`, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

/// By how much something grows in an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Growth {
    /// By so much.
    By(f64),
    /// By such a share of the level's value.
    Share(f64),
}

impl Growth {
    /// By how much a level of that value grows.
    pub const fn of(self, value: f64) -> f64 {
        match self {
            Self::By(growth) => growth,
            Self::Share(share) => share * value,
        }
    }
}

/// How long a pod takes to be ready; nothing if it never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyAfter(pub Option<Duration>);

impl Section for File {
    const NAME: &str = "release";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            about: fields.optional("about", "What the release is, in a sentence."),
            generic: fields.optional("generic", "Whether it is for any configuration: metrics that the service does not have are left out. Otherwise they are faults."),
            service: fields.optional("service", "Which service of the configuration is released, as name or namespace/name; if left out the first that the configuration names."),
            labels: fields.optional("labels", "Labels of its Deployment, which selectors of the configuration are held against.").unwrap_or_default(),
            replicas: fields.optional("replicas", "How many pods the service has, from 1 to 100; 10 if left out."),
            applied_with_replicas: fields.optional("applied-with-replicas", "Whether the manifest that CI applies says the number of replicas, which starts as many unproven pods for a moment; false if left out."),
            expect: fields.optional("expect", "How it is to end; aviary simulate --expect goes before."),
            scrape_interval: fields.optional("scrape-interval", "How often Prometheus scrapes a pod, from 1s to 5m; 15s if left out."),
            missed_scrapes: fields.optional("missed-scrapes", "The share of scrapes that fail; none if left out."),
            partitions: fields.optional("partitions", "How many partitions the ready pods share, in the order of their names."),
            poison: fields.optional("poison", "A partition with a message that no version can take."),
            prometheus: fields.optional("prometheus", "When Prometheus is not well.").unwrap_or_default(),
            accepted: fields.optional("accepted", "How pods of the accepted version behave.").unwrap_or_default(),
            candidate: fields.optional("candidate", "In what pods of the candidate differ from those of the accepted version.").unwrap_or_default(),
            bad_pods: fields.optional("bad-pods", "In what a few pods differ from the others of their version, as on a bad node."),
        }
    }
}

impl Section for Pods {
    const NAME: &str = "pods";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            ready_after: fields.optional(
                "ready-after",
                "How long a container takes to be ready, a fifth more or less by chance; or never. 20s if left out.",
            ),
            stops_after: fields
                .optional("stops-after", "How long a pod takes to stop when it is told to; 5s if left out."),
            pullable: fields.optional("pullable", "Whether the image can be pulled; true if left out."),
            exits: fields.optional("exits", "How its container ends by itself, again and again."),
            metrics: fields
                .optional("metrics", "What a pod shows, by the names of the configuration's metrics.")
                .unwrap_or_default(),
        }
    }
}

impl Section for BadPods {
    const NAME: &str = "bad-pods";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            of: fields.required("of", "Of which version they are.", "write accepted or candidate"),
            count: fields.optional(
                "count",
                "How many there are: the first of that version; of the accepted one the first after the release. 1 if left out.",
            ),
            pods: Pods::take(fields),
        }
    }
}

impl Section for Exit {
    const NAME: &str = "exits";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            after: fields.required("after", "How long after each start.", "write a duration such as 2m"),
            code: fields.optional("code", "Its exit code; 1 if left out, 137 out of memory."),
            out_of_memory: fields
                .optional("out-of-memory", "Whether it is killed as it ran out of memory (OOMKilled)."),
        }
    }
}

impl Section for Metric {
    const NAME: &str = "level";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            value: fields.optional("value", "Of a counter its rate per second, of histogram buckets the quantile that is judged, of a condition the chance that it holds (0 to 1), else the value."),
            of_limit: fields.optional("of-limit", "The same as a share of the metric's limit: of max, or by how much of it min is reached; with both, of the way from min to max. 50% if neither is given, and of a condition 1."),
            times: fields.optional("times", "By what all that is multiplied, such as 2 for twice as much."),
            noise: fields.optional("noise", "How far single samples are off (one standard deviation). Without it a counter counts events, which come at random."),
            spread: fields.optional("spread", "How far pods differ for good (one standard deviation); 0% if left out."),
            per_hour: fields.optional("per-hour", "By how much it grows in an hour while a container runs: a number, or a share of the value such as 80%."),
            warm_up: fields.optional("warm-up", "What a container that has just started shows; it fades in a straight line."),
            rebalance: fields.optional("rebalance", "What is shown after pods have come to or gone from the service."),
            then: fields.optional("then", "What changes as a container gets older."),
            by_partitions: fields.optional("by-partitions", "Whether it goes by the number of partitions that the pod has."),
            events: fields.optional("events", "Of histogram buckets, events a second; 20 if left out."),
            per: fields.optional("per", "Whose number a query or condition gives: pod, track or service; of several pods it is the mean. pod if left out."),
        }
    }
}

impl Section for Passing {
    const NAME: &str = "passing";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            lasts: fields.required("lasts", "How long it takes.", "write a duration such as 90s"),
            times: fields.required("times", "By what the level is multiplied.", "write a factor such as 3"),
        }
    }
}

impl Section for Later {
    const NAME: &str = "later";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            after: fields.required("after", "From which age of the container on.", "write a duration such as 10m"),
            times: fields.optional("times", "By what the level is multiplied from then on; 1 if left out."),
            per_hour: fields
                .optional("per-hour", "By how much it grows in an hour from then on; not at all if left out."),
        }
    }
}

impl Section for Outage {
    const NAME: &str = "outage";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            fault: fields.required(
                "fault",
                "down: it neither answers nor scrapes; unreachable: it scrapes, but does not answer; no-samples: it answers, but does not get at the pods; nan: it takes NaN for every sample.",
                "write down, unreachable, no-samples or nan",
            ),
            from: fields.optional("from", "When it begins, after the release; at once if left out."),
            lasts: fields.optional("lasts", "How long it takes; for ever if left out."),
        }
    }
}

impl Section for Poison {
    const NAME: &str = "poison";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            partition: fields.required("partition", "Which, from 0.", "write its number, from 0"),
            from: fields.optional("from", "Since when the message is there, after the release; at once if left out."),
            metrics: fields
                .optional("metrics", "By what the levels of the pod that has the partition are multiplied, by metric.")
                .unwrap_or_default(),
        }
    }
}

impl FromNode for Share {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let read = match &node.value {
            Content::Text(text) => percent(text).ok(),
            _ => None,
        };
        if read.is_none() {
            node.fault(faults, "is not a share from 0% to 100%: write one such as 20%");
        }
        read.map(|percent| Self(percent / 100.0))
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "string", "pattern": r"[0-9.].*%\s*$", "examples": ["20%"] })
    }
}

impl FromNode for Growth {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let Content::Text(text) = &node.value else { return f64::from_node(node, faults).map(Self::By) };
        let share = text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse::<f64>().ok());
        let share = share.filter(|share| share.is_finite());
        if share.is_none() {
            node.fault(faults, "is no growth: write a number such as 0.5, or a share of the value such as 80%");
        }
        share.map(|percent| Self::Share(percent / 100.0))
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [f64::schema(definitions), Share::schema(definitions)] })
    }
}

impl FromNode for ReadyAfter {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        match &node.value {
            Content::Text(text) if text == "never" => Some(Self(None)),
            _ => Duration::from_node(node, faults).map(|after| Self(Some(after))),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "anyOf": [Duration::schema(definitions), { "type": "string", "enum": ["never"] }] })
    }
}

const VERSIONS: [(&str, Version); 2] = [("accepted", Version::Accepted), ("candidate", Version::Candidate)];
const FAULTS: [(&str, Fault); 4] =
    [("down", Fault::Down), ("unreachable", Fault::Unreachable), ("no-samples", Fault::NoSamples), ("nan", Fault::Nan)];
const PERS: [(&str, Per); 3] = [("pod", Per::Pod), ("track", Per::Track), ("service", Per::Service)];

/// Reads one of a few words, and describes them.
macro_rules! of_words {
    ($type:ty, $words:expr) => {
        impl FromNode for $type {
            fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
                one_of(node, faults, &$words)
            }

            fn schema(_: &mut Definitions) -> Value {
                words(&$words)
            }
        }
    };
}

of_words!(Version, VERSIONS);
of_words!(Fault, FAULTS);
of_words!(Per, PERS);
of_words!(Ending, Ending::WORDS);
