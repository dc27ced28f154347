//! What can happen next in a world, and the world after it.

use aviary_core::judge::Track;

use crate::{
    action::{Action, Fault, Watch, Which},
    alterations::DaemonMistake,
    canonical::simplify,
    controller,
    deed::{Deed, Guard},
    judge::{self, Violation},
    mind::{Decision, Heard, Mind},
    people,
    policies::Verdict,
    records::RecordId,
    sight::{Sight, Tenure},
    world::{Asked, Changed, Daemon, Effect, Lag, World},
};

/// A watch ends after so long at the latest, and lists anew.
const LONGEST_LAG: i64 = 30_000;

/// Whether a daemon can take up something new.
const fn is_free(daemon: &Daemon) -> bool {
    daemon.effect.is_none() && !daemon.expecting
}

/// Everything that can happen next without people and faults, healing apart; then what heals; then time.
pub fn ordinary(world: &World, mind: &mut Mind, found: &mut Vec<(Action, World)>) {
    let before = found.len();
    let mut put = |action, after: Option<World>| found.extend(after.map(|after| (action, after)));
    for which in [Which::First, Which::Second] {
        put(Action::Plan(which), plan(world, which, mind));
        put(Action::Carry(which), carry(world, which, true, mind));
        for index in 0..2 {
            let action = Action::Answer(which, index, Verdict::Honest);
            put(action, answer(world, which, index, Verdict::Honest, mind));
        }
    }
    for track in Track::ALL {
        put(Action::Controllers(track), controllers(world, track, mind));
        for index in 0..world.deployment(track).map_or(0, |deployment| deployment.set_count) {
            put(Action::Pod(track, index), pod(world, track, index, mind));
        }
    }
    put(Action::Land, land(world, mind));
    let idle = found.len() == before;
    let mut put = |action, after: Option<World>| found.extend(after.map(|after| (action, after)));
    put(Action::CatchUp, world.lag.is_any().then_some(World { lag: Lag::default(), ..*world }));
    put(Action::EndSecond, world.second.map(|_| World { second: None, ..*world }));
    if idle {
        put(Action::Wait, wait(world, mind));
    }
}

/// What people and faults can do next.
pub fn disturbances(world: &World, mind: &mut Mind, found: &mut Vec<(Action, World)>) {
    let (acts, faults) = world.budget;
    if acts > 0 {
        let only = mind.first_act.filter(|_| acts == mind.setting.acts);
        let all = 0..mind.acts.len();
        // With their last act, if not before.
        let must_bring = mind.setting.second_comes && acts == 1 && !judge::did(world, mind, |act| act.brings_second());
        for place in only.map_or(all, |place| place..place + 1) {
            let act = mind.acts[place];
            if must_bring && !act.brings_second() {
                continue;
            }
            let Some(mut after) = people::act(world, act, mind) else { continue };
            after.acts[usize::from(after.acts[0] != 0)] = u8::try_from(place + 1).unwrap_or(u8::MAX);
            after.budget.0 -= 1;
            found.push((Action::Act(act), after));
        }
    }
    if faults > 0 {
        let first = found.len();
        faulty(world, mind, found);
        for (action, after) in &mut found[first..] {
            after.budget.1 -= 1;
            after.disturbed |= match action {
                Action::Fault(fault) => fault.disturbs(),
                _ => true,
            };
        }
    }
}

fn faulty(world: &World, mind: &mut Mind, found: &mut Vec<(Action, World)>) {
    use Fault::{
        AnswerLost, Crash, CrashAfterWrite, DeadlinePasses, Depose, Lag as Lags, PodDies, Refused, SecondDaemon,
        Touched,
    };
    for fault in [Crash, CrashAfterWrite, Depose, AnswerLost, Refused, DeadlinePasses, SecondDaemon]
        .into_iter()
        .chain([Watch::Deployments, Watch::Records, Watch::Pods].map(Lags))
        .chain(Track::ALL.into_iter().flat_map(|track| [PodDies(track), Touched(track)]))
    {
        found.extend(broken(world, fault, mind).map(|after| (Action::Fault(fault), after)));
    }
    for index in 0..2 {
        for verdict in [Verdict::Empty, Verdict::Trapped] {
            let after = answer(world, Which::First, index, verdict, mind);
            found.extend(after.map(|after| (Action::Answer(Which::First, index, verdict), after)));
        }
    }
}

