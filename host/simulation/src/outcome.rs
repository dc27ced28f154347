//! What became of a service, told apart by what people did: with crashes and stale reads it is the same as without.

use std::collections::{HashMap, HashSet};

use aviary_core::judge::Track;

use crate::{
    judge,
    mind::{Mind, PhaseKind, Standing},
    specs::SpecId,
    world::World,
};

/// What a person sees when nothing moves any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome {
    standing: Option<Standing>,
    workloads: [Option<(SpecId, u8)>; 3],
}

/// The first act of what was explored at once, if that is all that was, and the number of a world in it.
type Place = (Option<usize>, u32);

/// What ended as it should not.
#[derive(Debug)]
pub struct Unlike {
    /// The first act of the part in which it did; nothing where all is one part.
    pub first_act: Option<usize>,
    /// The number of the world in that part.
    pub world: u32,
    /// What is wrong.
    pub said: String,
}

/// All that came of anything.
#[derive(Debug, Default)]
pub struct Outcomes {
    without_faults: HashMap<[u8; 2], HashSet<Outcome>>,
    with_faults: Vec<([u8; 2], Outcome, Place)>,
    known: HashSet<([u8; 2], Outcome)>,
}

impl Outcomes {
    /// Takes in a world in which nothing moves any more.
    pub fn note(&mut self, index: u32, world: &World, mind: &mut Mind) {
        // Where a stranger has the name of a copy everything stops wherever it is.
        if [Track::Primary, Track::Canary].iter().any(|track| world.deployment(*track).is_some_and(|copy| !copy.ours)) {
            return;
        }
        let workload = |track: Track| world.deployment(track).map(|it| (it.spec, it.replicas));
        // An empty canary is none; what it ran last does not matter.
        let canary = workload(Track::Canary).filter(|(_, replicas)| *replicas > 0);
        let standing = judge::standing(world, mind);
        let waits = standing.is_some_and(|it| !matches!(it.phase, PhaseKind::Steady | PhaseKind::Released));
        // What waits for a version that never gets ready, or for a person, waits wherever it is.
        let workloads = if waits { [None; 3] } else { [workload(Track::Original), workload(Track::Primary), canary] };
        let outcome = Outcome { standing, workloads };
        if world.budget.1 == mind.setting.faults {
            self.without_faults.entry(world.acts).or_default().insert(outcome);
        } else if !world.disturbed && self.known.insert((world.acts, outcome)) {
            self.with_faults.push((world.acts, outcome, (mind.first_act, index)));
        }
    }

    /// A world that came to something with faults that the same acts never come to without them; `words` are
    /// the acts that are words of operators.
    #[must_use]
    pub fn unlike(&self, words: u64) -> Option<Unlike> {
        let mut unlike = self.with_faults.iter().filter(|(acts, outcome, _)| !self.is_known(*acts, outcome, words));
        let (acts, _, (first_act, world)) = *unlike.next()?;
        let others = unlike.filter(|(others, ..)| *others != acts).count();
        let said = format!("it ends as it never does without the fault; so do {others} after other acts");
        Some(Unlike { first_act, world, said })
    }

    /// A word to a daemon that is killed may be lost; the operator hears that it was not carried out. And it may change places
    /// with what was done to a Deployment: that may be shown late, and the record that keeps the word may arrive late.
    fn is_known(&self, acts: [u8; 2], outcome: &Outcome, words: u64) -> bool {
        let heard = |acts: &[u8; 2]| self.without_faults.get(acts).is_some_and(|known| known.contains(outcome));
        let [one, two] = acts;
        let lost = |act: u8| words >> act & 1 > 0;
        heard(&acts)
            || (lost(one) && heard(&[two, 0]))
            || (lost(two) && heard(&[one, 0]))
            || (lost(one) && lost(two) && heard(&[0, 0]))
            || ((lost(one) || lost(two)) && heard(&[two, one]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of an operator's word, and those of two other acts.
    const WORD: u8 = 1;
    const APPLY: u8 = 2;
    const SCALE: u8 = 3;
    const WORDS: u64 = 1 | 1 << WORD;

    fn end(pods: u8) -> Outcome {
        Outcome { standing: None, workloads: [Some((1, pods)), None, None] }
    }

    #[test]
    fn a_fault_may_lose_a_word_or_let_it_change_places_with_what_was_done() {
        let mut all = Outcomes::default();
        for (acts, pods) in [([0, 0], 1), ([APPLY, 0], 2), ([WORD, APPLY], 3), ([APPLY, SCALE], 4), ([SCALE, WORD], 5)]
        {
            all.without_faults.entry(acts).or_default().insert(end(pods));
        }
        for (acts, pods, known, case) in [
            ([APPLY, 0], 2, true, "as without the fault"),
            ([APPLY, 0], 1, false, "what was applied is lost"),
            ([APPLY, WORD], 2, true, "the word is lost"),
            ([WORD, WORD], 1, true, "both words are lost"),
            ([APPLY, WORD], 3, true, "the word is heard first"),
            ([APPLY, WORD], 4, false, "an end of other acts"),
            ([WORD, SCALE], 5, true, "the word is heard last"),
            ([SCALE, APPLY], 4, false, "one watch shows things in their order"),
        ] {
            assert_eq!(all.is_known(acts, &end(pods), WORDS), known, "{case}");
        }
        assert!(all.unlike(WORDS).is_none());
        all.with_faults.push(([APPLY, 0], end(1), (Some(7), 9)));
        let unlike = all.unlike(WORDS).map(|unlike| (unlike.first_act, unlike.world));
        assert_eq!(unlike, Some((Some(7), 9)));
    }
}
