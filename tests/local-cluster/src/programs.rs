//! Where the programs are that a cluster is made of.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The directory that outlives builds and clones: `$AVIARY_CACHE`, or `aviary` in the user's cache directory.
pub fn cache_directory() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("AVIARY_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|base| base.join("aviary")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/aviary")))
        .context("no place for caches is known; set AVIARY_CACHE or HOME")
}

/// The control plane's program. Built when it is not there yet: minutes the first time, said on stderr.
/// Fails where Go 1.26 is missing.
pub fn control_plane() -> Result<PathBuf> {
    let build = repository().join("tests/control-plane/build");
    let output = Command::new(&build)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", build.display()))?;
    if !output.status.success() {
        bail!("the control plane was not built, see the lines above; run {} by hand", build.display());
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

/// The node agent, built by cargo beside the running program.
pub(crate) fn node_agent() -> Result<PathBuf> {
    let running = env::current_exe().context("cannot tell where the running program is")?;
    let beside = running.ancestors().skip(1).take(2).map(|directory| directory.join("node-agent"));
    beside
        .into_iter()
        .find(|program| program.is_file())
        .with_context(|| format!("no node-agent beside {}; build it: cargo build -p node-agent", running.display()))
}

/// The first Prometheus in PATH.
pub(crate) fn prometheus() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join("prometheus"))
        .find(|program| program.is_file())
        .context("no prometheus in PATH; install it (apt-get install prometheus) or start the cluster without")
}

pub(crate) fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}
