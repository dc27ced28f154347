//! What a pod's state looks like in the API: the phase, the conditions and the containers, as a kubelet derives them.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
        HostIP, PodCondition, PodIP, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::{
    container::{Container, Kind, State, Termination},
    pod::{Flag, Pod, RestartPolicy},
};

/// The conditions that this agent says itself; others in the API are somebody else's and stay.
pub const OWN_CONDITIONS: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// The whole status. Its lists replace those in the API.
pub fn status(pod: &Pod) -> PodStatus {
    let (init, main): (Vec<&Container>, Vec<&Container>) =
        pod.containers.iter().partition(|container| container.kind != Kind::Main);
    let statuses = |containers: Vec<&Container>| containers.into_iter().map(|one| container_status(pod, one)).collect();
    PodStatus {
        phase: Some(phase(pod).to_owned()),
        conditions: Some(conditions(pod)),
        init_container_statuses: (!init.is_empty()).then(|| statuses(init)),
        container_statuses: Some(statuses(main)),
        host_ip: Some(pod.host.to_string()),
        host_ips: Some(vec![HostIP { ip: pod.host.to_string() }]),
        pod_ip: Some(pod.address.to_string()),
        pod_ips: Some(vec![PodIP { ip: pod.address.to_string() }]),
        start_time: Some(Time(pod.accepted)),
        ..PodStatus::default()
    }
}

/// The phase of a pod: Pending, Running, Succeeded or Failed.
pub fn phase(pod: &Pod) -> &'static str {
    let ended = |container: &Container| matches!(container.state, State::Terminated(_));
    let mut init = pod.containers.iter().filter(|container| container.kind == Kind::Init);
    if let Some(unfinished) = init.find(|container| !container.has_succeeded()) {
        return if ended(unfinished) && pod.policy == RestartPolicy::Never { "Failed" } else { "Pending" };
    }
    let main = || pod.containers.iter().filter(|container| container.kind == Kind::Main);
    let never_ran =
        |container: &Container| matches!(container.state, State::Waiting { .. }) && container.last.is_none();
    if main().any(never_ran) {
        return "Pending";
    }
    if pod.policy == RestartPolicy::Always || !main().all(ended) {
        return "Running";
    }
    match main().all(Container::has_succeeded) {
        true => "Succeeded",
        false if pod.policy == RestartPolicy::Never => "Failed",
        false => "Running",
    }
}

fn conditions(pod: &Pod) -> Vec<PodCondition> {
    let always = Flag { value: true, since: pod.accepted };
    let unready = names(pod, |container| container.kind != Kind::Init && !container.ready);
    let incomplete = names(pod, |container| container.kind == Kind::Init && !container.has_succeeded());
    let not_ready = match phase(pod) {
        "Succeeded" => ("PodCompleted", String::new()),
        "Failed" => ("PodFailed", String::new()),
        _ => ("ContainersNotReady", format!("containers with unready status: [{unready}]")),
    };
    let not_initialized = ("ContainersNotInitialized", format!("containers with incomplete status: [{incomplete}]"));
    vec![
        condition("PodReadyToStartContainers", always, None),
        condition("Initialized", pod.initialized, Some(not_initialized)),
        condition("Ready", pod.containers_ready, Some(not_ready.clone())),
        condition("ContainersReady", pod.containers_ready, Some(not_ready)),
        condition("PodScheduled", always, None),
    ]
}

fn condition(name: &str, flag: Flag, otherwise: Option<(&str, String)>) -> PodCondition {
    let (reason, message) = otherwise.filter(|_| !flag.value).unzip();
    PodCondition {
        type_: name.to_owned(),
        status: if flag.value { "True" } else { "False" }.to_owned(),
        last_transition_time: Some(Time(flag.since)),
        reason: reason.map(str::to_owned),
        message: message.filter(|message| !message.is_empty()),
        ..PodCondition::default()
    }
}

fn names(pod: &Pod, include: impl Fn(&Container) -> bool) -> String {
    let names: Vec<&str> =
        pod.containers.iter().filter(|container| include(container)).map(|container| container.name.as_str()).collect();
    names.join(" ")
}

fn container_status(pod: &Pod, container: &Container) -> ContainerStatus {
    let running = container.is_running();
    ContainerStatus {
        name: container.name.clone(),
        image: container.image_name.clone(),
        image_id: if container.runs > 0 { format!("table://{}", container.image_name) } else { String::new() },
        container_id: (container.runs > 0).then(|| id(pod, container, container.runs)),
        ready: container.ready,
        started: (container.kind != Kind::Init || running).then_some(running),
        restart_count: i32::try_from(container.runs.saturating_sub(1)).unwrap_or(i32::MAX),
        state: Some(state(pod, container)),
        last_state: container.last.as_ref().map(|end| terminated(pod, container, end)),
        ..ContainerStatus::default()
    }
}

fn state(pod: &Pod, container: &Container) -> ContainerState {
    match &container.state {
        State::Waiting { reason, message } => ContainerState {
            waiting: Some(ContainerStateWaiting { reason: Some((*reason).to_owned()), message: message.clone() }),
            ..ContainerState::default()
        },
        State::Running { since } => ContainerState {
            running: Some(ContainerStateRunning { started_at: Some(Time(*since)) }),
            ..ContainerState::default()
        },
        State::Terminated(end) => terminated(pod, container, end),
    }
}

fn terminated(pod: &Pod, container: &Container, end: &Termination) -> ContainerState {
    let time = |time: Timestamp| Some(Time(time));
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: end.code,
            reason: Some(end.reason.to_owned()),
            message: end.message.clone(),
            started_at: end.started.and_then(time),
            finished_at: time(end.finished),
            container_id: Some(id(pod, container, end.run)),
            signal: None,
        }),
        ..ContainerState::default()
    }
}

fn id(pod: &Pod, container: &Container, run: u64) -> String {
    format!("process://{}/{}/{run}", pod.uid, container.name)
}
