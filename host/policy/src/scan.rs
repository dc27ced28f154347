//! One scan of the policy folder: contents are compared by digest, and each file is tried before it takes a place.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use crate::{
    component::Refusal,
    folder::{self, PolicyFile},
    notice::Notice,
    policy::{Policy, a, digest},
    registry::{InForce, Refused, Shared, Source, State, Use},
};

/// Makes the registry what `folder` says. The caller sees to it that there is one scan at a time.
pub(crate) fn run(shared: &Shared, folder: &Path) -> Vec<Notice> {
    match folder::list(folder) {
        Err(reason) => folder_unreadable(shared, reason).into_iter().collect(),
        Ok(files) => {
            let readable = folder_readable(shared, folder);
            let considered: Vec<_> = files.iter().map(|file| consider(shared, file)).collect();
            let present: BTreeSet<String> = files.into_iter().map(|file| file.name).collect();
            readable.into_iter().chain(considered.into_iter().flatten()).chain(forget(shared, &present)).collect()
        }
    }
}

fn consider(shared: &Shared, file: &PolicyFile) -> Option<Notice> {
    let uses = shared.uses.load_full();
    let bytes = match folder::read(file) {
        Ok(bytes) => bytes?,
        Err(reason) => return refuse(shared, file, None, Refusal::File(reason), uses),
    };
    let digest = digest(&bytes);
    let state = shared.state.load();
    if state.in_force.get(&file.name).is_some_and(|found| found.policy.identity.digest == digest) {
        return keep(shared, file);
    }
    if state.refused.get(&file.name).is_some_and(|refused| refused.still_holds(&digest, &uses)) {
        return None;
    }
    match admit(shared, &state, file, &bytes, &uses) {
        Ok(policy) => Some(swap(shared, file, policy)),
        Err(refusal) => refuse(shared, file, Some(digest), refusal, uses),
    }
}

fn admit(shared: &Shared, state: &State, file: &PolicyFile, bytes: &[u8], uses: &[Use]) -> Result<Policy, Refusal> {
    let policy = Policy::load(&shared.machine, &file.name, bytes)?;
    if let Some(found) = state.in_force.get(&file.name).filter(|found| found.policy.kind != policy.kind) {
        return Err(Refusal::OtherKind { found: a(policy.kind), in_force: a(found.policy.kind) });
    }
    let mut ours = uses.iter().filter(|r#use| r#use.policy == file.name && r#use.kind == policy.kind);
    ours.try_for_each(|r#use| policy.accepts(&r#use.parameters, &r#use.by))?;
    Ok(policy)
}

/// The content is what is in force already; only where it came from may be news.
fn keep(shared: &Shared, file: &PolicyFile) -> Option<Notice> {
    let mut state = State::clone(&shared.state.load());
    let cleared = state.refused.remove(&file.name).is_some();
    let found = state.in_force.get_mut(&file.name)?;
    let source = Source::File(file.path.clone());
    let moved = found.source != source;
    found.source = source;
    let (policy, kind) = (found.policy.identity.clone(), found.policy.kind);
    if moved || cleared {
        shared.state.store(Arc::new(state));
    }
    (moved || cleared).then(|| Notice::Loaded { policy, kind, path: file.path.clone() })
}

fn swap(shared: &Shared, file: &PolicyFile, policy: Policy) -> Notice {
    let path = file.path.clone();
    let (identity, kind) = (policy.identity.clone(), policy.kind);
    let in_force = InForce { policy: Arc::new(policy), source: Source::File(path.clone()) };
    let mut state = State::clone(&shared.state.load());
    state.refused.remove(&file.name);
    let before = state.in_force.insert(file.name.clone(), in_force);
    shared.state.store(Arc::new(state));
    match before {
        Some(before) => Notice::Replaced { policy: identity, before: before.policy.identity.clone(), path },
        None => Notice::Loaded { policy: identity, kind, path },
    }
}

/// Remembers the refusal; says nothing if the same was said before.
fn refuse(
    shared: &Shared,
    file: &PolicyFile,
    digest: Option<String>,
    refusal: Refusal,
    uses: Arc<Vec<Use>>,
) -> Option<Notice> {
    let mut state = State::clone(&shared.state.load());
    let reason = refusal.to_string();
    let path = file.path.clone();
    let refused = Refused { path: path.clone(), digest, refusal, uses };
    let before = state.refused.insert(file.name.clone(), refused.clone());
    let in_force = state.in_force.get(&file.name).map(|found| found.policy.identity.clone());
    shared.state.store(Arc::new(state));
    let said = before.is_some_and(|before| before.digest == refused.digest && before.refusal == refused.refusal);
    (!said).then(|| Notice::Refused { name: file.name.clone(), path, reason, in_force })
}

/// What is no longer in the folder: built-in policies come back, others stay until a restart.
fn forget(shared: &Shared, present: &BTreeSet<String>) -> Vec<Notice> {
    let mut state = State::clone(&shared.state.load());
    let refused = state.refused.len();
    state.refused.retain(|name, _| present.contains(name));
    let gone = |(name, _): &(&String, &mut InForce)| !present.contains(*name);
    let notices: Vec<_> =
        state.in_force.iter_mut().filter(gone).filter_map(|(_, found)| withdraw(shared, found)).collect();
    if !notices.is_empty() || refused != state.refused.len() {
        shared.state.store(Arc::new(state));
    }
    notices
}

fn withdraw(shared: &Shared, found: &mut InForce) -> Option<Notice> {
    let Source::File(path) = found.source.clone() else { return None };
    let before = found.policy.identity.clone();
    let Some(built_in) = shared.built_in.get(&before.name) else {
        found.source = Source::RemovedFile(path.clone());
        return Some(Notice::Removed { policy: before, path });
    };
    *found = InForce::built_in(built_in);
    Some(Notice::Restored { policy: built_in.identity.clone(), before })
}

fn folder_unreadable(shared: &Shared, reason: String) -> Option<Notice> {
    let mut state = State::clone(&shared.state.load());
    if state.folder_problem.as_ref() == Some(&reason) {
        return None;
    }
    state.folder_problem = Some(reason.clone());
    shared.state.store(Arc::new(state));
    Some(Notice::FolderUnreadable { reason })
}

fn folder_readable(shared: &Shared, folder: &Path) -> Option<Notice> {
    let mut state = State::clone(&shared.state.load());
    state.folder_problem.take()?;
    shared.state.store(Arc::new(state));
    Some(Notice::FolderReadable { folder: folder.to_owned() })
}

impl Refused {
    /// Whether another trial would end the same way.
    fn still_holds(&self, digest: &str, uses: &Arc<Vec<Use>>) -> bool {
        self.digest.as_deref() == Some(digest) && Arc::ptr_eq(&self.uses, uses) && !self.refusal.may_pass_later()
    }
}
