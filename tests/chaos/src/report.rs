//! What a run showed.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    time::Duration,
};

use aviary_core::record::Ending;

use crate::{capacity::Held, ledger::Write, outage::Trial, release::Kind};

/// A SIGKILL of the daemon.
#[derive(Clone, Debug)]
pub struct Blow {
    /// The phase of each service then, as its newest record has it; none before the first record.
    pub phases: Vec<&'static str>,
    /// The write that was seen last, and how long before.
    pub last: Option<(Write, Duration)>,
    /// Writes that were seen after it was dead: it had not heard of their outcome.
    pub unheard: usize,
}

/// How long it took until Aviary worked again.
#[derive(Clone, Copy, Debug)]
pub enum Recovery {
    /// From a SIGKILL until the daemon says that it is ready, started again at once.
    Kill(Duration),
    /// From a SIGKILL of the daemon that had the lease until another one has it.
    Takeover(Duration),
    /// From the end of an outage until each daemon says that all its watches work.
    Sight(Trial, Duration),
    /// From the end of an outage until the next write for a service was seen; controllers and nodes have to come back for
    /// most of them.
    Write(Trial, Duration),
}

/// A release that ended as it must.
#[derive(Clone, Debug)]
pub struct Done {
    /// What it was.
    pub kind: Kind,
    /// How its rollouts ended.
    pub endings: Vec<Ending>,
    /// What was held.
    pub held: Held,
}

impl Done {
    /// How it ended, and what was held.
    pub fn words(&self) -> String {
        let Held { fewest, most, surge, available, copies, .. } = self.held;
        let endings = endings(&self.endings);
        format!("{endings}; available >= {available} of {fewest}, pods <= {copies} of {most} + {surge}")
    }
}

/// All of it.
#[derive(Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Kills that were planned, those within outages included.
    pub planned: usize,
    /// Every kill.
    pub blows: Vec<Blow>,
    /// How often the lease was taken, as far as records tell.
    pub leases: u64,
    /// Every recovery.
    pub recoveries: Vec<Recovery>,
    /// Every release that ended as it must.
    pub releases: Vec<Done>,
    /// How many events told of endings, by ending.
    told: BTreeMap<&'static str, usize>,
    /// For how long each time the outsiders missed what was over by the end of it.
    pub gaps: Vec<Duration>,
    /// What was not as it must be.
    pub violations: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Of a run that begins.
    pub fn new(seed: u64, planned: usize) -> Self {
        Self { seed, planned, ..Self::default() }
    }

    /// So many events told of an ending.
    pub fn told(&mut self, ending: Ending, events: usize) {
        *self.told.entry(word(ending)).or_default() += events;
    }

    /// Whether everything was done and was as it must be.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() && self.blows.len() >= self.planned
    }

    fn kills(&self) -> Vec<String> {
        let count = |write| self.blows.iter().filter(|blow| blow.last.is_some_and(|(last, _)| last == write)).count();
        let unheard = self.blows.iter().filter(|blow| blow.unheard > 0).count();
        let phases = counted(self.blows.iter().flat_map(|blow| blow.phases.iter().copied()));
        let (records, acts) = (count(Write::Record), count(Write::Act));
        vec![
            format!(
                "{} kills survived, {} were planned; the lease was taken {} times",
                self.blows.len(),
                self.planned,
                self.leases
            ),
            format!("  services were {phases}"),
            format!(
                "  seen last: {records} times a record, {acts} times an act; {unheard} times a write came through that the dead daemon never heard of"
            ),
        ]
    }

    fn outcomes(&self) -> Vec<String> {
        let mut kinds: BTreeMap<Kind, Vec<&Done>> = BTreeMap::new();
        self.releases.iter().for_each(|done| kinds.entry(done.kind).or_default().push(done));
        let lines = kinds.iter().map(|(kind, done)| {
            let worst = |of: fn(&Held) -> i64| done.iter().map(|done| of(&done.held)).max().unwrap_or(0);
            let missing = worst(|held| i64::from(held.fewest) - i64::from(held.available));
            let beyond = worst(|held| i64::from(held.copies) - i64::from(held.most));
            let outcomes = counted(done.iter().map(|done| endings(&done.endings)));
            format!(
                "  {} {kind}: {outcomes}; at worst N - {} available, N + {} pods",
                done.len(),
                missing.max(0),
                beyond.max(0)
            )
        });
        let title = format!("{} releases ended as they must", self.releases.len());
        [title].into_iter().chain(lines.collect::<Vec<_>>()).collect()
    }

    fn recovered(&self) -> Vec<String> {
        let mut kinds: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for recovery in &self.recoveries {
            let (kind, took) = match recovery {
                Recovery::Kill(took) => ("ready after a kill".to_owned(), took),
                Recovery::Takeover(took) => ("another has the lease after a kill".to_owned(), took),
                Recovery::Sight(trial, took) => (format!("sees everything after {trial}"), took),
                Recovery::Write(trial, took) => (format!("next write for a service after {trial}"), took),
            };
            kinds.entry(kind).or_default().push(*took);
        }
        kinds.into_iter().map(|(kind, took)| format!("{kind}: {}", times(took.into_iter()))).collect()
    }

    fn told_words(&self) -> String {
        let all = self.releases.iter().flat_map(|done| &done.endings);
        let ended = all.fold(BTreeMap::<_, usize>::new(), |mut ended, ending| {
            *ended.entry(word(*ending)).or_default() += 1;
            ended
        });
        let part = |(word, count): (&&str, &usize)| format!("{} of {count} {word}", self.told.get(word).unwrap_or(&0));
        ended.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let original = self.releases.iter().filter(|done| done.kind != Kind::Adoption).map(|done| done.held.original);
        let original = original.filter(|took| !took.is_zero());
        let mut lines = vec![format!("seed {}, {:.0} s", self.seed, self.took.as_secs_f64())];
        lines.extend(self.kills());
        lines.extend(self.outcomes());
        lines.push(format!(
            "the original's own pods, once people had asked for some, were away after: {}",
            times(original)
        ));
        lines.extend(self.recovered());
        lines.push(format!("told by an event, none twice: {}", self.told_words()));
        lines.push(format!("the outsiders were blind: {}", times(self.gaps.iter().copied())));
        lines.push(match self.violations.as_slice() {
            [] if self.is_good() => "no violation".to_owned(),
            [] => "no violation, but the time was up before all was done".to_owned(),
            violations => format!("{} VIOLATIONS\n{}", violations.len(), violations.join("\n")),
        });
        f.write_str(&lines.join("\n"))
    }
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Promoted => "promoted",
        Ending::RolledBack => "rolled back",
        Ending::Superseded => "superseded",
    }
}

fn endings(endings: &[Ending]) -> String {
    match endings {
        [] => "done".to_owned(),
        endings => endings.iter().map(|ending| word(*ending)).collect::<Vec<_>>().join(", then "),
    }
}

/// `3 canary, 1 steady`, the most frequent first.
fn counted<T: Display>(values: impl Iterator<Item = T>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value.to_string()).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.iter().map(|(value, count)| format!("{count} {value}")).collect::<Vec<_>>().join(", ")
}

/// `p50 0.61 s, max 1.20 s of 40`.
fn times(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<f64> = times.map(|time| time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    match times.as_slice() {
        [] => "never".to_owned(),
        [.., max] => format!("p50 {:.2} s, max {max:.2} s of {}", times[times.len() / 2], times.len()),
    }
}
