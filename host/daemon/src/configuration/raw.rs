//! The configuration file as it is written: every field optional and with its place, nothing judged yet.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use aviary_core::{
    judge::{Better, MetricKind},
    settings::{Amount, OnRollback},
};

use serde_json::{Value, json};

use super::{
    document::Node,
    fault::Faults,
    fields::{Fields, FromNode, Placed, Section},
    schema::Definitions,
    values::{Named, Parameters, one_of, words},
};

/// What to do where no service is named.
pub const NO_SERVICE: &str = "name at least one, with name and namespace";
/// The fields that say which Deployments an entry is about.
const NAMES: [&str; 3] = ["name", "names", "selector"];
const NO_NAME: &str = "is about no Deployment: give the name of one, or names or selector for all that match";

/// The whole file.
#[derive(Debug)]
pub struct File {
    pub prometheus: Option<Placed<Prometheus>>,
    pub policies: Option<Policies>,
    pub listen: Option<SocketAddr>,
    pub socket: Option<PathBuf>,
    pub lease: Option<Lease>,
    pub defaults: Overrides,
    pub groups: Named<Overrides>,
    pub services: Option<Placed<Vec<Placed<Service>>>>,
}

/// `prometheus:`
#[derive(Debug, Clone)]
pub struct Prometheus {
    pub url: Option<Placed<String>>,
    pub tls: Option<Placed<Tls>>,
    pub bearer_token_file: Option<Placed<PathBuf>>,
    pub basic_auth: Option<BasicAuth>,
    pub timeout: Option<Placed<Duration>>,
}

/// `prometheus.tls:`
#[derive(Debug, Clone)]
pub struct Tls {
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub insecure: Option<bool>,
}

/// `prometheus.basic-auth:`
#[derive(Debug, Clone)]
pub struct BasicAuth {
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
}

/// `lease:`
#[derive(Debug, Clone)]
pub struct Lease {
    pub namespace: Option<Placed<String>>,
    pub name: Option<Placed<String>>,
    pub duration: Option<Placed<Duration>>,
}

/// `policies:`
#[derive(Debug)]
pub struct Policies {
    pub folder: Option<PathBuf>,
}

/// One of `services:`
#[derive(Debug, Clone)]
pub struct Service {
    pub name: Option<Placed<String>>,
    pub names: Option<Placed<String>>,
    pub except: Option<Placed<Vec<Placed<String>>>>,
    pub selector: Option<Placed<String>>,
    pub namespace: Option<Placed<String>>,
    pub group: Option<Placed<String>>,
    pub overrides: Overrides,
}

/// What may stand in `defaults:`, in each group and in each service.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub step: Option<Placed<Amount>>,
    pub break_point: Option<Placed<Amount>>,
    pub surge: Option<Placed<Amount>>,
    pub warm_up: Option<Placed<Duration>>,
    pub check_interval: Option<Placed<Duration>>,
    pub passes: Option<Placed<u32>>,
    pub tolerated_failures: Option<Placed<u32>>,
    pub failure_window: Option<Placed<Duration>>,
    pub ready_deadline: Option<Placed<Duration>>,
    pub longest_step: Option<Placed<Duration>>,
    pub on_rollback: Option<Placed<OnRollback>>,
    pub shared_claims: Option<Placed<bool>>,
    pub classifier: Option<Placed<Policy>>,
    pub analyzers: Option<Placed<Vec<Placed<Policy>>>>,
    pub progression: Option<Placed<Policy>>,
    pub metrics: Option<Placed<Vec<Placed<Metric>>>>,
}

/// A policy by name.
#[derive(Debug, Clone)]
pub struct Policy {
    pub policy: Option<Placed<String>>,
    pub parameters: Parameters,
}

/// One of `metrics:`
#[derive(Debug, Clone)]
pub struct Metric {
    pub name: Option<Placed<String>>,
    pub series: Option<Placed<String>>,
    pub query: Option<Placed<String>>,
    pub condition: Option<Placed<String>>,
    pub kind: Option<Placed<MetricKind>>,
    pub unit: Option<Placed<String>>,
    pub better: Option<Placed<Better>>,
    pub min: Option<Placed<f64>>,
    pub max: Option<Placed<f64>>,
    pub window: Option<Placed<Duration>>,
    pub parameters: Parameters,
}

