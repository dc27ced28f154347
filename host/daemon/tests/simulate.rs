//! The program itself: it needs no cluster, no kubeconfig and no network, and tells by its exit code how a release ended.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/aviary.yaml")
}

fn simulate(release: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aviary"));
    command.env_clear().args(["simulate", "--service", "shop/orders", "--config"]).arg(example());
    command.args(["--release", release]).args(more).output().expect("aviary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn the_exit_code_tells_how_it_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let errors = folder.path().join("errors.yaml");
    std::fs::write(&errors, "candidate: { metrics: { errors: { value: 2 } } }").expect("a file");
    let errors = errors.to_str().expect("UTF-8");
    let table: [(&str, &[&str], i32); 6] = [
        ("memory-leak", &[], 0),
        (errors, &[], 2),
        (errors, &["--until", "1m"], 3),
        (errors, &["--expect", "rolled-back"], 0),
        (errors, &["--expect", "promoted"], 4),
        (errors, &["--runs", "3", "--expect", "rolled-back"], 0),
    ];
    for (release, more, code) in table {
        let output = simulate(release, more);
        assert_eq!(output.status.code(), Some(code), "{release} {more:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_bad_file_is_an_error_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = folder.path().join("bad.yaml");
    std::fs::write(&bad, "replicas: ten\nexpects: promoted\n").expect("a file");
    let bad = bad.to_str().expect("UTF-8");
    let output = simulate(bad, &[]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(said.contains(&format!("{bad}:1:11: replicas: is not a count")), "{said}");
    assert!(
        said.contains(&format!("{bad}:2:1: expects: unknown field \"expects\": did you mean \"expect\"?")),
        "{said}"
    );
    let output = simulate("nothing-of-that-name", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("name a file, or one of good, crash-loop,"), "{}", text(&output.stderr));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_json_has_the_whole_story() {
    let told = |seed| simulate("crash-loop", &["--output", "json", "--seed", seed]).stdout;
    assert_eq!(told("3"), told("3"));
    let json: serde_json::Value = serde_json::from_slice(&told("3")).expect("JSON");
    assert_eq!((json["outcome"].as_str(), json["seed"].as_u64()), (Some("rolled-back"), Some(3)));
    let timeline = json["timeline"].as_array().expect("a timeline");
    assert!(timeline.iter().any(|entry| entry["check"] == "critical"), "{json}");
    assert_eq!(timeline.last().and_then(|entry| entry["event"].as_str()), Some("RolledBack"));
}

#[test]
fn a_release_that_comes_along_is_listed_and_can_be_printed() {
    let aviary = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_aviary")).args(arguments).output().expect("aviary runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let names: Vec<String> =
        aviary(&["simulate", "--list"]).lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect();
    let releases = example().with_file_name("releases");
    let mut files: Vec<String> = std::fs::read_dir(&releases)
        .expect("releases")
        .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    files.sort();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, files);
    for name in names {
        let file = std::fs::read_to_string(releases.join(format!("{name}.yaml"))).expect("a release");
        assert_eq!(aviary(&["simulate", "--print", &name]), file);
    }
}
