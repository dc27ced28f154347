//! What is said where a setting means something else here than there, "there" being the original.

use std::time::Duration;

use crate::configuration::units::duration_text;

pub const PROMETHEUS: &str = "No answer (out of reach, an error, NaN) says nothing here, and the step waits. There an \
    error or NaN passed, and a Prometheus out of reach ended the watch over the Deployment.";
pub const BREAK_POINT: &str = "Steps end exactly here. There a last step that did not fit as a whole was left out, and \
    the image promoted untested at this size.";
pub const NO_PRIMARY: &str = "At 100% no primary pod is left to compare with in the last step: a condition that no longer \
    holds then makes it wait, where it failed there.";
pub const PASSES: &str = "So many checks fit into max_step_duration. All of them must pass here, and a failed one starts \
    the count again; there the step was passed when its time was over.";
pub const TOLERATED: &str = "One failed check more rolls back: check_max_failures less one. There the count began again at \
    each step; here the failures within failure-window count.";
pub const FAILURE_WINDOW: &str = "ready-deadline + warm-up + passes * check-interval, so that all failures of one step fall \
    into it.";
pub const FAILURE_WINDOW_BOUNDED: &str = "No longer than 64 checks take: so many are remembered.";
pub const READY: &str = "From abort; see that it is long enough: pods must be Ready by then, there it was enough that they ran. \
    It starts anew with each pod that becomes available.";
pub const LONGEST: &str = "Twice ready-deadline + warm-up + passes * check-interval. A step without a verdict by then is \
    paused for a person; there it was passed.";
pub const LONGEST_BOUNDED: &str = "No more than 24h can be said here.";
pub const NO_CHECK: &str = "max_step_duration is 0s, so that no check was ever made there.";
pub const RESTARTS: &str = "A restart of a canary pod rolls back at once; there it failed every check from then on.";
pub const METRICS: &str = "A condition holds on the pods for which it gives a result. A canary pod without one fails the \
    check only if some primary pod has one; otherwise nothing is said, and the step waits. There it failed in any case.";
pub const WHOLE: &str = "Its expression names no pod, so that it is asked once for the service. Without a result it is 0, and \
    fails, as there.";
pub const CLASSIFIER: &str = "A new image takes a canary here, any other change goes direct. There a changed value below \
    containers or initContainers took a canary, too. For those as well:";
/// YAML, to be written instead of the comment.
pub const CANARY_POINTERS: &str = "classifier: { policy: image-change, parameters: { canary-pointers: \
    ['/template/spec/containers/**', '/template/spec/initContainers/**'] } }";

/// The comment at the head, a paragraph each.
pub fn head(file: &str) -> Vec<String> {
    vec![
        format!(
            "Made by `aviary import` from {file} of the original Aviary. Comments say what means something else here \
             than there. Look at ready-deadline first: here it is about pods that are Ready."
        ),
        "Before the first start: stop the original. Then, for each service, scale its Deployment from 0 to the pods it \
         should have, wait until they are ready, and delete the original's copies of it (-primary and -canary)."
            .to_owned(),
    ]
}

pub fn never_tested(step: u32) -> String {
    format!(
        "The step of {step}% is larger: there images were promoted without any check, here they are tested at this size."
    )
}

pub fn last_tested(step: u32, last: u32) -> String {
    format!("The step of {step}% does not divide it: there {last}% was the last size that was tested.")
}

pub fn raised(written: u64, raised: u64) -> String {
    let time = |seconds| duration_text(Duration::from_secs(seconds));
    format!(
        "max_step_duration is {}, which the original raises to {}: check_max_failures checks must fit into it.",
        time(written),
        time(raised)
    )
}

pub fn as_one(number: i128) -> String {
    format!("check_max_failures is {number}, which is as good as 1: the first failed check ends the rollout.")
}

pub fn bounded(written: u64) -> String {
    format!("abort is {}; from 1s to 24h can be said here.", duration_text(Duration::from_secs(written)))
}

pub fn unknown(written: &str) -> String {
    format!("Left out, as the original does not know it either: {written}")
}

pub fn no_deployment(written: &str) -> String {
    format!("Left out, as no Deployment can have that name: {written}")
}
