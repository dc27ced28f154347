//! Calls: what comes back from sound guests, and from guests that turn bad only after they were let in.

use std::{thread, time::Instant};

use aviary_core::judge::{ChangeKind, Next};
use aviary_policy::{Answer, Kind, Limits, LogLevel, PolicyError, Trap, Use};
use serde_json::{Value, json};

use crate::{
    guest::{BOMB, Guest, LOOP, MAGIC, RECURSION, TRAP},
    world::{World, change, hurried, observation, situation},
};

/// The message of the trap that an analyzer answers with at the magic time.
fn analyzer_trap(body: impl FnOnce(&mut Guest) -> String) -> String {
    let mut guest = Guest::new(Kind::Analyzer, "1.0.0");
    let body = body(&mut guest);
    let world = World::new();
    world.load(&guest.when_magic(&body).module());
    world.policies.analyze("custom", &observation(1), &Value::Null).result.expect("it is sound at other times");
    let answer = world.policies.analyze("custom", &observation(MAGIC.into()), &Value::Null);
    answer.result.expect_err("it turns bad").to_string()
}

fn progression_answer(next: u32, pods: u32, reason: &str) -> Answer<aviary_core::judge::Move> {
    let mut guest = Guest::new(Kind::Progression, "1.0.0");
    let body = guest.decision(next, pods, reason);
    let world = World::new();
    world.load(&guest.when_magic(&body).module());
    world.policies.next("custom", &situation(MAGIC.into()), &Value::Null)
}

#[test]
fn an_answer_carries_the_policy_behind_it() {
    let world = World::new();
    world.load(&Guest::new(Kind::Classifier, "1.2.3").module());
    let answer = world.classify(5);
    let classification = answer.result.expect("an answer");
    assert_eq!((classification.kind, classification.reason.as_str()), (ChangeKind::Canary, "said by 1.2.3"));
    assert_eq!((answer.policy.name.as_str(), answer.policy.version.as_str()), ("custom", "1.2.3"));
    assert!(answer.policy.digest.starts_with("sha256:") && answer.policy.digest.len() == 71);
}

#[test]
fn each_limit_is_named_when_it_is_hit_and_the_next_call_is_sound() {
    for (body, expected) in [
        (LOOP, "took longer than 100ms"),
        (BOMB, "of memory, more than the 64 MiB it may have"),
        (TRAP, "unreachable"),
        (RECURSION, "stack"),
    ] {
        let world = World::with(hurried());
        world.load(&Guest::new(Kind::Classifier, "1.0.0").when_magic(body).module());
        let trap = world.classify(MAGIC).result.expect_err("a trap").to_string();
        assert!(trap.contains(expected), "{trap}");
        assert!(world.classify(5).result.is_ok(), "a fresh instance knows nothing of it");
    }
}

#[test]
fn a_call_that_never_ends_is_ended_near_its_limit() {
    let world = World::with(hurried());
    world.load(&Guest::new(Kind::Classifier, "1.0.0").when_magic(LOOP).module());
    let start = Instant::now();
    assert_eq!(world.classify(MAGIC).result, Err(Trap::Time { limit: "100ms".to_owned() }));
    let took = start.elapsed().as_millis();
    assert!((100..2_000).contains(&took), "{took} ms");
}

#[test]
fn an_answer_out_of_range_is_a_trap_that_names_the_field() {
    let score = |value: f64| analyzer_trap(|guest| guest.finding(value, "fine"));
    assert!(score(f64::NAN).contains("score is NaN; it must be from 0 to 100"));
    assert!(score(f64::INFINITY).contains("score is inf"));
    assert!(score(100.5).contains("score is 100.5"));
    assert!(analyzer_trap(|guest| guest.finding(1.0, " \n")).contains("reason is empty"));
    assert!(analyzer_trap(|guest| guest.finding(1.0, &"w".repeat(2_001))).contains("reason has 2001 bytes"));
}

#[test]
fn an_answer_of_megabytes_is_never_copied() {
    let trap = analyzer_trap(|guest| guest.finding_of_length(3 << 20));
    assert!(trap.contains("passed more than 1 MiB at once"), "{trap}");
    let trap = analyzer_trap(|guest| guest.finding_of_lines(30_000));
    assert!(trap.contains("passed more than 1 MiB at once"), "{trap}");
}

#[test]
fn an_answer_that_reaches_beyond_the_memory_is_a_trap() {
    for trap in [
        analyzer_trap(|guest| guest.finding_of_length(100 << 20)),
        analyzer_trap(|guest| guest.finding_of_length(u32::MAX)),
        analyzer_trap(|guest| guest.finding_of_lines(u32::MAX)),
    ] {
        assert!(trap.starts_with("trapped: ") || trap.contains("passed more than"), "{trap}");
    }
}

#[test]
fn many_that_misbehave_at_once_leave_the_sound_ones_their_answers() {
    let world = World::with(hurried());
    let bodies = [("loops", LOOP), ("bombs", BOMB), ("traps", TRAP), ("recurses", RECURSION)];
    for (name, body) in bodies {
        world.write(&format!("{name}.wasm"), &Guest::new(Kind::Classifier, "1.0.0").when_magic(body).module());
    }
    world.write("custom.wasm", &Guest::new(Kind::Classifier, "1.0.0").module());
    assert_eq!(world.scan().iter().filter(|notice| notice.is_problem()).count(), 0);
    let policies = &world.policies;
    thread::scope(|scope| {
        for (name, _) in bodies.into_iter().cycle().take(16) {
            scope.spawn(move || policies.classify(name, &change(MAGIC), &Value::Null).result.expect_err(name));
        }
        for _ in 0..4 {
            scope.spawn(|| world.classify(MAGIC).result.expect("it is sound"));
        }
    });
}

