//! What a team releases, dealt by a seed, and how it must end: known before anything is done.

use std::{fmt, time::Duration};

use aviary_core::{record::Ending, spec::Spec};
use scenarios::Manifest;
use serde_json::Value;

/// Images that work.
const GOOD: [&str; 9] = [
    "worker:v1",
    "worker:v2",
    "worker:v3",
    "worker:v4",
    "worker:v5",
    "worker:v6",
    "worker:v7",
    "worker:v8",
    "worker:v9",
];
/// Services are this small, so that many releases fit into little time.
pub const REPLICAS: std::ops::RangeInclusive<u32> = 3..=5;
/// People act so soon after they see what they wait for.
const LONGEST_THOUGHT: Duration = Duration::from_secs(3);

/// A version of the service: never the same twice, so that each has a digest of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its image.
    pub image: String,
    build: u32,
}

impl Version {
    /// The manifest as CI applies it.
    pub fn manifest(&self) -> Manifest {
        Manifest::new(&self.image).env(&[("GROUP", "shop"), ("BUILD", &self.build.to_string())])
    }

    /// What the API server makes of its spec, seen from what it has made of another version's.
    pub fn spec(&self, another: &Value) -> Spec {
        let mut spec = another.clone();
        let container = &mut spec["template"]["spec"]["containers"][0];
        let ours = &self.manifest().object["spec"]["template"]["spec"]["containers"][0];
        for field in ["image", "env"] {
            container[field] = ours[field].clone();
        }
        Spec::of(&spec)
    }
}

/// What kind of release it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Into Aviary's care; the first, and never dealt.
    Adoption,
    /// An image that works.
    Good,
    /// Its pods exit.
    Crashing,
    /// It cannot be pulled.
    Unpullable,
    /// It has errors, which a metric shows.
    Failing,
    /// Another environment with the same image.
    Direct,
    /// Only another number of pods.
    Scaling,
    /// A good image, and back to the accepted version in the middle.
    Back,
    /// A good image, and a newer good one in the middle.
    Newer,
    /// A bad image, and a good one in the middle.
    Hotfix,
}

/// How often each is dealt before any comes more often.
const DECK: [Kind; 12] = [
    Kind::Good,
    Kind::Good,
    Kind::Good,
    Kind::Crashing,
    Kind::Crashing,
    Kind::Unpullable,
    Kind::Failing,
    Kind::Direct,
    Kind::Scaling,
    Kind::Back,
    Kind::Newer,
    Kind::Hotfix,
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adoption => "adoption",
            Self::Good => "good",
            Self::Crashing => "crashing",
            Self::Unpullable => "unpullable",
            Self::Failing => "failing by a metric",
            Self::Direct => "direct",
            Self::Scaling => "scaling",
            Self::Back => "back in the middle",
            Self::Newer => "newer in the middle",
            Self::Hotfix => "hotfix of a bad one",
        })
    }
}

/// What a team does, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Applies the manifest of a version, with replicas or without.
    Apply(Version, Option<u32>),
    /// Waits until the rollout of a version has begun, then thinks for a while.
    AwaitRollout(Version, Duration),
    /// `kubectl scale`.
    Scale(u32),
}

/// A candidate and how its rollout ended.
pub type Ended = (Version, Ending);

/// One release and how it must end.
#[derive(Clone, Debug)]
pub struct Release {
    /// What it is.
    pub kind: Kind,
    /// What is done.
    pub acts: Vec<Act>,
    /// The rollouts that it may leave in the history, in order: more than one answer where a person is in time or not.
    pub endings: Vec<Vec<Ended>>,
    /// What is accepted in the end.
    pub accepted: Version,
    /// N in the end.
    pub replicas: u32,
    /// The most pods of the canary, where the version must not get further.
    pub risk: Option<u32>,
}

impl Release {
    /// Into Aviary's care, with this version and number of pods.
    pub fn adoption(accepted: &Version, replicas: u32) -> Self {
        let (acts, endings, accepted) = (Vec::new(), vec![vec![]], accepted.clone());
        Self { kind: Kind::Adoption, acts, endings, accepted, replicas, risk: Some(0) }
    }

    /// Whether pods of a canary may be missing for a while: it crashes, or is taken back without a walk.
    pub fn may_be_taken_back(&self) -> bool {
        let taken_back = |ended: &Ended| ended.1 != Ending::Promoted;
        self.endings.iter().flatten().any(taken_back)
    }