/// Everything that can happen next, in order.
#[must_use]
pub fn possible(world: &World, mind: &mut Mind) -> Vec<(Action, World)> {
    let mut found = Vec::new();
    ordinary(world, mind, &mut found);
    disturbances(world, mind, &mut found);
    found
}

/// Makes of a world after an action the canonical one, in place: worlds are large.
///
/// # Errors
/// The invariant that it breaks; then it is as the action left it.
pub fn finish(before: &World, action: Action, after: &mut World, mind: &mut Mind) -> Result<(), Violation> {
    judge::remember(before, action, after, mind);
    judge::check(before, action, after, mind)?;
    match action {
        Action::Controllers(track) | Action::Pod(track, _) => after.rename_after_a_turn(track, &mind.specs),
        _ => after.make_canonical(&mind.specs),
    }
    Ok(())
}

fn plan(world: &World, which: Which, mind: &mut Mind) -> Option<World> {
    let daemon = world.daemon(which == Which::Second).filter(|daemon| is_free(daemon))?;
    let mut after = *world;
    let memory = after.daemon_mut(which == Which::Second);
    let version = daemon.record.map_or(0, |stored| stored.version);
    if let Some(deed) = memory.retry.take() {
        memory.effect = Some(Effect::Write { deed, record: version });
        return Some(after);
    }
    let sight = mind.sight(world, which)?;
    let mut decision = mind.think(sight).decision;
    if let (Decision::Save { record, .. }, Some(DaemonMistake::ActsBeforeItRemembers)) =
        (decision, mind.alterations.daemon)
    {
        let then = mind.think(Sight { record: Some(record), ..sight }).decision;
        decision = if matches!(then, Decision::Write(_)) { then } else { decision };
    }
    match decision {
        Decision::Rest => return None,
        Decision::Save { record, rise } => {
            let epoch = daemon.record.map_or(0, |stored| stored.epoch) + rise;
            memory.effect = Some(Effect::Save { record, epoch, lease: daemon.lease, expected: version });
        }
        // A write of a daemon that was deposed arrives before its successor makes its first one: whoever has the lease begins
        // nothing that could last longer than it. No guard could protect what depends on another Deployment.
        Decision::Write(_) if world.late.is_some() => return None,
        Decision::Write(deed) => memory.effect = Some(Effect::Write { deed, record: version }),
        Decision::Ask { question } => {
            let epoch = daemon.record.map_or(0, |stored| stored.epoch);
            let identity = (epoch, mind.answers.identity(question));
            if daemon.asking == Some(identity) {
                return None;
            }
            memory.asking = Some(identity);
            let place = memory.asked.iter().position(Option::is_none).unwrap_or(0);
            memory.asked[place] = Some(Asked { epoch, question });
        }
    }
    Some(after)
}

/// What is under way is carried out; the daemon hears of it, or takes it for failed.
fn carry(world: &World, which: Which, heard: bool, mind: &Mind) -> Option<World> {
    let mut after = *world;
    let effect = after.daemon_mut(which == Which::Second).effect.take().filter(|_| exists(world, which))?;
    let done = after.carry_out(effect);
    let (stored, lags) = (after.record, after.lag.deployments.is_some());
    let impatient = mind.alterations.daemon == Some(DaemonMistake::DoesNotReadItsWrites);
    if done.is_err() || !heard {
        return Some(after);
    }
    let memory = after.daemon_mut(which == Which::Second);
    match effect {
        Effect::Save { .. } => (memory.record, memory.shown) = (stored, false),
        Effect::ReadBack(Changed::Record) => {
            memory.forget();
            memory.record = stored;
        }
        Effect::Write { deed: Deed::DeleteRecord, .. } => memory.forget(),
        Effect::Write { .. } | Effect::ReadBack(Changed::Deployment) => {
            memory.expecting = lags && which == Which::First && !impatient;
        }
    }
    Some(after)
}

