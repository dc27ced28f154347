//! Writes of the core as few numbers, with the guards that they really have.

use aviary_core::{judge::Track, write::Write};
use serde_json::Value;

use crate::{
    patch::patched,
    sight::{Deployments, Seen, Sight},
    specs::{SpecId, Specs},
};

/// What has to be so for a write to be made; nothing is not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Guard {
    /// The object's uid.
    pub uid: Option<u8>,
    /// Its generation.
    pub generation: Option<u8>,
    /// Its `spec.replicas`.
    pub replicas: Option<u8>,
}

/// What a patch changes; nothing stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Changes {
    /// `spec.replicas`.
    pub replicas: Option<u8>,
    /// The rest of the spec.
    pub spec: Option<SpecId>,
    /// A paused one goes on.
    pub unpause: bool,
    /// Aviary's entry of the managed fields goes.
    pub give_back: bool,
}

/// One write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// A copy is created.
    Create {
        /// Whose.
        track: Track,
        /// Its spec.
        spec: SpecId,
        /// Its replicas.
        replicas: u8,
    },
    /// A Deployment is patched.
    Patch {
        /// Which one.
        track: Track,
        /// What has to be so.
        guard: Guard,
        /// What changes.
        changes: Changes,
    },
    /// A copy is deleted.
    Delete {
        /// Which one.
        track: Track,
        /// The uid that it must have.
        uid: Option<u8>,
    },
    /// The record is deleted, if it is still the one that is known.
    DeleteRecord,
    /// A patch that fails on the very object it was planned for.
    Unfit,
}

impl Deed {
    /// The deed with the uid and generation of what is really seen.
    #[must_use]
    pub fn aimed_at(self, deployments: &Deployments) -> Self {
        let seen = |track: Track| deployments[track as usize];
        match self {
            Self::Patch { track, guard, changes } => {
                let uid = guard.uid.and(seen(track).map(|seen| seen.uid));
                let generation = guard.generation.and(seen(track).map(|seen| seen.generation));
                Self::Patch { track, guard: Guard { uid, generation, ..guard }, changes }
            }
            Self::Delete { track, uid } => Self::Delete { track, uid: uid.and(seen(track).map(|seen| seen.uid)) },
            other => other,
        }
    }
}

/// A write of the core that was planned for what `sight` shows.
pub fn deed(write: &Write, sight: &Sight, specs: &mut Specs) -> Deed {
    match write {
        Write::Create { track, manifest } => {
            let replicas = replicas(&manifest["spec"]);
            Deed::Create { track: *track, spec: specs.intern(&manifest["spec"]), replicas }
        }
        Write::Patch { track, operations, .. } => match sight.deployments[*track as usize] {
            Some(seen) => patch(*track, &seen, operations, specs),
            None => Deed::Unfit,
        },
        Write::Delete { track, uid } => Deed::Delete { track: *track, uid: (!uid.is_empty()).then_some(0) },
        Write::DeleteRecord => Deed::DeleteRecord,
    }
}

fn patch(track: Track, seen: &Seen, operations: &[Value], specs: &mut Specs) -> Deed {
    let before = seen.document(specs);
    let Ok(after) = patched(&before, operations) else { return Deed::Unfit };
    let tests = |path: &str| operations.iter().any(|it| it["op"] == "test" && it["path"] == path);
    let guard = Guard {
        uid: tests("/metadata/uid").then_some(seen.uid),
        generation: tests("/metadata/generation").then_some(seen.generation),
        replicas: tests("/spec/replicas").then_some(seen.replicas),
    };
    let spec = specs.intern(&after["spec"]);
    let replicas = replicas(&after["spec"]);
    let changes = Changes {
        replicas: (replicas != seen.replicas).then_some(replicas),
        spec: (spec != seen.spec).then_some(spec),
        unpause: seen.paused && after["spec"]["paused"] != true,
        give_back: before["metadata"]["managedFields"] != after["metadata"]["managedFields"],
    };
    Deed::Patch { track, guard, changes }
}

fn replicas(spec: &Value) -> u8 {
    spec["replicas"].as_u64().and_then(|pods| u8::try_from(pods).ok()).unwrap_or(1)
}
