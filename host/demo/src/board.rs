//! The board: how the service stands at this moment.

use crate::{
    stage::REPLICAS,
    status::{Check, Rollout, Service, Track},
    text::{Line, Style},
};

const NAME_WIDTH: usize = 11;
/// As many squares as the service can have pods, with its surge.
const PODS_UNTIL: usize = NAME_WIDTH + 2 * (REPLICAS as usize + 2) + 1;
const COUNTS_UNTIL: usize = PODS_UNTIL + 15;
const RULE_WIDTH: usize = 72;

/// The lines of the board; `now` is milliseconds since the epoch, `last` the last check there was.
pub fn board(title: &str, service: &Service, last: Option<&Check>, now: i64) -> Vec<Line> {
    let tracks = &service.tracks;
    let rule = "─".repeat(RULE_WIDTH.saturating_sub(title.chars().count() + 4));
    let mut lines =
        vec![Line::default().add(Style::Dim, "── ").add(Style::Bold, title).add(Style::Dim, format!(" {rule}"))];
    lines.push(track("original", tracks.original.as_ref()));
    lines.push(track("primary", tracks.primary.as_ref()));
    lines.push(track("canary", tracks.canary.as_ref()));
    lines.push(
        name("rollout")
            .join(service.rollout.as_ref().map_or_else(Line::default, |rollout| steps(service, rollout, now))),
    );
    lines.push(name("last check").join(last.map_or_else(Line::default, check)));
    lines.push(name("now").add(Style::Plain, service.reason.clone().unwrap_or_default()));
    lines
}

/// What a check said: its outcome, and who decided it with which reason.
pub fn check(check: &Check) -> Line {
    let line = Line::default().add(Style::of(&check.outcome), check.outcome.clone());
    match check.decisive() {
        Some(finding) => line
            .add(Style::Dim, format!("  {}  ", finding.policy.name))
            .add(Style::Plain, finding.finding.reason.clone()),
        None => line,
    }
}

/// A square per pod: full where it is ready.
pub fn pods(track: Option<&Track>) -> Line {
    let Some(track) = track else { return Line::default().add(Style::Dim, "-") };
    let ready = track.ready.min(track.pods);
    let unready = track.pods.max(track.wanted) - ready;
    Line::default().add(Style::Good, "■ ".repeat(ready as usize)).add(Style::Doubtful, "□ ".repeat(unready as usize))
}

fn name(name: &str) -> Line {
    Line::default().add(Style::Dim, format!("{name:<NAME_WIDTH$}"))
}

fn track(title: &str, track: Option<&Track>) -> Line {
    let line = name(title).join(pods(track)).pad(PODS_UNTIL);
    let Some(track) = track else { return line };
    let words = match (title, track.wanted.max(track.pods)) {
        ("original", 0) => "held at 0".to_owned(),
        (_, 0) => "no pods".to_owned(),
        _ => format!("{} of {} ready", track.ready, track.wanted),
    };
    let counts = line.add(Style::Plain, words).pad(COUNTS_UNTIL);
    counts.add(Style::Bold, track.image.clone())
}

fn steps(service: &Service, rollout: &Rollout, now: i64) -> Line {
    let (done, left) = (rollout.step as usize, rollout.steps.saturating_sub(rollout.step) as usize);
    let line = Line::default().add(Style::Good, "● ".repeat(done)).add(Style::Dim, "○ ".repeat(left));
    let pods = if rollout.size == 1 { "pod" } else { "pods" };
    let line =
        line.add(Style::Plain, format!("step {} of {}, {} canary {pods}", rollout.step, rollout.steps, rollout.size));
    line.add(Style::Doubtful, format!("  {}", what_next(service, rollout, now)))
}

fn what_next(service: &Service, rollout: &Rollout, now: i64) -> String {
    match (service.phase.as_str(), rollout.step_complete, rollout.next_check) {
        ("canary", None, _) => "pods are moving".to_owned(),
        ("canary", Some(_), Some(at)) if at > now => format!("next check in {} s", tenths(at - now)),
        ("canary", Some(_), _) => "checking".to_owned(),
        (phase, ..) => phase.to_owned(),
    }
}

/// Milliseconds as seconds with one digit.
fn tenths(milliseconds: i64) -> String {
    format!("{}.{}", milliseconds / 1000, milliseconds % 1000 / 100)
}
