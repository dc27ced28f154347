//! The invariants: what must be so in every world, at every write, and where nothing moves any more.

mod facts;

use aviary_core::{command::Command, judge::Track};

use crate::{
    action::{Act, Action, Fault, Which},
    deed::Deed,
    deployment::Deployment,
    mind::{Mind, PhaseKind, Standing},
    specs::Behaviour,
    world::{Effect, World},
};

pub use facts::{carried, standing};
use facts::{is_complete, lasting, lowered, most, original_counts, phase, pods, runs_as_remembered, useful};

/// Two daemons that know of no lease and both act may miss or add any number of pods for a while. What is asserted is that
/// nothing unproven gets through and that all is well after one has ended.
const TWO_DAEMONS: u8 = 100;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name in the design, `I1` to `I10`.
    pub invariant: &'static str,
    /// What is wrong.
    pub said: String,
}

fn broken(invariant: &'static str, said: impl Into<String>) -> Violation {
    Violation { invariant, said: said.into() }
}

/// Brings up to date what is remembered to judge by.
pub fn remember(before: &World, action: Action, after: &mut World, mind: &mut Mind) {
    let old = standing(before, mind);
    let new = standing(after, mind);
    match action {
        Action::Act(act) => remember_act(before, act, after, mind.setting.replicas),
        // It is missing until it is replaced, even where fewer are wanted by now.
        Action::Fault(Fault::PodDies(_)) => {
            after.past.excused += 1;
            after.past.extra += 1;
        }
        Action::Fault(Fault::SecondDaemon) => {
            after.past.excused += TWO_DAEMONS;
            after.past.extra += TWO_DAEMONS;
        }
        Action::Answer(which, index, verdict) => {
            if let Some(passed) = passed(before, which, index, verdict, mind) {
                after.past.passed |= passed;
                after.past.proven |= passed;
            }
        }
        _ => {}
    }
    if let Action::Act(Act::EditCopy(..)) = action
        && !mind.setting.surge
    {
        after.past.excused += 1;
    }
    if phase(old.as_ref()) == Some(PhaseKind::RollingBack) && carried(before, action).is_some() {
        // A bad version stops at once; its pods are missing until the primary has made up for them.
        after.past.excused += lowered(before, after, Track::Canary);
    }
    if let Some(Effect::Write { deed: Deed::Delete { .. }, .. }) = carried(before, action)
        && old.is_some_and(|old| old.gone)
    {
        // The end of a deleted service: nothing is promised any more.
        after.past.floor = 0;
        after.past.excused += Track::ALL.into_iter().map(|track| lowered(before, after, track)).sum::<u8>();
    }
    if let (Some(old), Some(new)) = (old, new) {
        after.past.extra += old.replicas.saturating_sub(new.replicas);
    }
    prove(new.as_ref(), after, mind);
    let cap = new.map_or(after.past.wish, |new| new.replicas.min(after.past.wish));
    let useful = lasting(after, new.as_ref(), mind);
    after.past.floor = cap.min(after.past.floor.max(useful));
    if is_complete(after, mind) && runs_as_remembered(after, new.as_ref(), mind) {
        // What was excused has come to pass.
        let floor = after.past.floor;
        after.past.floor = if after.past.excused > 0 { floor.min(useful) } else { floor };
        (after.past.excused, after.past.extra) = (0, 0);
        // What people started and nobody has stopped yet may be replaced when it dies.
        after.past.extra = pods(after, new.as_ref()).saturating_sub(most(after, new.as_ref(), mind.setting.surge));
    }
}

