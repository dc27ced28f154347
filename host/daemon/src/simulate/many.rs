//! Many runs of one release, each with another seed: how often, when, and with how much of the candidate exposed they ended.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;
use aviary_core::time::humane;
use serde_json::{Value, json};

use super::{
    outcome::Ending,
    report::Page,
    world::{Run, Trial},
};

/// Runs a trial so many times, with the seeds that follow its own; in the order of the seeds.
///
/// # Errors
/// The first that could not be run.
pub fn run(trial: &Trial, runs: u32) -> Result<Vec<Run>> {
    let next = AtomicU32::new(0);
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= runs {
                return;
            }
            let seed = trial.seed.wrapping_add(u64::from(number));
            let mut run = Trial { seed, ..trial.clone() }.run();
            // The stories of thousands of runs would fill the memory, and nobody reads them.
            if let Some(run) = run.as_mut().ok().filter(|_| runs > 1) {
                run.entries = Vec::new();
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).insert(number, run);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(usize::try_from(runs).unwrap_or(1));
    thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Runs that ended alike.
struct Alike<'a> {
    ending: Ending,
    runs: Vec<&'a Run>,
}

impl Alike<'_> {
    /// When it was decided, from the soonest; runs without a decision are as long as they took.
    fn decided(&self) -> Vec<Duration> {
        let mut times: Vec<Duration> = self.runs.iter().map(|run| run.decided.unwrap_or(run.ended)).collect();
        times.sort_unstable();
        times
    }

    fn exposed(&self) -> Vec<f64> {
        let mut minutes: Vec<f64> = self.runs.iter().map(|run| run.exposure.all()).collect();
        minutes.sort_by(f64::total_cmp);
        minutes
    }
}

fn alike(runs: &[Run]) -> Vec<Alike<'_>> {
    let of = |ending| Alike { ending, runs: runs.iter().filter(|run| run.ending == ending).collect() };
    let all = Ending::WORDS.map(|(_, ending)| of(ending));
    all.into_iter().filter(|alike| !alike.runs.is_empty()).collect()
}

/// Half, nine in ten and all of a sorted list are at most so.
fn quantiles<T: Copy>(sorted: &[T]) -> Option<[T; 3]> {
    let of = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).checked_sub(1)?).copied();
    Some([of(50)?, of(90)?, of(100)?])
}

/// For a person.
pub fn told(page: &mut Page, runs: &[Run]) {
    page.line("", "");
    for alike in alike(runs) {
        let (count, all) = (alike.runs.len(), runs.len());
        let seeds: Vec<String> = alike.runs.iter().take(3).map(|run| run.seed.to_string()).collect();
        let more = if count > 3 { ", ..." } else { "" };
        page.line(&format!("{count} of {all}"), &format!("{} (seeds {}{more})", alike.ending, seeds.join(", ")));
        if let Some([half, most, last]) = quantiles(&alike.decided()) {
            let (half, most, last) = (humane(half), humane(most), humane(last));
            page.line("", &format!("decided after {half} in half of them, {most} in 9 of 10, {last} at the latest"));
        }
        if let Some([half, most, last]) = quantiles(&alike.exposed()) {
            page.line(
                "",
                &format!("exposed {half:.1} pod-minutes in half of them, {most:.1} in 9 of 10, {last:.1} at most"),
            );
        }
    }
}

/// For a program.
pub fn json(runs: &[Run]) -> Value {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let one = |alike: Alike<'_>| {
        let decided = quantiles(&alike.decided()).map(|times| times.map(millis));
        json!({
            "outcome": alike.ending.word(),
            "runs": alike.runs.len(),
            "seeds": alike.runs.iter().map(|run| run.seed).collect::<Vec<_>>(),
            "decided_ms": named(decided),
            "exposed_pod_minutes": named(quantiles(&alike.exposed())),
        })
    };
    json!({ "runs": runs.len(), "outcomes": alike(runs).into_iter().map(one).collect::<Vec<_>>() })
}

fn named<T: serde::Serialize>(quantiles: Option<[T; 3]>) -> Value {
    quantiles.map_or(Value::Null, |[half, most, last]| json!({ "p50": half, "p90": most, "max": last }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_nine_in_ten_are_at_most_so() {
        assert_eq!(quantiles::<u32>(&[]), None);
        assert_eq!(quantiles(&[7]), Some([7, 7, 7]));
        assert_eq!(quantiles(&[1, 2, 3, 4]), Some([2, 4, 4]));
        assert_eq!(quantiles(&(1..=100).collect::<Vec<u32>>()), Some([50, 90, 100]));
    }
}
