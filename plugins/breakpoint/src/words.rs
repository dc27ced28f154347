//! Reasons as people read them.

use aviary_policy_sdk::Check;

use crate::Settings;

/// Why they seem to pass no longer than that.
pub(crate) const PASSES_FORGOTTEN: &str =
    ", but only the last 64 checks are remembered: ask for a shorter `pass-duration`, or check less often";

/// What the worst of a check's findings said, and whose it was.
pub(crate) fn blame(check: &Check) -> String {
    let worst = check.findings.iter().rev().max_by_key(|it| it.finding.outcome);
    worst.map_or_else(
        || format!("the check was {} and has no findings", check.outcome),
        |it| format!("{}: {}", it.analyzer, it.finding.reason),
    )
}

/// Why a rollout is rolled back.
pub(crate) fn failures(failures: &[&Check], settings: &Settings) -> String {
    let told = failures.last().map_or(String::new(), |check| blame(check));
    let steps: Vec<String> = failures.iter().map(|check| check.step_index.to_string()).collect();
    match failures.len() {
        0 | 1 => told,
        count => format!(
            "{count} failed checks{} (steps {}), {} tolerated; the last: {told}",
            window(settings),
            steps.join(", "),
            settings.tolerated_failures
        ),
    }
}

/// Why it is by one failure more, though it is not known whether they are too many.
pub(crate) fn forgotten(last: &Check, known_for: u64, settings: &Settings) -> String {
    format!(
        "a failed check, {} tolerated{}, of which only {} are remembered: what is forgotten may have failed as often; {}",
        settings.tolerated_failures,
        window(settings),
        duration(known_for),
        blame(last)
    )
}

/// Why it is not, yet.
pub(crate) fn tolerated(failures: &[&Check], settings: &Settings) -> String {
    let told = failures.last().map_or(String::new(), |check| blame(check));
    let tolerated = settings.tolerated_failures;
    format!("failure {} of {tolerated} tolerated{}: {told}", failures.len(), window(settings))
}

fn window(settings: &Settings) -> String {
    if settings.failure_window == 0 { String::new() } else { format!(" within {}", duration(settings.failure_window)) }
}

/// `1 pass` or `3 passes`.
pub(crate) fn count(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Milliseconds in minutes, or seconds where there are fewer than ten.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds / 1000 {
        0 if milliseconds > 0 => format!("{milliseconds} ms"),
        seconds if seconds >= 600 || seconds > 0 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