fn remember_act(before: &World, act: Act, after: &mut World, replicas: u8) {
    let live = before.deployment(Track::Original).map(|original| original.replicas);
    match act {
        // A wish for the very number that the original is held at for the moment leaves no trace.
        Act::Apply(_, Some(wish)) => {
            after.past.wish = if live == Some(wish) { before.past.wish } else { wish };
            after.past.extra += 1;
        }
        Act::Scale(wish) => after.past.wish = if live == Some(wish) { before.past.wish } else { wish },
        Act::Create(_) | Act::Recreate(_) => after.past.wish = replicas,
        Act::Say(Command::Bypass) => after.past.bypass = true,
        // It rolls by itself, with its own surge.
        Act::EditCopy(..) | Act::Apply(_, None) | Act::Restart | Act::Undo | Act::TogglePause => after.past.extra += 1,
        _ => {}
    }
    if let (None, Some(original)) = (after.record, after.deployment(Track::Original)) {
        // Nobody holds it at 0: it has what it says.
        after.past.wish = original.replicas;
    }
    let wanted = |world: &World, track: Track| {
        let counts = |deployment: &&Deployment| track == Track::Original || deployment.ours;
        world.deployment(track).filter(counts).map_or(0, |deployment| deployment.replicas)
    };
    for track in Track::ALL {
        after.past.excused += wanted(before, track).saturating_sub(wanted(after, track));
        // What goes may be replaced until the controller has seen that it is wanted no more.
        after.past.extra += wanted(after, track).abs_diff(wanted(before, track));
        let anew = |world: &World| world.deployment(track).map(|deployment| deployment.uid);
        if anew(before) != anew(after) {
            // Pods of the old one are gone at once, those of the new one not there yet.
            after.past.excused += wanted(before, track).min(wanted(after, track));
        }
    }
}

fn passed(before: &World, which: Which, index: u8, verdict: crate::policies::Verdict, mind: &mut Mind) -> Option<u8> {
    let daemon = before.daemon(which == Which::Second)?;
    let asked = daemon.asked[usize::from(index)]?;
    let known = daemon.record.filter(|known| known.epoch == asked.epoch)?;
    let candidate = mind.standing(known.record).candidate?;
    mind.answers.passed(asked.question, verdict).then(|| mind.specs.get(candidate).image.bit())
}

/// What the original ran by itself before Aviary came is proven, and what an operator lets through.
fn prove(standing: Option<&Standing>, after: &mut World, mind: &Mind) {
    if let Some(original) = after.deployment(Track::Original)
        && original_counts(phase(standing))
        && original.truly_complete(mind.specs.get(original.spec).template)
    {
        after.past.proven |= mind.specs.get(original.spec).image.bit();
    }
    if let Some(primary) = after.deployment(Track::Primary)
        && after.past.bypass
        && after.past.proven & mind.specs.get(primary.spec).image.bit() == 0
    {
        after.past.proven |= mind.specs.get(primary.spec).image.bit();
        after.past.bypass = false;
    }
}

/// What must be so after an action.
///
/// # Errors
/// What is not.
pub fn check(before: &World, action: Action, after: &World, mind: &mut Mind) -> Result<(), Violation> {
    let standing_after = standing(after, mind);
    capacity(after, standing_after.as_ref(), mind)?;
    excess(before, after, standing_after.as_ref(), mind)?;
    if let Action::Answer(which, index, _) = action {
        old_answer(before, after, which, index)?;
    }
    match carried(before, action) {
        Some(Effect::Save { lease, .. }) => {
            old_lease(before, after, lease)?;
            promotion(before, after, mind)
        }
        Some(Effect::Write { deed, .. }) if before.deployments != after.deployments => {
            write(before, action, deed, after, mind)
        }
        _ => Ok(()),
    }
}

fn capacity(after: &World, standing: Option<&Standing>, mind: &Mind) -> Result<(), Violation> {
    let available = useful(after, standing, mind);
    let allowed = after.past.excused + u8::from(!mind.setting.surge);
    if available + allowed < after.past.floor {
        let said = format!("{available} pods serve, {} did before and none of them died", after.past.floor);
        return Err(broken("I1", said));
    }
    Ok(())
}

fn excess(before: &World, after: &World, standing: Option<&Standing>, mind: &mut Mind) -> Result<(), Violation> {
    let most = most(after, standing, mind.setting.surge);
    let (now, old) = (pods(after, standing), pods(before, self::standing(before, mind).as_ref()));
    if now > most && now > old {
        return Err(broken("I2", format!("{now} pods, at most {most} are allowed")));
    }
    Ok(())
}

