//! Which calls begin before which; nothing here looks at a clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aviary_core::judge::PolicyIdentity;
use aviary_policy::{Answer, Spent};
use proptest::prelude::*;
use tokio::{sync::oneshot, task::yield_now};

use super::{Caller, Lanes};

/// Lanes on one thread, and calls that end when the test says so.
#[derive(Clone)]
struct Stage {
    lanes: Arc<Lanes>,
    digests: Arc<Mutex<BTreeMap<String, String>>>,
    /// The calls that began, in order, as `policy service`.
    begun: Arc<Mutex<Vec<String>>>,
    /// Those under way, and how each is told what it took.
    running: Arc<Mutex<BTreeMap<String, oneshot::Sender<Duration>>>>,
}

impl Stage {
    fn new(quick: usize) -> Self {
        let lanes = Arc::new(Lanes::new(quick));
        Self { lanes, digests: Arc::default(), begun: Arc::default(), running: Arc::default() }
    }

    /// A service asks a policy.
    async fn ask(&self, policy: &str, service: &str) {
        let stage = self.clone();
        let caller = Caller { policy: policy.to_owned(), service: service.to_owned() };
        tokio::spawn(async move {
            let digest = || Some(stage.digest(&caller.policy));
            stage.lanes.run(&caller, digest, stage.call(&caller)).await.expect("an answer");
        });
        settle().await;
    }

    async fn call(&self, caller: &Caller) -> Result<Answer<()>, String> {
        let name = format!("{} {}", caller.policy, caller.service);
        let (end, ended) = oneshot::channel();
        self.begun.lock().expect("sound").push(name.clone());
        self.running.lock().expect("sound").insert(name, end);
        let digest = self.digest(&caller.policy);
        let time = ended.await.expect("the test ends each call");
        let policy = PolicyIdentity { name: caller.policy.clone(), version: "1".to_owned(), digest };
        Ok(Answer { policy, result: Ok(()), logs: vec![], logs_cut: 0, spent: Spent { time, memory: 0 } })
    }

    fn digest(&self, policy: &str) -> String {
        self.digests.lock().expect("sound").get(policy).cloned().unwrap_or_default()
    }

    fn swap(&self, policy: &str, digest: &str) {
        self.digests.lock().expect("sound").insert(policy.to_owned(), digest.to_owned());
    }

    /// Ends a call that is under way.
    async fn end(&self, call: &str, milliseconds: u64) {
        let end = self.running.lock().expect("sound").remove(call).unwrap_or_else(|| panic!("{call} does not run"));
        end.send(Duration::from_millis(milliseconds)).expect("it waits");
        settle().await;
    }

    fn running(&self) -> Vec<String> {
        self.running.lock().expect("sound").keys().cloned().collect()
    }

    fn has_begun(&self, call: &str) -> bool {
        self.begun.lock().expect("sound").iter().any(|begun| begun == call)
    }

    /// Ends whatever began first until `call` has begun: calls of a policy called `loops...` take a second, others nothing.
    /// Tells how many of the slow ones ended before.
    async fn until(&self, call: &str) -> usize {
        let mut ended = 0;
        while !self.has_begun(call) {
            let running = self.running();
            let begun = self.begun.lock().expect("sound").clone();
            let next = begun.into_iter().find(|call| running.contains(call)).expect("somebody runs");
            let slow = next.starts_with("loops");
            ended += usize::from(slow);
            self.end(&next, if slow { 1_000 } else { 0 }).await;
        }
        ended
    }
}

/// Until nobody has anything to do but wait; more turns than there are tasks in a chain.
async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

#[tokio::test]
async fn no_more_run_at_once_than_there_is_room_for() {
    let stage = Stage::new(2);
    for service in 0..80 {
        stage.ask("sound", &service.to_string()).await;
    }
    assert_eq!(stage.running(), ["sound 0", "sound 1"]);
    stage.end("sound 1", 0).await;
    assert_eq!(stage.running(), ["sound 0", "sound 2"], "first come, first served");
}

