//! The core, asked with few numbers and answering with few numbers; what was asked once is remembered.

use std::time::Duration;

use aviary_core::{
    answer::{Answer, answered},
    command::{Command, commanded},
    judge::Track,
    plan::{Note, Plan, RecordState, Service, plan},
    record::{Phase, Record},
    settings::Settings,
    spec::Spec,
    view::View,
};
use foldhash::{HashMap, HashMapExt};

use crate::{
    action::{Act, Which, set_of},
    alterations::{Alterations, DaemonMistake},
    deed::{Deed, deed},
    policies::{Answers, Verdict},
    records::{EPOCH, NOW, RecordId, Records},
    setting::Setting,
    sight::{NAMESPACE, SERVICE, Seen, Sight, Tenure},
    specs::{Image, SpecId, Specs},
    world::{Lag, World},
};

/// How long the copies of a deleted original are to serve at least.
const GRACE: Duration = Duration::from_secs(60);

/// What a plan comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Nothing is to be done.
    Rest,
    /// A record is to be stored; its epoch rises by so much.
    Save {
        /// Which one.
        record: RecordId,
        /// By how much.
        rise: u8,
    },
    /// A write is to be made.
    Write(Deed),
    /// A question is to be asked.
    Ask {
        /// Which one, epoch apart.
        question: u32,
    },
}

/// A plan, as few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thought {
    /// What is to be done.
    pub decision: Decision,
    /// In how many milliseconds it is planned again; not positive if that time has come already.
    pub wake: Option<i64>,
}

/// What of a record the invariants look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Where the service stands.
    pub phase: PhaseKind,
    /// N.
    pub replicas: u8,
    /// The image of the accepted spec.
    pub accepted: Image,
    /// The accepted spec, as the original has it.
    pub accepted_spec: SpecId,
    /// The candidate's spec, as the original has it.
    pub candidate: Option<SpecId>,
    /// The size of the canary.
    pub size: u8,
    /// Whether the original has been gone for so long that its copies may go too.
    pub gone: bool,
    /// Whether the rollout waits for a person.
    pub paused: bool,
    /// Whether nothing is done about what the original asks for, as remembered.
    pub held: bool,
    /// Images that were rolled back.
    pub rejected: u8,
    /// Whether the next change goes direct.
    pub bypass: bool,
    /// Whether it is to be released.
    pub release: bool,
}

impl Standing {
    /// Whether a candidate is under test or being promoted.
    #[must_use]
    pub const fn is_rollout(&self) -> bool {
        matches!(self.phase, PhaseKind::Canary | PhaseKind::Promoting)
    }
}

/// Where a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are those of `aviary_core::record::Phase`")]
pub enum PhaseKind {
    Adopting,
    Steady,
    Direct,
    Canary,
    Promoting,
    RollingBack,
    Releasing,
    Released,
}

/// An answer that comes to a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heard {
    /// The record as it knows it.
    pub record: RecordId,
    /// What was asked.
    pub question: u32,
    /// What comes back.
    pub verdict: Verdict,
    /// Whether the record is still of the epoch of the question.
    pub in_time: bool,
    /// The daemon's lease.
    pub tenure: Tenure,
}

/// A record, and by how much its epoch rose.
type Risen = (RecordId, u8);

/// The core with its settings, and all that was asked of it.
pub struct Mind {
    /// What is held fixed.
    pub setting: Setting,
    /// The configuration.
    pub settings: Settings,
    /// Planted mistakes; none but in tests.
    pub alterations: Alterations,
    /// All acts of people, whether they are possible at a time or not.
    pub acts: Vec<Act>,
    /// The place of the only act that people may begin with, if not with any.
    pub first_act: Option<usize>,
    /// All specs.
    pub specs: Specs,
    /// All records.
    pub records: Records,
    /// All questions and answers.
    pub answers: Answers,
    /// The words of operators, as a set of acts' numbers; 0, for no act, is among them.
    pub words: u64,
    /// Acts that neither take pods of the copies nor ask for another number, as such a set.
    pub harmless: u64,
    copies: HashMap<(SpecId, Track), SpecId>,
    thoughts: HashMap<Sight, Thought>,
    standings: Vec<Option<Standing>>,
    heard: HashMap<Heard, Option<Risen>>,
    obeyed: HashMap<(RecordId, u8, Tenure), Option<Risen>>,
}