#[test]
fn moves_are_told_apart_and_advancing_to_nothing_is_a_trap() {
    let next = |answer: Answer<aviary_core::judge::Move>| answer.result.map(|said| said.next);
    assert_eq!(next(progression_answer(1, 3, "on")), Ok(Next::Advance(3)));
    assert_eq!(next(progression_answer(2, 0, "up")), Ok(Next::Promote));
    assert_eq!(next(progression_answer(3, 0, "back")), Ok(Next::Rollback));
    assert_eq!(next(progression_answer(4, 0, "wait")), Ok(Next::Pause));
    let trap = next(progression_answer(1, 0, "nothing")).expect_err("no size").to_string();
    assert!(trap.contains("advance to 0 pods"), "{trap}");
    let trap = next(progression_answer(9, 0, "what")).expect_err("no case").to_string();
    assert!(trap.contains("discriminant"), "{trap}");
}

#[test]
fn a_reason_cannot_forge_lines() {
    let answer = progression_answer(0, 0, "waiting\nERROR all is lost\x1b[2J");
    assert_eq!(answer.result.expect("an answer").reason, "waiting ERROR all is lost [2J");
}

#[test]
fn log_lines_come_back_bounded_in_number_and_length() {
    let mut guest = Guest::new(Kind::Classifier, "1.0.0");
    let usual = guest.usual_answer();
    let body = guest.saying(2, &"long ".repeat(20), 40, &usual);
    let world = World::with(Limits { log_lines: 3, log_line: 10, ..Limits::default() });
    world.load(&guest.answer(&body).module());
    let answer = world.classify(5);
    assert!(answer.result.is_ok());
    assert_eq!((answer.logs.len(), answer.logs_cut), (3, 37));
    assert_eq!((answer.logs[0].level, answer.logs[0].message.as_str()), (LogLevel::Warn, "long long ..."));
}

#[test]
fn a_panic_behind_a_flood_of_lines_keeps_its_last_word() {
    let mut guest = Guest::new(Kind::Classifier, "1.0.0");
    let last = guest.saying(3, "panicked: too much", 101, TRAP);
    let flood = guest.saying(0, "noise", 100, &last);
    let world = World::new();
    world.load(&guest.when_magic(&flood.replace("$again", "$b")).module());
    assert_eq!(world.classify(MAGIC).result, Err(Trap::Panic("panicked: too much".to_owned())));
}

#[test]
fn a_question_to_nobody_or_to_the_wrong_one_says_what_to_do() {
    let world = World::new();
    world.load(&Guest::new(Kind::Classifier, "1.0.0").module());
    let missing = world.policies.classify("latency", &change(5), &Value::Null);
    assert_eq!(missing.policy.version, "none");
    let trap = missing.result.expect_err("nobody").to_string();
    assert!(trap.contains("put latency.wasm into the policy folder") && trap.contains("custom"), "{trap}");
    let trap = world.policies.next("custom", &situation(1), &Value::Null).result.expect_err("wrong").to_string();
    assert!(trap.contains("is a classifier, not a progression"), "{trap}");
}

#[test]
fn parameters_are_judged_by_the_policy() {
    let world = World::new();
    world.load(&Guest::new(Kind::Analyzer, "1.0.0").choosy("I take none").module());
    let validate = |parameters| world.policies.validate(Kind::Analyzer, "custom", &parameters);
    assert_eq!(validate(json!({})).expect("accepted").version, "1.0.0");
    assert!(validate(Value::Null).is_ok(), "its own defaults");
    let refused = PolicyError::Parameters { name: "custom".to_owned(), reason: "I take none".to_owned() };
    assert_eq!(validate(json!({"limit": 3})), Err(refused));
    let missing = world.policies.validate(Kind::Analyzer, "nobody", &Value::Null).expect_err("nobody").to_string();
    assert!(missing.contains("`nobody` does not exist"), "{missing}");
}

#[test]
fn a_drop_that_does_not_take_the_parameters_in_use_is_refused_until_they_change() {
    let world = World::new();
    world.load(&Guest::new(Kind::Analyzer, "1.0.0").module());
    let used = Use {
        by: "service shop/orders".to_owned(),
        kind: Kind::Analyzer,
        policy: "custom".to_owned(),
        parameters: json!({"limit": 3}),
    };
    world.policies.set_uses(vec![used]);
    let reason = world.refusal(&Guest::new(Kind::Analyzer, "2.0.0").choosy("I take none").module());
    assert!(reason.contains("service shop/orders") && reason.contains("I take none"), "{reason}");
    assert_eq!(world.version().as_deref(), Some("1.0.0"));
    assert_eq!(world.scan(), [], "said once");
    world.policies.set_uses(vec![]);
    assert_eq!(world.scan().len(), 1, "it gets another trial");
    assert_eq!(world.version().as_deref(), Some("2.0.0"));
}
