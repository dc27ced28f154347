//! The host takes no answer that is too long, names nothing or has a number without a JSON; such an answer is mended here, not
//! refused there.

use crate::{Classification, Finding, MetricFinding, Move};

/// Bytes of a reason or a note; the host refuses more than 2000.
const SENTENCE: usize = 1_800;
/// Bytes of a name; the host refuses more.
const NAME: usize = 256;
/// Lines per metric and pods in a line; the host refuses more.
const LIST: usize = 1_000;
/// Bytes of all lines; the host refuses an answer of more than 1 MiB.
const LINES: usize = 1 << 19;
/// What stands where a text was cut.
const CUT: &str = "...";

/// Cuts an answer to what the host takes.
pub(crate) trait Bounded: Sized {
    fn bounded(self) -> Self;
}

impl Bounded for String {
    fn bounded(self) -> Self {
        cut(self, SENTENCE, SENTENCE)
    }
}

impl Bounded for Classification {
    fn bounded(self) -> Self {
        Self { reason: reason(self.reason, format_args!("the policy gives no reason")), ..self }
    }
}

impl Bounded for Move {
    fn bounded(self) -> Self {
        Self { reason: reason(self.reason, format_args!("the policy gives no reason")), ..self }
    }
}

impl Bounded for Finding {
    fn bounded(self) -> Self {
        let reason = reason(self.reason, format_args!("{}, for which the policy gives no reason", self.outcome));
        let score = self.score.filter(|score| !score.is_nan()).map(|score| score.clamp(0.0, 100.0));
        let mut room = LINES;
        let lines = self.metrics.into_iter().take(LIST).map(Bounded::bounded);
        let metrics = lines.map_while(|line| fits(&line, &mut room).then_some(line)).collect();
        Self { reason, score, metrics, ..self }
    }
}

impl Bounded for MetricFinding {
    fn bounded(self) -> Self {
        let [canary, primary, limit] = [self.canary, self.primary, self.limit].map(|it| it.filter(|it| it.is_finite()));
        let metric =
            if self.metric.trim().is_empty() { "a metric without a name".to_owned() } else { name(self.metric) };
        let pods = self.pods.into_iter().filter(|pod| !pod.trim().is_empty()).take(LIST).map(name).collect();
        Self { metric, canary, primary, limit, pods, note: self.note.bounded(), ..self }
    }
}

/// A reason that says something.
fn reason(said: String, otherwise: std::fmt::Arguments<'_>) -> String {
    if said.trim().is_empty() { otherwise.to_string() } else { said.bounded() }
}

fn name(name: String) -> String {
    cut(name, NAME, NAME - CUT.len())
}

/// What is longer than `most` is cut to `kept` bytes.
fn cut(mut text: String, most: usize, kept: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(kept));
        text += CUT;
    }
    text
}

/// Whether there is room for another line, which then takes it.
fn fits(line: &MetricFinding, room: &mut usize) -> bool {
    let pods: usize = line.pods.iter().map(|pod| pod.len() + size_of::<String>()).sum();
    let taken = size_of::<MetricFinding>() + line.metric.len() + line.note.len() + pods;
    room.checked_sub(taken).map(|left| *room = left).is_some()
}
