//! The writes of a plan, each guarded by uid, generation and the old value.

use serde_json::{Value, json};

use super::{
    Plan,
    context::{Context, Targets},
};
use crate::{
    judge::Track,
    replicas::{Standing, Walk, walk},
    spec::Spec,
    view::{MANAGER, Rolling, Workload},
    write::{Purpose, Write},
};

/// The fields of a copy's spec that are its own: the selector never changes, replicas are walked.
const OWN_FIELDS: [&str; 3] = ["replicas", "selector", "paused"];

/// Sets `spec.replicas` of a Deployment.
pub(super) fn scale(track: Track, workload: &Workload, to: u32) -> Write {
    patch(track, workload, Purpose::Scale, scaling(workload, to))
}

fn scaling(workload: &Workload, to: u32) -> [Value; 2] {
    [
        json!({"op": "test", "path": "/spec/replicas", "value": workload.replicas()}),
        json!({"op": "replace", "path": "/spec/replicas", "value": to}),
    ]
}

/// A copy takes `wanted` as its spec, its replicas and selector apart; nothing where it has it already.
pub(super) fn take_spec(track: Track, workload: &Workload, wanted: &Value, purpose: Purpose) -> Option<Write> {
    let operations = spec_operations(&workload.spec, wanted);
    (!operations.is_empty()).then(|| patch(track, workload, purpose, operations))
}

/// An empty copy takes `wanted` as its spec and gets its first pods; nothing where it has the spec already.
pub(super) fn take_spec_and_scale(track: Track, workload: &Workload, wanted: &Value, to: u32) -> Option<Write> {
    let operations = spec_operations(&workload.spec, wanted);
    (!operations.is_empty())
        .then(|| patch(track, workload, Purpose::Template, operations.into_iter().chain(scaling(workload, to))))
}

fn spec_operations(live: &Value, wanted: &Value) -> Vec<Value> {
    let empty = serde_json::Map::new();
    let (live, wanted) = (live.as_object().unwrap_or(&empty), wanted.as_object().unwrap_or(&empty));
    let path = |field: &String| format!("/spec/{field}");
    let own = |field: &&String| !OWN_FIELDS.contains(&field.as_str());
    let removed = live.keys().filter(own).filter(|field| !wanted.contains_key(*field));
    let set = wanted.iter().filter(|(field, value)| own(field) && live.get(*field) != Some(value));
    let unpause = live
        .get("paused")
        .is_some_and(|paused| paused == true)
        .then(|| json!({"op": "remove", "path": "/spec/paused"}));
    set.map(|(field, value)| json!({"op": "add", "path": path(field), "value": value}))
        .chain(removed.map(|field| json!({"op": "remove", "path": path(field)})))
        .chain(unpause)
        .collect()
}

/// The place of Aviary's own entry in the original's managedFields.
pub(super) fn own_entry(original: &Workload) -> Option<usize> {
    original.field_managers.iter().position(|manager| manager.manager == MANAGER)
}

/// Takes Aviary's own entry out of the original's managedFields, so that the next server-side apply has no conflict.
pub(super) fn give_back(original: &Workload) -> Option<Write> {
    let entry = format!("/metadata/managedFields/{}", own_entry(original)?);
    let operations = [
        json!({"op": "test", "path": format!("{entry}/manager"), "value": MANAGER}),
        json!({"op": "remove", "path": entry}),
    ];
    Some(patch(Track::Original, original, Purpose::GiveBack, operations))
}

fn patch(track: Track, workload: &Workload, purpose: Purpose, operations: impl IntoIterator<Item = Value>) -> Write {
    let guards = [
        json!({"op": "test", "path": "/metadata/uid", "value": workload.uid}),
        json!({"op": "test", "path": "/metadata/generation", "value": workload.generation}),
    ];
    Write::Patch {
        track,
        uid: workload.uid.clone(),
        purpose,
        operations: guards.into_iter().chain(operations).collect(),
    }
}

impl Context<'_> {
    /// The original back at 0: its unproven pods go at once, its accepted ones only as the primary is complete.
    pub fn zero_original(&self) -> Option<Plan> {
        let original = self.view.original.as_ref().filter(|original| original.replicas() > 0)?;
        let accepted = Spec::of(&original.spec).digest() == self.record.accepted.digest();
        if accepted && !self.complete(Track::Primary) {
            return None;
        }
        let pods = if accepted { "pods of the accepted version" } else { "unproven pods" };
        Some(Plan::act(scale(Track::Original, original, 0), format!("the original goes back to 0 ({pods})")))
    }

    /// Aviary's entry among the original's field managers is taken out.
    pub fn give_back(&self) -> Option<Plan> {
        let write = give_back(self.view.original.as_ref()?)?;
        Some(Plan::act(write, "the original's fields are given back to whoever applies them"))
    }

    /// The copy of `track` with the spec of `version`: created with `replicas` where it is missing, restored where it
    /// differs.
    pub fn copy(&self, track: Track, version: &Spec, replicas: u32) -> Option<Plan> {
        let surge = self.settings.surge;
        let Some(workload) = self.view.workload(track) else {
            let manifest = version.copy(self.service.name, track, replicas, surge);
            return Some(Plan::act(Write::Create { track, manifest }, format!("the {track} is created")));
        };
        let write = take_spec(track, workload, &version.copy_spec(track, surge), Purpose::Template)?;
        Some(Plan::act(write, format!("the {track} takes {}", version.images_text())))
    }

    /// Whether a copy has the template of `version`.
    pub fn runs(&self, track: Track, version: &Spec) -> bool {
        let wanted = version.copy_spec(track, self.settings.surge);
        self.view.workload(track).is_some_and(|workload| workload.spec["template"] == wanted["template"])
    }

    /// The next scaling of primary and canary on their way to `targets`.
    pub fn walk(&self, targets: Targets) -> Walk {
        self.walk_beside(targets, self.standing(Track::Canary, targets.canary))
    }

    /// As [`Context::walk`], as if the canary were there and had no pods.
    pub fn walk_with_empty_canary(&self, targets: Targets) -> Walk {
        self.walk_beside(targets, Some(Standing::empty(Track::Canary, targets.canary)))
    }

    fn walk_beside(&self, targets: Targets, canary: Option<Standing>) -> Walk {
        let standings: Vec<Standing> =
            self.standing(Track::Primary, targets.primary).into_iter().chain(canary).collect();
        let sizes = self.sizes();
        walk(sizes.replicas, sizes.surge, &standings)
    }

    /// Scales, or nothing where the size is right or cannot be lowered yet.
    pub fn set_size(&self, track: Track, to: u32) -> Option<Plan> {
        let workload = self.view.workload(track)?;
        let stays = workload.replicas() == to
            || to > 0 && to < workload.replicas() && workload.rolling() == Rolling::WithoutSurge;
        (!stays).then(|| Plan::act(scale(track, workload, to), format!("the {track} goes to {to} pods")))
    }
}
