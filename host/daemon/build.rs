//! Embeds what `aviary policy new` writes beside its template: the SDK and the contract, every file of them.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let repository = Path::new(&required("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut files = vec![];
    for folder in ["plugin-sdk/src", "wit"] {
        println!("cargo:rerun-if-changed={}", repository.join(folder).display());
        collect(&repository.join(folder), &mut files)?;
    }
    files.sort();
    let entry = |file: &PathBuf| {
        let path = file.strip_prefix(&repository).unwrap_or(file);
        format!("    ({path:?}, include_str!({file:?})),\n")
    };
    let entries: String = files.iter().map(entry).collect();
    let table = format!("/// Path in the repository, and text.\nconst SOURCES: &[(&str, &str)] = &[\n{entries}];\n");
    fs::write(Path::new(&required("OUT_DIR")).join("sources.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn required(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|error| panic!("cargo sets {variable}: {error}"))
}
