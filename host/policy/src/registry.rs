//! The registry: which policy is in force under which name, and the calls to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use aviary_core::judge::{Change, Classification, Finding, Move, Observation, PolicyIdentity, Situation};
use serde::Serialize;
use serde_json::Value;

use crate::{
    answer::{Answer, Kind, Spent, Trap},
    built_in,
    component::Refusal,
    engine::Machine,
    limits::Limits,
    notice::Notice,
    policy::{Policy, a},
    scan, text,
};

/// Where a policy in force came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "from", content = "path")]
pub enum Source {
    /// Embedded in the host.
    BuiltIn,
    /// A file of the policy folder; if its newest content was refused, what it held before.
    File(PathBuf),
    /// A file that is gone: the policy stays in force until the daemon ends.
    RemovedFile(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::RemovedFile(path) => write!(f, "{}, which was removed", path.display()),
        }
    }
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyInfo {
    /// Its name, version and digest.
    pub identity: PolicyIdentity,
    /// The question it answers.
    pub kind: Kind,
    /// Where it came from.
    pub source: Source,
    /// The name it gives itself; the file's stem counts, this is for reading.
    pub own_name: String,
    /// One line of what it does.
    pub summary: String,
    /// JSON Schema of its parameters.
    pub parameters_schema: String,
    /// Its default parameters, JSON.
    pub defaults: String,
    /// Why the newest file of this name was refused, if it was.
    pub problem: Option<String>,
}

/// A file that was refused and is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The name it would have, without control characters.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// `sha256:` and the hex digest of its content; absent if it could not be read.
    pub digest: Option<String>,
    /// Why it was refused, and the way out.
    pub reason: String,
    /// Whether another policy is in force under the name.
    pub in_force: bool,
}

/// Parameters that the configuration gives to a policy: a new file of that name must accept them.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// Whose configuration, as a person names it.
    pub by: String,
    /// The question.
    pub kind: Kind,
    /// The policy's name.
    pub policy: String,
    /// JSON; null for the policy's own.
    pub parameters: Value,
}

/// Why a configuration cannot have the policy it names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is none of that name.
    #[error("the policy `{name}` {reason}")]
    Missing {
        /// The name that was asked for.
        name: String,
        /// What is there instead.
        reason: String,
    },
    /// It does not accept the parameters.
    #[error("the policy `{name}` does not accept its parameters: {reason}")]
    Parameters {
        /// The policy's name.
        name: String,
        /// What the policy says.
        reason: String,
    },
    /// It was asked and gave no answer.
    #[error("the policy `{name}` was asked whether it accepts its parameters and {trap}")]
    Trap {
        /// The policy's name.
        name: String,
        /// How it failed.
        trap: Trap,
    },
}

/// Why there can be no registry.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The engine does not start on this machine.
    #[error("the WebAssembly engine does not start: {0:#}")]
    Engine(wasmtime::Error),
    /// An embedded policy is refused, which is a fault of this build.
    #[error("the built-in policy `{name}` cannot be used: {refusal}; build it again with `make policies`")]
    BuiltIn {
        /// Its name.
        name: &'static str,
        /// Why.
        refusal: Refusal,
    },
}

/// The registry of policies. Clones share it; a call never waits for a scan.
#[derive(Clone)]
pub struct Policies {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) machine: Arc<Machine>,
    pub(crate) built_in: BTreeMap<String, Arc<Policy>>,
    pub(crate) state: ArcSwap<State>,
    pub(crate) uses: ArcSwap<Vec<Use>>,
    /// One scan at a time; calls and lists never take it.
    pub(crate) scanning: Mutex<()>,
}

/// What is in force, as one value that is swapped whole.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) in_force: BTreeMap<String, InForce>,
    pub(crate) refused: BTreeMap<String, Refused>,
    pub(crate) folder_problem: Option<String>,
}

#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) policy: Arc<Policy>,
    pub(crate) source: Source,
}

#[derive(Clone)]
pub(crate) struct Refused {
    pub(crate) path: PathBuf,
    pub(crate) digest: Option<String>,
    pub(crate) refusal: Refusal,
    /// The uses it was held against: others may find it fit.
    pub(crate) uses: Arc<Vec<Use>>,
}