fn old_answer(before: &World, after: &World, which: Which, index: u8) -> Result<(), Violation> {
    let Some(daemon) = before.daemon(which == Which::Second) else { return Ok(()) };
    let taken = after.daemon(which == Which::Second).is_some_and(|daemon| daemon.effect.is_some());
    let epochs = (daemon.asked[usize::from(index)].map(|asked| asked.epoch), daemon.record.map(|known| known.epoch));
    if taken && epochs.0 != epochs.1 {
        return Err(broken("I7", "an answer to a question of an older epoch changes the record"));
    }
    Ok(())
}

fn old_lease(before: &World, after: &World, lease: u8) -> Result<(), Violation> {
    if before.record != after.record && before.record.is_some_and(|stored| stored.lease > lease) {
        return Err(broken("I7", "a daemon that was deposed stores a record over that of its successor"));
    }
    Ok(())
}

fn promotion(before: &World, after: &World, mind: &mut Mind) -> Result<(), Violation> {
    let (old, Some(new)) = (standing(before, mind), standing(after, mind)) else { return Ok(()) };
    if new.phase != PhaseKind::Promoting || phase(old.as_ref()) == Some(PhaseKind::Promoting) {
        return Ok(());
    }
    let image = new.candidate.map(|candidate| mind.specs.get(candidate).image);
    match image {
        Some(image) if after.past.passed & image.bit() == 0 => {
            Err(broken("I10", format!("{} is promoted without a check that passed at the break-point", image.name())))
        }
        _ => Ok(()),
    }
}

