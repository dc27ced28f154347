//! What is worth a line that stays: the difference between two looks at the service.

use crate::{
    board,
    status::{Check, Policy, Problem, Rollout, Service, Status, word},
    text::{Line, Style},
};

/// What happened between two looks, in words.
pub fn told(before: &Status, after: &Status) -> Vec<Line> {
    let mut lines = policies(&before.policies, &after.policies);
    let (before, after) = (before.service(), after.service());
    lines.extend(new_checks(&before, &after).map(|(number, check)| check_line(number, check)));
    lines.extend(step(&before, &after));
    lines.extend(complete(&before, &after));
    lines.extend(phase(&before, &after));
    if after.ended() > before.ended() {
        lines.extend(after.last().map(|past| {
            Line::default()
                .add(Style::of(word(past.ending)), word(past.ending))
                .add(Style::Plain, format!(": {}", past.reason))
        }));
    }
    lines.extend(problems(&before, &after));
    lines
}

/// The last check that can be seen, of the rollout under way.
pub fn last_check(service: &Service) -> Option<&Check> {
    service.rollout.as_ref()?.checks.last()
}

/// The beginning of a digest, enough to tell policies apart.
pub fn short(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(8).collect()
}

/// A file and its folder; what else there is of a path tells nothing here.
fn file(source: &str) -> String {
    let parts: Vec<&str> = source.rsplit('/').take(2).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

fn policies<'a>(before: &'a [Policy], after: &'a [Policy]) -> Vec<Line> {
    let old = |name: &str| before.iter().find(|policy| policy.name == name);
    let swapped = after.iter().filter_map(|policy| old(&policy.name).map(|old| (old, policy)));
    let swapped = swapped.filter(|(old, new)| old.digest != new.digest);
    let line = |(old, new): (&Policy, &Policy)| {
        let words =
            format!(": {} → {}, from {}: {}", short(&old.digest), short(&new.digest), file(&new.source), new.summary);
        Line::default().add(Style::Bold, format!("policy {} swapped", new.name)).add(Style::Plain, words)
    };
    swapped.map(line).collect()
}

fn new_checks<'a>(before: &Service, after: &'a Service) -> impl Iterator<Item = (usize, &'a Check)> {
    let seen = last_check(before).map_or(0, |check| check.at);
    let shown = after.rollout.as_ref().map_or(&[][..], |rollout| &rollout.checks);
    let first = after.rollout.as_ref().map_or(0, |rollout| rollout.checks_in_all as usize).saturating_sub(shown.len());
    shown.iter().enumerate().filter(move |(_, check)| check.at > seen).map(move |(i, check)| (first + i + 1, check))
}

fn check_line(number: usize, check: &Check) -> Line {
    Line::default().add(Style::Dim, format!("step {} check {number:<2} ", check.step_index)).join(board::check(check))
}

fn step(before: &Service, after: &Service) -> Option<Line> {
    let now = after.rollout.as_ref().filter(|_| after.phase == "canary")?;
    let then = before.rollout.as_ref();
    let size =
        |rollout: &Rollout| if rollout.size == 1 { "1 pod".to_owned() } else { format!("{} pods", rollout.size) };
    if now.step > 0 && then.is_none_or(|then| then.step != now.step) {
        let words = format!("step {} of {}: the canary gets {}", now.step, now.steps, size(now));
        return Some(Line::default().add(Style::Bold, words));
    }
    None
}

/// How the pods stand once a step is complete.
fn complete(before: &Service, after: &Service) -> Option<Line> {
    let stands = |service: &Service| {
        let rollout = service.rollout.as_ref()?;
        rollout.step_complete.map(|_| rollout.step)
    };
    let step = stands(after).filter(|step| stands(before) != Some(*step) && after.phase == "canary")?;
    let tracks = &after.tracks;
    let line = Line::new(format!("step {step} stands: primary ")).join(board::pods(tracks.primary.as_ref()));
    Some(line.add(Style::Plain, " canary ").join(board::pods(tracks.canary.as_ref())))
}

fn phase(before: &Service, after: &Service) -> Option<Line> {
    let words = match after.phase.as_str() {
        phase if phase == before.phase => return None,
        "adopting" => "adopting",
        "promoting" => "promoting",
        "rolling-back" => "rolling back",
        _ => return None,
    };
    let reason = after.reason.as_deref().unwrap_or_default();
    // Some begin with the phase, and repeat why: that was told, or is when it has ended.
    let reason = reason.strip_prefix(&format!("{words}: ")).unwrap_or(reason);
    let reason = if reason.starts_with(words) { "" } else { reason };
    let colon = if reason.is_empty() { "" } else { ": " };
    Some(Line::default().add(Style::Bold, words).add(Style::Plain, format!("{colon}{reason}")))
}

fn problems(before: &Service, after: &Service) -> Vec<Line> {
    let known = |fault: &str| before.problems.iter().any(|problem| problem.fault == fault);
    let new = after.problems.iter().filter(|problem| !known(&problem.fault));
    let line = |problem: &Problem| {
        Line::default().add(Style::Bad, problem.fault.clone()).add(Style::Plain, format!("; {}", problem.remedy))
    };
    new.map(line).collect()
}
