//! The lease in the daemon's loop: who holds it acts; everybody else watches, answers what is asked of it, and changes nothing.

use std::time::Duration;

use aviary_cluster::{ClusterInput, LeaseState, ServiceKey, Tenure};
use aviary_core::lease::Lease;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::{info, warn};

use super::{Daemon, Inputs, cared::Cared};

/// How many inputs of the watches may wait.
pub(super) const CLUSTER_INPUTS: usize = 1024;
/// How long the last events are waited for as the daemon ends, and with them whoever takes over its lease.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the loop knows of the lease.
pub struct Leasing {
    pub tenure: Tenure,
    /// The epoch under which it acts.
    epoch: Option<u64>,
    /// Who holds it, if it is another daemon.
    holder: Option<String>,
    /// What does not work.
    trouble: Option<String>,
    /// Whether the watches were begun.
    watches: bool,
    /// Until when writes may begin, as far as was heard last.
    until: Option<Instant>,
    /// The daemon ends: nothing begins any more.
    pub stopping: bool,
}

impl Leasing {
    pub fn new(tenure: Tenure) -> Self {
        Self { tenure, epoch: None, holder: None, trouble: None, watches: false, until: None, stopping: false }
    }

    /// What this daemon acts under, if something may begin now.
    pub fn lease(&self) -> Option<Lease> {
        self.held().filter(|_| !self.stopping)
    }

    /// Whether it has the lease in time. As it ends, too: what is stored until then is told by nobody else.
    pub fn holds(&self) -> bool {
        self.held().is_some()
    }

    fn held(&self) -> Option<Lease> {
        self.tenure.lease().filter(|lease| Some(lease.epoch) == self.epoch)
    }

    /// Whether it was not renewed in time, and nobody is known to have taken it.
    fn has_lapsed(&self) -> bool {
        self.epoch.is_some() && self.until.is_some_and(|until| until <= Instant::now())
    }

    /// When that is so, unless it is renewed.
    pub fn lapses(&self) -> Option<Duration> {
        let until = self.until.filter(|_| self.epoch.is_some() && !self.has_lapsed())?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// Why nothing is begun.
    pub fn why(&self) -> String {
        let name = self.tenure.name();
        let trouble = self.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        match (&self.holder, self.epoch) {
            _ if self.stopping => "the daemon is stopping".to_owned(),
            (Some(holder), _) => format!("{holder} holds the lease {name} and acts; this daemon stands by"),
            (None, Some(_)) => format!("the lease {name} was not renewed in time{trouble}"),
            (None, None) => format!("nobody is known to hold the lease {name}{trouble}"),
        }
    }

    /// What keeps `/readyz` from saying ready: who stands by is ready, who cannot know is not.
    pub fn not_ready(&self) -> Option<String> {
        let name = self.tenure.name();
        match (&self.trouble, &self.holder, self.epoch) {
            (Some(trouble), ..) => Some(format!("the lease {name}: {trouble}")),
            (None, None, None) => Some(format!("nobody is known to hold the lease {name} yet")),
            _ => self.has_lapsed().then(|| self.why()),
        }
    }

    /// What `/readyz` says besides.
    pub fn remark(&self) -> Option<String> {
        self.holder.as_ref().map(|_| self.why())
    }

    /// For the status.
    pub fn status(&self) -> Value {
        let state = match (self.epoch, &self.holder) {
            (Some(_), _) if self.has_lapsed() => "lapsed",
            (Some(_), _) => "held",
            (None, Some(_)) => "standby",
            (None, None) => "unknown",
        };
        json!({
            "name": self.tenure.name(),
            "state": state,
            "epoch": self.epoch,
            "holder": self.holder,
            "trouble": self.trouble,
        })
    }
}

impl Daemon {
    /// Takes in how things stand with the lease.
    pub(super) fn lease_changed(&mut self, inputs: &mut Inputs) {
        let standing = self.leasing.tenure.standing();
        let (epoch, holder, until) = match standing.state {
            LeaseState::Held { epoch, begin_until, .. } => (Some(epoch), None, Some(begin_until)),
            LeaseState::Standby(holder) => (None, Some(holder), None),
            LeaseState::Unknown => (None, None, None),
        };
        let lapsed = std::mem::replace(&mut self.leasing.until, until).is_some_and(|until| until <= Instant::now());
        if standing.trouble != self.leasing.trouble {
            match &standing.trouble {
                Some(trouble) => warn!(lease = self.leasing.tenure.name(), %trouble, "the lease does not work"),
                None => info!(lease = self.leasing.tenure.name(), "the lease works again"),
            }
        }
        self.leasing.trouble = standing.trouble;
        if (epoch, &holder) != (self.leasing.epoch, &self.leasing.holder) {
            self.changed_hands(epoch, holder, inputs);
        } else if lapsed && self.leasing.lease().is_some() {
            self.is_held_again(inputs);
        }
        if !self.leasing.watches && (self.leasing.holder.is_some() || self.leasing.trouble.is_some()) {
            self.watch_all();
        }
        self.tell_lease();
    }

