//! What is let in and what is not, and whether the reason helps.

use std::{fs, os::unix::fs::symlink};

use aviary_policy::{Kind, Notice};

use crate::{
    guest::{BOMB, CONTRACT, Guest, LOOP, RECURSION, TRAP, component, module},
    world::{World, hurried},
};

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
fn each_kind_is_taken_as_a_module_and_as_a_component() {
    for kind in Kind::ALL {
        for bytes in [Guest::new(kind, "1.0.0").module(), Guest::new(kind, "1.0.0").component()] {
            let world = World::new();
            world.load(&bytes);
            let info = world.policies.list().into_iter().find(|info| info.identity.name == "custom").expect("it");
            assert_eq!((info.kind, info.identity.version.as_str()), (kind, "1.0.0"));
            assert_eq!((info.own_name.as_str(), info.problem), ("by-hand", None));
        }
    }
}

#[test]
fn what_is_no_webassembly_is_named() {
    let world = World::new();
    contains(&world.refusal(b""), &["the file is empty", "cargo build"]);
    contains(&world.refusal(b"version https://git-lfs"), &["not WebAssembly", "begins with `version http`"]);
    contains(&world.refusal(b"\0asm\x01"), &["cut short", "5 bytes"]);
    contains(&world.refusal(b"\0asm\x07\x07\x07\x07"), &["version bytes"]);
}

#[test]
fn another_purpose_is_named_with_what_this_host_speaks() {
    let world = World::new();
    let speaks = ["aviary:policy@1.0.0", "classify", "analyze", "next"];
    let empty_component = b"\0asm\x0d\x00\x01\x00";
    contains(&world.refusal(empty_component), &[&["exports nothing"], &speaks[..]].concat());
    contains(&world.refusal(&wat::parse_str("(module)").expect("text")), &["exports nothing"]);
    let other = module(
        r#"(module (func (export "brew") (result i32) i32.const 1))"#,
        "package test:coffee; world machine { export brew: func() -> u32; }",
        "machine",
    );
    contains(&world.refusal(&other), &["exports brew"]);
}

#[test]
fn imports_of_wasi_are_refused_with_the_remedy() {
    let world = World::new();
    let preview1 =
        r#"(module (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32))))"#;
    let reason = world.refusal(&wat::parse_str(preview1).expect("text"));
    contains(&reason, &["wasi_snapshot_preview1::clock_time_get", "wasm32-unknown-unknown", "no clock"]);
    let wit = "package test:clock; \
        world clock { import wasi:clocks/wall-clock@0.2.0; export describe: func(); }";
    let wit = format!("{wit}\npackage wasi:clocks@0.2.0 {{ interface wall-clock {{ now: func() -> u64; }} }}");
    let preview2 = module(
        r#"(module (import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (result i64)))
             (func (export "describe") (drop (call $now))))"#,
        &wit,
        "clock",
    );
    contains(&world.refusal(&component(&preview2)), &["wasi:clocks/wall-clock@0.2.0", "wasm32-unknown-unknown"]);
}

#[test]
fn a_javascript_shim_is_refused() {
    let shim = r#"(module (import "__wbindgen_placeholder__" "__wbindgen_throw" (func (param i32 i32))))"#;
    let reason = World::new().refusal(&wat::parse_str(shim).expect("text"));
    contains(&reason, &["__wbindgen_placeholder__", "remove the dependency"]);
}

#[test]
fn a_record_that_differs_does_not_link_and_says_so() {
    let changed = CONTRACT.replace("replicas-before: u32,", "replicas-before: u32, colour: string,");
    let reason = World::new().refusal(&Guest::new(Kind::Classifier, "1.0.0").against(&changed).module());
    contains(&reason, &["does not link", "aviary:policy@1.0.0", "build it again"]);
}

#[test]
fn a_newer_contract_of_the_same_major_loads_and_another_major_does_not() {
    let newer = |version: &str| CONTRACT.replace("aviary:policy@1.0.0", &format!("aviary:policy@{version}"));
    let world = World::new();
    let guest = |version: &str| Guest::new(Kind::Analyzer, "1.0.0").log_version(version).against(&newer(version));
    world.load(&guest("1.1.0").module());
    contains(
        &world.refusal(&guest("2.0.0").module()),
        &["aviary:policy/", "@2.0.0", "another version of the contract"],
    );
    contains(&world.refusal(&guest("0.9.0").module()), &["@0.9.0", "another version of the contract"]);
}

#[test]
fn a_guest_that_misbehaves_on_trial_is_refused_by_what_it_did() {
    let trials: [(&str, &[&str]); 4] = [
        (LOOP, &["longer than 100ms"]),
        (BOMB, &["of memory", "64 MiB it may have"]),
        (TRAP, &["unreachable"]),
        (RECURSION, &["stack"]),
    ];
    let world = World::with(hurried());
    for (body, parts) in trials {
        let guest = || Guest::new(Kind::Progression, "1.0.0");
        let acts = [
            (guest().describe(body), "asked to describe itself"),
            (guest().validate(body), "asked whether it accepts its own default parameters"),
            (guest().answer(body), "asked about a situation with ordinary content"),
        ];
        for (guest, act) in acts {
            let reason = world.refusal(&guest.module());
            contains(&reason, parts);
            contains(&reason, &["on trial", act]);
        }
    }
}

