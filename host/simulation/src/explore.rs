//! Every world that can be reached, breadth first, so that the first violation found is one of the shortest.

use std::{collections::VecDeque, hash::BuildHasher};

use aviary_core::judge::Track;
use foldhash::quality::FixedState;

use crate::{
    action::Action,
    graph::Graph,
    judge::{self, Violation},
    known::Known,
    mind::{Mind, PhaseKind},
    outcome::Outcomes,
    start::start,
    step::{disturbances, finish, ordinary, possible, spins},
    world::World,
};

/// Where an exploration ends, if it does not end by itself.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most worlds of what is explored at once: everything, or what begins with one act where there are two.
    pub worlds: usize,
    /// The most different violations. After one, what would come of it is left out and everything else goes on.
    pub violations: usize,
}

/// A violation with a shortest way to it.
#[derive(Debug, Clone)]
pub struct Found {
    /// What does not hold.
    pub violation: Violation,
    /// What happens, from the beginning.
    pub path: Vec<Action>,
}

/// What an exploration came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Different worlds.
    pub worlds: usize,
    /// Ways from one to another.
    pub transitions: usize,
    /// The most actions that it takes to reach one.
    pub depth: u32,
    /// Different plans that the core made.
    pub plans: usize,
    /// Worlds in which nothing moves any more.
    pub at_rest: usize,
    /// Worlds that were reached and not gone on from, for want of room.
    pub left: usize,
    /// What does not hold, each once, with the first way to it.
    pub found: Vec<Found>,
}

fn hash_of(world: &World) -> u64 {
    FixedState::default().hash_one(world)
}

struct Explorer<'a> {
    mind: &'a mut Mind,
    known: Known,
    graph: Graph,
    outcomes: &'a mut Outcomes,
    queue: VecDeque<(u32, u32, World)>,
    /// What can happen in the world that is gone on from, and the hashes of what comes of it; kept for their room.
    possible: Vec<(Action, World)>,
    hashes: Vec<Option<u64>>,
    bounds: Bounds,
    report: &'a mut Report,
}

/// Explores everything from the beginning that the setting of `mind` tells. Where people may act twice, what begins with
/// each act is explored for itself and then forgotten: the worlds of one act's future are never those of another's, and
/// all together need more memory than there is.
pub fn explore(mind: &mut Mind, bounds: Bounds) -> Report {
    explore_and_tell(mind, bounds, |_, _| {})
}

/// The same; `tell` hears how far it has come, as a share of the whole, and what it came to so far.
pub fn explore_and_tell(mind: &mut Mind, bounds: Bounds, mut tell: impl FnMut((usize, usize), &Report)) -> Report {
    let mut report = Report::default();
    let mut outcomes = Outcomes::default();
    let parts = if mind.setting.acts < 2 { 1 } else { mind.acts.len() };
    for part in 0..parts {
        mind.first_act = (parts > 1).then_some(part);
        tell((part, parts), &report);
        drop(explore_part(mind, bounds, &mut outcomes, &mut report));
        if report.found.len() >= bounds.violations {
            break;
        }
    }
    if let (true, 0, Some(unlike)) = (report.found.is_empty(), report.left, outcomes.unlike(mind.words)) {
        mind.first_act = unlike.first_act;
        let path = way_again(mind, bounds, unlike.world);
        report.found.push(Found { violation: Violation { invariant: "I9", said: unlike.said }, path });
    }
    mind.first_act = None;
    report.plans = mind.plans();
    report
}

fn explore_part<'a>(
    mind: &'a mut Mind,
    bounds: Bounds,
    outcomes: &'a mut Outcomes,
    report: &'a mut Report,
) -> (World, Explorer<'a>) {
    let first = start(mind);
    let mut explorer = Explorer::new(mind, bounds, outcomes, report);
    explorer.reach(hash_of(&first), &first, None, 0);
    explorer.run(&first);
    explorer.report.left += explorer.queue.len();
    (first, explorer)
}

/// The way to a world of a part that was explored and forgotten.
fn way_again(mind: &mut Mind, bounds: Bounds, world: u32) -> Vec<Action> {
    let (mut outcomes, mut report) = (Outcomes::default(), Report::default());
    let (first, mut explorer) = explore_part(mind, bounds, &mut outcomes, &mut report);
    explorer.path(&first, world)
}

impl<'a> Explorer<'a> {
    fn new(mind: &'a mut Mind, bounds: Bounds, outcomes: &'a mut Outcomes, report: &'a mut Report) -> Self {
        Self {
            mind,
            known: Known::default(),
            graph: Graph::default(),
            outcomes,
            queue: VecDeque::new(),
            possible: Vec::new(),
            hashes: Vec::new(),
            bounds,
            report,
        }
    }

    /// Whether a world, or what goes on from it, is counted: what comes before the first act is explored in each part.
    fn counts(&self, world: &World) -> bool {
        self.mind.first_act.is_none_or(|part| part == 0) || world.budget.0 < self.mind.setting.acts
    }

