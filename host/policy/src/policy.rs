//! One policy, compiled and tried: what it says of itself, and the calls to it.

use std::{fmt::Write as _, sync::Arc};

use aviary_core::judge::{self, PolicyIdentity};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::{Store, component::Component};

use crate::{
    answer::{Answer, Kind, Spent, Trap},
    component::{Candidate, Refusal, examine},
    contract::{Analyzer, AnalyzerPre, Classifier, ClassifierPre, Progression, ProgressionPre, types as wit},
    engine::{Machine, Outcome},
    hear,
    sandbox::Sandbox,
    tell, trial,
};

/// Bytes of a parameters' schema, and of defaults.
const DOCUMENT: usize = 64 << 10;

/// A policy that passed its trial.
pub(crate) struct Policy {
    pub(crate) identity: PolicyIdentity,
    pub(crate) kind: Kind,
    pub(crate) about: About,
    world: World,
    machine: Arc<Machine>,
}

/// What a policy says of itself, checked; empty before it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// The name it gives itself; the file's stem counts, this is for reading.
    pub own_name: String,
    /// Its version.
    pub version: String,
    /// One line of what it does.
    pub summary: String,
    /// JSON Schema of its parameters.
    pub parameters_schema: String,
    /// Its default parameters, JSON.
    pub defaults: String,
}

/// Linked but not yet an instance: every call makes a fresh one.
enum World {
    Classifier(ClassifierPre<Sandbox>),
    Analyzer(AnalyzerPre<Sandbox>),
    Progression(ProgressionPre<Sandbox>),
}

/// An instance, for the functions that all worlds have.
enum Instance {
    Classifier(Classifier),
    Analyzer(Analyzer),
    Progression(Progression),
}

impl Policy {
    /// Examines, compiles, links and tries `bytes`. Takes some 50 ms, and no lock.
    pub(crate) fn load(machine: &Arc<Machine>, name: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let mut policy = Self::link(machine, name, digest(bytes), &examine(bytes)?)?;
        policy.introduce()?;
        let fault = trial::faults(&policy).next();
        fault.map_or(Ok(policy), Err)
    }

    /// Compiles and links; it has not said a word yet.
    pub(crate) fn link(
        machine: &Arc<Machine>,
        name: &str,
        digest: String,
        candidate: &Candidate<'_>,
    ) -> Result<Self, Refusal> {
        let component = machine.compile(&candidate.component).map_err(Refusal::Unusable)?;
        let world = World::link(machine, candidate.kind, &component)
            .map_err(|error| Refusal::Unusable(format!("it does not link: {error:#}")))?;
        let identity = PolicyIdentity { name: name.to_owned(), version: String::new(), digest };
        let (kind, about, machine) = (candidate.kind, About::default(), Arc::clone(machine));
        Ok(Self { identity, kind, about, world, machine })
    }

    /// Lets it say what it is.
    pub(crate) fn introduce(&mut self) -> Result<(), Refusal> {
        self.about = self.describe()?;
        self.identity.version.clone_from(&self.about.version);
        Ok(())
    }

    /// Asks whether the policy accepts `parameters`.
    pub(crate) fn validate(&self, parameters: &Value) -> Answer<Result<(), String>> {
        let parameters = self.parameters(parameters);
        let outcome = self.run(|store| self.world.instantiate(store)?.validate(store, &parameters));
        let check = |answer: Result<(), String>| match answer {
            Ok(()) => Ok(Ok(())),
            Err(reason) => hear::sentence("the error", &reason).map(Err).map_err(Trap::Answer),
        };
        self.answer(outcome, check)
    }

