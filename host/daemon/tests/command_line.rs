//! The command line as a shell sees it: exit codes, and a reader that goes away.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    process::{Command, Output, Stdio},
};

fn aviary(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aviary")).args(arguments).output().unwrap()
}

#[test]
fn what_was_mistyped_is_an_error_and_not_an_outcome_and_help_is_none() {
    for mistyped in [&["simulate", "--relase", "good"][..], &["status", "--foo"], &["frobnicate"], &[]] {
        let output = aviary(mistyped);
        assert_eq!(output.status.code(), Some(1), "{mistyped:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{mistyped:?}");
    }
    for asked in [&["--help"][..], &["--version"], &["simulate", "--help"]] {
        let output = aviary(asked);
        assert_eq!(output.status.code(), Some(0), "{asked:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{asked:?}");
    }
}

#[test]
fn a_policy_folder_that_is_named_and_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aviary.yaml");
    std::fs::write(&file, "services: [{ name: foo, namespace: shop }]").unwrap();
    let output = aviary(&["config", "check", file.to_str().unwrap(), "--policies", "/nowhere"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("the policy folder /nowhere is not there"), "{said}");
}

#[test]
fn a_status_that_is_watched_ends_when_nobody_reads_it_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("aviary.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut watching = Command::new(env!("CARGO_BIN_EXE_aviary"))
        .args(["status", "--watch", "--output", "json", "--socket", socket.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(watching.stdout.take().unwrap());
    let answer = || {
        let (mut asked, _) = listener.accept().unwrap();
        BufReader::new(asked.try_clone().unwrap()).read_line(&mut String::new()).unwrap();
        asked.write_all(b"{\"version\":1,\"result\":{}}\n").unwrap();
    };
    answer();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "{}\n");
    drop(reader);
    answer();
    assert!(watching.wait().unwrap().success());
}
