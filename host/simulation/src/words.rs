//! A path in words, for people.

use aviary_core::judge::Track;

use crate::{
    action::{Action, Which},
    judge,
    mind::Mind,
    start::start,
    step::{finish, possible},
    world::{Effect, World},
};

/// A path step by step: what happens, and where the service stands after it.
pub fn told(path: &[Action], mind: &mut Mind) -> Vec<String> {
    let mut world = start(mind);
    let mut lines = vec![format!("   {}", stands(&world, mind))];
    for (number, action) in path.iter().enumerate() {
        let mut all = possible(&world, mind).into_iter();
        let Some((_, mut after)) = all.find(|(possible, _)| possible == action) else {
            lines.push(format!("{action:?} cannot happen here"));
            return lines;
        };
        let said = describe(&world, *action, &after, mind);
        _ = finish(&world, *action, &mut after, mind);
        world = after;
        lines.push(format!("{:>2} {said}", number + 1));
        lines.push(format!("   {}", stands(&world, mind)));
    }
    lines
}

fn describe(before: &World, action: Action, after: &World, mind: &Mind) -> String {
    match action {
        Action::Plan(which) => planned(before, which, mind),
        Action::Carry(which) => format!("{} is carried out{}", effect(before, which), refused(before, after)),
        Action::Answer(_, _, verdict) => format!("a question is answered ({verdict:?})"),
        Action::Controllers(track) => format!("the controllers of the {track}"),
        Action::Pod(track, _) => format!("a pod of the {track} gets as far as it can"),
        Action::CatchUp => "the watches catch up".to_owned(),
        Action::Land => format!("the late write arrives{}", refused(before, after)),
        Action::EndSecond => "the second daemon ends".to_owned(),
        Action::Wait => "time passes until the daemon wakes".to_owned(),
        Action::Act(act) => format!("somebody: {act:?}"),
        Action::Fault(fault) => format!("fault: {fault:?}"),
    }
}

fn planned(before: &World, which: Which, mind: &Mind) -> String {
    let Some(sight) = mind.sight(before, which) else { return "a daemon plans".to_owned() };
    let (plan, _) = mind.plan(&sight);
    let what = if plan.record.is_some() {
        "remember"
    } else if plan.act.is_some() {
        "do"
    } else {
        "ask"
    };
    let reason = if plan.reason.is_empty() { "what is about to be done" } else { &plan.reason };
    let who = if which == Which::First { "the daemon" } else { "the second daemon" };
    format!("{who} is to {what}: {reason}")
}

fn effect(before: &World, which: Which) -> String {
    match before.daemon(which == Which::Second).and_then(|daemon| daemon.effect) {
        Some(Effect::Save { .. }) => "the storing of the record".to_owned(),
        Some(Effect::Write { deed, .. }) => format!("{deed:?}"),
        Some(Effect::ReadBack(_)) => "the look at what a lost answer was about".to_owned(),
        None => "nothing".to_owned(),
    }
}

fn refused(before: &World, after: &World) -> &'static str {
    let same = before.deployments == after.deployments && before.record == after.record;
    let reads = matches!(before.daemon.effect, Some(Effect::ReadBack(_)));
    if same && !reads { ", and refused" } else { "" }
}

/// Where everything is, in one line.
fn stands(world: &World, mind: &mut Mind) -> String {
    let tracks = Track::ALL.map(|track| match world.deployment(track) {
        None => format!("{track} -"),
        Some(it) => {
            let entry = mind.specs.get(it.spec);
            let image = entry.image.name().trim_start_matches("worker:");
            let restarted = if entry.restarted { "'" } else { "" };
            let unseen = if it.status.observed < it.generation { "*" } else { "" };
            let (available, pods) = (it.available(), it.pods());
            format!("{track} {image}{restarted} wants {}{unseen} has {available}/{pods}", it.replicas)
        }
    });
    let record = match judge::standing(world, mind) {
        None => "no record".to_owned(),
        Some(it) => format!("{:?} N {} accepted {}", it.phase, it.replicas, it.accepted.name()),
    };
    format!("{} | {record}", tracks.join(", "))
}