fn write(before: &World, action: Action, deed: Deed, after: &World, mind: &mut Mind) -> Result<(), Violation> {
    let track = match deed {
        Deed::Create { track, .. } | Deed::Patch { track, .. } | Deed::Delete { track, .. } => track,
        Deed::DeleteRecord | Deed::Unfit => return Ok(()),
    };
    let (old, new) = (before.deployment(track), after.deployment(track));
    if track != Track::Original && old.is_some_and(|old| !old.ours) {
        return Err(broken("I6", format!("the Deployment that has the name of the {track} is not Aviary's")));
    }
    match (track, new) {
        (_, None) => deleted(before, mind),
        (Track::Primary, Some(new)) if old.is_none_or(|old| old.spec != new.spec) => unproven(after, new, mind),
        (Track::Canary, Some(new)) => {
            let from = old.map_or(0, |old| old.replicas);
            if after.past.extra >= TWO_DAEMONS {
                Ok(())
            } else if new.replicas > from && action != Action::Land {
                grown(before, new, mind)
            } else if new.replicas < from {
                taken_away(before, new, mind)
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }
}

fn deleted(before: &World, mind: &mut Mind) -> Result<(), Violation> {
    let over = |phase| matches!(phase, PhaseKind::Releasing | PhaseKind::Released);
    let allowed = standing(before, mind).is_some_and(|it| it.gone || over(it.phase));
    if allowed { Ok(()) } else { Err(broken("I6", "a copy is deleted of a service that is neither gone nor released")) }
}

fn unproven(after: &World, primary: &Deployment, mind: &Mind) -> Result<(), Violation> {
    let image = mind.specs.get(primary.spec).image;
    if after.past.proven & image.bit() == 0 {
        let said = format!("the primary takes {}, which has not passed and was not let through", image.name());
        return Err(broken("I3", said));
    }
    Ok(())
}

fn grown(before: &World, canary: &Deployment, mind: &mut Mind) -> Result<(), Violation> {
    let allowed = match standing(before, mind) {
        Some(standing) if matches!(standing.phase, PhaseKind::Canary | PhaseKind::Promoting) => standing.size,
        _ => 0,
    };
    if canary.replicas > allowed {
        return Err(broken("I4", format!("the canary grows to {} pods, its step allows {allowed}", canary.replicas)));
    }
    Ok(())
}

fn taken_away(before: &World, canary: &Deployment, mind: &mut Mind) -> Result<(), Violation> {
    let Some(standing) = standing(before, mind).filter(|it| it.phase == PhaseKind::Promoting) else { return Ok(()) };
    let Some(candidate) = standing.candidate else { return Ok(()) };
    let known = [standing.accepted_spec, candidate].map(|spec| mind.copy(spec, Track::Primary));
    let template = mind.specs.get(known[1]).template;
    if canary.replicas >= standing.size || canary.spec != mind.copy(candidate, Track::Canary) {
        // What people gave it goes at once.
        return Ok(());
    }
    // One that somebody deleted, edited or took over while the write was on its way is not held against it.
    let primary = before.deployment(Track::Primary).filter(|it| it.ours && known.contains(&it.spec));
    let complete = primary.is_none_or(|primary| primary.truly_complete(template));
    if !complete && before.past.excused == 0 {
        return Err(broken("I5", "the canary's pods go before the primary has taken the candidate and is complete"));
    }
    Ok(())
}

/// What must be so where nothing moves any more.
///
/// # Errors
/// What is not.
pub fn at_rest(world: &World, mind: &mut Mind) -> Result<(), Violation> {
    let stuck = |said: &str| Err(broken("I8", format!("nothing moves any more, but {said}")));
    let original = world.deployment(Track::Original);
    let setting = mind.setting;
    let bad = |image| matches!(setting.behaviour(image), Behaviour::Hanging | Behaviour::Crashing);
    let asks_for_bad = original.is_some_and(|it| bad(mind.specs.get(it.spec).image) || it.paused);
    let copies = [Track::Primary, Track::Canary].map(|track| world.deployment(track));
    let ours = copies.iter().flatten().any(|copy| copy.ours);
    let strangers = copies.iter().flatten().any(|copy| !copy.ours);
    let Some(stored) = world.record else {
        return match original {
            None if ours => stuck("the copies of a deleted service are still there"),
            Some(_) if ours => stuck("there are copies without a record"),
            Some(_) if !asks_for_bad && !strangers => stuck("the service is not adopted"),
            _ => Ok(()),
        };
    };
    let standing = mind.standing(stored.record);
    let accepted_bad = bad(standing.accepted);
    match standing.phase {
        _ if strangers => Ok(()),
        PhaseKind::Released if original.is_none() && !ours => Ok(()),
        _ if original.is_none() => stuck("the original is deleted, and its record is still there"),
        PhaseKind::Steady => steady(world, &standing, mind),
        PhaseKind::Released if ours => stuck("it is released, and there are copies"),
        PhaseKind::Released => Ok(()),
        PhaseKind::Canary if standing.paused => Ok(()),
        PhaseKind::Canary => stuck("a rollout is under way, and not paused"),
        PhaseKind::Adopting | PhaseKind::Releasing if asks_for_bad || accepted_bad => Ok(()),
        PhaseKind::Direct | PhaseKind::RollingBack if accepted_bad => Ok(()),
        phase => stuck(&format!("it is {phase:?}")),
    }
}

fn steady(world: &World, standing: &Standing, mind: &mut Mind) -> Result<(), Violation> {
    let stuck = |said: String| Err(broken("I8", format!("it is steady, but {said}")));
    let primary_spec = mind.copy(standing.accepted_spec, Track::Primary);
    let template = mind.specs.get(primary_spec).template;
    let Some(primary) = world.deployment(Track::Primary) else { return stuck("there is no primary".to_owned()) };
    if primary.replicas != standing.replicas || !primary.truly_complete(template) {
        return stuck(format!("the primary is not {} pods of the accepted version", standing.replicas));
    }
    let Some(original) = world.deployment(Track::Original) else { return Ok(()) };
    if original.replicas > 0 {
        return stuck(format!("the original has {} pods", original.replicas));
    }
    if world.deployment(Track::Canary).is_some_and(|canary| canary.replicas > 0 || canary.pods() > 0) {
        return stuck("the canary has pods".to_owned());
    }
    if original.spec != standing.accepted_spec && !standing.held {
        return stuck("nothing is done about what the original asks for".to_owned());
    }
    let all = crate::people::acts(mind.setting.replicas);
    let defaulted = |act: &&u8| matches!(all.get(usize::from(**act).wrapping_sub(1)), Some(Act::Apply(_, None)));
    // The API server's default counts for a service that is not adopted yet, and not for one that is.
    if standing.replicas != world.past.wish && !world.acts.iter().any(|act| defaulted(&act)) {
        return stuck(format!("{} pods were asked for last, N is {}", world.past.wish, standing.replicas));
    }
    Ok(())
}
