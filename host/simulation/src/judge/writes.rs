//! What a write may do, judged as it is begun, by what is really there and by what the controllers make of it. Nothing is
//! remembered for it, and whatever people and faults have done before, no write of Aviary's may make it worse.

use aviary_core::judge::Track;

use super::{
    Violation, broken,
    facts::{held, original_counts, standing},
};
use crate::{
    controller,
    deed::Deed,
    deployment::Deployment,
    mind::{Mind, PhaseKind, Standing},
    sight::Seen,
    specs::SpecId,
    world::{Effect, World},
};

/// A write that is begun, and what comes of it if it is carried out at once.
struct Begun<'a> {
    before: &'a World,
    after: World,
    track: Track,
    standing: Standing,
}

/// What must be so as a write is begun.
///
/// # Errors
/// What is not.
pub(super) fn begun(before: &World, deed: Deed, mind: &mut Mind) -> Result<(), Violation> {
    let Some(begun) = Begun::of(before, deed, mind) else { return Ok(()) };
    begun.is_proven(mind)?;
    if before.past.unseen {
        // What cannot be known cannot be kept to.
        return Ok(());
    }
    begun.may_be_deleted()?;
    if begun.standing.gone || begun.standing.phase == PhaseKind::Released {
        // Nothing is promised any more.
        return Ok(());
    }
    begun.comes_first()?;
    match begun.track {
        Track::Original => begun.original()?,
        Track::Primary => {}
        Track::Canary => begun.canary(mind)?,
    }
    begun.keeps_enough(mind)?;
    begun.keeps_to_the_room(mind)
}

impl<'a> Begun<'a> {
    /// Nothing where it changes nothing.
    fn of(before: &'a World, deed: Deed, mind: &mut Mind) -> Option<Self> {
        let track = match deed {
            Deed::Create { track, .. } | Deed::Patch { track, .. } | Deed::Delete { track, .. } => track,
            Deed::DeleteRecord | Deed::Unfit => return None,
        };
        let standing = standing(before, mind)?;
        let mut after = *before;
        after.carry_out(Effect::Write { deed, record: 0 }).ok()?;
        let begun = Self { before, after, track, standing };
        begun.changes().then_some(begun)
    }

    fn changes(&self) -> bool {
        let spec = |it: &Deployment| (it.uid, it.generation);
        self.before.deployment(self.track).map(spec) != self.after.deployment(self.track).map(spec)
    }

    fn wanted(&self, world: &World, track: Track) -> u8 {
        world.deployment(track).map_or(0, |deployment| deployment.replicas)
    }

    /// The specs of one, before and after.
    fn specs(&self, track: Track) -> [Option<SpecId>; 2] {
        [self.before, &self.after].map(|world| world.deployment(track).map(|it| it.spec))
    }

    fn is_lowered(&self) -> bool {
        self.wanted(&self.after, self.track) < self.wanted(self.before, self.track)
    }

    /// I6: only what nobody asks for any more.
    fn may_be_deleted(&self) -> Result<(), Violation> {
        let over = matches!(self.standing.phase, PhaseKind::Releasing | PhaseKind::Released);
        let gone = self.standing.gone && self.before.deployment(Track::Original).is_none();
        if self.after.deployment(self.track).is_none() && !over && !gone {
            return Err(broken("I6", "a copy is deleted of a service that is neither gone nor released"));
        }
        Ok(())
    }

    /// I3: the primary takes what was accepted before, passed, or was let through.
    fn is_proven(&self, mind: &Mind) -> Result<(), Violation> {
        let [old, new] = self.specs(Track::Primary);
        let Some(new) = new.filter(|new| old != Some(*new)) else { return Ok(()) };
        let image = mind.specs.get(new).image;
        if self.before.past.proven & image.bit() == 0 {
            let said = format!("the primary takes {}, which has not passed and was not let through", image.name());
            return Err(broken("I3", said));
        }
        Ok(())
    }

    /// I5: unproven pods of the original go before anything else is done; in a rollback the canary's go first.
    fn comes_first(&self) -> Result<(), Violation> {
        let unproven = |it: &Deployment| it.replicas > 0 && it.spec != self.standing.accepted_spec;
        let first = held(self.standing.phase) && self.standing.phase != PhaseKind::RollingBack;
        if first && self.track != Track::Original && self.before.deployment(Track::Original).is_some_and(unproven) {
            return Err(broken(
                "I5",
                format!("a write at the {} comes before unproven pods of the original go", self.track),
            ));
        }
        Ok(())
    }

