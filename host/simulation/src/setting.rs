//! What one exploration holds fixed: N, surge, what the second image does, how much people and faults may do.

use std::{fmt, time::Duration};

use aviary_core::settings::{Amount, OnRollback, PolicyChoice, Settings};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::specs::{Behaviour, Image};

/// What one exploration holds fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Setting {
    /// N in the beginning.
    pub replicas: u8,
    /// Whether walks may use a pod more; else the giver goes first.
    pub surge: bool,
    /// What the second image does.
    pub second: Behaviour,
    /// Whether the original is left alone after a rollback.
    pub keep: bool,
    /// How many acts of people.
    pub acts: u8,
    /// How many faults.
    pub faults: u8,
    /// Whether it begins adopted and steady; else with a service that Aviary has not seen yet.
    pub adopted: bool,
    /// Whether a second daemon that knows of no lease is among the faults: nothing keeps the two from getting in each other's
    /// way.
    pub two_daemons: bool,
    /// Whether one act of people at least brings the second image: all that comes of other acts is the same whatever that image
    /// does, and explored where it is good.
    #[serde(default)]
    pub second_comes: bool,
}

impl Setting {
    /// What pods of `image` do.
    #[must_use]
    pub const fn behaviour(&self, image: Image) -> Behaviour {
        match image {
            Image::Second => self.second,
            Image::First | Image::Third => Behaviour::Good,
        }
    }

    /// The canary's pods at which a candidate that passed is promoted: half of all, as [`Setting::settings`] say.
    #[must_use]
    pub const fn break_point(&self, replicas: u8) -> u8 {
        if replicas < 2 { 1 } else { replicas.div_ceil(2) }
    }

    /// The configuration of the service. Durations are short: only their order matters.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let policy = |name: &str| PolicyChoice { name: name.to_owned(), parameters: json!({}) };
        Settings {
            step: Amount::Pods(1),
            break_point: Amount::Percent(50.0),
            surge: Amount::Pods(u32::from(self.surge)),
            warm_up: Duration::from_secs(10),
            check_interval: Duration::from_secs(10),
            ready_deadline: Duration::from_secs(20),
            longest_step: Duration::from_secs(30),
            on_rollback: if self.keep { OnRollback::Keep } else { OnRollback::Revert },
            shared_claims: false,
            classifier: policy("image-change"),
            analyzers: vec![policy("health")],
            progression: policy("breakpoint"),
            metrics: Vec::new(),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas, acts, faults, .. } = self;
        let surge = u8::from(self.surge);
        let second = format!("{:?}", self.second).to_lowercase();
        let keep = if self.keep { ", on-rollback: keep" } else { "" };
        let begins = if self.adopted { "adopted" } else { "not adopted yet" };
        let comes = if self.second_comes { " and brought" } else { "" };
        write!(
            f,
            "N {replicas}, surge {surge}, second image {second}{comes}{keep}, {begins}, {acts} acts, {faults} faults"
        )
    }
}

/// Everything that is explored, from small to large.
#[must_use]
pub fn settings(quick: bool) -> Vec<Setting> {
    let budgets: &[(u8, u8)] = if quick { &[(1, 0), (1, 1)] } else { &[(1, 1), (2, 0), (1, 2), (2, 1)] };
    let most = |faults: u8| if quick && faults > 0 { 2 } else { 4 };
    let behaviours = [Behaviour::Good, Behaviour::Failing, Behaviour::Hanging, Behaviour::Crashing];
    let mut all = Vec::new();
    for (acts, faults) in budgets.iter().copied() {
        for replicas in 1..=most(faults) {
            for (surge, keep) in [(true, false), (false, true)] {
                let setting = |second| Setting {
                    replicas,
                    surge,
                    second,
                    keep,
                    acts,
                    faults,
                    adopted: false,
                    two_daemons: false,
                    second_comes: second != Behaviour::Good,
                };
                all.extend(behaviours.map(setting));
            }
        }
    }
    all
}

/// What the model leaves out, for people.
pub const LEFT_OUT: [&str; 10] = [
    "of the lease: how it is taken and renewed; a daemon that is deposed may have one write on its way, which arrives before its \
     successor makes its first one (nothing is begun that could outlast the lease), and begins nothing more; one that stands by \
     changes nothing, and lists everything anew as it takes over",
    "a watch lags for 30 s at the most, then it lists anew",
    "the watch on ReplicaSets never lags: where the real one does, pods of a new version are not seen yet",
    "a watch that is resumed and catches up in several steps while it is planned: from what it showed it jumps to what is so",
    "a ReplicaSet's status that still counts pods which were just deleted (the two controllers' turns are one step, but what a \
     Deployment says of a size it has only just seen are the counts from before)",
    "the progress deadline: nobody reads the condition that it sets",
    "pods on their way out are none; those of a deleted Deployment are gone at once",
    "of policies and Prometheus: no more than pass, fail, critical, nothing to say, and a trap; one pass is enough for a step",
    "autoscalers, paused copies, Recreate, and people who write the record",
    "times apart from deadlines; names, uids, generations, versions and epochs apart from their order; 64 bits of hash tell \
     worlds apart",
];
