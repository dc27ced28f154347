//! A Deployment with its ReplicaSets and pods, small enough to be copied and hashed a million times a second.

use std::hash::{Hash, Hasher};

use crate::specs::{Behaviour, SpecId};

/// How many ReplicaSets of a Deployment are told apart.
pub const REPLICA_SETS: usize = 4;

/// Pods of one template, counted by how they are. Pods on their way out are none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pods {
    /// Not ready yet.
    pub starting: u8,
    /// Ready, and so available.
    pub ready: u8,
    /// Waiting to be started again, with a reason that is evidence.
    pub crashed: u8,
}

impl Pods {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> u8 {
        self.starting + self.ready + self.crashed
    }

    /// As many as `wanted`: new ones start, and those that are not ready go first.
    fn adjust(&mut self, wanted: u8) {
        self.starting += wanted.saturating_sub(self.total());
        let mut excess = self.total().saturating_sub(wanted);
        for kind in [&mut self.crashed, &mut self.starting, &mut self.ready] {
            let gone = excess.min(*kind);
            *kind -= gone;
            excess -= gone;
        }
    }
}

/// Pods that crash, each number with the template that they run; a place that is not used has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Crashed([(u8, u8); REPLICA_SETS]);

impl Crashed {
    /// Those that run `template`.
    #[must_use]
    pub fn of(self, template: u8) -> u8 {
        self.0.iter().filter(|(of, _)| *of == template).map(|(_, pods)| pods).sum()
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> u8 {
        self.0.iter().map(|(_, pods)| pods).sum()
    }
}

/// A ReplicaSet; one with template 0 in a place that is not used equals the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReplicaSet {
    /// Which template.
    pub template: u8,
    /// `spec.replicas`.
    pub wanted: u8,
    /// What the Deployment wanted in all when it scaled this one last (the annotation desired-replicas).
    pub desired: u8,
    /// The most pods that it was allowed in all then (the annotation max-replicas).
    pub most: u8,
    /// `status.replicas`.
    pub counted: u8,
    /// `status.availableReplicas`.
    pub counted_available: u8,
    /// What is really there.
    pub pods: Pods,
}

impl ReplicaSet {
    const fn new(template: u8, wanted: u8, desired: u8, most: u8) -> Self {
        let pods = Pods { starting: 0, ready: 0, crashed: 0 };
        Self { template, wanted, desired, most, counted: 0, counted_available: 0, pods }
    }

    /// The replica-set controller's turns: pods are started or deleted, and counted.
    fn turn(&mut self) {
        self.pods.adjust(self.wanted);
        self.counted = self.pods.total();
        self.counted_available = self.pods.ready;
    }

    fn idle(&self) -> bool {
        self.wanted == 0 && self.pods.total() == 0 && self.counted == 0
    }
}

/// Who has last set `spec.replicas`, as the managed fields tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReplicasOwner {
    /// Nobody owns the field.
    #[default]
    Nobody,
    /// `kubectl apply`.
    Apply,
    /// `kubectl scale`.
    Scale,
    /// Aviary.
    Aviary,
}

/// What the managed fields and annotations of a Deployment tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Managers {
    /// Whether Aviary has an entry.
    pub aviary: bool,
    /// Whose `spec.replicas` is.
    pub replicas: ReplicasOwner,
    /// Whether the last manifest that was applied names replicas.
    pub applied_replicas: bool,
}

impl Managers {
    /// Whether the API server filled in the replicas, because the last manifest does not name them any more.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.replicas == ReplicasOwner::Apply && !self.applied_replicas
    }
}

/// What the deployment controller has written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Status {
    /// The generation it has seen.
    pub observed: u8,
    /// Pods.
    pub replicas: u8,
    /// Of these, those of the newest template.
    pub updated: u8,
    /// Ready, and so available, ones.
    pub available: u8,
    /// The template of the ReplicaSet that has the Deployment's revision.
    pub template: u8,
}

/// A Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    /// Differs from those that had its name before.
    pub uid: u8,
    /// `metadata.generation`.
    pub generation: u8,
    /// Whether it carries Aviary's owner mark.
    pub ours: bool,
    /// Its spec without replicas and pause.
    pub spec: SpecId,
    /// `spec.replicas`.
    pub replicas: u8,
    /// `spec.paused`.
    pub paused: bool,
    /// Who manages what.
    pub managers: Managers,
    /// Its status.
    pub status: Status,
    /// Its ReplicaSets, oldest first.
    pub sets: [ReplicaSet; REPLICA_SETS],
    /// How many of them there are.
    pub set_count: u8,
}

impl Hash for Deployment {
    /// A few words instead of some eighty bytes, one by one; the places without a ReplicaSet are all alike.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { uid, generation, ours, spec, replicas, paused, managers, status, sets, set_count } = *self;
        let Managers { aviary, replicas: owner, applied_replicas } = managers;
        let Status { observed, replicas: counted, updated, available, template } = status;
        let flags = [ours, paused, aviary, applied_replicas];
        let flags = flags.into_iter().fold(owner as u8, |flags, flag| flags << 1 | u8::from(flag));
        state.write_u64(u64::from_le_bytes([uid, generation, spec, replicas, flags, set_count, observed, template]));
        let [first, second, third, fourth] = sets.map(|set| set.pods.crashed);
        state.write_u64(u64::from_le_bytes([counted, updated, available, 0, first, second, third, fourth]));
        for set in self.sets() {
            let ReplicaSet { template, wanted, desired, most, counted, counted_available, pods } = *set;
            let Pods { starting, ready, crashed: _ } = pods;
            let bytes = [template, wanted, desired, most, counted, counted_available, starting, ready];
            state.write_u64(u64::from_le_bytes(bytes));
        }
    }
}