    /// The pods of a Deployment that serve once the controllers have done all that they do without any pod's getting ready; of
    /// an original only those of versions in `versions`.
    fn serving(&self, world: &World, track: Track, versions: u8, mind: &Mind) -> u8 {
        let phase = self.standing.phase;
        let Some(deployment) = world.deployment(track) else { return 0 };
        let counts = match track {
            Track::Original => original_counts(Some(phase)),
            Track::Primary => deployment.ours,
            // What people gave it otherwise is nobody's.
            Track::Canary => deployment.ours && self.standing.is_rollout(),
        };
        if !counts {
            return 0;
        }
        let of_these =
            |template| track != Track::Original || mind.specs.image_of_template(template).bit() & versions > 0;
        let settled = controller::settle(*deployment, &mind.specs);
        settled.sets().iter().filter(|set| of_these(set.template)).map(|set| set.pods.ready).sum()
    }

    /// I1: with N pods or fewer, no write takes one away; without surge, with fewer than N - 1. What people gave an original in
    /// the middle of its release goes for the accepted version: it counts while it is there, and nobody counts on it.
    fn keeps_enough(&self, mind: &mut Mind) -> Result<(), Violation> {
        let broken = self.takes_away(u8::MAX, mind);
        if broken.is_ok() || self.standing.phase != PhaseKind::Releasing {
            return broken;
        }
        self.takes_away(self.before.past.proven, mind)
    }

    fn takes_away(&self, versions: u8, mind: &mut Mind) -> Result<(), Violation> {
        let least = self.standing.replicas.saturating_sub(u8::from(!mind.setting.surge));
        let [old, new] = [self.before, &self.after].map(|world| self.serving(world, self.track, versions, mind));
        if new >= old {
            return Ok(());
        }
        let others = Track::ALL.into_iter().filter(|track| *track != self.track);
        let others: u8 = others.map(|track| self.serving(self.before, track, versions, mind)).sum();
        // A spec is restored at once, by missing a pod, and so whether or not the canary's serve.
        let restored = !mind.setting.surge && self.restores(mind);
        let restoring = if restored { 1 + self.not_serving(Track::Canary, mind) } else { 0 };
        if others + new + unseen(self.before) + restoring < least {
            let said =
                format!("a write at the {} leaves {} pods that serve, of {}", self.track, others + new, others + old);
            return Err(broken("I1", said));
        }
        Ok(())
    }

    /// Pods that are wanted and do not serve.
    fn not_serving(&self, track: Track, mind: &Mind) -> u8 {
        self.wanted(self.before, track).saturating_sub(self.serving(self.before, track, u8::MAX, mind))
    }

    /// I2: no write lets there be more than N + surge.
    fn keeps_to_the_room(&self, mind: &mut Mind) -> Result<(), Violation> {
        let [old, new] = [self.before, &self.after]
            .map(|world| Track::ALL.into_iter().map(|track| self.at_most(world, track, mind)).sum::<u8>());
        let taken_back = match self.standing.phase {
            PhaseKind::RollingBack => self.before.deployment(Track::Canary).map_or(0, at_most),
            _ => 0,
        };
        let restoring = u8::from(mind.setting.surge && self.restores(mind));
        let most = self.standing.replicas + self.surge(mind) + taken_back + restoring;
        if new > most && new > old + self.ended_unseen(mind) {
            return Err(broken(
                "I2",
                format!("a write at the {} lets there be {new} pods, at most {most} are allowed", self.track),
            ));
        }
        Ok(())
    }

    /// Whether a primary gets back its spec from whatever somebody gave it in the middle of a rollout: that is done at once, by
    /// its own rolling update, whatever canary is beside it. So it is in an adoption where it is seen to roll.
    fn restores(&self, mind: &mut Mind) -> bool {
        let adopting = self.standing.phase == PhaseKind::Adopting;
        let at_once = self.standing.is_rollout() || adopting && self.seen_to_roll(Track::Primary).is_some();
        let [old, new] = self.specs(Track::Primary);
        let Some(old) = old.filter(|old| at_once && new != Some(*old)) else { return false };
        let promoted = self.standing.candidate.filter(|_| self.standing.phase == PhaseKind::Promoting);
        let mut known = [Some(self.standing.accepted_spec), promoted].into_iter().flatten();
        !known.any(|spec| mind.copy(spec, Track::Primary) == old)
    }

    /// Pods that one has while it is seen to roll, and has no more: one that is turned round may have them again.
    fn ended_unseen(&self, mind: &Mind) -> u8 {
        let [old, new] = self.specs(self.track);
        let Some(seen) = self.seen_to_roll(self.track).filter(|_| old != new) else { return 0 };
        let rolling = seen.replicas + mind.specs.get(seen.spec).surge(seen.replicas);
        rolling.max(seen.status.replicas).saturating_sub(self.at_most(self.before, self.track, mind))
    }