    fn run(&mut self, first: &World) {
        while let Some((index, depth, world)) = self.queue.pop_front() {
            self.report.depth = self.report.depth.max(depth);
            for (violation, last) in self.go_on(index, depth, &world) {
                self.found(first, index, violation, last);
            }
            if self.known.count() >= self.bounds.worlds || self.report.found.len() >= self.bounds.violations {
                return;
            }
        }
        if let Some(cycle) = self.graph.cycle() {
            let violation = Violation {
                invariant: "I8",
                said: format!("it never comes to rest: the last {} of these steps repeat for ever", cycle.len()),
            };
            let around = self.around(first, &cycle);
            self.found(first, cycle[0], violation, around);
        }
    }

    /// Takes in a violation that is like no other, with the way to its world and what comes last.
    fn found(&mut self, first: &World, index: u32, violation: Violation, last: impl IntoIterator<Item = Action>) {
        if self.report.found.iter().all(|found| found.violation != violation) {
            let path = self.path(first, index).into_iter().chain(last).collect();
            self.report.found.push(Found { violation, path });
        }
    }

    /// Takes in a world; its number.
    fn reach(&mut self, hash: u64, world: &World, from: Option<(u32, u16)>, depth: u32) -> u32 {
        let (index, is_new) = self.known.add(hash);
        if is_new {
            self.report.worlds += usize::from(self.counts(world));
            self.graph.add(from);
            self.queue.push_back((index, depth, *world));
        }
        index
    }

    /// Reaches what comes next, and tells what does not hold, with the action that breaks it if it is one.
    fn go_on(&mut self, index: u32, depth: u32, world: &World) -> Vec<(Violation, Option<Action>)> {
        let mut broken = Vec::new();
        let mut possible = std::mem::take(&mut self.possible);
        possible.clear();
        ordinary(world, self.mind, &mut possible);
        let usual_count = possible.len();
        disturbances(world, self.mind, &mut possible);
        let mut quiet = 0;
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        for (action, after) in &mut possible {
            match finish(world, *action, after, self.mind) {
                Ok(()) => hashes.push(Some(hash_of(after))),
                Err(violation) => {
                    hashes.push(None);
                    broken.push((violation, Some(*action)));
                }
            }
        }
        self.known.approach(hashes.iter().copied().flatten());
        for (place, (action, after)) in possible.iter_mut().enumerate() {
            let action = *action;
            let Some(hash) = hashes[place] else { continue };
            let place_number = u16::try_from(place).unwrap_or(u16::MAX);
            let reached = self.reach(hash, after, Some((index, place_number)), depth + 1);
            self.report.transitions += usize::from(self.counts(world) || matches!(action, Action::Act(_)));
            if place < usual_count && self.is_quiet(world, action) {
                quiet += 1;
                self.graph.connect(index, reached);
            }
        }
        self.possible = possible;
        self.hashes = hashes;
        if quiet == 0 && broken.is_empty() {
            broken.extend(self.rest(index, world).err().map(|violation| (violation, None)));
        }
        broken
    }

    fn rest(&mut self, index: u32, world: &World) -> Result<(), Violation> {
        self.report.at_rest += usize::from(self.counts(world));
        spins(world, self.mind)?;
        judge::at_rest(world, self.mind)?;
        self.outcomes.note(index, world, self.mind);
        Ok(())
    }

    /// Whether an action happens by itself, with faults over and people quiet. A paused rollout is checked on and on, unless
    /// the service is deleted: then its copies go in the end.
    fn is_quiet(&mut self, world: &World, action: Action) -> bool {
        let paused = |mind: &mut Mind| {
            judge::standing(world, mind).is_some_and(|standing| standing.phase == PhaseKind::Canary && standing.paused)
                && world.deployment(Track::Original).is_some()
        };
        match action {
            Action::CatchUp | Action::EndSecond => true,
            _ if world.lag.is_any() || world.second.is_some() => false,
            Action::Wait => !paused(self.mind),
            _ => true,
        }
    }

    /// The actions that lead to a world, from the beginning.
    fn path(&mut self, first: &World, index: u32) -> Vec<Action> {
        let places = self.graph.way_to(index);
        let mut world = *first;
        let mut path = Vec::new();
        for place in places {
            let mut all = possible(&world, self.mind).into_iter();
            let Some((action, mut after)) = all.nth(usize::from(place)) else { break };
            path.push(action);
            _ = finish(&world, action, &mut after, self.mind);
            world = after;
        }
        path
    }

    /// The actions of a cycle of worlds.
    fn around(&mut self, first: &World, cycle: &[u32]) -> Vec<Action> {
        let way = self.path(first, cycle[0]);
        let Some(mut world) = crate::start::follow(first, &way, self.mind) else { return Vec::new() };
        let mut actions = Vec::new();
        for next in cycle.iter().skip(1).chain(&cycle[..1]) {
            let mut usual = Vec::new();
            ordinary(&world, self.mind, &mut usual);
            for (action, mut after) in usual {
                if finish(&world, action, &mut after, self.mind).is_err() {
                    continue;
                }
                if self.known.number(hash_of(&after)) == Some(*next) {
                    actions.push(action);
                    world = after;
                    break;
                }
            }
        }
        actions
    }
}
