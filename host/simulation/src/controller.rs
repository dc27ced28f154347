//! The deployment controller of Kubernetes 1.37, in the paths that matter: a rolling update with maxSurge and
//! maxUnavailable, scaling in the middle of one, a pause, and older revisions that come back.

use crate::{
    deployment::{Deployment, ReplicaSet, Status},
    specs::{SpecEntry, Specs},
};

/// `deployment` after the turns of the replica-set controller and then that of the deployment controller. The status that
/// it writes has the counts from before its own scaling, with the generation that it has seen: as the real one.
#[must_use]
pub fn turn(mut deployment: Deployment, specs: &Specs) -> Deployment {
    let (before, entry) = (deployment, specs.get(deployment.spec));
    deployment.count_and_adjust();
    if rolls(&deployment) {
        roll(&mut deployment, entry);
    } else {
        scale(&mut deployment, entry);
    }
    let revised = revised(&before, &deployment, entry.template);
    deployment.status = status(&deployment, entry.template, revised);
    deployment
}

/// The template of the ReplicaSet that has the Deployment's revision after a turn. One that comes back is given the highest
/// revision in the turn that first sees it, and the Deployment in the next; one that is made gives both at once.
fn revised(before: &Deployment, after: &Deployment, template: u8) -> u8 {
    let was_there = before.set_of(template).is_some();
    let seen_before = before.status.observed == before.generation;
    let given = if was_there { seen_before } else { after.set_of(template).is_some() };
    if given { template } else { before.status.template }
}

/// Whether the controller's next turn is one of a rolling update; otherwise the Deployment is paused, or scaled first.
#[must_use]
pub fn rolls(deployment: &Deployment) -> bool {
    !deployment.paused && !is_scaling_event(deployment)
}

/// Turns until nothing changes any more, while no pod moves.
#[must_use]
pub fn settle(mut deployment: Deployment, specs: &Specs) -> Deployment {
    loop {
        let next = turn(deployment, specs);
        if next == deployment {
            return deployment;
        }
        deployment = next;
    }
}

fn status(deployment: &Deployment, template: u8, revised: u8) -> Status {
    let sets = deployment.sets();
    Status {
        observed: deployment.generation,
        replicas: sets.iter().map(|set| set.counted).sum(),
        updated: sets.iter().filter(|set| set.template == template).map(|set| set.counted).sum(),
        available: sets.iter().map(|set| set.counted_available).sum(),
        template: revised,
    }
}

/// Those that are to have pods, by their places.
fn active(deployment: &Deployment) -> impl Iterator<Item = usize> + Clone + use<> {
    let sets = deployment.sets;
    (0..usize::from(deployment.set_count)).filter(move |index| sets[*index].wanted > 0)
}

fn is_scaling_event(deployment: &Deployment) -> bool {
    deployment.sets().iter().any(|set| set.wanted > 0 && set.desired != deployment.replicas)
}

fn set_size(deployment: &mut Deployment, entry: &SpecEntry, index: usize, wanted: u8, even_if_equal: bool) {
    let (desired, most) = (deployment.replicas, most(deployment, entry));
    let set = &mut deployment.sets[index];
    if set.wanted != wanted || even_if_equal {
        (set.wanted, set.desired, set.most) = (wanted, desired, most);
    }
}

/// How many pods there may be in all while it rolls.
fn most(deployment: &Deployment, entry: &SpecEntry) -> u8 {
    deployment.replicas.saturating_add(entry.surge(deployment.replicas))
}

/// A paused Deployment, or one whose replicas changed: no ReplicaSet is created, those that are there are scaled.
fn scale(deployment: &mut Deployment, entry: &SpecEntry) {
    let new = deployment.set_of(entry.template);
    let mut first = active(deployment);
    let lone = match (first.next(), first.next()) {
        // With no pods at all the newest revision gets them, even if its template is not the one wanted now.
        (None, _) => Some(new.or_else(|| usize::from(deployment.set_count).checked_sub(1))),
        (only, None) => Some(only),
        _ => None,
    };
    let replicas = deployment.replicas;
    if let Some(lone) = lone {
        lone.into_iter().for_each(|index| set_size(deployment, entry, index, replicas, false));
    } else if new.is_some_and(|index| saturated(deployment, &deployment.sets[index])) {
        let old = active(deployment).filter(|index| Some(*index) != new);
        old.for_each(|index| set_size(deployment, entry, index, 0, false));
    } else {
        scale_in_proportion(deployment, entry, active(deployment).collect());
    }
}

