//! The original's file as it is written: read as strictly as our own, field by field as the original's code reads it.

use std::path::Path;

use aviary_metrics::validate_address;

use super::{
    promql::Asked,
    values::{MaxFailures, Read, Seconds, Share, StartDelay, placed},
};
use crate::configuration::{
    Faults,
    document::{self, Key, Node},
    fields::{Fields, FromNode as _, Placed},
    names::{LONGEST_NAME, LONGEST_NAMESPACE, check_name, is_name},
};

/// What no schema says: only our own file has one.
const NO_HELP: &str = "";
const SHARE: &str = "write a whole share such as 50%";
const TIME: &str = "write a time such as 120s, 2m or 1h";

/// The whole file.
#[derive(Debug)]
pub struct Original {
    /// Where it asks for metrics.
    pub prometheus: Placed<String>,
    /// Of all its Deployments.
    pub namespace: Placed<String>,
    /// In the order of the file, at least one.
    pub deployments: Vec<Deployment>,
    /// What can be no Deployment, such as a template for YAML's anchors: the original finds none and goes on.
    pub others: Vec<Placed<String>>,
}

/// A Deployment with its settings.
#[derive(Debug)]
pub struct Deployment {
    pub name: Placed<String>,
    pub step: Placed<Share>,
    pub break_point: Placed<Share>,
    pub start_delay: Option<Placed<StartDelay>>,
    pub check_interval: Placed<Seconds>,
    pub max_failures: Option<Placed<MaxFailures>>,
    pub max_step_duration: Placed<Seconds>,
    pub abort: Placed<Seconds>,
    pub success: Placed<Vec<Success>>,
    /// Fields that the original does not know either, as they are written.
    pub unknown: Vec<Placed<String>>,
}

/// One of `success:`
#[derive(Debug)]
pub struct Success {
    pub asked: Placed<Asked>,
    /// As in a Deployment.
    pub unknown: Vec<Placed<String>>,
}

impl Original {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn read(text: &str, file: &Path) -> Result<Self, Faults> {
        let mut faults = Faults::new(file);
        let original = document::read(text, &mut faults).and_then(|node| whole(&node, &mut faults));
        original.filter(|_| faults.is_empty()).ok_or(faults)
    }
}

fn whole(node: &Node, faults: &mut Faults) -> Option<Original> {
    let mut fields = Fields::of(node, faults)?;
    if node.has("kind") && node.has("data") {
        let way_out = r"kubectl get configmap NAME -o jsonpath='{.data.canaries\.yaml}'";
        node.fault(faults, format!("is a manifest: give the canaries.yaml in it as a file of its own ({way_out})"));
        return None;
    }
    let prometheus: Option<Placed<String>> = fields.required("prometheus-base-url", NO_HELP, "write its address");
    let namespace: Option<Placed<String>> =
        fields.required("namespace", NO_HELP, "write the namespace of the Deployments");
    let (named, others): (Vec<_>, Vec<_>) =
        fields.rest().into_iter().partition(|(key, ..)| is_name(&key.name, LONGEST_NAME, true));
    if let Some(url) = &prometheus
        && let Err(fault) = validate_address(&url.value)
    {
        url.fault(faults, fault.to_string());
    }
    if let Some(namespace) = &namespace {
        check_name(namespace, LONGEST_NAMESPACE, false, faults);
    }
    if named.is_empty() {
        node.fault(faults, "has no Deployment: write at least one, its name and below it its settings");
    }
    let deployments = named.into_iter().filter_map(|(key, node, _)| deployment(&key, &node, faults)).collect();
    let others = others.into_iter().map(|(key, node, _)| written(&key, &node, None)).collect();
    Some(Original { prometheus: prometheus?, namespace: namespace?, deployments, others })
}

fn deployment(key: &Key, node: &Node, faults: &mut Faults) -> Option<Deployment> {
    let mut fields = Fields::of(node, faults)?;
    let mut required = |name, remedy| fields.required::<Node>(name, NO_HELP, remedy);
    let (step, break_point) = (required("step", SHARE), required("breakpoint", SHARE));
    let check_interval = required("check_success_step_duration", TIME);
    let (max_step_duration, abort) = (required("max_step_duration", TIME), required("abort", TIME));
    let success = required("success", "the original fails at its first check; write [] to judge by restarts alone");
    let start_delay = fields.optional("start_delay", NO_HELP);
    let max_failures = fields.optional("check_max_failures", NO_HELP);
    let unknown = unknown(fields);
    let (step, break_point) = (placed(step, faults), placed(break_point, faults));
    let (max_step_duration, abort) = (placed(max_step_duration, faults), placed(abort, faults));
    let (start_delay, max_failures) = (placed(start_delay, faults), placed(max_failures, faults));
    let (check_interval, success) = (placed::<Seconds>(check_interval, faults), placed(success, faults));
    let asks_without_pause = check_interval.as_ref().filter(|interval| interval.value == Seconds(0));
    if let Some(interval) = asks_without_pause {
        interval.fault(faults, "is 0s, so that checks never pause: write a time such as 30s");
    }
    Some(Deployment {
        name: Placed { place: key.place, path: node.path.clone(), value: key.name.clone() },
        step: step?,
        break_point: break_point?,
        start_delay,
        check_interval: check_interval.filter(|interval| interval.value != Seconds(0))?,
        max_failures,
        max_step_duration: max_step_duration?,
        abort: abort?,
        success: success?,
        unknown,
    })
}

impl Read for Vec<Success> {
    fn read(node: &Node, faults: &mut Faults) -> Option<Self> {
        let items = Vec::<Node>::from_node(node, faults)?;
        Some(items.iter().filter_map(|item| success(item, faults)).collect())
    }
}

fn success(node: &Node, faults: &mut Faults) -> Option<Success> {
    let mut fields = Fields::of(node, faults)?;
    let asked = fields.required("expr", NO_HELP, "write the PromQL that gives a result while all is well");
    let unknown = unknown(fields);
    Some(Success { asked: placed(asked, faults)?, unknown })
}

fn unknown(fields: Fields<'_>) -> Vec<Placed<String>> {
    fields.rest().into_iter().map(|(key, node, meant)| written(&key, &node, meant)).collect()
}

/// A field as it is written, with the one it may be meant to be.
fn written(key: &Key, node: &Node, meant: Option<&str>) -> Placed<String> {
    let meant = meant.map_or(String::new(), |meant| format!(" (did you mean {meant}?)"));
    let value = format!("{}: {}{meant}", key.name, node.value);
    Placed { place: key.place, path: node.path.clone(), value }
}
