//! The policies: those that the configuration needs, and what is dropped, refused or removed meanwhile.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use aviary_cluster::ServiceKey;
use aviary_core::{
    plan::{Note, Problem},
    settings::{PolicyChoice, Settings},
};
use aviary_policy::{Kind, Limits, Notice, Policies, PolicyError, Use, Watcher, watch};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::Daemon;
use crate::configuration::{Configuration, Entry, Faults, Source};

/// How many sentences of the folder the status shows.
const SHOWN: usize = 20;

/// Scans the folder whenever something in it may have changed; the scans run on a thread of their own.
///
/// # Errors
/// When there can be no such thread.
pub fn follow(folder: PathBuf, policies: Policies, sender: mpsc::Sender<Vec<Notice>>) -> Result<Watcher> {
    let scanned = folder.clone();
    watch(&folder, move || {
        let notices = policies.scan(&scanned);
        if !notices.is_empty() {
            let _ = sender.blocking_send(notices);
        }
    })
    .with_context(|| format!("the policy folder {} cannot be watched", folder.display()))
}

/// The built-in policies and those of the folder, with every parameter of the configuration held against them.
///
/// # Errors
/// A policy that is missing, or does not accept its parameters, with the place in the configuration.
pub fn load_policies(folder: Option<PathBuf>, configuration: &Configuration, file: &Path) -> Result<Policies> {
    let policies = policies_of(folder, configuration)?;
    accept(&policies, configuration, file)?;
    Ok(policies)
}

/// The policy folder for who looks at a configuration: `named` on the command line, or the configuration's own if it is there;
/// on another machine than the daemon's it need not be.
///
/// # Errors
/// When the one that is named is not there.
pub fn policy_folder(named: Option<&PathBuf>, configuration: &Configuration) -> Result<Option<PathBuf>> {
    if let Some(folder) = named.filter(|folder| !folder.is_dir()) {
        bail!("the policy folder {} is not there: name another one with --policies", folder.display());
    }
    Ok(named.or(configuration.policies_folder.as_ref().filter(|folder| folder.is_dir())).cloned())
}

/// As [`load_policies`] for a daemon that starts: one policy that is gone or says nothing must not keep it from caring for all other
/// services. Those that ask it hold, and have it as a problem.
///
/// # Errors
/// A policy that does not accept its parameters, with the place in the configuration.
pub fn load_policies_at_start(folder: Option<PathBuf>, configuration: &Configuration, file: &Path) -> Result<Policies> {
    let policies = policies_of(folder, configuration)?;
    let (mut faults, mut absent) = (Faults::new(file), Faults::new(file));
    for (source, error) in unusable(&policies, configuration) {
        let which = if matches!(error, PolicyError::Parameters { .. }) { &mut faults } else { &mut absent };
        which.push(source.fault(error.to_string()));
    }
    if !absent.is_empty() {
        warn!("what asks these policies holds until they are there and answer:\n{absent}");
    }
    if faults.is_empty() { Ok(policies) } else { Err(faults.into()) }
}

fn policies_of(folder: Option<PathBuf>, configuration: &Configuration) -> Result<Policies> {
    let missing = Policies::missing_built_ins();
    if !missing.is_empty() {
        bail!("this build has no built-in policies ({}); run `make policies` and build it again", missing.join(", "));
    }
    let policies = Policies::new(Limits::default())?;
    policies.set_uses(uses(configuration).collect());
    if let Some(folder) = folder {
        policies.scan(&folder).iter().for_each(log);
    }
    Ok(policies)
}

/// Holds every parameter of the configuration against the policies in force.
///
/// # Errors
/// As [`load_policies`].
pub fn accept(policies: &Policies, configuration: &Configuration, file: &Path) -> Result<(), Faults> {
    let mut faults = Faults::new(file);
    for (source, error) in unusable(policies, configuration) {
        faults.push(source.fault(error.to_string()));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Where a policy is chosen that is not there, gives no answer, or does not accept its parameters.
fn unusable<'a>(policies: &Policies, configuration: &'a Configuration) -> Vec<(&'a Source, PolicyError)> {
    // Many entries choose the same: each choice is asked about once.
    let mut said = BTreeMap::new();
    let chosen = configuration.entries.iter().flat_map(choices);
    let unusable = chosen.filter_map(|(kind, choice, source)| {
        let asked = (kind, choice.name.as_str(), choice.parameters.to_string());
        let ask = || policies.validate(kind, &choice.name, &choice.parameters).err();
        said.entry(asked).or_insert_with(ask).clone().map(|error| (source, error))
    });
    unusable.collect()
}

fn log(notice: &Notice) {
    if notice.is_problem() { warn!("{notice}") } else { info!("{notice}") }
}

/// What is wrong with the policies of a service.
pub fn missing(policies: &Policies, settings: &Settings) -> Vec<Problem> {
    let problem = |error: PolicyError| Problem {
        fault: error.to_string(),
        remedy: "put it into the policy folder, or configure another; until then what asks it holds".to_owned(),
    };
    let missing = uses_of(settings).filter_map(|(kind, choice)| policies.missing(kind, &choice.name));
    missing.map(problem).collect()
}

/// The policies that settings choose.
fn uses_of(settings: &Settings) -> impl Iterator<Item = (Kind, &PolicyChoice)> {
    let analyzers = settings.analyzers.iter().map(|choice| (Kind::Analyzer, choice));
    analyzers.chain([(Kind::Classifier, &settings.classifier), (Kind::Progression, &settings.progression)])
}

/// The policies of an entry, and where each is chosen.
fn choices(entry: &Entry) -> impl Iterator<Item = (Kind, &PolicyChoice, &Source)> {
    let holds = &entry.in_force;
    let analyzers = holds.analyzers.value.iter().map(|sourced| &sourced.source);
    let sources = analyzers.chain([&holds.classifier.source, &holds.progression.source]);
    uses_of(&entry.settings).zip(sources).map(|((kind, choice), source)| (kind, choice, source))
}

/// What a new file of a policy must accept.
pub fn uses(configuration: &Configuration) -> impl Iterator<Item = Use> {
    configuration.entries.iter().flat_map(|entry| {
        uses_of(&entry.settings).map(|(kind, choice)| Use {
            by: entry.to_string(),
            kind,
            policy: choice.name.clone(),
            parameters: choice.parameters.clone(),
        })
    })
}

impl Daemon {
    pub(super) fn policies_changed(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            let text = notice.to_string();
            self.judges.telemetry.judging.policy_changed(&notice);
            log(&notice);
            self.announce_policy(&notice, &text);
            self.policy_notices.push(text);
        }
        self.judges.telemetry.judging.refuses(self.judges.policies.problems().len());
        let surplus = self.policy_notices.len().saturating_sub(SHOWN);
        self.policy_notices.drain(..surplus);
        // One that was missing may have come.
        self.drive_all();
    }

    /// Told on every service that uses the policy.
    fn announce_policy(&self, notice: &Notice, text: &str) {
        let Some(policy) = notice.policy() else { return };
        let note = match notice.is_problem() {
            true => Note::warning("PolicyRefused", text),
            false => Note::normal("PolicyChanged", text),
        };
        let uses = |key: &&ServiceKey| uses_of(&self.services[*key].settings).any(|(_, choice)| choice.name == policy);
        self.services.keys().filter(uses).for_each(|key| self.announce(key, &note));
    }
}