fn exists(world: &World, which: Which) -> bool {
    world.daemon(which == Which::Second).is_some()
}

fn answer(world: &World, which: Which, index: u8, verdict: Verdict, mind: &mut Mind) -> Option<World> {
    let daemon = world.daemon(which == Which::Second).filter(|daemon| is_free(daemon))?;
    let asked = daemon.asked[usize::from(index)]?;
    let mut after = *world;
    let memory = after.daemon_mut(which == Which::Second);
    memory.asked[usize::from(index)] = None;
    if daemon.asking == Some((asked.epoch, mind.answers.identity(asked.question))) {
        memory.asking = None;
    }
    let Some(known) = daemon.record else { return Some(after) };
    let in_time = asked.epoch == known.epoch || mind.alterations.daemon == Some(DaemonMistake::IgnoresEpochs);
    let tenure = Tenure::of(daemon.lease, Some(known.lease));
    let heard = Heard { record: known.record, question: asked.question, verdict, in_time, tenure };
    if let Some((record, rise)) = mind.hear(heard) {
        let (epoch, lease) = (known.epoch + rise, daemon.lease);
        memory.effect = Some(Effect::Save { record, epoch, lease, expected: known.version });
    }
    Some(after)
}

fn controllers(world: &World, track: Track, mind: &Mind) -> Option<World> {
    let live = world.deployment(track).filter(|live| track == Track::Original || live.ours)?;
    let mut turned = controller::turn(*live, &mind.specs);
    // What only history tells apart is the same.
    simplify(&mut turned, track, &mind.specs);
    if turned == *live {
        return None;
    }
    let mut after = *world;
    *after.deployment_mut(track) = Some(turned);
    Some(after)
}

fn pod(world: &World, track: Track, index: u8, mind: &Mind) -> Option<World> {
    let mut after = *world;
    let live = after.deployment_mut(track).as_mut()?;
    let template = live.sets().get(usize::from(index))?.template;
    let behaviour = mind.setting.behaviour(mind.specs.image_of_template(template));
    *live = live.pod_moves(usize::from(index), behaviour)?;
    Some(after)
}

fn land(world: &World, mind: &Mind) -> Option<World> {
    let mut after = *world;
    let effect = after.late.take()?;
    match effect {
        Effect::Save { .. } if mind.alterations.daemon == Some(DaemonMistake::RecordIsNotFenced) => after.store(effect),
        effect => _ = after.carry_out(effect),
    }
    Some(after)
}

/// Time passes until the daemon wakes.
fn wait(world: &World, mind: &mut Mind) -> Option<World> {
    let mut after = *world;
    is_free(&world.daemon).then_some(())?;
    let millis = mind.think(mind.sight(world, Which::First)?).wake.filter(|millis| *millis > 0)?;
    pass(&mut after, millis, mind);
    // A deadline that passes unseen is more than a delay.
    after.disturbed |= world.lag.is_any();
    if millis > LONGEST_LAG {
        after.lag = Lag::default();
    }
    Some(after)
}

fn pass(world: &mut World, millis: i64, mind: &mut Mind) {
    let mut records: Vec<&mut RecordId> = Vec::new();
    records.extend(world.record.as_mut().map(|stored| &mut stored.record));
    records.extend(world.lag.record.as_mut().and_then(Option::as_mut).map(|stored| &mut stored.record));
    let mut questions: Vec<&mut u32> = Vec::new();
    let mut effects: Vec<&mut Effect> = world.late.as_mut().into_iter().collect();
    for daemon in [Some(&mut world.daemon), world.second.as_mut()].into_iter().flatten() {
        records.extend(daemon.record.as_mut().map(|stored| &mut stored.record));
        effects.extend(daemon.effect.as_mut());
        questions.extend(daemon.asked.iter_mut().flatten().map(|asked| &mut asked.question));
    }
    for effect in effects {
        if let Effect::Save { record, .. } = effect {
            records.push(record);
        }
    }
    records.into_iter().for_each(|record| *record = mind.records.later(*record, millis));
    questions.into_iter().for_each(|question| *question = mind.answers.earlier(*question, millis));
}

