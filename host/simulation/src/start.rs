//! Where an exploration begins.

use aviary_core::judge::Track;

use crate::{
    action::{Action, Which},
    controller,
    mind::Mind,
    people,
    specs::Image,
    step::{finish, ordinary, possible},
    world::{Daemon, Lag, Past, World},
};

/// A service that serves with N pods of the first image: without Aviary, or adopted and steady.
pub fn start(mind: &mut Mind) -> World {
    let setting = mind.setting;
    let mut world = World {
        deployments: [None; 3],
        uids: [0; 3],
        previous: None,
        record: None,
        version: 0,
        lease: 0,
        daemon: Daemon::default(),
        second: None,
        lag: Lag::default(),
        late: None,
        budget: (0, 0),
        acts: [0; 2],
        disturbed: false,
        past: Past { proven: Image::First.bit(), wish: Some(setting.replicas), ..Past::default() },
    };
    people::create(&mut world, Image::First, mind);
    let original = world.deployment_mut(Track::Original);
    *original = original.map(|original| serving(original, mind));
    world.make_canonical(&mind.specs);
    if setting.adopted {
        loop {
            let mut usual = Vec::new();
            ordinary(&world, mind, &mut usual);
            let Some((action, mut after)) = usual.into_iter().next() else { break };
            debug_assert!(action != Action::EndSecond && action != Action::Carry(Which::Second));
            _ = finish(&world, action, &mut after, mind);
            world = after;
        }
    }
    World { budget: (setting.acts, setting.faults), ..world }
}

fn serving(original: crate::deployment::Deployment, mind: &Mind) -> crate::deployment::Deployment {
    let mut original = controller::settle(original, &mind.specs);
    let behaviour = mind.setting.behaviour(Image::First);
    while let Some(moved) = original.pod_moves(0, behaviour) {
        original = controller::settle(moved, &mind.specs);
    }
    original
}

/// The world after `actions`; nothing where one of them cannot happen or breaks an invariant.
pub fn follow(first: &World, actions: &[Action], mind: &mut Mind) -> Option<World> {
    let mut world = *first;
    for action in actions {
        let mut all = possible(&world, mind).into_iter();
        let (_, mut after) = all.find(|(possible, _)| possible == action)?;
        finish(&world, *action, &mut after, mind).ok()?;
        world = after;
    }
    Some(world)
}
