//! The lease: of the daemons that could act, one does. What was decided is in `election`; here it is carried out.
//!
//! Of our own: the crates for leader election compare the times that two machines wrote, and give nothing to fence writes with.

mod election;
mod looking;
mod object;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use aviary_core::{lease::Lease, view::MANAGER};
use k8s_openapi::{api::coordination::v1, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};

use self::{
    election::{Election, Step},
    looking::{Heard, look},
    object::{Stored, seen},
};
use crate::{client::bounded, error::WriteError};

/// For a daemon that nobody competes with.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Which Lease, who wants it, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Where it is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What this daemon calls itself. Nobody else may at the same time.
    pub identity: String,
    /// How long it lasts without a renewal; whole seconds, at least 3.
    pub duration: Duration,
}

/// Who holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// Nobody knows, or nobody does.
    Unknown,
    /// This daemon.
    Held {
        /// Rises whenever it is taken.
        epoch: u64,
        /// Until then writes may begin.
        begin_until: Instant,
        /// Then every write is over.
        end: Instant,
    },
    /// Another one, of this name.
    Standby(String),
}

/// How things stand with the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseStanding {
    /// Who holds it.
    pub state: LeaseState,
    /// What does not work, with the way out.
    pub trouble: Option<String>,
}

/// What a daemon has of the lease.
#[derive(Debug, Clone)]
pub struct Tenure {
    name: String,
    standing: watch::Receiver<LeaseStanding>,
    met: watch::Sender<u64>,
}

impl Tenure {
    /// Of a daemon that nobody competes with.
    #[must_use]
    pub fn alone(name: &str) -> Self {
        let for_ever = Instant::now() + FOR_EVER;
        let state = LeaseState::Held { epoch: 1, begin_until: for_ever, end: for_ever };
        let (_, standing) = watch::channel(LeaseStanding { state, trouble: None });
        Self { name: name.to_owned(), standing, met: watch::channel(0).0 }
    }

    /// Which lease, as `namespace/name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How things stand.
    #[must_use]
    pub fn standing(&self) -> LeaseStanding {
        self.standing.borrow().clone()
    }

    /// Waits until they stand otherwise; for ever where they never will.
    pub async fn changed(&mut self) {
        if self.standing.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What this daemon acts under, where it may begin to write now.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        match self.standing.borrow().state {
            LeaseState::Held { epoch, begin_until, .. } if Instant::now() < begin_until => {
                Some(Lease { name: self.name.clone(), epoch })
            }
            _ => None,
        }
    }

    /// A record says that it was written under this epoch of the lease: where that is higher than what is held, the lease is
    /// taken anew with a higher one, or found to be another's.
    pub fn meet(&self, epoch: u64) {
        self.met.send_if_modified(|met| std::mem::replace(met, epoch.max(*met)) < epoch);
    }

    /// Carries out a write within the lease: it is not begun where that is too late, and given up before another daemon can
    /// have taken over.
    ///
    /// # Errors
    /// Those of the write, and `Unavailable` where it was not begun.
    pub async fn within<T>(&self, write: impl Future<Output = Result<T, WriteError>>) -> Result<T, WriteError> {
        let end = match self.standing.borrow().state {
            LeaseState::Held { begin_until, end, .. } if Instant::now() < begin_until => end,
            _ => return Err(WriteError::Unavailable(format!("the lease {} is not held", self.name))),
        };
        let (mut write, mut late) = (pin!(write), pin!(sleep_until(end)));
        // The time is looked at before each step: a process that was stopped meanwhile sends nothing any more.
        poll_fn(|context| {
            if Instant::now() >= end || late.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(WriteError::Unknown("the lease could have been lost".to_owned())));
            }
            write.as_mut().poll(context)
        })
        .await
    }
}

