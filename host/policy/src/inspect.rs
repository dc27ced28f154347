//! Everything that can be told of a file before it is dropped in, by the very steps with which the registry takes it.

use std::{path::Path, sync::Arc, time::Duration};

use aviary_core::judge::PolicyIdentity;
use serde::Serialize;
use serde_json::Value;

use crate::{
    answer::{Kind, Spent, Trap},
    built_in,
    component::{Form, Outline, Refusal, examine, look},
    engine::Machine,
    folder,
    limits::Limits,
    policy::{About, Policy, a, digest},
    registry::SetupError,
    trial,
    typical::{self, Size},
};

/// Calls that are made to see what one costs, and for how long at most: a slow policy need not make them all.
const CALLS: usize = 500;
const LONGEST: Duration = Duration::from_secs(2);

/// What a file is, and why the daemon would refuse it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The name it would have: the file's stem.
    pub name: Option<String>,
    /// Bytes of the file, if it can be read; so are the next two.
    pub bytes: Option<usize>,
    /// `sha256:` and the hex digest of its content.
    pub digest: Option<String>,
    /// What its content is, if it is sound WebAssembly.
    pub form: Option<Form>,
    /// The version of the contract it was built for, as its imports name it.
    pub contract: Option<String>,
    /// What it asks for.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
    /// The question it answers.
    pub kind: Option<Kind>,
    /// What it says of itself.
    pub about: Option<About>,
    /// What a typical call costs.
    pub calls: Option<Calls>,
    /// Every reason for which the daemon would refuse it, with the way out; none if it would take it.
    pub refusals: Vec<String>,
}

/// What typical calls of a policy cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calls {
    /// Calls that were made.
    pub count: usize,
    /// Half of them took no longer, in microseconds.
    pub p50_microseconds: u128,
    /// Of a hundred, one took longer; in microseconds.
    pub p99_microseconds: u128,
    /// Bytes of linear memory that the largest call had.
    pub memory: usize,
    /// Why the last one gave no answer, if so: no reason to refuse it, and yet no good sign.
    pub trap: Option<String>,
}

/// Looks at `path`, with the parameters that a configuration would give it (null for its own). Compiles, and runs the
/// policy: takes some seconds at most.
///
/// # Errors
/// If the engine does not start.
pub fn inspect(path: &Path, parameters: &Value, limits: Limits) -> Result<Inspection, SetupError> {
    let machine = Arc::new(Machine::new(limits).map_err(SetupError::Engine)?);
    let mut inspection = Inspection::of_name(path);
    match folder::contents(path) {
        Ok(Some(bytes)) => inspection.bytes(&machine, &bytes, parameters),
        Ok(None) => inspection.refuse(Refusal::File("there is no such file".to_owned())),
        Err(reason) => inspection.refuse(Refusal::File(reason)),
    }
    Ok(inspection)
}

impl Inspection {
    fn of_name(path: &Path) -> Self {
        let file = folder::policy_file(path);
        let fault = match &file {
            Some(file) => folder::proper_name(&file.name).err(),
            None => Some("only files called NAME.wasm are policies, and hidden ones are not; rename it".to_owned()),
        };
        Self {
            name: file.map(|file| file.name),
            bytes: None,
            digest: None,
            form: None,
            contract: None,
            imports: vec![],
            exports: vec![],
            kind: None,
            about: None,
            calls: None,
            refusals: fault.into_iter().collect(),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal.to_string());
    }

    fn bytes(&mut self, machine: &Arc<Machine>, bytes: &[u8], parameters: &Value) {
        let digest = digest(bytes);
        (self.bytes, self.digest) = (Some(bytes.len()), Some(digest.clone()));
        let looks = match look(bytes) {
            Ok(looks) => looks,
            Err(refusal) => return self.refuse(refusal),
        };
        self.form = Some(looks.form);
        self.outline(looks.outline);
        let name = self.name.clone().unwrap_or_default();
        match looks.verdict.map(|candidate| Policy::link(machine, &name, digest, &candidate)) {
            Ok(Ok(policy)) => self.policy(policy, parameters),
            Ok(Err(refusal)) => self.refuse(refusal),
            Err(faults) => [faults.first].into_iter().chain(faults.others).for_each(|fault| self.refuse(fault)),
        }
    }

    fn outline(&mut self, outline: Outline) {
        self.kind = outline.kind().ok();
        let contract = outline.imports.iter().find_map(|import| {
            let (interface, version) = import.split_once('@')?;
            Some(format!("{}@{version}", interface.split('/').next()?))
        });
        self.contract = contract.filter(|contract| contract.starts_with("aviary:policy@"));
        (self.imports, self.exports) = (outline.imports, outline.exports);
    }

    fn policy(&mut self, mut policy: Policy, parameters: &Value) {
        match policy.introduce() {
            Ok(()) => self.about = Some(policy.about.clone()),
            Err(refusal) => self.refuse(refusal),
        }
        let given = Some(parameters).filter(|parameters| !parameters.is_null());
        trial::faults(&policy).for_each(|fault| self.refuse(fault));
        self.other_kind(&policy);
        // Its own it was asked about in the trial.
        if let Some(refusal) = given.and_then(|given| policy.accepts(given, "--parameters").err()) {
            self.refuse(refusal);
        }
        self.calls = Some(calls(&policy, parameters));
    }

    /// A built-in policy of its name answers another question.
    fn other_kind(&mut self, policy: &Policy) {
        let PolicyIdentity { name, .. } = &policy.identity;
        let bytes = built_in::embedded().find(|(built_in, _)| built_in == name).map(|(_, bytes)| bytes);
        let in_force = bytes.and_then(|bytes| examine(bytes).ok()).map(|candidate| candidate.kind);
        if let Some(in_force) = in_force.filter(|kind| *kind != policy.kind) {
            self.refuse(Refusal::OtherKind { found: a(policy.kind), in_force: a(in_force) });
        }
    }
}

fn calls(policy: &Policy, parameters: &Value) -> Calls {
    let mut spent: Vec<Spent> = Vec::new();
    let mut in_all = Duration::ZERO;
    let mut trap = None;
    let ask = question(policy.kind);
    while spent.len() < CALLS && in_all < LONGEST {
        let (cost, fault) = ask(policy, parameters);
        in_all += cost.time;
        spent.push(cost);
        trap = fault.map(|trap| format!("the policy {trap}"));
    }
    let memory = spent.iter().map(|spent| spent.memory).max().unwrap_or_default();
    let mut times: Vec<u128> = spent.iter().map(|spent| spent.time.as_micros()).collect();
    times.sort_unstable();
    let of = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    Calls { count: times.len(), p50_microseconds: of(50), p99_microseconds: of(99), memory, trap }
}

type Ask = Box<dyn Fn(&Policy, &Value) -> (Spent, Option<Trap>)>;

/// The typical question of a kind, made once.
fn question(kind: Kind) -> Ask {
    match kind {
        Kind::Classifier => {
            let change = typical::change();
            Box::new(move |policy, parameters| {
                let answer = policy.classify(&change, parameters);
                (answer.spent, answer.result.err())
            })
        }
        Kind::Analyzer => {
            let observation = typical::observation(Size::USUAL);
            Box::new(move |policy, parameters| {
                let answer = policy.analyze(&observation, parameters);
                (answer.spent, answer.result.err())
            })
        }
        Kind::Progression => {
            let situation = typical::situation();
            Box::new(move |policy, parameters| {
                let answer = policy.next(&situation, parameters);
                (answer.spent, answer.result.err())
            })
        }
    }
}