#[test]
fn a_guest_that_never_gets_ready_is_refused() {
    let world = World::with(hurried());
    for (body, parts) in [(LOOP, &["longer than 100ms"]), (BOMB, &["of memory"]), (TRAP, &["unreachable"])] {
        let reason = world.refusal(&Guest::new(Kind::Analyzer, "1.0.0").start(body).module());
        contains(&reason, parts);
        contains(&reason, &["on trial", "asked to describe itself"]);
    }
}

#[test]
fn a_panic_on_trial_is_told_in_its_own_words() {
    let mut guest = Guest::new(Kind::Analyzer, "1.0.0");
    let body = guest.saying(3, "panicked at src/lib.rs:7:5: no such metric", 1, TRAP);
    let reason = World::new().refusal(&guest.answer(&body).module());
    contains(&reason, &["panicked", "src/lib.rs:7:5: no such metric"]);
}

#[test]
fn a_guest_whose_first_memory_is_too_large_is_refused() {
    let limits = aviary_policy::Limits { memory: 4 << 20, ..Default::default() };
    let reason = World::with(limits).refusal(&Guest::new(Kind::Analyzer, "1.0.0").module());
    contains(&reason, &["wanted 8 MiB of memory", "4 MiB it may have"]);
}

#[test]
fn a_description_is_checked() {
    let world = World::new();
    let guest = || Guest::new(Kind::Analyzer, "1.0.0");
    contains(&world.refusal(&guest().summary(" ").module()), &["summary is empty", "`description` in Cargo.toml"]);
    contains(&world.refusal(&guest().summary(&"s".repeat(3000)).module()), &["summary has 3000 bytes"]);
    contains(&world.refusal(&guest().schema("{").module()), &["schema", "is not JSON"]);
    contains(&world.refusal(&guest().schema("[]").module()), &["schema", "JSON object"]);
    contains(&world.refusal(&Guest::new(Kind::Analyzer, "").module()), &["version is empty"]);
}

#[test]
fn files_that_are_no_files_are_named_and_do_not_block() {
    let world = World::new();
    fs::create_dir(world.folder.join("directory.wasm")).expect("a directory");
    symlink("loop.wasm", world.folder.join("loop.wasm")).expect("a link");
    symlink("nowhere", world.folder.join("dangling.wasm")).expect("a link");
    make_pipe(&world.folder.join("pipe.wasm"));
    symlink("/dev/zero", world.folder.join("device.wasm")).expect("a link");
    // A regular file for all that can be asked, and yet no read succeeds: for root too.
    symlink("/proc/self/mem", world.folder.join("unreadable.wasm")).expect("a link");
    world.write("Bad_Name.wasm", b"");
    let file = fs::File::create(world.folder.join("huge.wasm")).expect("a file");
    file.set_len(1 << 30).expect("a sparse file");
    let expected = [
        ("Bad_Name", "lower-case letters"),
        ("dangling", "leads nowhere"),
        ("device", "not a regular file"),
        ("directory", "is a directory"),
        ("huge", "larger than 16 MiB"),
        ("loop", "cannot be read"),
        ("pipe", "not a regular file"),
        ("unreadable", "cannot be read"),
    ];
    let notices = world.scan();
    assert_eq!(notices.len(), expected.len(), "{notices:?}");
    for (notice, (name, part)) in notices.iter().zip(expected) {
        assert_eq!(notice.policy(), Some(name));
        contains(&notice.to_string(), &[part]);
    }
    assert_eq!(world.scan(), [], "each is said once");
    assert_eq!(world.policies.problems().len(), expected.len());
}

#[test]
fn the_name_of_a_file_cannot_forge_a_line_or_speak_to_the_terminal() {
    let world = World::new();
    world.write("evil\x1b[2J\nERROR all is lost.wasm", b"");
    let told = world.scan().iter().map(ToString::to_string).collect::<String>();
    contains(&told, &["evil", "ERROR all is lost", "lower-case letters"]);
    let problems = world.policies.problems();
    assert!([&told, &problems[0].name].iter().all(|text| !text.contains(char::is_control)), "{told:?}");
}

#[test]
fn hidden_and_other_files_are_none_of_our_business() {
    let world = World::new();
    let sound = Guest::new(Kind::Analyzer, "1.0.0").module();
    for name in [".hidden.wasm", ".wasm", "custom.wasm.tmp", "custom.wat", "README.md", "custom.wasm~"] {
        world.write(name, &sound);
    }
    assert_eq!(world.scan(), []);
}

#[test]
fn a_folder_that_cannot_be_read_is_said_once_and_its_return_too() {
    let world = World::new();
    fs::remove_dir(&world.folder).expect("an empty folder");
    assert!(matches!(world.scan().as_slice(), [Notice::FolderUnreadable { .. }]));
    assert_eq!(world.scan(), []);
    assert!(world.policies.folder_problem().is_some());
    fs::create_dir(&world.folder).expect("a folder");
    assert!(matches!(world.scan().as_slice(), [Notice::FolderReadable { .. }]));
    assert_eq!(world.policies.folder_problem(), None);
}

fn make_pipe(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo is there");
    assert!(made.success());
}
