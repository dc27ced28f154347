//! What is said of a service: the same sentence to the log and to the events of its Deployment.

use aviary_cluster::{Announcement, ServiceKey, publish};
use aviary_core::plan::{Level, Note};
use tracing::{info, warn};

use super::Daemon;

impl Daemon {
    pub(super) fn say(&self, key: &ServiceKey, notes: &[Note]) {
        for note in notes {
            match note.level {
                Level::Normal => {
                    info!(namespace = key.namespace, service = key.name, reason = note.code, "{}", note.text)
                }
                Level::Warning => {
                    warn!(namespace = key.namespace, service = key.name, reason = note.code, "{}", note.text)
                }
            }
            self.announce(key, note);
        }
    }

    /// Events are told as well as can be, by who has the lease: a lost one is in the log.
    pub(super) fn announce(&self, key: &ServiceKey, note: &Note) {
        if !self.leasing.holds() {
            return;
        }
        let recorded = || self.services.get(key).and_then(|cared| cared.record()).map(|record| &record.uid);
        let Some(uid) = self.index.deployment(key).map(|deployment| &deployment.uid).or_else(recorded).cloned() else {
            return;
        };
        let warning = note.level == Level::Warning;
        let said = Announcement { reason: note.code.clone(), note: note.text.clone(), warning, at: self.clock.now() };
        let (client, key, turn) = (self.client.clone(), key.clone(), self.announcing.clone());
        let telling = self.telling.subscribe();
        tokio::spawn(async move {
            let _telling = telling;
            let _turn = turn.acquire().await;
            if let Err(error) = publish(&client, &key, &uid, &said).await {
                warn!(service = %key, reason = said.reason, %error, "an event was not written");
            }
        });
    }
}
