//! A run for a program: one JSON document, times in milliseconds since the candidate was applied.

use aviary_core::{judge::Track, time::Timestamp};
use serde_json::{Map, Value, json};

use super::{
    outcome::Ending,
    release::Release,
    story::{Entry, What},
    world::Run,
};

/// What every document begins with.
pub fn head(name: &str, release: &Release, expected: Option<Ending>) -> Value {
    json!({
        "release": name,
        "about": release.about,
        "service": release.service.to_string(),
        "replicas": release.replicas,
        "metrics": release.settings.metrics.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>(),
        "left_out": release.left_out,
        "expected": expected.map(Ending::word),
    })
}

/// How one run ended, and what happened in it.
pub fn run(run: &Run) -> Value {
    let minutes = |track: Track| (track.word().to_owned(), json!(run.exposure.minutes(track)));
    let mut exposed: Map<String, Value> = Track::ALL.into_iter().map(minutes).collect();
    exposed.insert("all".to_owned(), json!(run.exposure.all()));
    let timeline = run.entries.iter().filter(|entry| entry.at >= run.applied);
    json!({
        "seed": run.seed,
        "outcome": run.ending.word(),
        "reason": run.reason,
        "decided_ms": run.decided.map(|time| time.as_millis()),
        "ended_ms": run.ended.as_millis(),
        "exposed_pod_minutes": exposed,
        "timeline": timeline.map(|entry| self::entry(entry, run.applied)).collect::<Vec<_>>(),
    })
}

fn entry(entry: &Entry, applied: Timestamp) -> Value {
    let at = entry.at.0 - applied.0;
    match &entry.what {
        What::Said { code, warning, text } => {
            json!({ "at_ms": at, "event": code, "warning": warning, "text": text })
        }
        What::Checked(check, said) => json!({
            "at_ms": at,
            "check": check.outcome.to_string(),
            "step": check.step_index,
            "canary": check.canary,
            "early": check.early,
            "findings": check.findings,
            "move": said.as_ref().map(|said| json!({ "next": said.said.next, "reason": said.said.reason, "policy": said.policy })),
        }),
    }
}