impl Deployment {
    /// One that was just created.
    #[must_use]
    pub fn new(uid: u8, spec: SpecId, replicas: u8) -> Self {
        Self {
            uid,
            generation: 1,
            ours: false,
            spec,
            replicas,
            paused: false,
            managers: Managers::default(),
            status: Status::default(),
            sets: [ReplicaSet::default(); REPLICA_SETS],
            set_count: 0,
        }
    }

    /// Its ReplicaSets, oldest first.
    #[must_use]
    pub fn sets(&self) -> &[ReplicaSet] {
        &self.sets[..usize::from(self.set_count)]
    }

    /// Its ReplicaSets, oldest first.
    pub fn sets_mut(&mut self) -> &mut [ReplicaSet] {
        &mut self.sets[..usize::from(self.set_count)]
    }

    /// Pods that are there and not on their way out.
    #[must_use]
    pub fn pods(&self) -> u8 {
        self.sets().iter().map(|set| set.pods.total()).sum()
    }

    /// Pods that are available.
    #[must_use]
    pub fn available(&self) -> u8 {
        self.sets().iter().map(|set| set.pods.ready).sum()
    }

    /// Pods that crash.
    #[must_use]
    pub fn crashed(&self) -> Crashed {
        let mut crashed = Crashed::default();
        let sets = self.sets().iter().filter(|set| set.pods.crashed > 0);
        crashed.0.iter_mut().zip(sets).for_each(|(place, set)| *place = (set.template, set.pods.crashed));
        crashed
    }

    /// The ReplicaSet of `template`.
    #[must_use]
    pub fn set_of(&self, template: u8) -> Option<usize> {
        self.sets().iter().position(|set| set.template == template)
    }

    /// Whether it really is what is wanted: all pods of the newest template, ready, and no others.
    #[must_use]
    pub fn truly_complete(&self, template: u8) -> bool {
        let of_template = self.set_of(template).map_or(0, |index| self.sets[index].pods.ready);
        of_template == self.replicas && self.pods() == self.replicas
    }

    /// A change of the spec by anybody: the generation rises if anything differs.
    pub fn change(&mut self, change: impl FnOnce(&mut Self)) {
        let before = (self.spec, self.replicas, self.paused);
        change(self);
        self.generation += u8::from(before != (self.spec, self.replicas, self.paused));
    }

    pub(crate) fn add_set(&mut self, template: u8, wanted: u8, most: u8) {
        if usize::from(self.set_count) == REPLICA_SETS {
            self.forget_oldest_idle();
        }
        self.sets[usize::from(self.set_count)] = ReplicaSet::new(template, wanted, self.replicas, most);
        self.set_count += 1;
    }

    fn forget_oldest_idle(&mut self) {
        let index = self.sets().iter().position(ReplicaSet::idle).unwrap_or(0);
        self.remove_set(index);
    }

    fn remove_set(&mut self, index: usize) {
        self.sets.copy_within(index + 1.., index);
        self.set_count -= 1;
        self.sets[usize::from(self.set_count)] = ReplicaSet::default();
    }

    /// Forgets ReplicaSets without pods that cannot come back into play: all that are not of the template wanted now,
    /// but for the newest `kept` of them.
    pub fn forget_history(&mut self, template: u8, kept: usize) {
        loop {
            let old = |set: &ReplicaSet| set.template != template && set.idle();
            let mut idle = self.sets().iter().enumerate().filter(|(_, set)| old(set)).map(|(index, _)| index);
            match idle.next() {
                Some(oldest) if idle.count() >= kept => self.remove_set(oldest),
                _ => return,
            }
        }
    }

    /// The replica-set controller's turn for all of its ReplicaSets.
    pub(crate) fn count_and_adjust(&mut self) {
        self.sets_mut().iter_mut().for_each(ReplicaSet::turn);
    }

    /// The kubelet's turn for one pod of the ReplicaSet `index`: ready or crashed; nothing where it hangs.
    #[must_use]
    pub fn pod_moves(mut self, index: usize, behaviour: Behaviour) -> Option<Self> {
        let pods = &mut self.sets.get_mut(index)?.pods;
        match behaviour {
            Behaviour::Hanging => return None,
            _ if pods.starting == 0 => return None,
            Behaviour::Good | Behaviour::Failing => pods.ready += 1,
            Behaviour::Crashing => pods.crashed += 1,
        }
        pods.starting -= 1;
        Some(self)
    }

    /// A ready pod of the newest ReplicaSet with one is gone.
    #[must_use]
    pub fn pod_dies(mut self) -> Option<Self> {
        let set = self.sets_mut().iter_mut().rev().find(|set| set.pods.ready > 0)?;
        set.pods.ready -= 1;
        Some(self)
    }
}