/// A daemon that competes for the lease, until it gives it back.
#[derive(Debug)]
pub struct Competition {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Competition {
    /// Gives the lease back where it is held, so that another daemon takes it at once. Nothing may be under way any more.
    pub async fn give_back(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Begins to compete for the lease.
#[must_use]
pub fn compete(client: &Client, settings: LeaseSettings) -> (Tenure, Competition) {
    let standing = LeaseStanding { state: LeaseState::Unknown, trouble: None };
    let (told, standing) = watch::channel(standing);
    let (met_sender, met) = watch::channel(0);
    let (stop, stopped) = oneshot::channel();
    let tenure = Tenure { name: format!("{}/{}", settings.namespace, settings.name), standing, met: met_sender };
    let competitor = Competitor::new(client, settings, told);
    (tenure, Competition { stop, task: tokio::spawn(competitor.run(met, stopped)) })
}

struct Competitor {
    api: Api<v1::Lease>,
    settings: LeaseSettings,
    election: Election,
    told: watch::Sender<LeaseStanding>,
    acquired: Timestamp,
    /// Why the last call did not work.
    calling: Option<String>,
    /// Why the watch does not work.
    watching: Option<String>,
}

impl Competitor {
    fn new(client: &Client, settings: LeaseSettings, told: watch::Sender<LeaseStanding>) -> Self {
        Self {
            api: Api::namespaced(client.clone(), &settings.namespace),
            election: Election::new(settings.identity.clone(), settings.duration),
            settings,
            told,
            acquired: Timestamp::now(),
            calling: None,
            watching: None,
        }
    }

    async fn run(mut self, mut met: watch::Receiver<u64>, mut stopped: oneshot::Receiver<()>) {
        let (sender, mut heard) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        let LeaseSettings { name, duration, .. } = self.settings.clone();
        tasks.spawn(look(self.api.clone(), name, duration, sender));
        loop {
            self.tell();
            match self.election.next(Instant::now()) {
                Step::Read => self.read().await,
                Step::Write { over, epoch, takes } => self.write(over, epoch, takes).await,
                Step::Wait(until) => tokio::select! {
                    _ = &mut stopped => break,
                    Some(heard) = heard.recv() => self.hear(heard),
                    Ok(()) = met.changed() => self.election.meet(*met.borrow_and_update()),
                    () = sleep_until(until) => {}
                },
            }
        }
        self.give_back().await;
    }

    fn hear(&mut self, heard: Heard) {
        self.watching = None;
        match heard {
            Heard::Seen(seen) => {
                // As good as a read: while another daemon holds it, nothing is called that could work again.
                self.calling = None;
                self.election.see(seen, Instant::now());
            }
            // It may have been there again since.
            Heard::Gone => self.election.doubt(),
            Heard::Failed(error) => self.watching = Some(format!("it cannot be watched: {error}")),
        }
    }

    /// By a list, which the watch needs the right for anyway.
    async fn read(&mut self) {
        let only = ListParams::default().fields(&format!("metadata.name={}", self.settings.name));
        let found = match self.limited(self.api.list(&only)).await {
            Ok(list) => list.items.into_iter().next(),
            Err(error) => return self.failed(&error),
        };
        self.calling = None;
        match found {
            Some(object) => self.election.read(seen(&object, self.settings.duration), Instant::now()),
            None => self.election.see_none(Instant::now()),
        }
    }

    async fn write(&mut self, over: Option<u64>, epoch: u64, takes: bool) {
        if takes {
            self.acquired = Timestamp::now();
        }
        let sent = Instant::now();
        match self.store(Some(self.election.me()), over, epoch).await {
            Ok(stored) => {
                self.calling = None;
                self.election.stored(seen(&stored, self.settings.duration), sent);
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn store(&self, holder: Option<&str>, over: Option<u64>, epoch: u64) -> Result<v1::Lease, WriteError> {
        let LeaseSettings { name, duration, .. } = &self.settings;
        let (uid, acquired) = (self.election.uid(), self.acquired);
        let stored = Stored { name, holder, over, uid, epoch, duration: *duration, acquired };
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match over {
            None => self.limited(self.api.create(&parameters, &stored.object())).await,
            Some(_) => self.limited(self.api.replace(name, &parameters, &stored.object())).await,
        }
    }

    /// One call within the time between two renewals.
    async fn limited<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteError> {
        let limit = self.election.times().renewal();
        let late = || Err(WriteError::Unknown(format!("no answer within {} ms", limit.as_millis())));
        timeout(limit, bounded(call)).await.unwrap_or_else(|_| late())
    }

    fn failed(&mut self, error: &WriteError) {
        let faster = matches!(error, WriteError::GuardFailed(_) | WriteError::AlreadyExists(_));
        self.calling = (!faster).then(|| self.trouble(error));
        self.election.failed(faster, Instant::now());
    }

    fn trouble(&self, error: &WriteError) -> String {
        let namespace = &self.settings.namespace;
        match error {
            WriteError::Forbidden(words) => {
                format!("not allowed: {words}; compare the Role with config/kustomize/role.yaml")
            }
            WriteError::NotFound(words) => {
                format!(
                    "{words}; is there a namespace {namespace}? name another one in the configuration, lease.namespace"
                )
            }
            other => other.to_string(),
        }
    }

    fn tell(&self) {
        let times = self.election.times();
        let state = match (self.election.held(), self.election.holder()) {
            (Some((epoch, sent)), _) => {
                LeaseState::Held { epoch, begin_until: sent + times.begin(), end: sent + times.end() }
            }
            (None, Some(holder)) => LeaseState::Standby(holder.to_owned()),
            (None, None) => LeaseState::Unknown,
        };
        let trouble: Vec<&str> = [&self.calling, &self.watching].into_iter().flatten().map(String::as_str).collect();
        let trouble = (!trouble.is_empty()).then(|| trouble.join("; "));
        let standing = LeaseStanding { state, trouble };
        self.told.send_if_modified(|told| std::mem::replace(told, standing.clone()) != standing);
    }

    async fn give_back(mut self) {
        let Some((over, epoch)) = self.election.give_back() else { return };
        self.told.send_modify(|told| told.state = LeaseState::Unknown);
        if let Err(error) = self.store(None, Some(over), epoch).await {
            tracing::warn!(%error, "the lease was not given back; another daemon takes it when it has run out");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    /// In a cluster that answers nothing.
    fn competitor(told: watch::Sender<LeaseStanding>) -> Competitor {
        let silent = |_: http::Request<Body>| std::future::pending::<Result<http::Response<Body>, Infallible>>();
        let client = Client::new(service_fn(silent), "default");
        let settings = LeaseSettings {
            namespace: "shop".to_owned(),
            name: "aviary".to_owned(),
            identity: "me".to_owned(),
            duration: Duration::from_secs(15),
        };
        Competitor::new(&client, settings, told)
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_stands_by_has_no_trouble_once_it_sees_the_lease_again() {
        let (told, standing) = watch::channel(LeaseStanding { state: LeaseState::Unknown, trouble: None });
        let mut competitor = competitor(told);
        competitor.read().await;
        competitor.tell();
        assert!(standing.borrow().trouble.is_some());
        let stored = Stored {
            name: "aviary",
            holder: Some("another"),
            over: None,
            uid: None,
            epoch: 1,
            duration: Duration::from_secs(15),
            acquired: Timestamp::now(),
        };
        competitor.hear(Heard::Seen(seen(&stored.object(), Duration::from_secs(15))));
        competitor.tell();
        let expected = LeaseStanding { state: LeaseState::Standby("another".to_owned()), trouble: None };
        assert_eq!(*standing.borrow(), expected);
    }
}
