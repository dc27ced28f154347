//! How the two sides differ.

use std::fmt;

use anyhow::Result;
use serde_json::Value;

use crate::{Pace, Played, Sequence, Side, play};

/// So many events are all that happen until rest.
const EVERYTHING: usize = 2000;
/// Up to how many events each number is tried.
const MOST_EVENTS: usize = 100;

/// The first thing in which the sides differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// After which act.
    pub step: usize,
    /// Where: what was answered, or what they came to rest at, with the field.
    pub place: String,
    /// What the model says.
    pub model: Value,
    /// What the real one says.
    pub real: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  after act {}: {}", self.step, self.place)?;
        writeln!(f, "    model:      {}", self.model)?;
        write!(f, "    Kubernetes: {}", self.real)
    }
}

/// All differences between what the real side did and what the model does: none if there is any way in which the model's
/// controllers may have gone on between acts that come at once.
///
/// # Errors
/// When the model cannot be played.
pub async fn differences<S: Side>(
    sequence: &Sequence,
    real: &Played,
    model: impl Fn(Pace) -> S,
) -> Result<Vec<Difference>> {
    let mut first = None;
    let certain_until = sequence.0.iter().position(|step| step.at_once).unwrap_or(usize::MAX);
    for pace in paces(sequence.hurries()) {
        let played = play(&mut model(pace), sequence).await?;
        let found = between(&played, real);
        // Before anything came at once there is only one way.
        let certain = found.first().is_none_or(|difference| difference.step <= certain_until);
        if certain {
            return Ok(found);
        }
        first.get_or_insert(found);
    }
    Ok(first.unwrap_or_default())
}

/// Ways to go on between acts that come at once: nothing or everything happens there, then each number of events in each
/// place.
fn paces(gaps: usize) -> impl Iterator<Item = Pace> {
    let extremes = (0..1usize << gaps.min(8))
        .map(move |bits| (0..gaps).map(|gap| if bits >> gap & 1 == 1 { EVERYTHING } else { 0 }).collect());
    let finer = (1..=MOST_EVENTS).flat_map(move |events| {
        (0..gaps).flat_map(move |place| {
            [0, EVERYTHING].map(|others| (0..gaps).map(|gap| if gap == place { events } else { others }).collect())
        })
    });
    extremes.chain(finer)
}

fn between(model: &Played, real: &Played) -> Vec<Difference> {
    let answers = model.answers.iter().zip(&real.answers).enumerate();
    let answers = answers.map(|(step, (model, real))| (step, "the answer", model, real));
    let rests = model.rests.iter().zip(&real.rests).map(|((step, model), (_, real))| (*step, "at rest", model, real));
    let mut found = Vec::new();
    for (step, place, model, real) in answers.chain(rests) {
        collect(step, place.to_owned(), model, real, &mut found);
    }
    found.sort_by_key(|difference| difference.step);
    found
}

fn collect(step: usize, place: String, model: &Value, real: &Value, found: &mut Vec<Difference>) {
    if model == real {
        return;
    }
    match (model, real) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let names = ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
            names.for_each(|name| collect(step, format!("{place} {name}"), &model[name], &real[name], found));
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            let pairs = ours.iter().zip(theirs).enumerate();
            pairs.for_each(|(index, (ours, theirs))| collect(step, format!("{place} {index}"), ours, theirs, found));
        }
        _ => found.push(Difference { step, place, model: model.clone(), real: real.clone() }),
    }
}
