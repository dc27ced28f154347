//! The API server: writes of a daemon meet what is really there.

use crate::{
    deed::{Changes, Deed, Guard},
    deployment::{Deployment, ReplicasOwner},
    world::{Effect, Stored, World},
};

/// Why a write was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 404: there is no such object.
    NotFound,
    /// 409: there is one already, or it is not the one of the precondition.
    Conflict,
    /// 422: a `test` of a JSON patch fails.
    GuardFailed,
}

impl World {
    /// Carries out what a daemon has under way.
    ///
    /// # Errors
    /// Why it is not done; then nothing changes.
    pub fn carry_out(&mut self, effect: Effect) -> Result<(), Refusal> {
        match effect {
            Effect::Save { expected, .. } => match self.record {
                Some(stored) if stored.version != expected => return Err(Refusal::Conflict),
                None if expected > 0 => return Err(Refusal::NotFound),
                _ => self.store(effect),
            },
            Effect::Write { deed, record } => return self.write(deed, record),
            Effect::ReadBack(_) => {}
        }
        Ok(())
    }

    /// Stores a record, whatever was there before.
    pub fn store(&mut self, effect: Effect) {
        if let Effect::Save { record, epoch, lease, .. } = effect {
            self.version += 1;
            self.record = Some(Stored { record, epoch, lease, version: self.version });
        }
    }

    fn write(&mut self, deed: Deed, known: u8) -> Result<(), Refusal> {
        match deed {
            Deed::Create { track, spec, replicas } => {
                if self.deployment(track).is_some() {
                    return Err(Refusal::Conflict);
                }
                let mut copy = Deployment::new(self.new_uid(track), spec, replicas);
                copy.ours = true;
                *self.deployment_mut(track) = Some(copy);
            }
            Deed::Patch { track, guard, changes } => {
                let live = self.deployment_mut(track).as_mut().ok_or(Refusal::NotFound)?;
                patch(live, guard, changes)?;
            }
            Deed::Delete { track, uid } => {
                let live = self.deployment(track).ok_or(Refusal::NotFound)?;
                if uid.is_some_and(|uid| uid != live.uid) {
                    return Err(Refusal::Conflict);
                }
                *self.deployment_mut(track) = None;
            }
            // One that is gone already is no error.
            Deed::DeleteRecord => match self.record {
                Some(stored) if known > 0 && stored.version != known => return Err(Refusal::Conflict),
                _ => self.record = None,
            },
            Deed::Unfit => return Err(Refusal::GuardFailed),
        }
        Ok(())
    }
}

fn patch(live: &mut Deployment, guard: Guard, changes: Changes) -> Result<(), Refusal> {
    let fits = guard.uid.is_none_or(|uid| uid == live.uid)
        && guard.generation.is_none_or(|generation| generation == live.generation)
        && guard.replicas.is_none_or(|replicas| replicas == live.replicas)
        && (live.managers.aviary || !changes.give_back);
    if !fits {
        return Err(Refusal::GuardFailed);
    }
    live.change(|live| {
        live.replicas = changes.replicas.unwrap_or(live.replicas);
        live.spec = changes.spec.unwrap_or(live.spec);
        live.paused &= !changes.unpause;
    });
    let managers = &mut live.managers;
    if changes.replicas.is_some() {
        (managers.aviary, managers.replicas) = (true, ReplicasOwner::Aviary);
    }
    managers.aviary |= changes.spec.is_some();
    if changes.give_back {
        managers.aviary = false;
        if managers.replicas == ReplicasOwner::Aviary {
            managers.replicas = ReplicasOwner::Nobody;
        }
    }
    Ok(())
}
