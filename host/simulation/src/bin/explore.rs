//! `make explore`: prints what was explored and what was left out, and a violation with a shortest way to it, in words.

use std::{
    collections::BTreeMap,
    fmt,
    io::IsTerminal,
    ops::RangeInclusive,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use aviary_simulation::{
    alterations::Alterations,
    explore::{Bounds, Found, Report, explore_and_tell},
    mind::Mind,
    setting::{LEFT_OUT, Setting, settings},
    trace::Trace,
    words::told,
};

const USAGE: &str = "explore [--quick] [--worlds N] [--only N-M] [--jobs N] [--violations N] [--trace FILE]
  --quick         one act of people, and one act with one fault, with up to 2 pods
  --worlds N      go on from at most so many worlds at once (100000000; some 80 bytes each): those of a setting, or, where
                  people act twice, those after one first act
  --only N-M      the settings of these numbers only; --only N that one
  --jobs N        so many settings at a time (as many as there are processors)
  --violations N  leave a setting once so many different ones were found (1)
  --trace FILE    keep the way to the first violation, for a test";

struct Options {
    quick: bool,
    worlds: usize,
    only: RangeInclusive<usize>,
    jobs: usize,
    violations: usize,
    trace: Option<PathBuf>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options =
        Options { quick: false, worlds: 100_000_000, only: 0..=usize::MAX, jobs, violations: 1, trace: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--worlds" => options.worlds = number(value()?)?,
            "--only" => {
                let text = value()?;
                let (first, last) = text.split_once('-').unwrap_or((&text, &text));
                options.only = number(first.to_owned())?..=number(last.to_owned())?;
            }
            "--jobs" => options.jobs = number(value()?)?,
            "--violations" => options.violations = number(value()?)?,
            "--trace" => options.trace = Some(PathBuf::from(value()?)),
            _ => return Err(format!("{argument} is not known\n{USAGE}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let all = settings(options.quick).into_iter().enumerate();
    let chosen: Vec<(usize, Setting)> = all.filter(|(number, _)| options.only.contains(number)).collect();
    if chosen.is_empty() {
        eprintln!(
            "there is no setting with a number that --only names; they go from 0 to {}",
            settings(options.quick).len() - 1
        );
        return ExitCode::FAILURE;
    }
    let (next, totals, progress) = (AtomicUsize::new(0), Mutex::new(Totals::default()), Progress::default());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, chosen.len().max(1)) {
            scope.spawn(|| {
                while let Some((number, setting)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    explored(*number, *setting, &options, &totals, &progress);
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_default();
    println!("\n{totals}");
    println!("\nleft out:");
    LEFT_OUT.iter().for_each(|line| println!("- {line}"));
    if totals.violated > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What all settings came to.
#[derive(Debug, Default)]
struct Totals {
    settings: usize,
    violated: usize,
    unfinished: usize,
    worlds: usize,
    transitions: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, violated, unfinished, worlds, transitions } = self;
        write!(f, "{settings} settings: {violated} with a violation, {unfinished} not to their end; ")?;
        write!(f, "{worlds} worlds, {transitions} transitions")
    }
}

/// How far the settings have come that are being explored, as one line for whoever looks on at a terminal: the large ones take
/// many minutes.
#[derive(Default)]
struct Progress(Mutex<BTreeMap<usize, String>>);

impl Progress {
    fn tell(&self, number: usize, (done, of): (usize, usize), worlds: usize) {
        let Ok(mut all) = self.0.lock() else { return };
        all.insert(number, format!("{number}: {done} of {of} parts, {} million worlds", worlds / 1_000_000));
        show(&all);
    }

    /// A setting has ended, and `result` is to be read from now on.
    fn ended(&self, number: usize, result: &str) {
        let Ok(mut all) = self.0.lock() else { return };
        all.remove(&number);
        show(&BTreeMap::new());
        println!("{result}");
        show(&all);
    }
}

/// In place of what was shown before.
fn show(all: &BTreeMap<usize, String>) {
    if std::io::stderr().is_terminal() {
        let line: Vec<&str> = all.values().map(String::as_str).collect();
        eprint!("\r\x1b[K{}", line.join("; "));
    }
}

/// Explores one setting, and tells it when it is done.
fn explored(number: usize, setting: Setting, options: &Options, totals: &Mutex<Totals>, progress: &Progress) {
    let mut mind = Mind::new(setting, Alterations::default());
    let begun = Instant::now();
    let bounds = Bounds { worlds: options.worlds, violations: options.violations };
    let report = explore_and_tell(&mut mind, bounds, |come, report| progress.tell(number, come, report.worlds));
    let took = begun.elapsed();
    let Ok(mut totals) = totals.lock() else { return };
    let mut result = format!("{number:>3} {setting}: {} ({took:.1?})", summary(&report));
    let mut file = options.trace.as_ref().filter(|_| totals.violated == 0);
    report.found.iter().for_each(|found| result += &violated(setting, found, &mut mind, file.take()));
    progress.ended(number, &result);
    totals.settings += 1;
    totals.worlds += report.worlds;
    totals.transitions += report.transitions;
    totals.violated += usize::from(!report.found.is_empty());
    totals.unfinished += usize::from(report.found.is_empty() && report.left > 0);
}

fn summary(report: &Report) -> String {
    let Report { worlds, transitions, depth, plans, at_rest, left, .. } = report;
    let rest = if *left > 0 {
        format!("; {left} worlds left for want of room (--worlds), so I9 and endless ways were not looked for")
    } else {
        String::new()
    };
    format!("{worlds} worlds, {transitions} transitions, depth {depth}, {plans} plans, {at_rest} at rest{rest}")
}

/// What does not hold and how it comes to that, and where that is kept.
fn violated(setting: Setting, found: &Found, mind: &mut Mind, file: Option<&PathBuf>) -> String {
    let story = told(&found.path, mind).join("\n");
    let told = format!("\n\n{} does not hold: {}\n\n{story}\n", found.violation.invariant, found.violation.said);
    let Some(file) = file else { return told };
    match std::fs::write(file, Trace::new(setting, found).text()) {
        Ok(()) => format!("{told}\nkept in {}; tests/traces of this crate takes it as a test\n", file.display()),
        Err(error) => format!("{told}\n{} was not written: {error}\n", file.display()),
    }
}
