//! The default analyzer of pods: restarts, containers that cannot start, memory that ran out. It needs no metric and no
//! warm-up.

use aviary_policy_sdk::{Analyzer, Finding, Observation, Outcome, Pod, Restart, Timestamp, Track, parameters};

parameters! {
    /// How many restarts a canary is forgiven.
    pub struct Settings {
        /// Restarts of canary pods in a rollout, all pods together, that are not critical yet.
        pub max_restarts: u32 = 1,
        /// Milliseconds after which a forgiven restart no longer keeps a check from passing.
        pub settle_duration: u64 = 600_000,
    }
}

/// The policy.
pub struct Health;

aviary_policy_sdk::export_analyzer!(Health);

/// Why a container does not run, from which nothing leads out without a change.
const BROKEN: [&str; 6] = [
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Why a container that has ended again and again does not run.
const LOOPS: [&str; 1] = ["CrashLoopBackOff"];

/// Why a container does not run, for now.
const DOUBTFUL: [&str; 1] = ["ErrImagePull"];

impl Analyzer for Health {
    type Parameters = Settings;

    fn analyze(observation: &Observation, settings: &Settings) -> Finding {
        let canary: Vec<&Pod> = observation.pods_of(Track::Canary).collect();
        let of_both = restarts_of_both(&canary, observation);
        let loops = if of_both { Outcome::Inconclusive } else { Outcome::Critical };
        let findings = [
            canary.iter().find_map(|pod| out_of_memory(pod)),
            canary.iter().find_map(|pod| waiting(pod, &BROKEN, Outcome::Critical)),
            canary.iter().find_map(|pod| waiting(pod, &LOOPS, loops)),
            restarts(&canary, observation, settings, of_both),
            canary.iter().find_map(|pod| waiting(pod, &DOUBTFUL, Outcome::Inconclusive)),
            Some(readiness(&canary, observation)),
        ];
        let worst = Finding::worst(findings.into_iter().flatten());
        let finding = worst.unwrap_or_else(|| Finding::inconclusive("there is nothing to judge"));
        Finding { score: Some(ready_share(&canary, observation)), ..finding }
    }
}

fn out_of_memory(pod: &Pod) -> Option<Finding> {
    let restart = pod.restarts.iter().rev().find(|restart| restart.reason == "OOMKilled")?;
    let (container, pod) = (&restart.container, &pod.name);
    Some(Finding::critical(format!("container {container} of {pod} was killed as it ran out of memory (OOMKilled)")))
}

fn waiting(pod: &Pod, reasons: &[&str], outcome: Outcome) -> Option<Finding> {
    let reason = pod.waiting_reason.as_deref().filter(|reason| reasons.contains(reason))?;
    let message = pod.waiting_message.as_deref().map_or(String::new(), |message| format!(": {}", shorten(message)));
    Some(Finding::new(outcome, format!("{} waits with {reason}{message}", pod.name)))
}

fn restarts(canary: &[&Pod], observation: &Observation, settings: &Settings, of_both: bool) -> Option<Finding> {
    let progress = &observation.progress;
    let restarted: Vec<&Pod> = canary.iter().copied().filter(|pod| count(pod, progress.started) > 0).collect();
    let total: u32 = restarted.iter().map(|pod| count(pod, progress.started)).sum();
    let worst = restarted.iter().max_by_key(|pod| count(pod, progress.started))?;
    let of_primary: u32 = observation.pods_of(Track::Primary).map(within).sum();
    let primary = if of_primary > 0 { format!(" (pods of the primary: {of_primary})") } else { String::new() };
    let last = worst.restarts.last().map_or(String::new(), |restart| format!(", last with {}", end(restart)));
    let told = format!("{} of canary pods in this rollout{last}, on {}{primary}", restarts_in_words(total), worst.name);
    if total > settings.max_restarts && !of_both {
        return Some(Finding::critical(format!("{told}: more than the {} allowed", settings.max_restarts)));
    }
    let recent = restarted.iter().any(|pod| is_recent(pod, progress.now, settings.settle_duration));
    let why = if of_both {
        "the accepted version restarts as well".to_owned()
    } else {
        format!("one more than {} is critical", settings.max_restarts)
    };
    recent.then(|| Finding::inconclusive(format!("{told}: {why}")))
}

/// Whether the canary's pods restart no more than twice as often as the primary's, by their shares: then it is nothing that only
/// the new version does, such as a database that is away.
fn restarts_of_both(canary: &[&Pod], observation: &Observation) -> bool {
    let primary: Vec<&Pod> = observation.pods_of(Track::Primary).collect();
    let restarted = |pods: &[&Pod]| pods.iter().filter(|pod| count(pod, observation.progress.started) > 0).count();
    let (of_canary, of_primary) = (restarted(canary), restarted(&primary));
    of_primary > 0 && of_canary * primary.len() <= 2 * of_primary * canary.len()
}

/// The list holds each container's last end only, so the counter tells more of a pod that was created in the rollout.
fn count(pod: &Pod, started: Timestamp) -> u32 {
    // Kubernetes tells whole seconds: one that was created at once looks older by a part of one.
    if pod.created.saturating_add(999) >= started { pod.restart_count.max(within(pod)) } else { within(pod) }
}

fn within(pod: &Pod) -> u32 {
    u32::try_from(pod.restarts.len()).unwrap_or(u32::MAX)
}

/// A restart whose time is not known counts as recent.
fn is_recent(pod: &Pod, now: Timestamp, settle: u64) -> bool {
    let last = pod.restarts.iter().map(|restart| restart.at).max();
    last.is_none_or(|last| now.saturating_sub(last) < i64::try_from(settle).unwrap_or(i64::MAX))
}

fn readiness(canary: &[&Pod], observation: &Observation) -> Finding {
    let wanted = observation.progress.canary.wanted;
    let ready = canary.iter().filter(|pod| pod.ready).count();
    let unready = canary.iter().find(|pod| !pod.ready);
    match unready {
        _ if wanted == 0 || canary.is_empty() => Finding::inconclusive("there is no canary pod to judge"),
        Some(pod) => Finding::inconclusive(format!("{ready} of {wanted} canary pods are ready; {} is not", pod.name)),
        None if ready < wanted as usize => Finding::inconclusive(format!("{ready} of {wanted} canary pods are ready")),
        None => Finding::pass(format!("{ready} of {wanted} canary pods are ready, none restarted of late")),
    }
}

fn ready_share(canary: &[&Pod], observation: &Observation) -> f64 {
    let ready = u32::try_from(canary.iter().filter(|pod| pod.ready).count()).unwrap_or(u32::MAX);
    let wanted = observation.progress.canary.wanted.max(1);
    (100.0 * f64::from(ready) / f64::from(wanted)).min(100.0)
}

fn restarts_in_words(count: u32) -> String {
    if count == 1 { "1 restart".to_owned() } else { format!("{count} restarts") }
}

fn end(restart: &Restart) -> String {
    format!("{} (exit code {}) in container {}", restart.reason, restart.exit_code, restart.container)
}

/// A kubelet's message can be pages long; the host refuses reasons that are.
fn shorten(message: &str) -> String {
    let line: String = message.lines().next().unwrap_or_default().chars().take(200).collect();
    if line.len() < message.len() { format!("{line}...") } else { line }
}
