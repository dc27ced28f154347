//! The policy folder: what was dropped, refused or removed is told in log, status and events.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use aviary_cluster::ServiceKey;
use aviary_core::plan::Note;
use aviary_policy::{Notice, Policies, Watcher, watch};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::Daemon;

/// How many sentences of the folder the status shows.
const SHOWN: usize = 20;

/// Scans the folder whenever something in it may have changed; the scans run on a thread of their own.
///
/// # Errors
/// When there can be no such thread.
pub fn follow(folder: PathBuf, policies: Policies, sender: mpsc::Sender<Vec<Notice>>) -> Result<Watcher> {
    let scanned = folder.clone();
    watch(&folder, move || {
        let notices = policies.scan(&scanned);
        if !notices.is_empty() {
            let _ = sender.blocking_send(notices);
        }
    })
    .with_context(|| format!("the policy folder {} cannot be watched", folder.display()))
}

impl Daemon {
    pub(super) fn policies_changed(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            let text = notice.to_string();
            self.judges.telemetry.judging.policy_changed(&notice);
            if notice.is_problem() {
                warn!("{text}");
            } else {
                info!("{text}");
            }
            self.announce_policy(&notice, &text);
            self.policy_notices.push(text);
        }
        self.judges.telemetry.judging.refuses(self.judges.policies.problems().len());
        let surplus = self.policy_notices.len().saturating_sub(SHOWN);
        self.policy_notices.drain(..surplus);
    }

    /// Told on every service that uses the policy.
    fn announce_policy(&self, notice: &Notice, text: &str) {
        let Some(policy) = notice.policy() else { return };
        let note = match notice.is_problem() {
            true => Note::warning("PolicyRefused", text),
            false => Note::normal("PolicyChanged", text),
        };
        let uses = |key: &&ServiceKey| {
            let settings = &self.services[*key].settings;
            let analyzers = settings.analyzers.iter().map(|choice| &choice.name);
            analyzers.chain([&settings.classifier.name, &settings.progression.name]).any(|name| name == policy)
        };
        self.services.keys().filter(uses).for_each(|key| self.announce(key, &note));
    }
}