    /// Tells the numbers and probes whether it acts; once the lease has lapsed, too, though nobody says so.
    pub(super) fn tell_lease(&mut self) {
        self.judges.telemetry.own.holds_lease(self.leasing.holds());
        self.tell_readiness();
    }

    /// Nobody took it while it was not renewed in time. What kept it from being renewed may have kept the watches from telling,
    /// too: on what they told last a good version would be late.
    fn is_held_again(&mut self, inputs: &mut Inputs) {
        info!(lease = self.leasing.tenure.name(), "the lease is held again; everything is listed anew");
        inputs.cluster = self.watch_anew();
        self.services.values_mut().for_each(Cared::forget_answers);
        self.drive_all();
    }

    fn changed_hands(&mut self, epoch: Option<u64>, holder: Option<String>, inputs: &mut Inputs) {
        let lease = self.leasing.tenure.name().to_owned();
        (self.leasing.epoch, self.leasing.holder) = (epoch, holder);
        match (epoch, &self.leasing.holder) {
            (Some(epoch), _) => info!(%lease, epoch, "this daemon holds the lease and acts"),
            (None, Some(holder)) => info!(%lease, %holder, "another daemon holds the lease; this one stands by"),
            (None, None) => warn!(%lease, "nobody is known to hold the lease"),
        }
        if epoch.is_some() {
            inputs.cluster = self.watch_anew();
        } else {
            self.stand_down();
        }
        self.drive_all();
    }

    /// What the daemon before has done is seen for certain only in lists that are asked for from now on.
    fn watch_anew(&mut self) -> mpsc::Receiver<ClusterInput> {
        let (sender, receiver) = mpsc::channel(CLUSTER_INPUTS);
        self.cluster = sender;
        for namespace in self.configuration.namespaces() {
            self.index.doubt(&namespace);
        }
        self.services.values_mut().for_each(|cared| cared.expecting = None);
        self.watch_all();
        receiver
    }

    fn watch_all(&mut self) {
        self.leasing.watches = true;
        for namespace in self.configuration.namespaces() {
            self.watch(&namespace);
        }
    }

    /// What was begun comes to its end by itself; what waits is given up.
    fn stand_down(&mut self) {
        let why = self.leasing.why();
        for (key, cared) in &mut self.services {
            cared.stand_down(&format!("{key}: not done: {why}"));
        }
    }

    pub(super) fn drive_all(&mut self) {
        let services: Vec<ServiceKey> = self.services.keys().cloned().collect();
        services.iter().for_each(|key| self.drive(key));
    }

    /// A service for which nothing may begin now.
    pub(super) fn hold_back(&mut self, key: &ServiceKey) {
        let acts_elsewhere = self.leasing.epoch.is_none();
        if let Some(cared) = self.services.get_mut(key) {
            cared.wake = None;
            if acts_elsewhere {
                cared.is_untroubled();
                cared.tracked.stands_elsewhere();
            }
        }
    }

    /// Why an operator's word cannot be carried out here, and where it can.
    pub(super) fn not_here(&self) -> Option<String> {
        let holder = self.leasing.holder.as_ref()?;
        let host = holder.rsplit_once('_').map_or(holder.as_str(), |(host, _)| host);
        let (namespace, _) = self.leasing.tenure.name().split_once('/').unwrap_or_default();
        let ask = match self.own.is_pod() {
            true => format!("kubectl --namespace {namespace} exec {host} -- aviary ..."),
            false => format!("on {host}"),
        };
        Some(format!("{}; say it there: {ask}", self.leasing.why()))
    }

    /// Waits until what is under way has come to its end and is told; nothing begins any more.
    pub(super) async fn finish(&mut self, inputs: &mut Inputs) {
        self.leasing.stopping = true;
        self.stand_down();
        // What waits for its turn to be written is not begun any more.
        self.writing.close();
        while self.services.values().any(|cared| cared.busy)
            && let Some(done) = inputs.done.recv().await
        {
            self.done(*done);
        }
        // Of what did not end well whoever asked is told so.
        self.stand_down();
        if timeout(LAST_WORDS, self.telling.closed()).await.is_err() {
            warn!("not all events were written before the end; what they say is in this log");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_not_renewed_in_time_is_said_though_it_can_be_read() {
        let mut leasing = Leasing::new(Tenure::alone("shop/aviary"));
        leasing.epoch = Some(1);
        leasing.until = Some(Instant::now() + Duration::from_secs(9));
        assert_eq!((leasing.lapses(), leasing.not_ready()), (Some(Duration::from_secs(9)), None));
        assert_eq!(leasing.status()["state"], "held");
        tokio::time::advance(Duration::from_secs(9)).await;
        let not_ready = leasing.not_ready().unwrap_or_default();
        assert!(not_ready.contains("was not renewed in time"), "{not_ready}");
        assert_eq!((leasing.lapses(), &leasing.status()["state"]), (None, &json!("lapsed")));
    }
}
