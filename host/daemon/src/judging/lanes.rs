//! Who may call a policy when: one that takes long keeps nobody waiting but those who asked it.
//!
//! Calls run side by side in two lanes, first come, first served: as many quick ones as there are cores (at most 4), and
//! one slow one. So at most 5 calls run at once, beside the trial of what is being dropped; they have at most 6 times the
//! memory that one may have, and each has most of a core: its limit of time is not used up by others.
//!
//! A call is slow if the same policy was slow when it was last asked for the same service, or if the policy turned slow
//! for another service and has not been quick for this one since. What is expected may change while a call waits, so it is
//! looked at once more when its turn comes.
//!
//! **The bound.** Let L be the limit of time of a call (1 s). For each policy that turns slow, all calls that began while it
//! was thought quick fill the quick lane at most once, for L. So a quick call waits no longer than L times the number of
//! policies that turn slow at that very moment, plus the quick calls before it, of less than L/4 each and usually less than
//! a millisecond. A policy that stays slow costs the others nothing any more: its calls wait for each other. Compiling and
//! trying what is dropped takes one thread of its own, whatever comes at once, and no lock that a call needs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use aviary_policy::Answer;
use tokio::sync::{Semaphore, SemaphorePermit};

/// From here on a call is slow: a quarter of what it may take.
const SLOW: Duration = Duration::from_millis(250);
/// More quick calls at once would only cost memory.
const MOST_QUICK: usize = 4;

/// The two lanes, and what is known of who belongs where.
#[derive(Debug)]
pub struct Lanes {
    quick: Semaphore,
    slow: Semaphore,
    known: Mutex<Known>,
}

/// Who wants to ask whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The policy's name.
    pub policy: String,
    /// The service, as `namespace/name`.
    pub service: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Quick,
    Slow,
}

/// What calls have shown. Of each name only the newest digest counts, so it does not grow with swaps.
#[derive(Debug, Default)]
struct Known {
    calls: u64,
    /// When a policy was last slow although it was thought quick, by its name.
    surprises: BTreeMap<String, Seen>,
    /// How the last call went.
    last: BTreeMap<Caller, (Seen, Lane)>,
}

/// Which content of a policy's file, and after how many calls.
#[derive(Debug, Clone)]
struct Seen {
    digest: String,
    call: u64,
}

impl Lanes {
    /// As many as this machine has cores for.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::new(thread::available_parallelism().map_or(1, usize::from).min(MOST_QUICK))
    }

    fn new(quick: usize) -> Self {
        Self { quick: Semaphore::new(quick), slow: Semaphore::new(1), known: Mutex::default() }
    }

    /// Makes a call when its turn comes; `digest` tells the content in force under the policy's name, if any.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn run<T>(
        &self,
        caller: &Caller,
        digest: impl Fn() -> Option<String>,
        call: impl Future<Output = Result<Answer<T>, String>>,
    ) -> Result<Answer<T>, String> {
        let (lane, _permit) = self.turn(caller, digest).await;
        let answer = call.await?;
        let took = if answer.spent.time < SLOW { Lane::Quick } else { Lane::Slow };
        self.known().learn(caller, &answer.policy.digest, lane, took);
        Ok(answer)
    }

    async fn turn(&self, caller: &Caller, digest: impl Fn() -> Option<String>) -> (Lane, Option<SemaphorePermit<'_>>) {
        let expected = || self.known().expected(caller, digest().as_deref());
        loop {
            let lane = expected();
            let places = if lane == Lane::Quick { &self.quick } else { &self.slow };
            // They are never closed.
            let permit = places.acquire().await.ok();
            if expected() == lane {
                return (lane, permit);
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn expected(&self, caller: &Caller, digest: Option<&str>) -> Lane {
        let same = |seen: &&Seen| Some(seen.digest.as_str()) == digest;
        let surprise = self.surprises.get(&caller.policy).filter(same).map(|seen| seen.call);
        match self.last.get(caller).filter(|(seen, _)| same(&seen)) {
            Some((seen, Lane::Quick)) if Some(seen.call) > surprise => Lane::Quick,
            Some((_, Lane::Slow)) => Lane::Slow,
            _ if surprise.is_some() => Lane::Slow,
            _ => Lane::Quick,
        }
    }

    fn learn(&mut self, caller: &Caller, digest: &str, lane: Lane, took: Lane) {
        self.calls += 1;
        let seen = Seen { digest: digest.to_owned(), call: self.calls };
        if (lane, took) == (Lane::Quick, Lane::Slow) {
            self.surprises.insert(caller.policy.clone(), seen.clone());
        }
        self.last.insert(caller.clone(), (seen, took));
    }
}

#[cfg(test)]
mod tests;
