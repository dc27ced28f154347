//! `aviary policy new`: a crate that builds and passes its test as it is written, with this binary and cargo alone.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use aviary_policy::Kind;

use crate::output::print;

include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// The manifest of the workspace, from which the SDK's dependencies and the profile are taken.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
const BUILD: &str = include_str!("../../../../plugins/build");
const LICENSE: &str = include_str!("../../../../LICENSE");
const README: &str = include_str!("template/README.md");
/// Longest name, as of a label in Kubernetes.
const LONGEST_NAME: usize = 63;
/// Words that a crate cannot be called, for cargo or for the code in it.
const TAKEN: &str = " abstract alloc as async await aviary-policy-sdk become box break const continue core crate do dyn \
    else enum extern false final fn for gen if impl in let loop macro match mod move mut override priv proc-macro pub \
    ref return self static std struct super test trait true try type typeof unsafe unsized use virtual where while \
    wit-bindgen yield ";

/// Writes the crate `name` into `folder` and says what comes next.
///
/// # Errors
/// If the name is none, or taken, or the folder cannot be written; then nothing is left behind.
pub fn new(name: &str, kind: Kind, folder: &Path) -> Result<()> {
    proper(name)?;
    let to = folder.join(name);
    ensure!(to.symlink_metadata().is_err(), "{} is there already; choose another name or --to", to.display());
    let written = || format!("cannot write into {}", folder.display());
    let unfinished = unfinished(name, folder).with_context(written)?;
    for (path, text) in files(name, kind)? {
        write(&unfinished.path().join(path), &text).with_context(written)?;
    }
    fs::set_permissions(unfinished.path().join("build"), Permissions::from_mode(0o755)).with_context(written)?;
    fs::rename(unfinished.path(), &to).with_context(written)?;
    // It is not there any more under its first name.
    let _ = unfinished.keep();
    print(&format!(
        "{0}: a new {kind}. Then:\n  cd {0}\n  cargo test\n  ./build\n  aviary policy check target/policies/{name}.wasm\n",
        to.display()
    ))
}

/// A folder beside the one to be, which nobody takes for it.
fn unfinished(name: &str, folder: &Path) -> io::Result<tempfile::TempDir> {
    let everybody = Permissions::from_mode(0o777);
    tempfile::Builder::new().prefix(&format!(".{name}.")).permissions(everybody).tempdir_in(folder)
}

fn proper(name: &str) -> Result<()> {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let begins = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    if !begins || name.ends_with('-') || !name.chars().all(allowed) || name.len() > LONGEST_NAME {
        bail!(
            "`{name}` is no name of a policy: lower-case letters, digits and `-`, beginning with a letter, not ending \
             with `-`, at most {LONGEST_NAME}"
        );
    }
    ensure!(!TAKEN.contains(&format!(" {name} ")), "`{name}` means something else in Rust; choose another name");
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Every file of the crate.
fn files(name: &str, kind: Kind) -> Result<Vec<(PathBuf, String)>> {
    let own = [
        ("Cargo.toml", manifest(name, kind)?),
        ("src/lib.rs", template(kind).to_owned()),
        ("README.md", readme(name, kind)),
        (".gitignore", "/target\n".to_owned()),
        ("build", BUILD.to_owned()),
        ("vendor/aviary-policy-sdk/Cargo.toml", sdk_manifest()?),
        ("vendor/aviary-policy-sdk/LICENSE", LICENSE.to_owned()),
    ];
    let own = own.into_iter().map(|(path, text)| (PathBuf::from(path), text));
    let vendored = SOURCES.iter().map(|(path, text)| (vendored(path), (*text).to_owned()));
    Ok(own.chain(vendored).collect())
}

/// The SDK looks for the contract beside its own folder.
fn vendored(path: &str) -> PathBuf {
    let sdk = path.strip_prefix("plugin-sdk/").map(|path| format!("aviary-policy-sdk/{path}"));
    Path::new("vendor").join(sdk.as_deref().unwrap_or(path))
}

fn template(kind: Kind) -> &'static str {
    match kind {
        Kind::Classifier => include_str!("../../../../plugin-sdk/examples/classifier.rs"),
        Kind::Analyzer => include_str!("../../../../plugin-sdk/examples/analyzer.rs"),
        Kind::Progression => include_str!("../../../../plugin-sdk/examples/progression.rs"),
    }
}

