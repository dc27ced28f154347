//! The watch on the one Lease, which shows at once when it is given back.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    runtime::watcher::{Config, Event, watcher},
};
use tokio::sync::mpsc::Sender;

use super::{election::Seen, object::seen};
use crate::error::watch_words;

/// How long a watch lasts, in seconds: a dead connection is noticed only then.
const WATCH_SECONDS: u32 = 45;
/// The wait before a watch that failed is opened anew.
const WAIT: Duration = Duration::from_secs(5);

/// What the watch tells.
pub enum Heard {
    /// The Lease, as it is.
    Seen(Seen),
    /// It was not there.
    Gone,
    /// Nothing, and why.
    Failed(String),
}

/// Tells what it sees of the Lease until nobody listens.
pub async fn look(api: Api<Lease>, name: String, duration: Duration, sender: Sender<Heard>) {
    let config = Config::default().timeout(WATCH_SECONDS).fields(&format!("metadata.name={name}"));
    loop {
        let opened = Instant::now();
        let mut events = watcher(api.clone(), config.clone()).boxed();
        let mut listed = false;
        while let Some(event) = events.next().await {
            let (heard, failed) = match event {
                Ok(Event::Init) => {
                    listed = false;
                    continue;
                }
                Ok(Event::InitApply(lease) | Event::Apply(lease)) => {
                    listed = true;
                    (Heard::Seen(seen(&lease, duration)), false)
                }
                Ok(Event::InitDone) if listed => continue,
                Ok(Event::InitDone | Event::Delete(_)) => (Heard::Gone, false),
                Err(error) => (Heard::Failed(watch_words(&error)), true),
            };
            if sender.send(heard).await.is_err() {
                return;
            }
            if failed {
                break;
            }
        }
        tokio::time::sleep(WAIT.saturating_sub(opened.elapsed())).await;
    }
}
