//! The host takes no answer that is too long or has a number without a JSON; such an answer is cut here, not refused
//! there.

use crate::{Classification, Finding, MetricFinding, Move};

/// Bytes of a reason or a note; the host refuses more than 2000.
const SENTENCE: usize = 1_800;
/// Lines per metric and pods in a line; the host refuses more.
const LIST: usize = 1_000;

/// Cuts an answer to what the host takes.
pub(crate) trait Bounded: Sized {
    fn bounded(self) -> Self;
}

impl Bounded for String {
    fn bounded(mut self) -> Self {
        if self.len() > SENTENCE {
            self.truncate(self.floor_char_boundary(SENTENCE));
            self += "...";
        }
        self
    }
}

impl Bounded for Classification {
    fn bounded(self) -> Self {
        Self { reason: self.reason.bounded(), ..self }
    }
}

impl Bounded for Move {
    fn bounded(self) -> Self {
        Self { reason: self.reason.bounded(), ..self }
    }
}

impl Bounded for Finding {
    fn bounded(mut self) -> Self {
        self.metrics.truncate(LIST);
        let metrics = self.metrics.into_iter().map(Bounded::bounded).collect();
        Self { reason: self.reason.bounded(), score: self.score.filter(|score| score.is_finite()), metrics, ..self }
    }
}

impl Bounded for MetricFinding {
    fn bounded(mut self) -> Self {
        self.pods.truncate(LIST);
        let [canary, primary, limit] = [self.canary, self.primary, self.limit].map(|it| it.filter(|it| it.is_finite()));
        Self { canary, primary, limit, note: self.note.bounded(), ..self }
    }
}
