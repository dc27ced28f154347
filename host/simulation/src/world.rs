//! The state of everything at one moment, small enough to be copied and hashed. What is always there is hashed as a few words
//! instead of field by field.

use std::hash::{Hash, Hasher};

use aviary_core::{judge::Track, known::Known};

use crate::{
    deed::Deed,
    deployment::{Crashed, Deployment},
    records::RecordId,
    sight::{Deployments, Seen},
    specs::SpecId,
};

/// A record as it is stored, remembered or seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Which one.
    pub record: RecordId,
    /// Its epoch.
    pub epoch: u8,
    /// The epoch of the lease under which it was written.
    pub lease: u8,
    /// Its resourceVersion.
    pub version: u8,
}

impl Hash for Stored {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { record, epoch, lease, version } = *self;
        let [first, second, third, fourth] = record.to_le_bytes();
        state.write_u64(u64::from_le_bytes([first, second, third, fourth, epoch, lease, version, 0]));
    }
}

/// Small numbers that may be missing: none is as large as what stands for that.
const fn or_none(number: Option<u8>) -> u8 {
    match number {
        Some(number) => number,
        None => u8::MAX,
    }
}

/// A set of what is so.
fn flags<const N: usize>(flags: [bool; N]) -> u8 {
    flags.into_iter().fold(0, |all, flag| all << 1 | u8::from(flag))
}

/// What a daemon has under way; at most one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// A record is being stored in place of the one with the version `expected`; 0 means that there is none.
    Save {
        /// Which one.
        record: RecordId,
        /// Its epoch.
        epoch: u8,
        /// The epoch of the lease under which it is written.
        lease: u8,
        /// What it replaces.
        expected: u8,
    },
    /// A write is being made, while the record is known at the version `record`.
    Write {
        /// Which one.
        deed: Deed,
        /// The version of the record as the daemon knows it.
        record: u8,
    },
    /// What a write whose answer was lost may have changed is read from the API server.
    ReadBack(Changed),
}

/// What a write whose answer was lost may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Changed {
    /// The record.
    Record,
    /// A Deployment.
    Deployment,
}

impl Effect {
    /// What it may have changed if its answer is lost; nothing where it only reads.
    #[must_use]
    pub const fn changes(&self) -> Option<Changed> {
        match self {
            Self::Save { .. } | Self::Write { deed: Deed::DeleteRecord, .. } => Some(Changed::Record),
            Self::Write { .. } => Some(Changed::Deployment),
            Self::ReadBack(_) => None,
        }
    }
}

/// A question that is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asked {
    /// When it was asked.
    pub epoch: u8,
    /// Which one.
    pub question: u32,
}

/// What a daemon has in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Daemon {
    /// The epoch of the lease as it has it.
    pub lease: u8,
    /// The record as it knows it.
    pub record: Option<Stored>,
    /// Whether the watch has shown that record.
    pub shown: bool,
    /// The version of the record that was deleted last, while the watch still shows it or an older one.
    pub gone: Option<u8>,
    /// What is under way.
    pub effect: Option<Effect>,
    /// Whether it waits until the watch shows its last write.
    pub expecting: bool,
    /// The question that is being asked: epoch and identity.
    pub asking: Option<(u8, u32)>,
    /// What is still to be answered, oldest first.
    pub asked: [Option<Asked>; 2],
    /// With a planted mistake only: a write to be made again, whatever is there by then.
    pub retry: Option<Deed>,
}

impl Hash for Daemon {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { lease, record, shown, gone, effect, expecting, asking, asked: [one, two], retry } = *self;
        let there = flags([record.is_some(), effect.is_some(), asking.is_some(), one.is_some(), two.is_some()]);
        let flags = flags([shown, expecting, retry.is_some()]);
        state.write_u64(u64::from_le_bytes([lease, or_none(gone), there, flags, 0, 0, 0, 0]));
        record.iter().for_each(|record| record.hash(state));
        effect.iter().for_each(|effect| effect.hash(state));
        asking.iter().for_each(|asking| asking.hash(state));
        one.iter().chain(&two).for_each(|asked| asked.hash(state));
        retry.iter().for_each(|deed| deed.hash(state));
    }
}

impl Daemon {
    /// What it knows of the record.
    #[must_use]
    pub fn known(&self) -> Known<u8> {
        Known { stored: self.record.map(|stored| stored.version), shown: self.shown, gone: self.gone }
    }

    /// The record is gone.
    pub fn forget(&mut self) {
        self.gone = self.known().newest();
        (self.record, self.shown) = (None, false);
    }
}

/// Watches that lag, by kind; what they show does not change until they catch up, all at once: the versions between are
/// skipped and what was deleted is not there any more, as after a list that is made anew because the old version is gone (410).
/// A watch that is resumed shows those versions one after the other; each of them is what one that lags from then on shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lag {
    /// Deployments.
    pub deployments: Option<Deployments>,
    /// Records.
    pub record: Option<Option<Stored>>,
    /// Pods of the canary that crash.
    pub pods: Option<Crashed>,
}

