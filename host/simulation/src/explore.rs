//! Every world that can be reached, breadth first, so that the first violation found is one of the shortest.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, Hasher},
};

use foldhash::quality::FixedState;

use crate::{
    action::Action,
    graph::Graph,
    judge::{self, Violation},
    mind::{Mind, PhaseKind},
    outcome::Outcomes,
    start::start,
    step::{disturbances, finish, ordinary, possible, spins},
    world::World,
};

/// Where an exploration ends, if it does not end by itself.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most worlds.
    pub worlds: usize,
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
#[derive(Debug, Clone)]
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
    /// What does not hold, if anything.
    pub found: Option<Found>,
}

/// A hash is its own hash.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

fn hash_of(world: &World) -> u64 {
    FixedState::default().hash_one(world)
}

struct Explorer<'a> {
    mind: &'a mut Mind,
    known: HashMap<u64, u32, BuildHasherDefault<Same>>,
    graph: Graph,
    outcomes: Outcomes,
    queue: VecDeque<(u32, u32, World)>,
    /// What can happen in the world that is gone on from; kept for its room.
    possible: Vec<(Action, World)>,
    bounds: Bounds,
    report: Report,
}

/// Explores everything from the beginning that the setting of `mind` tells.
pub fn explore(mind: &mut Mind, bounds: Bounds) -> Report {
    let first = start(mind);
    let report = Report { worlds: 0, transitions: 0, depth: 0, plans: 0, at_rest: 0, left: 0, found: None };
    let mut explorer = Explorer {
        mind,
        known: HashMap::default(),
        graph: Graph::default(),
        outcomes: Outcomes::default(),
        queue: VecDeque::new(),
        possible: Vec::new(),
        bounds,
        report,
    };
    explorer.reach(first, None, 0);
    explorer.run(&first);
    explorer.report.worlds = explorer.known.len();
    explorer.report.left = explorer.queue.len();
    explorer.report.plans = explorer.mind.plans();
    explorer.report
}

impl Explorer<'_> {
    fn run(&mut self, first: &World) {
        while let Some((index, depth, world)) = self.queue.pop_front() {
            self.report.depth = self.report.depth.max(depth);
            if let Err((violation, last)) = self.go_on(index, depth, &world) {
                let path = self.path(first, index).into_iter().chain(last).collect();
                self.report.found = Some(Found { violation, path });
                return;
            }
            if self.known.len() >= self.bounds.worlds {
                return;
            }
        }
        if let Some(cycle) = self.graph.cycle() {
            let violation = Violation {
                invariant: "I8",
                said: format!("it never comes to rest: the last {} of these steps repeat for ever", cycle.len()),
            };
            let mut path = self.path(first, cycle[0]);
            path.extend(self.around(first, &cycle));
            self.report.found = Some(Found { violation, path });
        } else if let Some((index, said)) = self.outcomes.unlike() {
            let violation = Violation { invariant: "I9", said };
            self.report.found = Some(Found { violation, path: self.path(first, index) });
        }
    }

    /// Takes in a world; its number, and whether it is new.
    fn reach(&mut self, world: World, from: Option<(u32, u16)>, depth: u32) -> u32 {
        let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let index = *self.known.entry(hash_of(&world)).or_insert(next);
        if index == next {
            self.graph.add(from);
            self.queue.push_back((index, depth, world));
        }
        index
    }

    fn go_on(&mut self, index: u32, depth: u32, world: &World) -> Result<(), (Violation, Option<Action>)> {
        let mut possible = std::mem::take(&mut self.possible);
        possible.clear();
        ordinary(world, self.mind, &mut possible);
        let usual_count = possible.len();
        disturbances(world, self.mind, &mut possible);
        let mut quiet = 0;
        for (place, (action, after)) in possible.iter().copied().enumerate() {
            let after = finish(world, action, after, self.mind).map_err(|violation| (violation, Some(action)))?;
            let place_number = u16::try_from(place).unwrap_or(u16::MAX);
            let reached = self.reach(after, Some((index, place_number)), depth + 1);
            self.report.transitions += 1;
            if place < usual_count && self.is_quiet(world, action) {
                quiet += 1;
                self.graph.connect(index, reached);
            }
        }
        self.possible = possible;
        if quiet == 0 {
            self.rest(index, world).map_err(|violation| (violation, None))?;
        }
        Ok(())
    }

    fn rest(&mut self, index: u32, world: &World) -> Result<(), Violation> {
        self.report.at_rest += 1;
        spins(world, self.mind)?;
        judge::at_rest(world, self.mind)?;
        self.outcomes.note(index, world, self.mind);
        Ok(())
    }

    /// Whether an action happens by itself, with faults over and people quiet. A paused rollout is checked on and on.
    fn is_quiet(&mut self, world: &World, action: Action) -> bool {
        let paused = |mind: &mut Mind| {
            judge::standing(world, mind).is_some_and(|standing| standing.phase == PhaseKind::Canary && standing.paused)
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
            let Some((action, after)) = possible(&world, self.mind).into_iter().nth(usize::from(place)) else { break };
            path.push(action);
            world = finish(&world, action, after, self.mind).unwrap_or(after);
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
            for (action, after) in usual {
                let Ok(after) = finish(&world, action, after, self.mind) else { continue };
                if self.known.get(&hash_of(&after)) == Some(next) {
                    actions.push(action);
                    world = after;
                    break;
                }
            }
        }
        actions
    }
}
