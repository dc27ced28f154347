//! Many sequences at once, and what they have shown.

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::StreamExt as _;
use proptest::{
    strategy::{Strategy as _, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{Difference, Pace, Real, Sequence, Side, compare::differences, play, sequences};

/// How many sequences are played on the real side at once.
const AT_ONCE: usize = 24;
/// How often a sequence is tried on its way to its shortest form.
const TRIES: usize = 40;

/// How often a difference has to show.
const TIMES: usize = 3;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// How many sequences.
    pub sequences: usize,
    /// What they are drawn by.
    pub seed: u64,
    /// How many of those that show a difference, each in another place, are made shorter.
    pub shortened: usize,
}

/// A sequence that tells the sides apart.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The sequence.
    pub sequence: Sequence,
    /// What is different; or why it could not be played.
    pub differences: Result<Vec<Difference>, String>,
}

impl Outcome {
    /// In what the sides differ first.
    fn place(&self) -> String {
        match &self.differences {
            Ok(differences) => differences.first().map_or_else(String::new, |first| first.place.clone()),
            Err(error) => error.split(':').next().unwrap_or_default().to_owned(),
        }
    }
}

/// What a run has shown.
#[derive(Debug)]
pub struct Report {
    /// What was run.
    pub run: Run,
    /// How many acts.
    pub acts: usize,
    /// How long it took.
    pub took: Duration,
    /// How many sequences told the sides apart.
    pub differing: usize,
    /// In what they first differ, and how many of them.
    pub places: BTreeMap<String, usize>,
    /// One for each of the first places, in its shortest form.
    pub outcomes: Vec<Outcome>,
}

/// Plays a sequence on both sides; nothing if they do not differ. What the real side does only sometimes is chance: a
/// difference is one that shows every time.
pub async fn compared<S: Side>(real: &Real, sequence: &Sequence, model: impl Fn(Pace) -> S) -> Option<Outcome> {
    let mut outcome = None;
    for _ in 0..TIMES {
        let differences = compared_once(real, sequence, &model).await.map_err(|error| format!("{error:#}"));
        if differences.as_ref().is_ok_and(Vec::is_empty) {
            return None;
        }
        outcome = Some(Outcome { sequence: sequence.clone(), differences });
    }
    outcome
}

async fn compared_once<S: Side>(
    real: &Real,
    sequence: &Sequence,
    model: impl Fn(Pace) -> S,
) -> Result<Vec<Difference>> {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let namespace = format!("conformance-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut stage = real.stage(namespace).await?;
    let played = play(&mut stage, sequence).await?;
    differences(sequence, &played, model).await
}

/// Draws sequences and plays them on both sides; what differs is made shorter.
///
/// # Errors
/// When the real side cannot be reached.
pub async fn run<S: Side>(kubeconfig: &Path, run: Run, model: impl Fn(Pace) -> S) -> Result<Report> {
    let real = Real::open(kubeconfig).await?;
    let begun = Instant::now();
    let drawn: Vec<_> = (0..run.sequences).map(|number| draw(run.seed, number)).collect();
    let acts = drawn.iter().map(|tree| tree.current().0.len()).sum();
    let played = futures::stream::iter(drawn).map(|tree| {
        let (real, model) = (&real, &model);
        async move {
            let outcome = compared(real, &tree.current(), model).await?;
            Some((tree, outcome))
        }
    });
    let different: Vec<_> = played.buffer_unordered(AT_ONCE).filter_map(|found| async { found }).collect().await;
    let (took, differing) = (begun.elapsed(), different.len());
    let (mut places, mut outcomes) = (BTreeMap::new(), Vec::new());
    for (tree, outcome) in different {
        let seen = places.entry(outcome.place()).or_insert(0);
        *seen += 1;
        if *seen == 1 && outcomes.len() < run.shortened {
            outcomes.push(shortened(&real, tree, outcome, &model).await);
        }
    }
    Ok(Report { run, acts, took, differing, places, outcomes })
}

fn draw(seed: u64, number: usize) -> impl ValueTree<Value = Sequence> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&u64::try_from(number).unwrap_or(0).to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    sequences().new_tree(&mut runner).expect("nothing that is drawn is refused")
}

/// The shortest sequence that is found on the way down and still tells the sides apart.
async fn shortened<S: Side>(
    real: &Real,
    mut tree: impl ValueTree<Value = Sequence>,
    mut shortest: Outcome,
    model: impl Fn(Pace) -> S,
) -> Outcome {
    let mut tries = 0;
    let mut smaller = tree.simplify();
    while smaller && tries < TRIES {
        tries += 1;
        let sequence = tree.current();
        let differences = compared_once(real, &sequence, &model).await.map_err(|error| format!("{error:#}"));
        smaller = if differences.as_ref().is_ok_and(Vec::is_empty) {
            tree.complicate()
        } else {
            shortest = Outcome { sequence, differences };
            tree.simplify()
        };
    }
    shortest
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { sequences, seed, .. } = self.run;
        writeln!(
            f,
            "{sequences} sequences of {} acts in all in {:.1?}, seed {seed}: {} tell the model from Kubernetes",
            self.acts, self.took, self.differing
        )?;
        self.places.iter().try_for_each(|(place, count)| writeln!(f, "  {count:4} {place}"))?;
        self.outcomes.iter().try_for_each(|outcome| writeln!(f, "\n{outcome}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sequence)?;
        match &self.differences {
            Err(error) => writeln!(f, "  {error}")?,
            Ok(differences) => differences.iter().try_for_each(|difference| writeln!(f, "{difference}"))?,
        }
        write!(f, "  as a file: {}", serde_json::to_string(&self.sequence).unwrap_or_default())
    }
}
