//! Files that were damaged on the way: the host never panics, and what is in force is the old policy or the new, whole.

use aviary_policy::{Kind, Notice};
use proptest::prelude::*;

use crate::{
    guest::Guest,
    world::{World, hurried},
};

/// What can happen to bytes; places are shares of the length, in thousandths.
#[derive(Debug, Clone)]
enum Damage {
    Flip { place: usize, mask: u8 },
    Cut { place: usize },
    Drop { place: usize, length: usize },
    Repeat { place: usize, length: usize },
    Swap { place: usize, other: usize },
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |place: usize| place * bytes.len() / 1000;
        match *self {
            Self::Flip { place, mask } => {
                let place = at(place);
                bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= mask);
            }
            Self::Cut { place } => bytes.truncate(at(place)),
            Self::Drop { place, length } => {
                let from = at(place);
                bytes.drain(from..(from + length).min(bytes.len()));
            }
            Self::Repeat { place, length } => {
                let from = at(place);
                let part = bytes[from..(from + length).min(bytes.len())].to_vec();
                bytes.splice(from..from, part);
            }
            Self::Swap { place, other } => {
                let (place, other) = (at(place), at(other));
                if place.max(other) < bytes.len() {
                    bytes.swap(place, other);
                }
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = || 0..1000_usize;
    prop_oneof![
        4 => (place(), 1..=255_u8).prop_map(|(place, mask)| Damage::Flip { place, mask }),
        1 => place().prop_map(|place| Damage::Cut { place }),
        1 => (place(), 1..40_usize).prop_map(|(place, length)| Damage::Drop { place, length }),
        1 => (place(), 1..40_usize).prop_map(|(place, length)| Damage::Repeat { place, length }),
        1 => (place(), place()).prop_map(|(place, other)| Damage::Swap { place, other }),
    ]
}

/// The old policy decides and the refusal is told, or the new one decides and nothing is wrong.
fn whole(world: &World, said: &[Notice], before: &str) {
    let answer = world.classify(5);
    let problems = world.policies.problems();
    match said {
        [] => assert!(answer.policy.digest == before && problems.is_empty(), "{problems:?}"),
        [Notice::Refused { in_force, .. }] => {
            assert_eq!(in_force.as_ref().map(|policy| policy.digest.as_str()), Some(before));
            assert_eq!((answer.policy.digest.as_str(), problems.len()), (before, 1));
            assert_eq!(answer.result.expect("the old one is sound").reason, "said by 1.0.0");
        }
        [Notice::Replaced { policy, .. }] => {
            assert_eq!((&answer.policy, problems.len()), (policy, 0));
            assert_ne!(answer.policy.digest, before);
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn damage_leaves_the_old_policy_or_a_new_one_whole(
        component in any::<bool>(),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let guest = Guest::new(Kind::Classifier, "1.0.0");
        let sound = if component { guest.component() } else { guest.module() };
        let world = World::with(hurried());
        world.load(&sound);
        let before = world.classify(5).policy.digest;
        let mut bytes = sound;
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        world.write("custom.wasm", &bytes);
        let said = world.scan();
        whole(&world, &said, &before);
    }
}

#[test]
fn a_file_cut_at_any_length_is_refused_or_lacks_nothing_that_counts() {
    let world = World::with(hurried());
    for sound in [Guest::new(Kind::Classifier, "1.0.0").module(), Guest::new(Kind::Classifier, "1.0.0").component()] {
        for length in 0..sound.len() {
            world.write("custom.wasm", &sound[..length]);
            match world.scan().as_slice() {
                [Notice::Refused { .. }] => {}
                // Behind the last thing that counts there may be names only.
                [Notice::Loaded { .. } | Notice::Replaced { .. }] => {
                    assert_eq!(world.classify(5).result.expect("whole").reason, "said by 1.0.0");
                }
                other => panic!("cut to {length} of {} bytes: {other:?}", sound.len()),
            }
        }
    }
}
