//! One form for all worlds with the same future: uids, generations, versions and epochs are renamed in their order.

use aviary_core::{judge::Track, known::News};

use crate::{
    deed::{Deed, Guard},
    deployment::Deployment,
    specs::Specs,
    world::{Daemon, Effect, Stored, World},
};

impl World {
    /// Takes on the form that stands for all worlds like it.
    pub fn make_canonical(&mut self, specs: &Specs) {
        self.follow_records();
        // Nobody is left to undo anything.
        self.previous = self.previous.filter(|_| self.budget.0 > 0);
        for track in Track::ALL {
            let deployment = self.deployment_mut(track);
            deployment.iter_mut().for_each(|it| simplify(it, track, specs));
        }
        self.rename_uids();
        Track::ALL.into_iter().for_each(|track| self.rename_generations(track));
        self.rename_versions();
        self.rename_epochs();
        self.rename_leases();
    }

    /// Takes on that form again after a turn of the controllers or of a pod of `track`, which changes nothing else.
    pub fn rename_after_a_turn(&mut self, track: Track, specs: &Specs) {
        self.deployment_mut(track).iter_mut().for_each(|it| simplify(it, track, specs));
        self.rename_generations(track);
    }

    /// A daemon takes over what its watch shows of the record, unless it is busy.
    fn follow_records(&mut self) {
        let lagging = self.lag.record.unwrap_or(self.record);
        follow(&mut self.daemon, lagging);
        let record = self.record;
        self.second.iter_mut().for_each(|daemon| follow(daemon, record));
        if self.lag.deployments.is_none() {
            self.daemon.expecting = false;
        }
    }

    fn effects(&mut self) -> impl Iterator<Item = &mut Effect> {
        let first = self.daemon.effect.as_mut();
        let second = self.second.as_mut().and_then(|daemon| daemon.effect.as_mut());
        first.into_iter().chain(second).chain(self.late.as_mut())
    }

    /// The uids of copies count from 1 where nothing refers to an older one; the record has that of the original.
    fn rename_uids(&mut self) {
        if self.lag.deployments.is_some() || self.effects().next().is_some() {
            return;
        }
        for track in [Track::Primary, Track::Canary] {
            let copy = &mut self.deployments[track as usize];
            copy.iter_mut().for_each(|copy| copy.uid = 1);
            self.uids[track as usize] = u8::from(copy.is_some());
        }
    }

    /// Generations count from 2 where nothing refers to an older one (1 is a Deployment that was never changed).
    fn rename_generations(&mut self, track: Track) {
        let Some(live) = self.deployment(track) else { return };
        let mut lowest = live.status.observed.max(1).min(live.generation);
        let lagging = self.lag.deployments.as_ref().and_then(|lagging| lagging[track as usize]);
        lowest = lagging.map_or(lowest, |seen| lowest.min(seen.generation).min(seen.status.observed.max(1)));
        for effect in self.effects() {
            lowest = guard(effect, track).and_then(|guard| guard.generation).map_or(lowest, |at| lowest.min(at));
        }
        let down = lowest.saturating_sub(2);
        if down > 0 {
            self.lower_generations(track, down);
        }
    }

    fn lower_generations(&mut self, track: Track, down: u8) {
        if let Some(live) = &mut self.deployments[track as usize] {
            live.generation -= down;
            live.status.observed = live.status.observed.saturating_sub(down);
        }
        if let Some(seen) = self.lag.deployments.as_mut().and_then(|lagging| lagging[track as usize].as_mut()) {
            seen.generation -= down;
            seen.status.observed = seen.status.observed.saturating_sub(down);
        }
        for effect in self.effects() {
            let generation = guard_mut(effect, track).and_then(|guard| guard.generation.as_mut());
            generation.into_iter().for_each(|generation| *generation -= down);
        }
    }

    fn each_version(&mut self, mut change: impl FnMut(&mut u8)) {
        change(&mut self.version);
        for daemon in [Some(&mut self.daemon), self.second.as_mut()].into_iter().flatten() {
            daemon.record.iter_mut().for_each(|stored| change(&mut stored.version));
            daemon.gone.iter_mut().for_each(&mut change);
            daemon.effect.as_mut().and_then(version_of).into_iter().for_each(&mut change);
        }
        self.late.as_mut().and_then(version_of).into_iter().for_each(&mut change);
        self.record.iter_mut().for_each(|stored| change(&mut stored.version));
        self.lag.record.iter_mut().flatten().for_each(|stored| change(&mut stored.version));
    }

    /// Versions count from 1, without gaps; 0 is none.
    fn rename_versions(&mut self) {
        let mut used = Numbers::default();
        self.each_version(|version| used.add(*version));
        self.each_version(|version| *version = used.place(*version) + u8::from(*version > 0 && !used.has(0)));
    }

    fn each_epoch(&mut self, mut change: impl FnMut(&mut u8)) {
        for daemon in [Some(&mut self.daemon), self.second.as_mut()].into_iter().flatten() {
            daemon.record.iter_mut().for_each(|stored| change(&mut stored.epoch));
            daemon.effect.as_mut().and_then(epoch_of).into_iter().for_each(&mut change);
            daemon.asking.iter_mut().for_each(|(epoch, _)| change(epoch));
            daemon.asked.iter_mut().flatten().for_each(|asked| change(&mut asked.epoch));
        }
        self.late.as_mut().and_then(epoch_of).into_iter().for_each(&mut change);
        self.record.iter_mut().for_each(|stored| change(&mut stored.epoch));
        self.lag.record.iter_mut().flatten().for_each(|stored| change(&mut stored.epoch));
    }

