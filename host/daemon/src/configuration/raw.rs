//! The configuration file as it is written: every field optional and with its place, nothing judged yet.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use aviary_core::{
    judge::{Better, MetricKind},
    settings::{Amount, OnRollback},
};

use super::{
    document::{Node, Value},
    fault::Faults,
    fields::{Fields, FromNode, Named, Parameters, Placed, nearest},
};

/// What to do where no service is named.
pub const NO_SERVICE: &str = "name at least one, with name and namespace";
const NO_NAME: &str = "is about no Deployment: give the name of one, or names or selector for all that match";

/// The whole file.
#[derive(Debug)]
pub struct File {
    pub prometheus: Option<Placed<Prometheus>>,
    pub policies: Option<Policies>,
    pub listen: Option<SocketAddr>,
    pub socket: Option<PathBuf>,
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

impl File {
    /// Reads the whole file.
    pub fn read(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let file = Self {
            prometheus: fields.optional("prometheus"),
            policies: fields.optional("policies"),
            listen: fields.optional("listen"),
            socket: fields.optional("socket"),
            defaults: fields.optional("defaults").unwrap_or_default(),
            groups: fields.optional("groups").unwrap_or_default(),
            services: fields.required("services", NO_SERVICE),
        };
        fields.end();
        Some(file)
    }
}

impl FromNode for Prometheus {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let prometheus = Self {
            url: fields.required("url", "write one such as http://prometheus:9090"),
            tls: fields.optional("tls"),
            bearer_token_file: fields.optional("bearer-token-file"),
            basic_auth: fields.optional("basic-auth"),
            timeout: fields.optional("timeout"),
        };
        fields.end();
        Some(prometheus)
    }
}

impl FromNode for Tls {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let tls = Self {
            ca: fields.optional("ca"),
            certificate: fields.optional("certificate"),
            key: fields.optional("key"),
            insecure: fields.optional("insecure"),
        };
        fields.end();
        Some(tls)
    }
}

impl FromNode for BasicAuth {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let basic = Self {
            username: fields.required("username", "write the name to sign in with"),
            password_file: fields.required("password-file", "name a file that holds the password and no more"),
        };
        fields.end();
        Some(basic)
    }
}

impl FromNode for Policies {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let policies = Self { folder: fields.optional("folder") };
        fields.end();
        Some(policies)
    }
}

impl FromNode for Service {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let service = Self {
            name: fields.optional("name"),
            names: fields.optional("names"),
            except: fields.optional("except"),
            selector: fields.optional("selector"),
            namespace: fields.required("namespace", "write the namespace of its Deployment"),
            group: fields.optional("group"),
            overrides: Overrides::take(&mut fields),
        };
        let named = ["name", "names", "selector"].iter().any(|field| fields.has(field));
        fields.end();
        if !named {
            node.fault(faults, NO_NAME);
        }
        Some(service)
    }
}

impl FromNode for Overrides {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let overrides = Self::take(&mut fields);
        fields.end();
        Some(overrides)
    }
}

impl Overrides {
    fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            step: fields.optional("step"),
            break_point: fields.optional("break-point"),
            surge: fields.optional("surge"),
            warm_up: fields.optional("warm-up"),
            check_interval: fields.optional("check-interval"),
            passes: fields.optional("passes"),
            tolerated_failures: fields.optional("tolerated-failures"),
            failure_window: fields.optional("failure-window"),
            ready_deadline: fields.optional("ready-deadline"),
            longest_step: fields.optional("longest-step"),
            on_rollback: fields.optional("on-rollback"),
            shared_claims: fields.optional("shared-claims"),
            classifier: fields.optional("classifier"),
            analyzers: fields.optional("analyzers"),
            progression: fields.optional("progression"),
            metrics: fields.optional("metrics"),
        }
    }
}

impl FromNode for Policy {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let policy = Self {
            policy: fields.required("policy", "write the name of a policy, such as threshold"),
            parameters: fields.optional("parameters").unwrap_or_default(),
        };
        fields.end();
        Some(policy)
    }
}

impl FromNode for Metric {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let mut fields = Fields::of(node, faults)?;
        let metric = Self {
            name: fields.required("name", "write one that a person understands, such as errors"),
            series: fields.optional("series"),
            query: fields.optional("query"),
            condition: fields.optional("condition"),
            kind: fields.optional("kind"),
            unit: fields.optional("unit"),
            better: fields.optional("better"),
            min: fields.optional("min"),
            max: fields.optional("max"),
            window: fields.optional("window"),
            parameters: fields.optional("parameters").unwrap_or_default(),
        };
        // A source or kind that cannot be read is not also missing.
        fields.end().then_some(metric)
    }
}

impl FromNode for OnRollback {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        one_of(node, faults, &[("revert", Self::Revert), ("keep", Self::Keep)])
    }
}

impl FromNode for Better {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        one_of(node, faults, &[("lower", Self::Lower), ("higher", Self::Higher), ("neither", Self::Neither)])
    }
}

impl FromNode for MetricKind {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let words = [("counter", Self::Counter), ("gauge", Self::Gauge), ("histogram-bucket", Self::HistogramBucket)];
        one_of(node, faults, &words)
    }
}

fn one_of<T: Copy>(node: &Node, faults: &mut Faults, choices: &[(&'static str, T)]) -> Option<T> {
    let text = match &node.value {
        Value::Text(text) => text.as_str(),
        other => other.word(),
    };
    let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
    if found.is_none() {
        let words: Vec<&'static str> = choices.iter().map(|(word, _)| *word).collect();
        let remedy = nearest(text, &words)
            .map_or_else(|| format!("write one of {}", words.join(", ")), |word| format!("did you mean {word:?}?"));
        node.fault(faults, format!("{text:?} is not one of the choices: {remedy}"));
    }
    found
}
