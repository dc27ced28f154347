//! `aviary simulate`: hours of a rollout in virtual time, with a team's own configuration and policies. The daemon is the one that
//! `aviary run` runs; the cluster around it, its pods and Prometheus are made up, as a small file describes the release.

mod cast;
mod document;
mod exposure;
mod levels;
mod many;
mod outcome;
mod ready;
mod release;
mod report;
mod story;
#[cfg(test)]
mod tests;
mod world;
mod written;

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use clap::Args;

use self::{
    outcome::{Ending, exit_code},
    release::Release,
    report::Page,
    world::{Run, Trial},
};
use crate::{
    configuration::{Configuration, read, units},
    output::{Output, print},
    run,
};

/// The width of a page that goes to no terminal.
const COLUMNS: usize = 100;
/// The longest that can be simulated, three weeks.
const LONGEST: Duration = Duration::from_secs(21 * 24 * 3600);

/// `aviary simulate`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 promoted (or direct), 2 rolled back, 3 neither (paused, ignored, unfinished, or runs that \
    differ), 1 an error in a file. With --expect, or `expect:` in the release: 0 if it ended so, else 4."
)]
pub struct Simulate {
    /// The configuration file that is to judge
    #[arg(long, value_name = "FILE", required_unless_present_any = ["list", "print", "schema"])]
    config: Option<PathBuf>,
    /// The folder with policies of your own
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// The release: a file, or the name of one that comes with Aviary (--list)
    #[arg(long, value_name = "FILE|NAME", required_unless_present_any = ["list", "print", "schema"])]
    release: Option<String>,
    /// Which service is released, as `name` or `namespace/name` [default: the release's, else the configuration's first]
    #[arg(long)]
    service: Option<String>,
    /// The same seed gives the same run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many runs with the seeds that follow, and how they ended in all
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: Option<u32>,
    /// Exit with 0 if it ends so, else with 4 [default: what the release expects]
    #[arg(long, value_name = "OUTCOME", value_parser = ending)]
    expect: Option<Ending>,
    /// How long the release may take, in virtual time
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    until: Duration,
    /// Tell every check, also those that are like the one before
    #[arg(long)]
    all: bool,
    /// How the outcome is written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// List the releases that come with Aviary
    #[arg(long)]
    list: bool,
    /// Print a release that comes with Aviary, to start from
    #[arg(long, value_name = "NAME", exclusive = true)]
    print: Option<String>,
    /// Print the JSON Schema of a release, for editors
    #[arg(long, exclusive = true)]
    schema: bool,
}

fn ending(text: &str) -> Result<Ending, String> {
    let found = Ending::WORDS.iter().find(|(word, _)| *word == text).map(|(_, ending)| *ending);
    found.ok_or_else(|| format!("write one of {}", Ending::WORDS.map(|(word, _)| word).join(", ")))
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = units::duration(text)?;
    if duration.is_zero() || duration > LONGEST {
        return Err("is out of bounds: choose one up to 504h (three weeks)".to_owned());
    }
    Ok(duration)
}

impl Simulate {
    /// Does what the command line says.
    ///
    /// # Errors
    /// One that is fit to be printed after `aviary: `.
    pub fn perform(&self) -> Result<ExitCode> {
        match (&self.print, &self.config, &self.release) {
            (Some(name), ..) => print(ready::find(name).ok_or_else(|| unknown(name))?)?,
            _ if self.list => print(&ready::list())?,
            _ if self.schema => print(&(serde_json::to_string_pretty(&written::schema())? + "\n"))?,
            (None, Some(config), Some(release)) => return self.simulate(config, release),
            _ => bail!("give --config and --release, or --list"),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn simulate(&self, config: &Path, release: &str) -> Result<ExitCode> {
        let trial = self.trial(config, release)?;
        let begun = Instant::now();
        let runs = many::run(&trial, self.runs.unwrap_or(1))?;
        let took = begun.elapsed();
        print(&self.told(release, &trial.release, &runs))?;
        if self.runs.is_some() && self.output == Output::Text {
            tell_speed(&runs, took);
        }
        Ok(exit_code(runs.iter().map(|run| run.ending), self.expected(&trial.release)).into())
    }

    fn expected(&self, release: &Release) -> Option<Ending> {
        self.expect.or(release.expect)
    }

    fn trial(&self, config: &Path, release: &str) -> Result<Trial> {
        let configuration = Configuration::load(config)?;
        let (text, file) = text_of(release)?;
        let release = Release::parse(&text, &file, &configuration, self.service.as_deref())?;
        let folder = run::policy_folder(self.policies.as_ref(), &configuration)?;
        let policies = run::load_policies(folder, &configuration, config)?;
        for problem in policies.problems() {
            eprintln!("aviary: {} is refused: {}", problem.path.display(), problem.reason);
        }
        Ok(Trial {
            release: Arc::new(release),
            configuration: Arc::new(configuration),
            policies,
            file: config.into(),
            seed: self.seed,
            until: self.until,
        })
    }

    fn told(&self, name: &str, release: &Release, runs: &[Run]) -> String {
        if self.output == Output::Json {
            return self.json(name, release, runs).to_string() + "\n";
        }
        let mut page = Page::new(columns());
        page.head(name, release);
        match runs {
            [run] if self.runs.is_none() => {
                page.story(run, release, self.all);
                page.ending(run, self.expected(release));
            }
            runs => {
                many::told(&mut page, runs);
                if let Some(expected) = self.expected(release) {
                    page.line("expected", &format!("{expected}, of each"));
                }
            }
        }
        page.text()
    }

    fn json(&self, name: &str, release: &Release, runs: &[Run]) -> serde_json::Value {
        let mut told = document::head(name, release, self.expected(release));
        let rest = match runs {
            [run] if self.runs.is_none() => document::run(run),
            runs => many::json(runs),
        };
        if let (Some(told), serde_json::Value::Object(rest)) = (told.as_object_mut(), rest) {
            told.extend(rest);
        }
        told
    }
}

/// The text of a release and what it is called in faults: a file, or one that comes with Aviary.
fn text_of(release: &str) -> Result<(String, PathBuf)> {
    let file = PathBuf::from(release);
    if let Some(text) = ready::find(release).filter(|_| !file.exists()) {
        return Ok((text.to_owned(), file));
    }
    if !file.exists() {
        return Err(unknown(release));
    }
    Ok((read(&file, "a release is a page")?, file))
}

fn unknown(release: &str) -> anyhow::Error {
    anyhow!("there is no release {release}: name a file, or one of {}", ready::names().join(", "))
}

/// Not to stdout, which is the same for the same seed.
fn tell_speed(runs: &[Run], took: Duration) {
    let hours = runs.iter().map(|run| run.simulated.as_secs_f64()).sum::<f64>() / 3600.0;
    let seconds = took.as_secs_f64();
    eprintln!("aviary: {hours:.1} virtual hours in {seconds:.1} s, {:.1} a second", hours / seconds.max(0.001));
}

fn columns() -> usize {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
    size.map_or(COLUMNS, |size| usize::from(size.ws_col).max(1))
}
