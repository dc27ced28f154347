//! What the daemon asked of the API server, from the API server's own audit log: exact, and nobody's opinion.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The audit log of the daemon's user, from one moment on.
#[derive(Debug)]
pub struct Audit {
    log: PathBuf,
    from: u64,
}

/// How many requests there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// By verb and resource, such as `patch deployments`; watches apart.
    pub by_kind: BTreeMap<String, u64>,
    /// Watches that ended.
    pub watches: u64,
}

impl Requests {
    /// All but watches.
    pub fn count(&self) -> u64 {
        self.by_kind.values().sum()
    }

    /// `3 patch deployments, 1 update configmaps`; `none` where there are none.
    pub fn words(&self) -> String {
        let words: Vec<String> = self.by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let event: Value = serde_json::from_str(line).context("a line of the audit log is not JSON")?;
        let verb = event["verb"].as_str().unwrap_or_default();
        if verb == "watch" {
            self.watches += 1;
            return Ok(());
        }
        let resource = event["objectRef"]["resource"].as_str().unwrap_or_default();
        *self.by_kind.entry(format!("{verb} {resource}").trim().to_owned()).or_default() += 1;
        Ok(())
    }
}

impl Audit {
    /// From now on.
    pub fn begin(log: PathBuf) -> Self {
        // There is no file before the first request.
        let from = fs::metadata(&log).map_or(0, |file| file.len());
        Self { log, from }
    }

    /// All requests that were answered since it began.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self) -> Result<Requests> {
        let mut requests = Requests::default();
        let Ok(mut file) = File::open(&self.log) else { return Ok(requests) };
        file.seek(SeekFrom::Start(self.from))?;
        for line in BufReader::new(file).lines() {
            requests.take(&line?)?;
        }
        Ok(requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_counted_apart() {
        let mut requests = Requests::default();
        for (verb, resource) in [("watch", "pods"), ("patch", "deployments"), ("patch", "deployments")] {
            let line = format!(r#"{{"verb":"{verb}","objectRef":{{"resource":"{resource}"}}}}"#);
            requests.take(&line).unwrap();
        }
        assert_eq!((requests.count(), requests.watches), (2, 1));
        assert_eq!(requests.words(), "2 patch deployments");
        assert!(requests.take("half a li").is_err());
    }
}
