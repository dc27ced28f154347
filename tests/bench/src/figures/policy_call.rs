//! One call of a policy, as the example of the policy crate measures it: a fresh instance each time.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Figure, Measured};
use crate::{built, report::Row};

/// What the example calls it.
const CALL: &str = "threshold, 3 metrics x 50 pods x 12 samples";

/// Runs the example and takes what it says of one call.
pub fn measure(wanted: &Measured) -> Result<Vec<Row>> {
    if !wanted.has(Figure::PolicyCall) {
        return Ok(Vec::new());
    }
    let program = built()?.join("examples/call-cost");
    let output = Command::new(&program).output();
    let output = output.with_context(|| format!("cannot run {}; `make bench` builds it", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    let said = String::from_utf8(output.stdout)?;
    let times = times(&said).with_context(|| format!("{} says nothing of `{CALL}`", program.display()))?;
    let lines: Vec<Value> = said.lines().map(Value::from).collect();
    let what = format!("one call of a policy ({CALL}), instance included");
    Ok(vec![Row::new(Figure::PolicyCall, what, times, json!({"lines": lines}))])
}

fn times(said: &str) -> Option<String> {
    let line = said.lines().find_map(|line| line.strip_prefix(CALL))?;
    Some(line.trim_start_matches(':').trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_one_call_is_found() {
        let said = format!("health, 50 pods: p50 1us, p99 2us\n{CALL}: p50 131us, p99 233us\n");
        assert_eq!(times(&said).as_deref(), Some("p50 131us, p99 233us"));
        assert_eq!(times("nothing"), None);
    }
}