    /// Holds the policy to the parameters that `by` gives it.
    pub(crate) fn accepts(&self, parameters: &Value, by: &str) -> Result<(), Refusal> {
        let by = by.to_owned();
        match self.validate(parameters).result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(Refusal::Parameters { by, reason }),
            Err(trap) => {
                let act = format!("asked whether it accepts the parameters that {by} gives it");
                Err(Refusal::Trial { act, trap })
            }
        }
    }

    pub(crate) fn classify(&self, change: &judge::Change, parameters: &Value) -> Answer<judge::Classification> {
        let World::Classifier(world) = &self.world else { return self.other_question(Kind::Classifier) };
        let told = tell::change(change, &self.parameters(parameters));
        let outcome = self.run(|store| world.instantiate(&mut *store)?.call_classify(store, &told));
        self.answer(outcome, hear::classification)
    }

    pub(crate) fn analyze(&self, observation: &judge::Observation, parameters: &Value) -> Answer<judge::Finding> {
        let World::Analyzer(world) = &self.world else { return self.other_question(Kind::Analyzer) };
        let told = tell::observation(observation, &self.parameters(parameters));
        let outcome = self.run(|store| world.instantiate(&mut *store)?.call_analyze(store, &told));
        self.answer(outcome, hear::finding)
    }

    pub(crate) fn next(&self, situation: &judge::Situation, parameters: &Value) -> Answer<judge::Move> {
        let World::Progression(world) = &self.world else { return self.other_question(Kind::Progression) };
        let told = tell::situation(situation, &self.parameters(parameters));
        let outcome = self.run(|store| world.instantiate(&mut *store)?.call_next(store, &told));
        self.answer(outcome, hear::decision)
    }

    fn describe(&self) -> Result<About, Refusal> {
        let outcome = self.run(|store| self.world.instantiate(store)?.describe(store));
        let told =
            outcome.result.map_err(|trap| Refusal::Trial { act: "asked to describe itself".to_owned(), trap })?;
        About::hear(told).map_err(Refusal::Description)
    }

    fn run<T>(&self, call: impl FnOnce(&mut Store<Sandbox>) -> wasmtime::Result<T>) -> Outcome<T> {
        self.machine.run(&self.identity.name, call)
    }

    fn answer<T, U>(&self, outcome: Outcome<T>, check: impl FnOnce(T) -> Result<U, Trap>) -> Answer<U> {
        Answer {
            policy: self.identity.clone(),
            result: outcome.result.and_then(check),
            logs: outcome.sandbox.logs,
            logs_cut: outcome.sandbox.logs_cut,
            spent: outcome.spent,
        }
    }

    fn other_question<T>(&self, asked: Kind) -> Answer<T> {
        let message = format!("is {}, not {}; configure another one", a(self.kind), a(asked));
        let result = Err(Trap::Missing(message));
        Answer { policy: self.identity.clone(), result, logs: vec![], logs_cut: 0, spent: Spent::default() }
    }

    /// No parameters are the policy's own.
    fn parameters(&self, given: &Value) -> String {
        if given.is_null() { self.about.defaults.clone() } else { given.to_string() }
    }
}

impl World {
    fn link(machine: &Machine, kind: Kind, component: &Component) -> wasmtime::Result<Self> {
        let linked = machine.linker().instantiate_pre(component)?;
        Ok(match kind {
            Kind::Classifier => Self::Classifier(ClassifierPre::new(linked)?),
            Kind::Analyzer => Self::Analyzer(AnalyzerPre::new(linked)?),
            Kind::Progression => Self::Progression(ProgressionPre::new(linked)?),
        })
    }

    fn instantiate(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<Instance> {
        Ok(match self {
            Self::Classifier(world) => Instance::Classifier(world.instantiate(store)?),
            Self::Analyzer(world) => Instance::Analyzer(world.instantiate(store)?),
            Self::Progression(world) => Instance::Progression(world.instantiate(store)?),
        })
    }
}

impl Instance {
    fn describe(&self, store: &mut Store<Sandbox>) -> wasmtime::Result<wit::Info> {
        match self {
            Self::Classifier(instance) => instance.call_describe(store),
            Self::Analyzer(instance) => instance.call_describe(store),
            Self::Progression(instance) => instance.call_describe(store),
        }
    }

    fn validate(&self, store: &mut Store<Sandbox>, parameters: &str) -> wasmtime::Result<Result<(), String>> {
        match self {
            Self::Classifier(instance) => instance.call_validate(store, parameters),
            Self::Analyzer(instance) => instance.call_validate(store, parameters),
            Self::Progression(instance) => instance.call_validate(store, parameters),
        }
    }
}

impl About {
    /// Or everything that is wrong with it.
    fn hear(told: wit::Info) -> Result<Self, String> {
        let mut faults = Vec::new();
        let mut sound = |heard: Result<String, String>| {
            heard.unwrap_or_else(|fault| {
                faults.push(fault);
                String::new()
            })
        };
        let about = Self {
            own_name: sound(hear::name("its name", &told.name)),
            version: sound(hear::name("its version", &told.version)),
            summary: sound(
                hear::sentence("its summary", &told.summary)
                    .map_err(|fault| format!("{fault} (in Rust it is the `description` in Cargo.toml)")),
            ),
            parameters_schema: sound(document("the schema of its parameters", told.parameters_schema)),
            defaults: sound(document("its default parameters", told.defaults)),
        };
        if faults.is_empty() { Ok(about) } else { Err(faults.join("; ")) }
    }
}

/// `sha256:` and the hex digest.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The kind with its article.
pub(crate) fn a(kind: Kind) -> String {
    let article = if kind == Kind::Analyzer { "an" } else { "a" };
    format!("{article} {kind}")
}

fn document(field: &str, text: String) -> Result<String, String> {
    if text.len() > DOCUMENT {
        return Err(format!("{field} has {} bytes; at most {DOCUMENT} are allowed", text.len()));
    }
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(_)) => Ok(text),
        Ok(_) => Err(format!("{field} must be a JSON object")),
        Err(error) => Err(format!("{field} is not JSON: {error}")),
    }
}