    /// What is seen of one, if it says that it has pods of another template than the newest.
    fn seen_to_roll(&self, track: Track) -> Option<Seen> {
        let rolls = |it: &Seen| it.status.observed >= it.generation && it.status.updated < it.status.replicas;
        self.before.seen()[track as usize].filter(rolls)
    }

    /// An original that rolls by itself has its own surge, whatever its copies have.
    fn surge(&self, mind: &Mind) -> u8 {
        let original = self.after.deployment(Track::Original).filter(|_| original_counts(Some(self.standing.phase)));
        let own = original.map_or(0, |original| rolling_surge(original, mind));
        own.max(u8::from(mind.setting.surge))
    }

    fn at_most(&self, world: &World, track: Track, mind: &Mind) -> u8 {
        let counts = |it: &&Deployment| match track {
            Track::Original => original_counts(Some(self.standing.phase)),
            Track::Primary | Track::Canary => it.ours,
        };
        let Some(deployment) = world.deployment(track).filter(counts) else { return 0 };
        at_most(deployment).max(deployment.replicas + rolling_surge(deployment, mind))
    }

    /// I5: pods of the accepted version beside a primary that has them too go when that is complete.
    fn original(&self) -> Result<(), Violation> {
        let original = self.before.deployment(Track::Original);
        let accepted = original.is_some_and(|it| it.spec == self.standing.accepted_spec);
        if held(self.standing.phase) && accepted && self.is_lowered() && !seems_complete(self.before, Track::Primary) {
            return Err(broken("I5", "the original's accepted pods go before the primary is complete"));
        }
        Ok(())
    }

    /// I4 and I5: its size is that of its step, and what was promised before it goes is so.
    fn canary(&self, mind: &mut Mind) -> Result<(), Violation> {
        let (old, new) = (self.wanted(self.before, Track::Canary), self.wanted(&self.after, Track::Canary));
        let allowed = if self.standing.is_rollout() { self.standing.size } else { 0 };
        if new > old && new > allowed {
            return Err(broken("I4", format!("the canary grows to {new} pods, its step allows {allowed}")));
        }
        match self.standing.phase {
            PhaseKind::RollingBack if self.is_lowered() => self.canary_taken_back(mind),
            PhaseKind::Promoting if self.is_lowered() && new < self.standing.size => self.canary_promoted(mind),
            _ => Ok(()),
        }
    }

    fn canary_taken_back(&self, mind: &mut Mind) -> Result<(), Violation> {
        let accepted = mind.copy(self.standing.accepted_spec, Track::Primary);
        let primary = self.before.deployment(Track::Primary);
        if primary.is_some_and(|it| it.replicas >= self.standing.replicas && it.spec == accepted) {
            return Ok(());
        }
        Err(broken("I1", "the canary is taken back before the primary is told to make up for it"))
    }

    fn canary_promoted(&self, mind: &mut Mind) -> Result<(), Violation> {
        let Some(candidate) = self.standing.candidate else { return Ok(()) };
        let [of_primary, of_canary] = [Track::Primary, Track::Canary].map(|track| mind.copy(candidate, track));
        let runs = |track, spec| self.before.deployment(track).is_some_and(|it| it.spec == spec);
        // A canary of another version, which somebody gave it, makes way.
        if runs(Track::Canary, of_canary)
            && !(runs(Track::Primary, of_primary) && seems_complete(self.before, Track::Primary))
        {
            return Err(broken(
                "I5",
                "the canary's pods go before the primary has taken the candidate and is complete",
            ));
        }
        Ok(())
    }
}

fn at_most(deployment: &Deployment) -> u8 {
    let wanted: u8 = deployment.sets().iter().map(|set| set.wanted).sum();
    deployment.pods().max(deployment.replicas).max(wanted)
}

/// The surge of one that has pods of another template than the one wanted now.
fn rolling_surge(deployment: &Deployment, mind: &Mind) -> u8 {
    let entry = mind.specs.get(deployment.spec);
    let other =
        deployment.sets().iter().any(|set| set.template != entry.template && (set.wanted > 0 || set.pods.total() > 0));
    if other { entry.surge(deployment.replicas) } else { 0 }
}

/// Pods that died and are still counted.
fn unseen(world: &World) -> u8 {
    let shown = world.seen();
    let unseen = |track: &Track| {
        let counted = shown[*track as usize].map_or(0, |seen| seen.status.available);
        counted.saturating_sub(world.deployment(*track).map_or(0, Deployment::available))
    };
    Track::ALL.iter().map(unseen).sum()
}

/// Whether one says that it is complete.
fn seems_complete(world: &World, track: Track) -> bool {
    world.seen()[track as usize].is_some_and(|seen| {
        let status = seen.status;
        let counts = [status.replicas, status.updated, status.available];
        seen.ours && status.observed >= seen.generation && counts == [seen.replicas; 3]
    })
}
