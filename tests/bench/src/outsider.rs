//! Somebody who has nothing to do with Aviary and notes when the API server's watches tell what.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

/// One thing that a watch told.
#[derive(Debug, Clone)]
pub struct Seen<K> {
    /// When it was told.
    pub at: Instant,
    /// The object as it is then, or as it last was.
    pub object: K,
    /// Whether it is gone.
    pub gone: bool,
}

/// A watch on the objects of one kind; it ends when this is dropped.
#[derive(Debug)]
pub struct Outsider<K> {
    told: mpsc::UnboundedReceiver<Result<Seen<K>, watcher::Error>>,
}

impl<K> Outsider<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    K::DynamicType: Send + Sync,
{
    /// Begins to watch; what is there already is told first.
    pub async fn of(api: Api<K>, labels: &str) -> Result<Self> {
        let (sender, told) = mpsc::unbounded_channel();
        let (listed, begun) = tokio::sync::oneshot::channel();
        let config = watcher::Config::default().labels(labels);
        tokio::spawn(async move {
            let (mut events, mut listed) = (watcher(api, config).boxed(), Some(listed));
            while let Some(event) = events.next().await {
                let at = Instant::now();
                let seen = match event {
                    Ok(Event::Apply(object) | Event::InitApply(object)) => Ok(Seen { at, object, gone: false }),
                    Ok(Event::Delete(object)) => Ok(Seen { at, object, gone: true }),
                    Ok(Event::Init) => continue,
                    Ok(Event::InitDone) => {
                        listed.take().map(|listed| listed.send(()));
                        continue;
                    }
                    Err(error) => Err(error),
                };
                if sender.send(seen).is_err() {
                    return;
                }
            }
        });
        begun.await.context("the outsider cannot list what it watches")?;
        Ok(Self { told })
    }

    /// The next thing that is told.
    ///
    /// # Errors
    /// When nothing is told until `deadline`, or the watch broke: a gap would make times too long.
    pub async fn next(&mut self, deadline: Instant) -> Result<Seen<K>> {
        match tokio::time::timeout_at(deadline.into(), self.told.recv()).await {
            Ok(Some(seen)) => seen.context("the outsider lost its watch"),
            Ok(None) => bail!("the outsider's watch ended"),
            Err(_) => bail!("it was not seen in time"),
        }
    }

    /// Waits until something is told that is so.
    ///
    /// # Errors
    /// When that is not within `limit`: then `what` is named.
    pub async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut so: impl FnMut(&Seen<K>) -> bool,
    ) -> Result<Seen<K>> {
        let deadline = Instant::now() + limit;
        loop {
            let seen = self.next(deadline).await.with_context(|| format!("waiting for {what}"))?;
            if so(&seen) {
                return Ok(seen);
            }
        }
    }
}