fn saturated(deployment: &Deployment, set: &ReplicaSet) -> bool {
    let replicas = deployment.replicas;
    set.wanted == replicas && set.desired == replicas && set.counted_available == replicas
}

fn scale_in_proportion(deployment: &mut Deployment, entry: &SpecEntry, mut active: Vec<usize>) {
    let allowed = if deployment.replicas > 0 { i16::from(most(deployment, entry)) } else { 0 };
    let wanted = |index: &usize| i16::from(deployment.sets[*index].wanted);
    let to_add = allowed - active.iter().map(wanted).sum::<i16>();
    // The largest first; of equal ones the newest when pods are added, the oldest when they are taken.
    active.sort_by_key(|index| (-wanted(index), if to_add > 0 { usize::MAX - index } else { *index }));
    let mut added = 0;
    let mut sizes = Vec::new();
    for index in &active {
        let set = &deployment.sets[*index];
        let fraction = fraction(set, deployment.replicas, allowed);
        let left = to_add - added;
        let part = if to_add > 0 { fraction.min(left) } else { fraction.max(left) };
        let part = if left == 0 { 0 } else { part };
        added += part;
        sizes.push(i16::from(set.wanted) + part);
    }
    sizes[0] += to_add - added;
    for (index, size) in active.into_iter().zip(sizes) {
        set_size(deployment, entry, index, u8::try_from(size.max(0)).unwrap_or(u8::MAX), true);
    }
}

fn fraction(set: &ReplicaSet, replicas: u8, most: i16) -> i16 {
    let (wanted, most_before) = (i16::from(set.wanted), i16::from(set.most));
    if replicas == 0 {
        return -wanted;
    }
    // Rounded half up, in whole numbers.
    (2 * wanted * most + most_before) / (2 * most_before.max(1)) - wanted
}

fn roll(deployment: &mut Deployment, entry: &SpecEntry) {
    let new = deployment.set_of(entry.template).unwrap_or_else(|| {
        deployment.add_set(entry.template, 0, most(deployment, entry));
        let index = usize::from(deployment.set_count) - 1;
        let size = new_size(deployment, entry, index);
        deployment.sets[index].wanted = size;
        index
    });
    let before = deployment.sets[new].wanted;
    let size = if before > deployment.replicas { deployment.replicas } else { new_size(deployment, entry, new) };
    set_size(deployment, entry, new, size, false);
    if deployment.sets[new].wanted == before {
        shrink_old(deployment, entry, new);
    }
}

/// The size of the newest ReplicaSet: as much as maxSurge leaves room for.
fn new_size(deployment: &Deployment, entry: &SpecEntry, new: usize) -> u8 {
    let wanted = deployment.sets[new].wanted;
    let all: u8 = deployment.sets().iter().map(|set| set.wanted).sum();
    wanted + most(deployment, entry).saturating_sub(all).min(deployment.replicas.saturating_sub(wanted))
}

/// Old ReplicaSets: what is not available goes first, then as many as maxUnavailable allows.
fn shrink_old(deployment: &mut Deployment, entry: &SpecEntry, new: usize) {
    let number = i16::from;
    let least = number(deployment.replicas) - number(entry.unavailable(deployment.replicas));
    let all: i16 = deployment.sets().iter().map(|set| number(set.wanted)).sum();
    let newest = deployment.sets[new];
    let mut spare = all - least - (number(newest.wanted) - number(newest.counted_available));
    if spare <= 0 {
        return;
    }
    let old = active(deployment).filter(|index| *index != new);
    for index in old.clone() {
        let set = deployment.sets[index];
        let sick = (number(set.wanted) - number(set.counted_available)).clamp(0, spare.max(0));
        spare -= sick;
        set_size(deployment, entry, index, set.wanted - u8::try_from(sick).unwrap_or(0), false);
    }
    let available: i16 = deployment.sets().iter().map(|set| number(set.counted_available)).sum();
    let mut spare = available - least;
    for index in old {
        let wanted = deployment.sets[index].wanted;
        let gone = number(wanted).min(spare.max(0));
        spare -= gone;
        set_size(deployment, entry, index, wanted - u8::try_from(gone).unwrap_or(0), false);
    }
}

#[cfg(test)]
mod tests;