impl Mind {
    /// A core that has thought of nothing yet.
    #[must_use]
    pub fn new(setting: Setting, alterations: Alterations) -> Self {
        let acts = Act::all(setting.replicas);
        Self {
            setting,
            settings: setting.settings(),
            alterations,
            first_act: None,
            specs: Specs::default(),
            records: Records::default(),
            answers: Answers::default(),
            words: set_of(&acts, |act| matches!(act, Act::Say(_))),
            harmless: set_of(&acts, Act::is_harmless),
            acts,
            copies: HashMap::new(),
            thoughts: HashMap::new(),
            standings: Vec::new(),
            heard: HashMap::new(),
            obeyed: HashMap::new(),
        }
    }

    /// How many different plans were made.
    #[must_use]
    pub fn plans(&self) -> usize {
        self.thoughts.len()
    }

    /// What a daemon sees.
    #[must_use]
    pub fn sight(&self, world: &World, which: Which) -> Option<Sight> {
        let daemon = world.daemon(which == Which::Second)?;
        let lag = if which == Which::First { world.lag } else { Lag::default() };
        let deployments = lag.deployments.unwrap_or_else(|| world.shown());
        let crashed = lag.pods.unwrap_or_else(|| world.crashed());
        let any_version = self.alterations.daemon == Some(DaemonMistake::JudgesTheVersionBefore);
        let current = |canary: Seen| if any_version { crashed.all() } else { crashed.of(canary.status.template) };
        Some(Sight {
            deployments,
            crashed: deployments[Track::Canary as usize].map_or(0, current),
            record: daemon.record.map(|stored| stored.record),
            tenure: Tenure::of(daemon.lease, daemon.record.map(|stored| stored.lease)),
        })
    }

    /// The plan for what is seen.
    pub fn think(&mut self, sight: Sight) -> Thought {
        let key = sight.canonical();
        let thought = match self.thoughts.get(&key) {
            Some(thought) => *thought,
            None => {
                let thought = self.think_anew(&key);
                self.thoughts.insert(key, thought);
                thought
            }
        };
        match thought.decision {
            Decision::Write(deed) => {
                Thought { decision: Decision::Write(deed.aimed_at(&sight.deployments)), ..thought }
            }
            _ => thought,
        }
    }

    /// The plan for what is seen, in full.
    #[must_use]
    pub fn plan(&self, sight: &Sight) -> (Plan, View) {
        let mut view = sight.view(&self.specs);
        let mut record = sight.record.map(|id| self.records.get(id).clone());
        if let Some(alter) = self.alterations.record {
            record.as_mut().into_iter().for_each(|record| alter(record, &view));
        }
        if let Some(alter) = self.alterations.view {
            alter(&mut view, record.as_ref());
        }
        let state = record.map_or(RecordState::Absent, |record| RecordState::Present(Box::new(record)));
        let lease = &sight.tenure.lease();
        let service =
            Service { namespace: NAMESPACE, name: SERVICE, view: &view, record: &state, may_adopt: true, lease };
        let mut plan = plan(&service, &self.settings, NOW);
        if let (Some(alter), Some(act)) = (self.alterations.write, plan.act.as_mut()) {
            alter(act, &view);
        }
        (plan, view)
    }

    fn think_anew(&mut self, sight: &Sight) -> Thought {
        let (plan, view) = self.plan(sight);
        let wake = plan.wake_at.map(|at| at.0 - NOW.0);
        let decision = if let Some(record) = plan.record {
            let (record, rise) = self.records.intern(&record);
            Decision::Save { record, rise }
        } else if let Some(write) = plan.act {
            Decision::Write(deed(&write, sight, &mut self.specs))
        } else if let (Some(question), Some(original)) = (plan.question, &view.original) {
            let asked = Spec::of(&original.spec);
            let rollout = sight.record.and_then(|id| self.records.get(id).rollout());
            let judged = rollout.map_or_else(|| asked.clone(), |rollout| rollout.candidate.clone());
            let judged = specs_id(&mut self.specs, &judged);
            let behaviour = self.setting.behaviour(self.specs.get(judged).image);
            Decision::Ask { question: self.answers.ask(&question, &asked, behaviour) }
        } else {
            Decision::Rest
        };
        Thought { decision, wake }
    }