fn broken(world: &World, fault: Fault, mind: &mut Mind) -> Option<World> {
    let mut after = *world;
    match fault {
        Fault::Crash => restart(&mut after, mind),
        Fault::CrashAfterWrite => {
            world.daemon.effect?.changes()?;
            after = carry(world, Which::First, true, mind)?;
            restart(&mut after, mind);
        }
        Fault::Depose => {
            world.late.is_none().then_some(())?;
            world.daemon.effect?.changes()?;
            restart(&mut after, mind);
            match mind.alterations.daemon {
                Some(DaemonMistake::ActsOnAnOldLease) => after.second = Some(world.daemon),
                _ => after.late = world.daemon.effect,
            }
        }
        Fault::AnswerLost => {
            let effect = world.daemon.effect?;
            let changed = effect.changes()?;
            after = carry(world, Which::First, false, mind)?;
            match mind.alterations.daemon {
                Some(DaemonMistake::RetriesBlindly) => after.daemon.retry = blind(effect),
                Some(DaemonMistake::DoesNotReadBack) => {}
                _ => after.daemon.effect = Some(Effect::ReadBack(changed)),
            }
        }
        Fault::Refused => match world.daemon.effect? {
            Effect::Save { .. } => after.daemon.effect = None,
            Effect::Write { .. } | Effect::ReadBack(_) => return None,
        },
        Fault::Lag(watch) => lag(&mut after, watch)?,
        Fault::DeadlinePasses => {
            after = wait(world, mind)?;
        }
        Fault::PodDies(track) => *after.deployment_mut(track) = Some(world.deployment(track)?.pod_dies()?),
        Fault::Touched(track) => after.deployment_mut(track).as_mut()?.generation += 1,
        Fault::SecondDaemon => {
            (mind.setting.two_daemons && world.second.is_none()).then_some(())?;
            after.second = Some(Daemon { lease: world.lease, ..Daemon::default() });
        }
    }
    (after != *world).then_some(after)
}

/// A daemon that was killed, or takes over, has the lease anew and lists everything.
fn restart(world: &mut World, mind: &Mind) {
    world.lease += 1;
    world.daemon = Daemon { lease: world.lease, ..Daemon::default() };
    world.lag = Lag::default();
    if mind.alterations.daemon == Some(DaemonMistake::ForgetsAtRestart) {
        world.record = None;
    }
}

fn lag(world: &mut World, watch: Watch) -> Option<()> {
    // A late write arrives before its daemon's successor lists.
    world.late.is_none().then_some(())?;
    let (shown, crashed) = (world.shown(), world.crashed());
    let (free, lag) = match watch {
        Watch::Deployments => (world.lag.deployments.is_none(), Lag { deployments: Some(shown), ..world.lag }),
        Watch::Records => (world.lag.record.is_none(), Lag { record: Some(world.record), ..world.lag }),
        Watch::Pods => (world.lag.pods.is_none(), Lag { pods: Some(crashed), ..world.lag }),
    };
    world.lag = lag;
    free.then_some(())
}

/// The same write without its guards.
fn blind(effect: Effect) -> Option<Deed> {
    match effect {
        Effect::Write { deed: Deed::Patch { track, changes, .. }, .. } => {
            Some(Deed::Patch { track, guard: Guard::default(), changes })
        }
        Effect::Write { deed, .. } => Some(deed),
        Effect::Save { .. } | Effect::ReadBack(_) => None,
    }
}

/// Whether a daemon with nothing to do would plan again at once, for ever.
///
/// # Errors
/// If it would.
pub fn spins(world: &World, mind: &mut Mind) -> Result<(), Violation> {
    let free = is_free(&world.daemon);
    let wake = mind.sight(world, Which::First).filter(|_| free).and_then(|sight| mind.think(sight).wake);
    if wake.is_some_and(|millis| millis <= 0) {
        let said = "nothing moves any more, but the daemon wakes at once, again and again".to_owned();
        return Err(Violation { invariant: "I8", said });
    }
    Ok(())
}