#[tokio::test]
async fn sixty_services_whose_policy_loops_hold_up_the_others_for_the_calls_under_way_only() {
    let stage = Stage::new(2);
    for service in 0..60 {
        stage.ask("loops", &service.to_string()).await;
    }
    stage.ask("sound", "other").await;
    stage.end("loops 0", 1_000).await;
    assert!(stage.has_begun("sound other"), "the first that loops is enough: {:?}", stage.running());
    assert_eq!(stage.running(), ["loops 1", "loops 2", "sound other"], "one of them at a time beside what ran already");
}

#[tokio::test]
async fn what_stays_slow_costs_the_others_nothing() {
    let stage = Stage::new(2);
    stage.ask("loops", "0").await;
    stage.end("loops 0", 1_000).await;
    for service in 0..60 {
        stage.ask("loops", &service.to_string()).await;
    }
    for service in ["a", "b"] {
        stage.ask("sound", service).await;
    }
    assert_eq!(stage.running(), ["loops 0", "sound a", "sound b"]);
}

#[tokio::test]
async fn policies_that_turn_slow_at_once_delay_by_one_call_each() {
    let stage = Stage::new(2);
    let policies = 5;
    for service in 0..50 {
        stage.ask(&format!("loops{}", service % policies), &service.to_string()).await;
    }
    stage.ask("sound", "other").await;
    let slow = stage.until("sound other").await;
    assert!(slow <= policies * 3, "{slow} calls ended on three places before: more than {policies} times the limit");
}

#[tokio::test]
async fn slow_calls_are_served_while_quick_ones_fill_their_lane() {
    let stage = Stage::new(1);
    stage.ask("loops", "0").await;
    stage.end("loops 0", 1_000).await;
    for service in 0..10 {
        stage.ask("sound", &service.to_string()).await;
    }
    stage.ask("loops", "0").await;
    assert_eq!(stage.running(), ["loops 0", "sound 0"]);
}

#[tokio::test]
async fn a_service_for_which_the_policy_is_quick_is_quick_again_after_one_call() {
    let stage = Stage::new(2);
    stage.ask("mixed", "good").await;
    stage.ask("mixed", "bad").await;
    stage.end("mixed good", 0).await;
    stage.end("mixed bad", 1_000).await;
    stage.ask("mixed", "bad").await;
    stage.ask("mixed", "good").await;
    assert_eq!(stage.running(), ["mixed bad"], "it may have turned slow for all");
    stage.end("mixed bad", 1_000).await;
    stage.end("mixed good", 0).await;
    stage.ask("mixed", "bad").await;
    stage.ask("mixed", "good").await;
    assert_eq!(stage.running(), ["mixed bad", "mixed good"], "it has not for this one");
}

#[tokio::test]
async fn a_new_content_of_the_file_is_thought_quick_again() {
    let stage = Stage::new(2);
    stage.ask("loops", "0").await;
    stage.end("loops 0", 1_000).await;
    stage.swap("loops", "mended");
    for service in ["0", "1", "2"] {
        stage.ask("loops", service).await;
    }
    assert_eq!(stage.running(), ["loops 0", "loops 1"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is asked, swapped and ended in whatever order: the bound on calls at once holds, and nobody is forgotten.
    #[test]
    fn everybody_is_answered_and_never_too_many_at_once(acts in prop::collection::vec((0..3_u8, 0..6_usize, any::<bool>()), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let stage = Stage::new(2);
            let mut asked = 0;
            for (number, (act, which, slow)) in acts.into_iter().enumerate() {
                match (act, stage.running().get(which)) {
                    (0, _) => {
                        stage.ask(&format!("policy{}", which % 3), &number.to_string()).await;
                        asked += 1;
                    }
                    (1, _) => stage.swap(&format!("policy{}", which % 3), &number.to_string()),
                    (_, Some(call)) => stage.end(call, if slow { 1_000 } else { 0 }).await,
                    (_, None) => {}
                }
                assert!(stage.running().len() <= 3, "{:?}", stage.running());
            }
            while let Some(call) = stage.running().first() {
                stage.end(call, 0).await;
            }
            assert_eq!(stage.begun.lock().expect("sound").len(), asked);
        });
    }
}