    /// The record after an answer, and by how much its epoch rose; nothing where the answer changes nothing.
    pub fn hear(&mut self, heard: Heard) -> Option<Risen> {
        if let Some(known) = self.heard.get(&heard) {
            return *known;
        }
        let Heard { record, question, verdict, in_time, tenure } = heard;
        let answer = self.answers.answer(question, verdict, if in_time { EPOCH } else { EPOCH - 1 });
        let risen = self.hear_in_full(record, answer, tenure).map(|(record, _)| self.records.intern(&record));
        self.heard.insert(heard, risen);
        risen
    }

    /// The record after an answer, with what is said.
    #[must_use]
    pub fn hear_in_full(&self, record: RecordId, mut answer: Answer, tenure: Tenure) -> Option<(Record, Vec<Note>)> {
        if let Some(alter) = self.alterations.answer {
            alter(&mut answer);
        }
        let (mut record, notes) = answered(self.records.get(record), &self.settings, answer, &tenure.lease(), NOW)?;
        if let Some(alter) = self.alterations.answered {
            alter(&mut record);
        }
        Some((record, notes))
    }

    /// The record after an operator's word, and by how much its epoch rose; nothing where it is refused.
    pub fn obey(&mut self, record: RecordId, command: Command, tenure: Tenure) -> Option<Risen> {
        let key = (record, command as u8, tenure);
        if let Some(known) = self.obeyed.get(&key) {
            return *known;
        }
        let obeyed = commanded(self.records.get(record), command, &tenure.lease(), NOW).ok();
        let obeyed = obeyed.map(|(record, _)| self.records.intern(&record));
        self.obeyed.insert(key, obeyed);
        obeyed
    }

    /// What of a record the invariants look at.
    pub fn standing(&mut self, id: RecordId) -> Standing {
        let place = id as usize;
        if let Some(Some(standing)) = self.standings.get(place) {
            return *standing;
        }
        let standing = standing(self.records.get(id), &mut self.specs);
        self.standings.resize(self.standings.len().max(place + 1), None);
        self.standings[place] = Some(standing);
        standing
    }

    /// The spec of a copy of `original`.
    pub fn copy(&mut self, original: SpecId, track: Track) -> SpecId {
        if let Some(copy) = self.copies.get(&(original, track)) {
            return *copy;
        }
        let spec = self.specs.get(original).spec.copy_spec(track, self.settings.surge);
        let copy = self.specs.intern(&spec);
        self.copies.insert((original, track), copy);
        copy
    }
}

fn specs_id(specs: &mut Specs, spec: &Spec) -> SpecId {
    specs.intern(&spec.value())
}

fn standing(record: &Record, specs: &mut Specs) -> Standing {
    let kind = match &record.phase {
        Phase::Adopting => PhaseKind::Adopting,
        Phase::Steady => PhaseKind::Steady,
        Phase::Direct(_) => PhaseKind::Direct,
        Phase::Canary(_) => PhaseKind::Canary,
        Phase::Promoting(_) => PhaseKind::Promoting,
        Phase::RollingBack(_) => PhaseKind::RollingBack,
        Phase::Releasing => PhaseKind::Releasing,
        Phase::Released => PhaseKind::Released,
    };
    let accepted_spec = specs_id(specs, &record.accepted);
    let rollout = record.rollout();
    let rejected = |image: &&Image| record.rejected.iter().any(|rejected| rejected.images == image.name());
    Standing {
        phase: kind,
        replicas: small(record.replicas),
        accepted: specs.get(accepted_spec).image,
        accepted_spec,
        candidate: rollout.map(|rollout| specs_id(specs, &rollout.candidate)),
        size: rollout.map_or(0, |rollout| small(rollout.size)),
        gone: record.gone_since.is_some_and(|since| NOW.since(since) >= GRACE),
        paused: rollout.is_some_and(|rollout| rollout.paused.is_some()),
        held: record.held.is_some(),
        rejected: Image::ALL.iter().filter(rejected).map(|image| image.bit()).sum(),
        bypass: record.bypass,
        release: record.release,
    }
}

/// A number of pods as the model counts them.
#[must_use]
pub fn small(pods: u32) -> u8 {
    u8::try_from(pods).unwrap_or(u8::MAX)
}
