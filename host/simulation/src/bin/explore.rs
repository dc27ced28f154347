//! `make explore`: prints what was explored and what was left out, and a violation with a shortest way to it, in words.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use aviary_simulation::{
    alterations::Alterations,
    explore::{Bounds, Found, Report, explore},
    mind::Mind,
    setting::{LEFT_OUT, Setting, settings},
    trace::Trace,
    words::told,
};

const USAGE: &str = "explore [--quick] [--worlds N] [--only N] [--trace FILE]
  --quick       one act of people, and one act with one fault, with up to 2 pods
  --worlds N    go on from at most so many worlds in each setting (20000000; some 60 bytes each, more on the way)
  --only N      the setting of that number only
  --trace FILE  keep the way to a violation, for a test";

struct Options {
    quick: bool,
    worlds: usize,
    only: Option<usize>,
    trace: Option<PathBuf>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { quick: false, worlds: 20_000_000, only: None, trace: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--worlds" => options.worlds = number(value()?)?,
            "--only" => options.only = Some(number(value()?)?),
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
    for (number, setting) in all.filter(|(number, _)| options.only.is_none_or(|only| only == *number)) {
        let mut mind = Mind::new(setting, Alterations::default());
        let begun = Instant::now();
        let report = explore(&mut mind, Bounds { worlds: options.worlds });
        println!("{number:>3} {setting}: {} ({:.1?})", summary(&report), begun.elapsed());
        if let Some(found) = report.found {
            violated(setting, &found, &mut mind, options.trace);
            return ExitCode::FAILURE;
        }
    }
    println!("\nleft out:");
    LEFT_OUT.iter().for_each(|line| println!("- {line}"));
    ExitCode::SUCCESS
}

fn summary(report: &Report) -> String {
    let Report { worlds, transitions, depth, plans, at_rest, left, .. } = report;
    let rest = if *left > 0 {
        format!("; {left} worlds left, so I9 and endless ways were not looked for")
    } else {
        String::new()
    };
    format!("{worlds} worlds, {transitions} transitions, depth {depth}, {plans} plans, {at_rest} at rest{rest}")
}

fn violated(setting: Setting, found: &Found, mind: &mut Mind, file: Option<PathBuf>) {
    println!("\n{} does not hold: {}\n", found.violation.invariant, found.violation.said);
    told(&found.path, mind).iter().for_each(|line| println!("{line}"));
    let Some(file) = file else { return };
    let kept = std::fs::write(&file, Trace::new(setting, found).text());
    match kept {
        Ok(()) => println!("\nkept in {}; tests/traces of this crate takes it as a test", file.display()),
        Err(error) => eprintln!("\n{} was not written: {error}", file.display()),
    }
}
