//! A run for a person at a terminal: what happened when, what each policy said, and how it ended.

use std::fmt::Write as _;

use aviary_core::{
    judge::{Check, Next, Track},
    record::LastMove,
    time::{Timestamp, humane},
};

use super::{
    outcome::Ending,
    release::Release,
    story::{Entry, What, word},
    world::Run,
};

/// The width of what stands before each text.
const MARGIN: usize = 12;
/// The least that is left for texts, however narrow the terminal.
const NARROWEST: usize = 30;

/// A page that is so many columns wide.
#[derive(Debug)]
pub struct Page {
    text: String,
    columns: usize,
    /// Why the last check did what it did: it need not be said again.
    reason: Option<String>,
}

impl Page {
    /// An empty one.
    pub const fn new(columns: usize) -> Self {
        Self { text: String::new(), columns, reason: None }
    }

    /// What is on it.
    pub fn text(self) -> String {
        self.text
    }

    /// A word in the margin, and a text of as many lines as it takes.
    pub fn line(&mut self, margin: &str, text: &str) {
        self.indented(margin, 0, text);
    }

    fn indented(&mut self, margin: &str, indent: usize, text: &str) {
        let width = self.columns.saturating_sub(MARGIN + indent).max(NARROWEST);
        for (at, line) in wrapped(text, width).into_iter().enumerate() {
            let margin = if at == 0 { margin } else { "" };
            let line = format!("{margin:<MARGIN$}{:indent$}{line}", "");
            let _ = writeln!(self.text, "{}", line.trim_end());
        }
    }

    /// What is released, and where.
    pub fn head(&mut self, name: &str, release: &Release) {
        let about = release.about.as_deref().map(|about| format!(": {about}")).unwrap_or_default();
        self.line("release", &format!("{name}{about}"));
        self.line("service", &format!("{}, {} pods", release.service, release.replicas));
        let metrics: Vec<&str> = release.settings.metrics.iter().map(|metric| metric.name.as_str()).collect();
        let metrics = match metrics.is_empty() {
            true => "none are configured".to_owned(),
            false => format!("{}; their samples are the release's, PromQL is not evaluated", metrics.join(", ")),
        };
        self.line("metrics", &metrics);
        if !release.left_out.is_empty() {
            self.line("left out", &format!("{}: the service has no such metric", release.left_out.join(", ")));
        }
    }

    /// What happened in a run. Checks of one step that end alike are told once, unless `all` are to be.
    pub fn story(&mut self, run: &Run, release: &Release, all: bool) {
        self.line("", "");
        self.line("+0s", &format!("{} is applied", release.image(super::written::Version::Candidate)));
        let entries = run.entries.iter().filter(|entry| entry.at >= run.applied && !entry.is_of_check());
        let entries: Vec<&Entry> = entries.collect();
        let mut at = 0;
        while let Some(entry) = entries.get(at) {
            let alike = if all { 0 } else { entries[at + 1..].iter().take_while(|next| is_like(entry, next)).count() };
            self.entry(entry, run.applied);
            if alike > 0 {
                let last = offset(entries[at + alike].at, run.applied);
                self.line("", &format!("... {alike} more like it, the last at {last}"));
            }
            at += alike + 1;
        }
    }

    fn entry(&mut self, entry: &Entry, applied: Timestamp) {
        let at = offset(entry.at, applied);
        match &entry.what {
            What::Said { warning, text, .. } => {
                let text = self.reason.as_ref().map_or_else(|| text.clone(), |reason| text.replace(reason, "..."));
                self.line(&at, &if *warning { format!("! {text}") } else { text });
            }
            What::Checked(check, said) => self.check(&at, check, said.as_ref()),
        }
    }

    fn check(&mut self, at: &str, check: &Check, said: Option<&LastMove>) {
        let early = if check.early { " on a pod's evidence" } else { "" };
        self.line(at, &format!("check of step {}{early}: {}", check.step_index, check.outcome));
        for found in &check.findings {
            let (policy, finding) = (&found.policy.name, &found.finding);
            self.indented("", 2, &format!("{policy}: {}: {}", finding.outcome, finding.reason));
        }
        let worst = check.findings.iter().find(|found| found.finding.outcome == check.outcome);
        let worst = worst.map(|found| format!("{}: {}", found.policy.name, found.finding.reason)).unwrap_or_default();
        if let Some(LastMove { said, policy, .. }) = said {
            let reason = if worst.is_empty() { said.reason.clone() } else { said.reason.replace(&worst, "...") };
            self.indented("", 2, &format!("{}: {}: {reason}", policy.name, word(said.next)));
        }
        self.reason = said.map(|said| said.said.reason.clone()).or(Some(worst)).filter(|reason| !reason.is_empty());
    }

    /// How a run ended, and whether that was expected.
    pub fn ending(&mut self, run: &Run, expected: Option<Ending>) {
        self.line("", "");
        self.line("outcome", &format!("{} after {}: {}", run.ending, humane(run.ended), run.reason));
        if let Some(decided) = run.decided {
            self.line("decided", &format!("after {}", humane(decided)));
        }
        let tracks = Track::ALL.into_iter().filter(|track| run.exposure.minutes(*track) > 0.0);
        let tracks: Vec<String> = tracks.map(|track| format!("{track} {:.1}", run.exposure.minutes(track))).collect();
        let of = if tracks.is_empty() { String::new() } else { format!(": {}", tracks.join(", ")) };
        self.line("exposed", &format!("{:.1} pod-minutes of the candidate{of}", run.exposure.all()));
        self.line("seed", &run.seed.to_string());
        match expected {
            Some(expected) if expected == run.ending => self.line("expected", &format!("{expected}, and so it is")),
            Some(expected) => self.line("expected", &format!("{expected}, which it is not")),
            None => {}
        }
    }
}

/// Whether two entries are checks of a step that ended alike and moved nothing.
fn is_like(one: &Entry, other: &Entry) -> bool {
    match (&one.what, &other.what) {
        (What::Checked(one, first), What::Checked(other, second)) => {
            let holds = |said: &Option<LastMove>| said.as_ref().is_none_or(|said| said.said.next == Next::Hold);
            let outcomes = |check: &Check| check.findings.iter().map(|found| found.finding.outcome).collect::<Vec<_>>();
            one.step_index == other.step_index && outcomes(one) == outcomes(other) && holds(first) && holds(second)
        }
        _ => false,
    }
}

fn offset(at: Timestamp, applied: Timestamp) -> String {
    let since = at.since(applied);
    if since.is_zero() { "+0s".to_owned() } else { format!("+{}", humane(since)) }
}

/// A text in lines of at most so many characters, as far as its words allow.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line =
            lines.last_mut().filter(|line| line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