fn manifest(name: &str, kind: Kind) -> Result<String> {
    let summary = template(kind).lines().next().unwrap_or_default().trim_start_matches("//! ").trim_end_matches('.');
    Ok(format!(
        "[package]
name = \"{name}\"
version = \"0.1.0\"
{}
{}
# What `aviary policy check` and the daemon say of it.
description = \"{summary}\"
publish = false

[lib]
crate-type = [\"cdylib\", \"rlib\"]

[dependencies]
aviary-policy-sdk = {{ path = \"vendor/aviary-policy-sdk\" }}

# A workspace of its own, wherever it lies.
[workspace]

# Small, but with names, so that a trap can be read.
{}
",
        entry("edition")?,
        entry("rust-version")?,
        section("[profile.plugin]")?
    ))
}

fn sdk_manifest() -> Result<String> {
    Ok(format!(
        "# The SDK of Aviary {}, as the contract beside it. Written by `aviary policy new`; not to be edited.
[package]
name = \"aviary-policy-sdk\"
version = \"{0}\"
{}
{}
{}
publish = false

[dependencies]
{}
{}
",
        env!("CARGO_PKG_VERSION"),
        entry("edition")?,
        entry("rust-version")?,
        entry("license")?,
        entry("serde_json")?,
        entry("wit-bindgen")?,
    ))
}

/// The line of the workspace's manifest that sets `key`.
fn entry(key: &str) -> Result<&'static str> {
    let sets = |line: &&str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "));
    WORKSPACE.lines().find(sets).with_context(|| format!("this build has no {key}"))
}

/// A table of the workspace's manifest, with its head.
fn section(head: &str) -> Result<&'static str> {
    let from = WORKSPACE.find(head).with_context(|| format!("this build has no {head}"))?;
    let rest = &WORKSPACE[from..];
    Ok(rest.find("\n\n").map_or(rest, |end| &rest[..end]))
}

fn readme(name: &str, kind: Kind) -> String {
    let (article, configuration) = match kind {
        Kind::Classifier => (
            "A classifier",
            format!("defaults:\n  classifier: {{ policy: {name}, parameters: {{ direct-suffix: -hotfix }} }}"),
        ),
        Kind::Analyzer => (
            "An analyzer",
            format!(
                "defaults:\n  analyzers:\n    - policy: health\n    - {{ policy: {name}, parameters: {{ metric: errors, factor: 2, floor: 0.5 }} }}"
            ),
        ),
        Kind::Progression => {
            ("A progression", format!("defaults:\n  progression: {{ policy: {name}, parameters: {{ passes: 3 }} }}"))
        }
    };
    let values = [
        ("{name}", name.to_owned()),
        ("{file}", name.replace('-', "_")),
        ("{article}", article.to_owned()),
        ("{question}", kind.function().to_owned()),
        ("{configuration}", configuration),
        ("{version}", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    values.iter().fold(README.to_owned(), |text, (key, value)| text.replace(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn nothing_but_the_crate_is_left_and_it_is_everybodys_to_read() {
        for kind in Kind::ALL {
            let folder = folder();
            new("lag", kind, folder.path()).expect("written");
            assert_eq!(names(folder.path()), ["lag"]);
            let mode = |path: &str| folder.path().join(path).metadata().expect(path).permissions().mode() & 0o755;
            assert_eq!((mode("lag"), mode("lag/build"), mode("lag/src/lib.rs")), (0o755, 0o755, 0o644));
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        for (path, text) in Kind::ALL.into_iter().flat_map(|kind| files("lag", kind).expect("complete")) {
            let ours = ["README.md", "Cargo.toml"].iter().any(|name| path.ends_with(name));
            assert!(
                !ours || !text.contains("{name}") && !text.contains("{file}") && !text.contains("workspace = true")
            );
        }
    }

    #[test]
    fn a_bad_name_writes_nothing() {
        let folder = folder();
        let long = "a".repeat(64);
        for name in ["", "Lag", "lag_1", "1lag", "-lag", "lag-", "../lag", "a/b", "a b", "läg", "match", "test", &long]
        {
            new(name, Kind::Analyzer, folder.path()).expect_err(name);
        }
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn what_is_there_is_left_alone_a_dangling_link_too() {
        let folder = folder();
        fs::write(folder.path().join("lag"), "mine").expect("written");
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).expect("a link");
        for name in ["lag", "link"] {
            let error = new(name, Kind::Analyzer, folder.path()).expect_err("taken").to_string();
            assert!(error.contains("is there already"), "{error}");
        }
        assert_eq!(fs::read_to_string(folder.path().join("lag")).expect("still there"), "mine");
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = format!("{:#}", new("lag", Kind::Analyzer, Path::new("/no/such/folder")).expect_err("no folder"));
        assert!(error.contains("cannot write into /no/such/folder"), "{error}");
    }
}
