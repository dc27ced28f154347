//! What can be told of a file without a daemon is what the daemon says, and all of it.

use std::fs;

use aviary_policy::{Form, Inspection, Kind, Limits, inspect};
use serde_json::{Value, json};

use crate::{
    guest::{BOMB, CONTRACT, Guest, LOOP, RECURSION, TRAP, module},
    world::{World, hurried},
};

fn inspected_as(file: &str, bytes: &[u8], parameters: &Value, limits: Limits) -> Inspection {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(file);
    fs::write(&path, bytes).expect("the folder can be written");
    inspect(&path, parameters, limits).expect("an engine")
}

fn inspected(bytes: &[u8]) -> Inspection {
    inspected_as("custom.wasm", bytes, &Value::Null, hurried())
}

#[test]
fn a_sound_policy_is_told_in_full() {
    for kind in Kind::ALL {
        for (form, bytes) in [
            (Form::Module, Guest::new(kind, "1.2.3").module()),
            (Form::Component, Guest::new(kind, "1.2.3").component()),
        ] {
            let told = inspected(&bytes);
            assert_eq!(told.refusals, [""; 0]);
            assert_eq!((told.name.as_deref(), told.kind, told.form), (Some("custom"), Some(kind), Some(form)));
            assert_eq!((told.bytes, told.contract.as_deref()), (Some(bytes.len()), Some("aviary:policy@1.0.0")));
            assert!(told.imports.iter().any(|import| import == "aviary:policy/log@1.0.0"), "{:?}", told.imports);
            assert!(
                ["describe", "validate", kind.function()].iter().all(|name| told.exports.iter().any(|it| it == name))
            );
            assert_eq!(told.about.expect("it describes itself").version, "1.2.3");
            let calls = told.calls.expect("it is called");
            assert!(calls.count > 0 && calls.p50_microseconds <= calls.p99_microseconds, "{calls:?}");
            assert_eq!((calls.memory, calls.trap), (8 << 20, None), "the guest's first memory and no more");
        }
    }
}

/// Files that are refused, each for one reason or more.
fn refused() -> Vec<Vec<u8>> {
    let guest = || Guest::new(Kind::Progression, "1.0.0");
    let misbehaving = [LOOP, BOMB, TRAP, RECURSION].map(|body| guest().answer(body).module());
    let changed = CONTRACT.replace("replicas-before: u32,", "replicas-before: u32, colour: string,");
    let sound = guest().module();
    let others = [
        b"".to_vec(),
        b"version https://git-lfs".to_vec(),
        sound[..sound.len() / 2].to_vec(),
        wat::parse_str("(module)").expect("text"),
        guest().describe(TRAP).module(),
        guest().validate(TRAP).module(),
        guest().summary(" ").module(),
        guest().choosy("I take none").schema("{").module(),
        Guest::new(Kind::Classifier, "1.0.0").against(&changed).module(),
        module(
            r#"(module (func (export "brew") (result i32) i32.const 1))"#,
            "package test:coffee; world machine { export brew: func() -> u32; }",
            "machine",
        ),
    ];
    misbehaving.into_iter().chain(others).collect()
}

#[test]
fn what_the_daemon_says_of_a_bad_file_is_among_what_is_told() {
    for bytes in refused() {
        let reason = World::with(hurried()).refusal(&bytes);
        let told = inspected(&bytes).refusals;
        assert_eq!(told.first(), Some(&reason), "{told:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let imports = r#"(module
        (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
        (import "env" "secret" (func)))"#;
    let told = inspected_as("Bad_Name.wasm", &wat::parse_str(imports).expect("text"), &Value::Null, hurried());
    let expected = ["lower-case letters", "clock_time_get", "env::secret", "exports nothing"];
    assert_eq!(told.refusals.len(), expected.len(), "{:?}", told.refusals);
    for (reason, part) in told.refusals.iter().zip(expected) {
        assert!(reason.contains(part), "`{part}` is missing in: {reason}");
    }
    let guest = Guest::new(Kind::Analyzer, "").summary(" ").validate(TRAP).answer(TRAP);
    let told = inspected(&guest.module()).refusals.join("\n");
    let acts =
        ["version is empty; its summary is empty", "its own default parameters", "ordinary content", "empty lists"];
    assert!(acts.iter().all(|part| told.contains(part)), "{told}");
}

#[test]
fn given_parameters_are_held_against_it_and_used() {
    let choosy = || Guest::new(Kind::Analyzer, "1.0.0").choosy("I take none").module();
    let told = inspected_as("custom.wasm", &choosy(), &json!({"limit": 3}), hurried());
    assert!(matches!(&told.refusals[..], [reason] if reason.contains("I take none")), "{:?}", told.refusals);
    assert_eq!(inspected_as("custom.wasm", &choosy(), &json!({}), hurried()).refusals, [""; 0]);
}

#[test]
fn a_built_in_name_of_another_kind_is_told() {
    let bytes = Guest::new(Kind::Analyzer, "1.0.0").module();
    let told = inspected_as("breakpoint.wasm", &bytes, &Value::Null, hurried());
    assert!(matches!(&told.refusals[..], [reason] if reason.contains("it is an analyzer")), "{:?}", told.refusals);
    assert_eq!(inspected_as("threshold.wasm", &bytes, &Value::Null, hurried()).refusals, [""; 0]);
}

#[test]
fn a_policy_that_fails_only_at_a_typical_size_is_no_good_sign_and_yet_taken() {
    // Only the typical observation is longer than what its trial is.
    let body = "(if (i32.gt_u (global.get $next) (i32.const 4210000)) (then unreachable))";
    let mut guest = Guest::new(Kind::Analyzer, "1.0.0");
    let usual = guest.usual_answer();
    let told = inspected(&guest.answer(&format!("{body} {usual}")).module());
    assert_eq!(told.refusals, [""; 0]);
    let trap = told.calls.and_then(|calls| calls.trap).expect("a trap");
    assert!(trap.contains("unreachable"), "{trap}");
}

#[test]
fn a_file_that_is_none_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, part) in [("nothing.wasm", "no such file"), ("", "NAME.wasm")] {
        let told = inspect(&folder.path().join(path), &Value::Null, hurried()).expect("an engine").refusals.join("\n");
        assert!(told.contains(part), "{told}");
    }
}
