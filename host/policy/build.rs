//! Embeds the default policies that `make policies` built before. Without them the host builds all the same, to be worked
//! on; but nobody installs one that cannot run.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

const NAMES: [&str; 4] = ["image-change", "threshold", "health", "breakpoint"];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-env-changed=AVIARY_POLICIES_DIR");
    let folder = folder();
    // Watching a file that is not there would build this crate anew every time; a folder that is there does not.
    fs::create_dir_all(&folder).ok();
    println!("cargo:rerun-if-changed={}", folder.display());
    require_for_release(&folder);
    let entries: String = NAMES.iter().map(|name| entry(&folder, name)).collect();
    let table = format!(
        "/// Name and bytes, if they were built.\nconst EMBEDDED: [(&str, Option<&[u8]>); {}] = [\n{entries}];\n",
        NAMES.len()
    );
    fs::write(Path::new(&required("OUT_DIR")).join("embedded.rs"), table)
}

fn require_for_release(folder: &Path) {
    let missing: Vec<&str> = NAMES.into_iter().filter(|name| !folder.join(format!("{name}.wasm")).is_file()).collect();
    if required("PROFILE") == "release" && !missing.is_empty() {
        println!(
            "cargo::error=the default policies are not built ({} missing in {}), and aviary would not run without them: \
             `make install` in a clone of the repository builds and installs both, `make policies` only builds them",
            missing.join(", "),
            folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).display()
        );
    }
}

fn folder() -> PathBuf {
    let default = || Path::new(&required("CARGO_MANIFEST_DIR")).join("../../target/policies");
    env::var_os("AVIARY_POLICIES_DIR").map_or_else(default, PathBuf::from)
}

fn entry(folder: &Path, name: &str) -> String {
    let file = folder.join(format!("{name}.wasm"));
    match file.canonicalize() {
        Ok(file) => format!("    ({name:?}, Some(include_bytes!({file:?}))),\n"),
        Err(_) => format!("    ({name:?}, None),\n"),
    }
}

fn required(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|error| panic!("cargo sets {variable}: {error}"))
}