impl Lag {
    /// Whether any watch lags.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.deployments.is_some() || self.record.is_some() || self.pods.is_some()
    }
}

/// What is remembered of the past only to judge what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// Images that may become the primary's: accepted in the beginning, passed, or let through by an operator.
    pub proven: u8,
    /// Images that passed a check at the break-point.
    pub passed: u8,
    /// An operator lets the next change go direct.
    pub bypass: bool,
    /// The replicas that people asked for last, where that is clear.
    pub wish: Option<u8>,
    /// Whether somebody has changed a Deployment that the daemon's watch does not show yet.
    pub unseen: bool,
}

/// Everything at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct World {
    /// The Deployments, in the order of [`Track::ALL`].
    pub deployments: [Option<Deployment>; 3],
    /// The newest uid of a Deployment of each name.
    pub uids: [u8; 3],
    /// The template that the original had before, for an undo.
    pub previous: Option<SpecId>,
    /// The record.
    pub record: Option<Stored>,
    /// The newest resourceVersion of a record.
    pub version: u8,
    /// The newest epoch of the lease.
    pub lease: u8,
    /// The daemon.
    pub daemon: Daemon,
    /// A second daemon that believes it is the only one.
    pub second: Option<Daemon>,
    /// Watches that lag; those of the first daemon.
    pub lag: Lag,
    /// A write of a daemon that is gone, still on its way.
    pub late: Option<Effect>,
    /// How many acts people may still do, and faults may still happen.
    pub budget: (u8, u8),
    /// What people did, as the acts' numbers, in order; 0 for none.
    pub acts: [u8; 2],
    /// Whether something happened that may change what becomes of the service.
    pub disturbed: bool,
    /// What is remembered to judge by.
    pub past: Past,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            deployments,
            uids,
            previous,
            record,
            version,
            lease,
            daemon,
            second,
            lag,
            late,
            budget,
            acts,
            disturbed,
            past,
        } = self;
        let Past { proven, passed, bypass, wish, unseen } = *past;
        let there = deployments.each_ref().map(Option::is_some);
        let others = [record.is_some(), second.is_some(), late.is_some(), lag.is_any()];
        let flags = [flags([*disturbed, bypass, unseen]), flags(there), flags(others)];
        let ([first, other, last], [one, two]) = (*uids, *acts);
        state.write_u64(u64::from_le_bytes([first, other, last, *version, *lease, one, two, budget.0]));
        state.write_u64(u64::from_le_bytes([
            or_none(*previous),
            proven,
            passed,
            or_none(wish),
            flags[0],
            flags[1],
            flags[2],
            budget.1,
        ]));
        deployments.iter().flatten().for_each(|deployment| deployment.hash(state));
        record.iter().for_each(|record| record.hash(state));
        daemon.hash(state);
        second.iter().for_each(|daemon| daemon.hash(state));
        late.iter().for_each(|effect| effect.hash(state));
        if lag.is_any() {
            lag.hash(state);
        }
    }
}

impl World {
    /// A Deployment.
    #[must_use]
    pub const fn deployment(&self, track: Track) -> Option<&Deployment> {
        self.deployments[track as usize].as_ref()
    }

    /// A Deployment, or none.
    pub const fn deployment_mut(&mut self, track: Track) -> &mut Option<Deployment> {
        &mut self.deployments[track as usize]
    }

    /// What the first daemon's watch shows of the Deployments.
    #[must_use]
    pub fn seen(&self) -> Deployments {
        self.lag.deployments.unwrap_or_else(|| self.shown())
    }

    /// What a watch that does not lag shows of the Deployments.
    #[must_use]
    pub fn shown(&self) -> Deployments {
        self.deployments.map(|deployment| deployment.map(Seen::from))
    }

    /// Pods of the canary that crash.
    #[must_use]
    pub fn crashed(&self) -> Crashed {
        self.deployment(Track::Canary).map(Deployment::crashed).unwrap_or_default()
    }

    /// The daemon of that number.
    #[must_use]
    pub fn daemon(&self, second: bool) -> Option<&Daemon> {
        if second { self.second.as_ref() } else { Some(&self.daemon) }
    }

    /// The daemon of that number; the first where there is no second.
    pub fn daemon_mut(&mut self, second: bool) -> &mut Daemon {
        match &mut self.second {
            Some(daemon) if second => daemon,
            _ => &mut self.daemon,
        }
    }

    /// A new uid for a Deployment of a track.
    pub const fn new_uid(&mut self, track: Track) -> u8 {
        self.uids[track as usize] += 1;
        self.uids[track as usize]
    }
}