impl Section for File {
    const NAME: &str = "file";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            prometheus: fields.optional("prometheus", "Where metrics come from: anything that speaks Prometheus' HTTP interface. Needed as soon as a service has metrics."),
            policies: fields.optional("policies", "Policies of your own."),
            listen: fields.optional("listen", "Where /healthz, /readyz and /metrics are served, such as 0.0.0.0:8080. Nothing is served if it is left out."),
            socket: fields.optional("socket", "The control socket of aviary status, cancel, pause and the others."),
            lease: fields.optional("lease", "The Lease that daemons with the same services compete for: one of them acts."),
            defaults: fields.optional("defaults", "What holds for every service that does not say otherwise.").unwrap_or_default(),
            groups: fields.optional("groups", "Settings that several services share, by name. They go before the defaults.").unwrap_or_default(),
            services: fields.required("services", "Which Deployments Aviary cares for. An entry by name goes before patterns, and of those the first of the file holds.", NO_SERVICE),
        }
    }
}

impl Section for Prometheus {
    const NAME: &str = "prometheus";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            url: fields.required(
                "url",
                "Its address, such as http://prometheus:9090.",
                "write one such as http://prometheus:9090",
            ),
            tls: fields.optional("tls", "How an https address is trusted; without it by the system's authorities."),
            bearer_token_file: fields.optional("bearer-token-file", "A file with a token, read again for every check."),
            basic_auth: fields.optional("basic-auth", "A user name and the file of its password."),
            timeout: fields
                .optional("timeout", "For one query, up to its last byte; from 100ms to 5m, 10s if left out."),
        }
    }
}

impl Section for Tls {
    const NAME: &str = "tls";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            ca: fields.optional("ca", "The only authorities to trust, a PEM file."),
            certificate: fields.optional("certificate", "The client's certificate, a PEM file."),
            key: fields.optional("key", "The key of that certificate, a PEM file."),
            insecure: fields.optional("insecure", "Whether anybody is trusted; for trials only."),
        }
    }
}

impl Section for BasicAuth {
    const NAME: &str = "basic-auth";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            username: fields.required("username", "The name to sign in with.", "write the name to sign in with"),
            password_file: fields.required(
                "password-file",
                "A file that holds the password and no more, read again for every check.",
                "name a file that holds the password and no more",
            ),
        }
    }
}

impl Section for Lease {
    const NAME: &str = "lease";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            namespace: fields.optional(
                "namespace",
                "Where it is; left out, the namespace of Aviary's pod, or that of the kubeconfig's context.",
            ),
            name: fields.optional("name", "Its name; aviary if left out."),
            duration: fields.optional(
                "duration",
                "How long it lasts without a renewal, and so how long nobody acts after its holder has died: whole \
                 seconds from 5s to 5m, 15s if left out.",
            ),
        }
    }
}

impl Section for Policies {
    const NAME: &str = "policies";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self { folder: fields.optional("folder", "Policies that are dropped here are taken over while Aviary runs.") }
    }
}

impl Section for Service {
    const NAME: &str = "service";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            name: fields.optional("name", "The name of the one Deployment."),
            names: fields
                .optional("names", "A pattern of the names of Deployments: * is any text, ? any one character."),
            except: fields.optional("except", "Patterns of names that are left out."),
            selector: fields
                .optional("selector", "A label selector as for kubectl: team=ingest,tier in (batch,stream),!legacy."),
            namespace: fields.required(
                "namespace",
                "The Kubernetes namespace.",
                "write the namespace of its Deployment",
            ),
            group: fields.optional("group", "One of groups, whose settings go before the defaults."),
            overrides: Overrides::take(fields),
        }
    }

    fn between() -> Value {
        let named = NAMES.map(|name| json!({ "required": [name] }));
        json!({ "anyOf": named })
    }

    fn judge(self, node: &Node, _sound: bool, faults: &mut Faults) -> Option<Self> {
        if !NAMES.iter().any(|name| node.has(name)) {
            node.fault(faults, NO_NAME);
        }
        Some(self)
    }
}

