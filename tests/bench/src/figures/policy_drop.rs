//! From a policy's file in the folder until it decides.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::Figure;
use crate::{daemon::Daemon, report::Row, times::Times};

const DROPS: usize = 20;
const LIMIT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The built-in `health` in new bytes each time, renamed into the folder as a tool does.
pub fn measure(daemon: &Daemon) -> Result<Vec<Row>> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies/health.wasm");
    let policy = fs::read(&built).with_context(|| format!("no {}; `make policies` builds it", built.display()))?;
    let folder = daemon.policy_folder();
    let mut times = Vec::new();
    for drop in 0..DROPS {
        let before = digest(daemon)?;
        let unfinished = folder.join(".unfinished");
        fs::write(&unfinished, with_section(&policy, u8::try_from(drop)?))?;
        let begun = Instant::now();
        fs::rename(&unfinished, folder.join("health.wasm"))?;
        while digest(daemon)? == before {
            if begun.elapsed() > LIMIT {
                bail!("the policy is not in force after {LIMIT:?}:\n{}", daemon.log());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        times.push(begun.elapsed());
    }
    let times = Times::new(times);
    let what = format!("a policy's file renamed into the folder, until it decides, {DROPS} drops");
    Ok(vec![Row::new(Figure::PolicyDrop, what, times.words(), json!(times.numbers()))])
}

fn digest(daemon: &Daemon) -> Result<String> {
    let policies = daemon.policies()?;
    let health = policies.iter().find(|policy| policy["name"] == "health").context("there is no policy health")?;
    Ok(health["digest"].to_string())
}

/// A custom section at the end makes another file of it that does the same.
fn with_section(module: &[u8], number: u8) -> Vec<u8> {
    let (custom, length, name) = (0, 3, [1, b'n']);
    [module, &[custom, length], &name, &[number]].concat()
}
