//! Releases are read strictly, end as their comments say, and the same seed tells the same story.

mod endings;
mod reading;
mod shapes;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use aviary_policy::Policies;

use super::{
    Page, document, ready,
    release::Release,
    world::{Run, Trial},
};
use crate::{configuration::Configuration, run::load_policies};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The configuration that everybody copies, changed.
fn example(change: impl FnOnce(String) -> String) -> Configuration {
    let text = std::fs::read_to_string(repository().join("config/aviary.yaml")).expect("the example");
    Configuration::parse(&change(text), Path::new("aviary.yaml")).unwrap_or_else(|faults| panic!("{faults}"))
}

fn ready(name: &str) -> String {
    ready::find(name).unwrap_or_else(|| panic!("no release {name}")).to_owned()
}

fn parsed(text: &str, configuration: &Configuration, service: Option<&str>) -> Release {
    let release = Release::parse(text, Path::new("release.yaml"), configuration, service);
    release.unwrap_or_else(|faults| panic!("{faults}"))
}

/// The built-in policies, compiled once.
fn built_in() -> Policies {
    static POLICIES: OnceLock<Policies> = OnceLock::new();
    let load = || load_policies(None, &example(|text| text), Path::new("aviary.yaml")).expect("policies");
    POLICIES.get_or_init(load).clone()
}

fn trial(text: &str, configuration: Configuration, service: Option<&str>, seed: u64) -> Trial {
    Trial {
        release: Arc::new(parsed(text, &configuration, service)),
        configuration: Arc::new(configuration),
        policies: built_in(),
        file: Path::new("aviary.yaml").into(),
        seed,
        until: Duration::from_secs(24 * 3600),
    }
}

fn played(text: &str, configuration: Configuration, service: Option<&str>) -> Run {
    trial(text, configuration, service, 1).run().unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn a_page_is_as_wide_as_the_terminal_and_says_a_reason_once() {
    let trial = trial(&ready("errors-doubled"), example(|text| text), None, 1);
    let run = trial.run().unwrap_or_else(|error| panic!("{error:#}"));
    for columns in [60, 80, 120] {
        let mut page = Page::new(columns);
        page.head("errors-doubled", &trial.release);
        page.story(&run, &trial.release, false);
        let text = page.text();
        assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
        assert!(text.contains("! rolling back orders:candidate: ..."), "{text}");
    }
}

/// All that is told of a run, for people and for programs.
fn told(trial: &Trial, run: &Run) -> String {
    let mut page = Page::new(80);
    page.head("release.yaml", &trial.release);
    page.story(run, &trial.release, true);
    page.ending(run, trial.release.expect);
    format!("{}{}", page.text(), document::run(run))
}