    /// The images that may reach the primary.
    pub fn proven(&self) -> impl Iterator<Item = &str> {
        let promoted = self.endings.iter().flatten().filter(|ended| ended.1 == Ending::Promoted);
        promoted.map(|(version, _)| version.image.as_str()).chain([self.accepted.image.as_str()])
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind)?;
        for act in &self.acts {
            match act {
                Act::Apply(version, None) => write!(f, " {}", version.image)?,
                Act::Apply(version, Some(replicas)) => write!(f, " {} with replicas {replicas}", version.image)?,
                Act::AwaitRollout(_, thought) => write!(f, ", {:.1} s into it", thought.as_secs_f64())?,
                Act::Scale(replicas) => write!(f, " scaled to {replicas}")?,
            }
        }
        Ok(())
    }
}

/// Deals releases.
#[derive(Debug)]
pub struct Deck {
    random: fastrand::Rng,
    kinds: Vec<Kind>,
    builds: u32,
}

impl Deck {
    /// The same seed deals the same.
    pub fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), kinds: Vec::new(), builds: 0 }
    }

    /// The version and number of pods that a service begins with.
    pub fn first(&mut self) -> (Version, u32) {
        (self.version(GOOD[0]), self.random.u32(REPLICAS))
    }

    /// The next release of a service that stands so.
    pub fn deal(&mut self, accepted: &Version, replicas: u32) -> Release {
        if self.kinds.is_empty() {
            self.kinds = DECK.to_vec();
            self.random.shuffle(&mut self.kinds);
        }
        let kind = self.kinds.pop().unwrap_or(Kind::Good);
        match kind {
            Kind::Adoption | Kind::Good => self.good(accepted, replicas),
            Kind::Crashing => self.bad(kind, "worker:exits", accepted, replicas),
            Kind::Unpullable => self.bad(kind, "worker:unpullable", accepted, replicas),
            Kind::Failing => self.bad(kind, "worker:errors", accepted, replicas),
            Kind::Direct => self.direct(accepted, replicas),
            Kind::Scaling => self.scaling(accepted, replicas),
            Kind::Back => self.back(accepted, replicas),
            Kind::Newer => self.newer(accepted, replicas),
            Kind::Hotfix => self.hotfix(accepted, replicas),
        }
    }

    fn good(&mut self, accepted: &Version, replicas: u32) -> Release {
        let version = self.good_version(&[accepted]);
        let mut acts = vec![Act::Apply(version.clone(), self.maybe(replicas))];
        let mut after = replicas;
        if self.random.u32(..4) == 0 {
            after = self.other_replicas(replicas);
            acts.extend([Act::AwaitRollout(version.clone(), self.thought()), Act::Scale(after)]);
        }
        let endings = vec![vec![(version.clone(), Ending::Promoted)]];
        Release { kind: Kind::Good, acts, endings, accepted: version, replicas: after, risk: None }
    }

    fn bad(&mut self, kind: Kind, image: &str, accepted: &Version, replicas: u32) -> Release {
        let version = self.version(image);
        let acts = vec![Act::Apply(version.clone(), self.maybe(replicas))];
        let endings = vec![vec![(version, Ending::RolledBack)]];
        Release { kind, acts, endings, accepted: accepted.clone(), replicas, risk: Some(1) }
    }

    fn direct(&mut self, accepted: &Version, replicas: u32) -> Release {
        let version = self.version(&accepted.image);
        let acts = vec![Act::Apply(version.clone(), self.maybe(replicas))];
        Release { kind: Kind::Direct, acts, endings: vec![vec![]], accepted: version, replicas, risk: Some(0) }
    }

    fn scaling(&mut self, accepted: &Version, replicas: u32) -> Release {
        let replicas = self.other_replicas(replicas);
        let acts = vec![Act::Scale(replicas)];
        let accepted = accepted.clone();
        Release { kind: Kind::Scaling, acts, endings: vec![vec![]], accepted, replicas, risk: Some(0) }
    }

    fn back(&mut self, accepted: &Version, replicas: u32) -> Release {
        let version = self.good_version(&[accepted]);
        let acts = vec![
            Act::Apply(version.clone(), self.maybe(replicas)),
            Act::AwaitRollout(version.clone(), self.thought()),
            Act::Apply(accepted.clone(), None),
        ];
        let in_time = vec![(version.clone(), Ending::Superseded)];
        let too_late = vec![(version, Ending::Promoted), (accepted.clone(), Ending::Promoted)];
        let (endings, accepted) = (vec![in_time, too_late], accepted.clone());
        Release { kind: Kind::Back, acts, endings, accepted, replicas, risk: None }
    }

    fn newer(&mut self, accepted: &Version, replicas: u32) -> Release {
        let first = self.good_version(&[accepted]);
        self.overtaken(Kind::Newer, first, Ending::Promoted, accepted, replicas)
    }

    fn hotfix(&mut self, accepted: &Version, replicas: u32) -> Release {
        let first = self.version("worker:exits");
        self.overtaken(Kind::Hotfix, first, Ending::RolledBack, accepted, replicas)
    }

    /// A version, and a good one after it; `alone` is how the first one ends where the second is too late.
    fn overtaken(&mut self, kind: Kind, first: Version, alone: Ending, accepted: &Version, replicas: u32) -> Release {
        let second = self.good_version(&[accepted, &first]);
        let acts = vec![
            Act::Apply(first.clone(), self.maybe(replicas)),
            Act::AwaitRollout(first.clone(), self.thought()),
            Act::Apply(second.clone(), self.maybe(replicas)),
        ];
        let ways = [Ending::Superseded, alone];
        let endings = ways.map(|ending| vec![(first.clone(), ending), (second.clone(), Ending::Promoted)]);
        Release { kind, acts, endings: endings.to_vec(), accepted: second, replicas, risk: None }
    }

    fn version(&mut self, image: &str) -> Version {
        self.builds += 1;
        Version { image: image.to_owned(), build: self.builds }
    }

    /// With an image that none of these has.
    fn good_version(&mut self, others: &[&Version]) -> Version {
        let others: Vec<&str> = others.iter().map(|version| version.image.as_str()).collect();
        let images: Vec<&str> = GOOD.into_iter().filter(|image| !others.contains(image)).collect();
        let image = images[self.random.usize(..images.len())];
        self.version(image)
    }

    /// Half of all manifests say how many.
    fn maybe(&mut self, replicas: u32) -> Option<u32> {
        self.random.bool().then_some(replicas)
    }

    fn other_replicas(&mut self, replicas: u32) -> u32 {
        let others: Vec<u32> = REPLICAS.filter(|other| *other != replicas).collect();
        others[self.random.usize(..others.len())]
    }

    fn thought(&mut self) -> Duration {
        LONGEST_THOUGHT.mul_f64(self.random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(seed: u64) -> Vec<String> {
        let mut deck = Deck::new(seed);
        let (mut accepted, mut replicas) = deck.first();
        let mut lines = Vec::new();
        for _ in 0..24 {
            let release = deck.deal(&accepted, replicas);
            lines.push(release.to_string());
            (accepted, replicas) = (release.accepted, release.replicas);
        }
        lines
    }

    #[test]
    fn a_seed_deals_the_same_again_and_another_something_else() {
        assert_eq!(dealt(7), dealt(7));
        assert_ne!(dealt(7), dealt(8));
    }

    #[test]
    fn every_kind_is_dealt_before_any_comes_more_often() {
        let mut deck = Deck::new(1);
        let (accepted, replicas) = deck.first();
        let mut kinds: Vec<Kind> = DECK.iter().map(|_| deck.deal(&accepted, replicas).kind).collect();
        kinds.sort();
        let mut all = DECK.to_vec();
        all.sort();
        assert_eq!(kinds, all);
    }

    #[test]
    fn what_is_bad_never_reaches_the_primary() {
        let mut deck = Deck::new(3);
        let (mut accepted, mut replicas) = deck.first();
        for _ in 0..100 {
            let release = deck.deal(&accepted, replicas);
            assert!(release.proven().all(|image| GOOD.contains(&image)), "{release}");
            assert!(GOOD.contains(&release.accepted.image.as_str()), "{release}");
            (accepted, replicas) = (release.accepted, release.replicas);
        }
    }

    #[test]
    fn a_version_is_told_from_another_by_image_and_build_alone() {
        let mut deck = Deck::new(1);
        let (one, another) = (deck.version("worker:v1"), deck.version("worker:v2"));
        let live = one.manifest().replicas(3).object["spec"].clone();
        assert_eq!(one.spec(&live), Spec::of(&live));
        assert_eq!(another.spec(&live), Spec::of(&another.manifest().object["spec"]));
    }
}