impl Policies {
    /// A registry with the built-in policies. Compiles them: some 50 ms each.
    ///
    /// # Errors
    /// If the engine does not start or a built-in policy does not pass its trial.
    pub fn new(limits: Limits) -> Result<Self, SetupError> {
        let machine = Arc::new(Machine::new(limits).map_err(SetupError::Engine)?);
        let load = |(name, bytes): (&'static str, &[u8])| {
            let policy = Policy::load(&machine, name, bytes);
            let policy = policy.map_err(|refusal| SetupError::BuiltIn { name, refusal })?;
            Ok((name.to_owned(), Arc::new(policy)))
        };
        let built_in = built_in::embedded().map(load).collect::<Result<_, _>>()?;
        Ok(Self::over(machine, built_in))
    }

    /// A registry without the built-in policies, for tools that look at files.
    ///
    /// # Errors
    /// If the engine does not start.
    pub fn empty(limits: Limits) -> Result<Self, SetupError> {
        Ok(Self::over(Arc::new(Machine::new(limits).map_err(SetupError::Engine)?), BTreeMap::new()))
    }

    /// The default policies that were not built before this host; the remedy is `make policies` and a new build.
    #[must_use]
    pub fn missing_built_ins() -> Vec<&'static str> {
        built_in::missing()
    }

    /// Tells what the configuration gives to which policy. A file that does not accept it is refused from now on;
    /// files refused before get another trial in the next scan.
    pub fn set_uses(&self, uses: Vec<Use>) {
        self.shared.uses.store(Arc::new(uses));
    }

    /// Compares `folder` with what is in force and makes it so, one policy at a time, each from the next call on.
    /// Returns what changed since the last scan, each once. Compiles, so run it where blocking is allowed.
    #[must_use = "the notices are told only once"]
    pub fn scan(&self, folder: &Path) -> Vec<Notice> {
        let _one_at_a_time = self.shared.scanning.lock().unwrap_or_else(PoisonError::into_inner);
        scan::run(&self.shared, folder)
    }

    /// The policies in force, by name.
    #[must_use]
    pub fn list(&self) -> Vec<PolicyInfo> {
        let state = self.shared.state.load();
        let problem = |name| state.refused.get(name).map(|refused| refused.refusal.to_string());
        state.in_force.iter().map(|(name, found)| found.info(problem(name))).collect()
    }

    /// The digest of the policy in force under `name`, if there is one.
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<String> {
        let state = self.shared.state.load();
        state.in_force.get(name).map(|found| found.policy.identity.digest.clone())
    }

    /// The files that were refused and are still there, by name.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let state = self.shared.state.load();
        let problem = |(name, refused): (&String, &Refused)| Problem {
            name: text::printable(name),
            path: refused.path.clone(),
            digest: refused.digest.clone(),
            reason: refused.refusal.to_string(),
            in_force: state.in_force.contains_key(name),
        };
        state.refused.iter().map(problem).collect()
    }

    /// Why the policy folder could not be read in the last scan, if it could not.
    #[must_use]
    pub fn folder_problem(&self) -> Option<String> {
        self.shared.state.load().folder_problem.clone()
    }

    /// Asks the policy whether it accepts `parameters`.
    ///
    /// # Errors
    /// If there is no such policy for this question, or it says no, or traps.
    pub fn validate(&self, kind: Kind, name: &str, parameters: &Value) -> Result<PolicyIdentity, PolicyError> {
        let policy = self.wanted(kind, name)?;
        let name = name.to_owned();
        let answer = policy.validate(parameters);
        match answer.result {
            Ok(Ok(())) => Ok(answer.policy),
            Ok(Err(reason)) => Err(PolicyError::Parameters { name, reason }),
            Err(trap) => Err(PolicyError::Trap { name, trap }),
        }
    }

    /// What is wrong with a name under which a policy of this kind is wanted; nothing where there is one.
    #[must_use]
    pub fn missing(&self, kind: Kind, name: &str) -> Option<PolicyError> {
        self.wanted(kind, name).err()
    }

    fn wanted(&self, kind: Kind, name: &str) -> Result<Arc<Policy>, PolicyError> {
        self.find(kind, name).map_err(|reason| PolicyError::Missing { name: name.to_owned(), reason })
    }

    /// Asks the classifier `name` what `change` is. Blocks for at most the limit of time.
    #[must_use]
    pub fn classify(&self, name: &str, change: &Change, parameters: &Value) -> Answer<Classification> {
        self.ask(Kind::Classifier, name, |policy| policy.classify(change, parameters))
    }

    /// Asks the analyzer `name` what `observation` says. Blocks for at most the limit of time.
    #[must_use]
    pub fn analyze(&self, name: &str, observation: &Observation, parameters: &Value) -> Answer<Finding> {
        self.ask(Kind::Analyzer, name, |policy| policy.analyze(observation, parameters))
    }

    /// Asks the progression `name` what happens next. Blocks for at most the limit of time.
    #[must_use]
    pub fn next(&self, name: &str, situation: &Situation, parameters: &Value) -> Answer<Move> {
        self.ask(Kind::Progression, name, |policy| policy.next(situation, parameters))
    }

    fn over(machine: Arc<Machine>, built_in: BTreeMap<String, Arc<Policy>>) -> Self {
        let in_force = built_in.iter().map(|(name, policy)| (name.clone(), InForce::built_in(policy))).collect();
        let state = ArcSwap::from_pointee(State { in_force, ..State::default() });
        let shared = Shared { machine, built_in, state, uses: ArcSwap::default(), scanning: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    fn ask<T>(&self, kind: Kind, name: &str, question: impl FnOnce(&Policy) -> Answer<T>) -> Answer<T> {
        match self.find(kind, name) {
            Ok(policy) => question(&policy),
            Err(reason) => Answer {
                policy: PolicyIdentity { name: name.to_owned(), version: "none".into(), digest: "none".into() },
                result: Err(Trap::Missing(reason)),
                logs: vec![],
                logs_cut: 0,
                spent: Spent::default(),
            },
        }
    }

    /// The policy itself, so that a call under way outlives a swap; or what is wrong with the name.
    fn find(&self, kind: Kind, name: &str) -> Result<Arc<Policy>, String> {
        let state = self.shared.state.load();
        match state.in_force.get(name) {
            Some(found) if found.policy.kind == kind => Ok(Arc::clone(&found.policy)),
            Some(found) => Err(format!("is {}, not {}; {}", a(found.policy.kind), a(kind), state.offer(kind))),
            None => Err(state.nothing_under(kind, name)),
        }
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: BTreeSet<_> = self.shared.state.load().in_force.keys().cloned().collect();
        f.debug_struct("Policies").field("in_force", &names).finish_non_exhaustive()
    }
}

impl State {
    fn nothing_under(&self, kind: Kind, name: &str) -> String {
        let wanted = match self.refused.get(name) {
            Some(refused) => {
                format!("is not in force because {} was refused: {}", refused.path.display(), refused.refusal)
            }
            None if built_in::missing().contains(&name) => {
                "was not built into this host; run `make policies` and build again".to_owned()
            }
            None => format!("does not exist; put {name}.wasm into the policy folder"),
        };
        format!("{wanted}; {}", self.offer(kind))
    }

    fn offer(&self, kind: Kind) -> String {
        let fitting = self.in_force.iter().filter(|(_, found)| found.policy.kind == kind);
        let names: Vec<&str> = fitting.map(|(name, _)| name.as_str()).collect();
        match names[..] {
            [] => format!("there is no {kind} at all"),
            _ => format!("in force as {kind}: {}", names.join(", ")),
        }
    }
}

impl InForce {
    pub(crate) fn built_in(policy: &Arc<Policy>) -> Self {
        Self { policy: Arc::clone(policy), source: Source::BuiltIn }
    }

    fn info(&self, problem: Option<String>) -> PolicyInfo {
        let about = &self.policy.about;
        PolicyInfo {
            identity: self.policy.identity.clone(),
            kind: self.policy.kind,
            source: self.source.clone(),
            own_name: about.own_name.clone(),
            summary: about.summary.clone(),
            parameters_schema: about.parameters_schema.clone(),
            defaults: about.defaults.clone(),
            problem,
        }
    }
}
