//! Swaps: what is in force before, while and after files come, change and go.

use std::{
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

use aviary_policy::{Kind, Limits, Notice, Source};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    guest::{Guest, LOOP, MAGIC},
    world::{World, hurried},
};

/// Hands each log line of a policy to the test, as `policy: message`.
struct Lines(Sender<String>);

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{value:?} "));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.send(line.0).ok();
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Says that it began, and then works for a while.
fn slow(version: &str) -> Vec<u8> {
    let mut guest = Guest::new(Kind::Classifier, version);
    let answer = guest.usual_answer();
    let work = format!(
        "(loop $work (global.set $count (i32.add (global.get $count) (i32.const 1)))
           (br_if $work (i32.lt_u (global.get $count) (i32.const 300000000)))) {answer}"
    );
    let body = guest.saying(1, "began", 1, &work);
    guest.when_magic(&body).module()
}

#[test]
fn a_call_under_way_ends_on_the_policy_it_began_with() {
    let world = World::with(Limits { time: Duration::from_secs(60), ..Limits::default() });
    world.load(&slow("1.0.0"));
    let (lines, said) = mpsc::channel();
    thread::scope(|scope| {
        let call = scope.spawn(|| tracing::subscriber::with_default(Lines(lines), || world.classify(MAGIC)));
        let line = said.recv_timeout(Duration::from_secs(30)).expect("the call begins");
        assert!(line.contains("began") && line.contains("custom"), "{line}");
        world.load(&Guest::new(Kind::Classifier, "2.0.0").module());
        assert_eq!(world.classify(5).policy.version, "2.0.0", "the next call is the new one's");
        let answer = call.join().expect("the call ends");
        assert_eq!(answer.policy.version, "1.0.0");
        assert_eq!(answer.result.expect("an answer").reason, "said by 1.0.0");
    });
}

#[test]
fn many_calls_and_swaps_at_once_never_mix_answer_and_policy() {
    let world = World::new();
    let versions = ["1.0.0", "2.0.0"].map(|version| Guest::new(Kind::Classifier, version).module());
    world.load(&versions[0]);
    thread::scope(|scope| {
        let ask = || {
            for _ in 0..300 {
                let answer = world.classify(5);
                let reason = answer.result.expect("an answer").reason;
                assert_eq!(reason, format!("said by {}", answer.policy.version));
            }
        };
        let callers = [scope.spawn(ask), scope.spawn(ask)];
        for round in 1.. {
            world.load(&versions[round % 2]);
            if callers.iter().all(thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
    });
}

#[test]
fn a_refused_drop_leaves_what_was_there_and_is_said_once() {
    let world = World::new();
    world.load(&Guest::new(Kind::Classifier, "1.0.0").module());
    for bad in [&b"nothing"[..], b"", &Guest::new(Kind::Classifier, "2.0.0").answer("unreachable").module()] {
        world.refusal(bad);
        assert_eq!(world.classify(5).result.expect("the old one").reason, "said by 1.0.0");
        assert_eq!(world.scan(), [], "said once");
        assert_eq!(world.policies.problems().len(), 1);
        assert!(world.policies.list().iter().any(|info| info.problem.is_some() && info.identity.version == "1.0.0"));
    }
    world.load(&Guest::new(Kind::Classifier, "3.0.0").module());
    assert_eq!(world.policies.problems(), []);
    assert_eq!(world.version().as_deref(), Some("3.0.0"));
}

#[test]
fn a_refused_file_that_goes_or_becomes_what_it_was_is_no_problem_any_more() {
    let world = World::new();
    let sound = Guest::new(Kind::Classifier, "1.0.0").module();
    world.load(&sound);
    world.refusal(b"nothing");
    world.load(&sound);
    assert_eq!(world.policies.problems(), []);
    world.write("other.wasm", b"nothing");
    assert_eq!(world.scan().len(), 1);
    world.remove("other.wasm");
    assert_eq!(world.scan(), []);
    assert_eq!(world.policies.problems(), []);
}

#[test]
fn another_kind_under_the_same_name_is_refused() {
    let world = World::new();
    world.load(&Guest::new(Kind::Classifier, "1.0.0").module());
    let reason = world.refusal(&Guest::new(Kind::Analyzer, "1.0.0").module());
    assert!(reason.contains("it is an analyzer") && reason.contains("is a classifier"), "{reason}");
    assert!(world.classify(5).result.is_ok());
}

#[test]
fn a_custom_policy_whose_file_goes_stays_in_force_and_is_flagged() {
    let world = World::new();
    let sound = Guest::new(Kind::Classifier, "1.0.0").module();
    world.load(&sound);
    world.remove("custom.wasm");
    assert!(matches!(world.scan().as_slice(), [Notice::Removed { policy, .. }] if policy.version == "1.0.0"));
    assert_eq!(world.scan(), [], "said once");
    assert!(world.classify(5).result.is_ok());
    let source =
        || world.policies.list().into_iter().find(|info| info.identity.name == "custom").map(|info| info.source);
    let path = world.folder.join("custom.wasm");
    assert_eq!(source(), Some(Source::RemovedFile(path.clone())));
    world.load(&sound);
    assert_eq!(source(), Some(Source::File(path)));
}

#[test]
fn a_drop_that_took_too_long_is_tried_again_but_not_told_again() {
    let world = World::with(hurried());
    world.refusal(&Guest::new(Kind::Classifier, "1.0.0").answer(LOOP).module());
    assert_eq!(world.scan(), []);
    assert_eq!(world.policies.problems().len(), 1);
}

#[test]
fn clones_share_one_registry() {
    let world = World::new();
    let clone = world.policies.clone();
    world.load(&Guest::new(Kind::Classifier, "1.0.0").module());
    assert!(clone.list().iter().any(|info| info.identity.name == "custom"));
}
