//! Why a service is not adopted, and what would change that.

use serde_json::Value;

use super::{Problem, Service};
use crate::{
    judge::Track,
    settings::Settings,
    view::{Workload, workload_name},
};

/// A ReplicaSet's name is the Deployment's with a dash and ten characters, and at most a DNS subdomain.
const LONGEST_NAME: usize = 253 - 11;

/// Everything that stands against adopting a service; empty where nothing does.
pub(super) fn refusals(service: &Service<'_>, original: &Workload, settings: &Settings) -> Vec<Problem> {
    [
        copied(original),
        autoscaled(service),
        foreign_copies(service),
        owned(original),
        paused(original),
        recreated(original),
        claims(original, settings),
        host_ports(original),
        long_name(service.name),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An autoscaler on the service; it would fight over the replicas.
pub(super) fn autoscaled(service: &Service<'_>) -> Option<Problem> {
    let autoscaler = service.view.autoscalers.first()?;
    problem(
        format!("{autoscaler} scales this Deployment, which Aviary holds at 0 replicas"),
        format!("delete {autoscaler}, or take the service out of the configuration"),
    )
}

/// A strategy that says that two versions must not run side by side.
pub(super) fn recreated(original: &Workload) -> Option<Problem> {
    (original.spec["strategy"]["type"] == "Recreate").then_some(())?;
    problem(
        "its strategy is Recreate, so two versions must not run side by side, and a canary does just that",
        "set spec.strategy.type to RollingUpdate if they may, or take the service out of the configuration",
    )
}

fn copied(original: &Workload) -> Option<Problem> {
    original.is_copy().then_some(())?;
    problem(
        "it carries the marks of a copy that Aviary made",
        "name the Deployment it is a copy of, or remove the marks",
    )
}

fn foreign_copies(service: &Service<'_>) -> Option<Problem> {
    let copies = [Track::Primary, Track::Canary];
    let track = copies.into_iter().find(|track| service.view.workload(*track).is_some())?;
    let name = workload_name(service.name, track);
    stranger(service).or_else(|| {
        problem(
            format!("its record is gone, but its {track} {name} is there"),
            format!("put the record back from a backup, or scale {} up by hand and delete the copies", service.name),
        )
    })
}

/// A Deployment that has the name of a copy and is not Aviary's: it is never touched.
pub(super) fn stranger(service: &Service<'_>) -> Option<Problem> {
    let copies = [Track::Primary, Track::Canary];
    let track = copies
        .into_iter()
        .find(|track| service.view.workload(*track).is_some_and(|copy| !copy.is_copy_of(service.name)))?;
    let name = workload_name(service.name, track);
    problem(
        format!("a Deployment {name} exists that Aviary did not make"),
        format!("rename or delete {name}, or take the service out of the configuration"),
    )
}

fn owned(original: &Workload) -> Option<Problem> {
    let controller = original.controller.as_ref()?;
    problem(
        format!("{controller} owns this Deployment and would undo what Aviary sets"),
        "take the service out of the configuration, or remove that owner",
    )
}

fn paused(original: &Workload) -> Option<Problem> {
    original.spec["paused"].as_bool().filter(|paused| *paused)?;
    problem("it is paused", format!("kubectl rollout resume deployment/{}", original.name))
}

fn claims(original: &Workload, settings: &Settings) -> Option<Problem> {
    let volume = volumes(original).find(|volume| !volume["persistentVolumeClaim"].is_null())?;
    let claim = volume["persistentVolumeClaim"]["claimName"].as_str().unwrap_or_default();
    (!settings.shared_claims).then_some(())?;
    problem(
        format!(
            "it mounts the volume claim {claim}, which pods of two Deployments may not share if it is ReadWriteOnce"
        ),
        "set `shared-claims: true` for this service if the claim is ReadWriteMany",
    )
}

fn host_ports(original: &Workload) -> Option<Problem> {
    let pod = &original.spec["template"]["spec"];
    let ports = pod["containers"].as_array()?.iter().flat_map(|c| c["ports"].as_array().into_iter().flatten());
    let port = ports.filter_map(|port| port["hostPort"].as_u64()).next()?;
    problem(
        format!("it binds port {port} of its nodes, so pods of two Deployments get into each other's way"),
        "take hostPort out, or take the service out of the configuration",
    )
}

fn long_name(name: &str) -> Option<Problem> {
    let copy = workload_name(name, Track::Primary);
    (copy.len() > LONGEST_NAME).then_some(())?;
    problem(
        format!("the name of its copy {copy} would be longer than {LONGEST_NAME} characters"),
        "take the service out of the configuration, or give it a shorter name",
    )
}

fn volumes(original: &Workload) -> impl Iterator<Item = &Value> {
    original.spec["template"]["spec"]["volumes"].as_array().into_iter().flatten()
}

fn problem(fault: impl Into<String>, remedy: impl Into<String>) -> Option<Problem> {
    Some(Problem { fault: fault.into(), remedy: remedy.into() })
}