    fn each_lease(&mut self, mut change: impl FnMut(&mut u8)) {
        change(&mut self.lease);
        for daemon in [Some(&mut self.daemon), self.second.as_mut()].into_iter().flatten() {
            change(&mut daemon.lease);
            daemon.record.iter_mut().for_each(|stored| change(&mut stored.lease));
            daemon.effect.as_mut().and_then(lease_of).into_iter().for_each(&mut change);
        }
        self.late.as_mut().and_then(lease_of).into_iter().for_each(&mut change);
        self.record.iter_mut().for_each(|stored| change(&mut stored.lease));
        self.lag.record.iter_mut().flatten().for_each(|stored| change(&mut stored.lease));
    }

    /// Epochs of the lease count from 0, without gaps.
    fn rename_leases(&mut self) {
        if self.lease == 0 {
            return;
        }
        let mut used = Numbers::default();
        self.each_lease(|lease| used.add(*lease));
        self.each_lease(|lease| *lease = used.place(*lease));
    }

    /// Epochs count from 0; gaps wider than 2, which no single change can close, are 2.
    fn rename_epochs(&mut self) {
        let mut used = Numbers::default();
        self.each_epoch(|epoch| used.add(*epoch));
        self.each_epoch(|epoch| *epoch = used.near_place(*epoch));
    }
}

/// Small numbers that occur; what is as large as the largest counts as that one.
#[derive(Default)]
struct Numbers(u64);

impl Numbers {
    const fn bit(number: u8) -> u64 {
        1 << if number < 63 { number } else { 63 }
    }

    const fn add(&mut self, number: u8) {
        self.0 |= Self::bit(number);
    }

    const fn has(&self, number: u8) -> bool {
        self.0 & Self::bit(number) > 0
    }

    /// How many smaller ones there are.
    fn place(&self, number: u8) -> u8 {
        u8::try_from((self.0 & (Self::bit(number) - 1)).count_ones()).unwrap_or(u8::MAX)
    }

    /// How far a number is from the smallest one, where no two neighbours are further apart than 2.
    fn near_place(&self, number: u8) -> u8 {
        let mut smaller = self.0 & (Self::bit(number) - 1);
        let (mut place, mut before) = (0, number);
        while smaller > 0 {
            let next = u8::try_from(63 - smaller.leading_zeros()).unwrap_or(0);
            place += (before - next).min(2);
            before = next;
            smaller &= Self::bit(next) - 1;
        }
        place
    }
}

fn follow(daemon: &mut Daemon, shown: Option<Stored>) {
    if daemon.effect.is_some() {
        return;
    }
    match daemon.known().news(shown.map(|stored| stored.version)) {
        News::Nothing => {}
        News::Shown => daemon.shown = true,
        News::Newer => (daemon.record, daemon.shown) = (shown, true),
        News::Deleted => daemon.forget(),
    }
    // What no watch shows any more need not be remembered as gone.
    daemon.gone = shown.filter(|stored| daemon.gone >= Some(stored.version)).map(|stored| stored.version);
}

/// Leaves of a Deployment what can still matter.
pub fn simplify(deployment: &mut Deployment, track: Track, specs: &Specs) {
    // How far the controller lags behind does not matter, only whether it does.
    deployment.status.observed = deployment.status.observed.max(deployment.generation - 1);
    // The annotation of a ReplicaSet without pods is not read, and is written anew when it gets some.
    deployment.sets_mut().iter_mut().filter(|set| set.wanted == 0).for_each(|set| (set.desired, set.most) = (0, 0));
    // Only the canary's pods are judged by their version.
    if track != Track::Canary {
        deployment.status.template = 0;
    }
    // A paused original starts its newest older revision; the copies are never paused for long.
    deployment.forget_history(specs.get(deployment.spec).template, usize::from(track == Track::Original));
}

const fn version_of(effect: &mut Effect) -> Option<&mut u8> {
    match effect {
        Effect::Save { expected, .. } => Some(expected),
        Effect::Write { record, .. } => Some(record),
        Effect::ReadBack(_) => None,
    }
}

const fn epoch_of(effect: &mut Effect) -> Option<&mut u8> {
    match effect {
        Effect::Save { epoch, .. } => Some(epoch),
        Effect::Write { .. } | Effect::ReadBack(_) => None,
    }
}

const fn lease_of(effect: &mut Effect) -> Option<&mut u8> {
    match effect {
        Effect::Save { lease, .. } => Some(lease),
        Effect::Write { .. } | Effect::ReadBack(_) => None,
    }
}

fn guard(effect: &Effect, of: Track) -> Option<Guard> {
    match effect {
        Effect::Write { deed: Deed::Patch { track, guard, .. }, .. } if *track == of => Some(*guard),
        _ => None,
    }
}

fn guard_mut(effect: &mut Effect, of: Track) -> Option<&mut Guard> {
    match effect {
        Effect::Write { deed: Deed::Patch { track, guard, .. }, .. } if *track == of => Some(guard),
        _ => None,
    }
}