impl Section for Overrides {
    const NAME: &str = "settings";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            step: fields.optional("step", "By how much the canary grows: a share or a number of pods; 20% if left out."),
            break_point: fields.optional("break-point", "The share at which a candidate that passed is promoted; 50% if left out."),
            surge: fields.optional("surge", "How many pods beyond a service's number capacity may use while it moves: a share or a number, 0 where partitions are counted; 25% if left out."),
            warm_up: fields.optional("warm-up", "The wait after each scaling before the first check counts; 2m if left out. It must cover the time in which pods are cold and the longest window, since that check judges the window before it."),
            check_interval: fields.optional("check-interval", "The time between two checks, at least 100ms; 30s if left out."),
            passes: fields.optional("passes", "How many checks must pass before a step is done, at most 64; 3 if left out. A parameter of breakpoint."),
            tolerated_failures: fields.optional("tolerated-failures", "How many checks may fail within failure-window; 1 if left out. A parameter of breakpoint."),
            failure_window: fields.optional("failure-window", "The time within which failures count together, no longer than 64 checks take, also where it is left out; 10m if left out. A parameter of breakpoint."),
            ready_deadline: fields.optional("ready-deadline", "How long pods may take until one more is available, the spec's minReadySeconds on top, or the candidate is rolled back; 10m if left out."),
            longest_step: fields.optional("longest-step", "A step that takes longer is paused for a person; 1h if left out."),
            on_rollback: fields.optional("on-rollback", "After a rollback the Deployment gets its accepted spec back (revert), or is left alone (keep), for GitOps with self-heal; revert if left out."),
            shared_claims: fields.optional("shared-claims", "Whether the service's volume claims can be mounted by many pods at once; false if left out."),
            classifier: fields.optional("classifier", "The policy that says what a change is; image-change if left out."),
            analyzers: fields.optional("analyzers", "The policies that judge a check; health, threshold if left out. The list replaces that of outer layers."),
            progression: fields.optional("progression", "The policy that says what comes next; breakpoint if left out."),
            metrics: fields.optional("metrics", "What is fetched for the analyzers; none if left out. The list replaces that of outer layers."),
        }
    }
}

impl Section for Policy {
    const NAME: &str = "policy";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            policy: fields.required(
                "policy",
                "Its name: built in, or that of its file in the policies' folder without .wasm.",
                "write the name of a policy, such as threshold",
            ),
            parameters: fields
                .optional("parameters", "The policy's own parameters; they replace those of outer layers.")
                .unwrap_or_default(),
        }
    }
}

impl Section for Metric {
    const NAME: &str = "metric";

    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            name: fields.required(
                "name",
                "A name that a person understands, such as errors.",
                "write one that a person understands, such as errors",
            ),
            series: fields.optional("series", "A selector; its raw samples are fetched, and kind says what they are."),
            query: fields.optional("query", "Any PromQL, with its past."),
            condition: fields.optional("condition", "PromQL that gives a sample for each pod that is good."),
            kind: fields.optional("kind", "What the samples of series are."),
            unit: fields.optional("unit", "For people, such as errors/s."),
            better: fields.optional(
                "better",
                "Which direction is good, for policies of your own: no built-in one reads it; neither if left out.",
            ),
            min: fields.optional("min", "The least value that passes."),
            max: fields.optional("max", "The greatest value that passes."),
            window: fields.optional("window", "Of rates; from 1s to 2h, 1m if left out; the scrape interval at least."),
            parameters: fields.optional("parameters", "For the analyzers.").unwrap_or_default(),
        }
    }

    fn between() -> Value {
        let asks = ["series", "query", "condition"].map(|name| json!({ "required": [name] }));
        json!({
            "anyOf": asks,
            "if": { "required": ["series"], "properties": { "series": { "type": "string" } } },
            "then": { "required": ["kind"] },
        })
    }

    /// A source or kind that cannot be read is not also missing.
    fn judge(self, _node: &Node, sound: bool, _faults: &mut Faults) -> Option<Self> {
        sound.then_some(self)
    }
}

const ON_ROLLBACK: [(&str, OnRollback); 2] = [("revert", OnRollback::Revert), ("keep", OnRollback::Keep)];

impl FromNode for OnRollback {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        one_of(node, faults, &ON_ROLLBACK)
    }

    fn schema(_: &mut Definitions) -> Value {
        words(&ON_ROLLBACK)
    }
}

const BETTER: [(&str, Better); 3] =
    [("lower", Better::Lower), ("higher", Better::Higher), ("neither", Better::Neither)];

impl FromNode for Better {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        one_of(node, faults, &BETTER)
    }

    fn schema(_: &mut Definitions) -> Value {
        words(&BETTER)
    }
}

const KINDS: [(&str, MetricKind); 3] =
    [("counter", MetricKind::Counter), ("gauge", MetricKind::Gauge), ("histogram-bucket", MetricKind::HistogramBucket)];

impl FromNode for MetricKind {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        one_of(node, faults, &KINDS)
    }

    fn schema(_: &mut Definitions) -> Value {
        words(&KINDS)
    }
}
