//! Sequences of acts, and how they are drawn.

use std::fmt;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde::{Deserialize, Serialize};

use crate::{
    Amount, Change, Fault, Image,
    act::{Act, Guard, Lease, Manifest, Record, Scaling, Version},
};

/// The most acts after the first.
const MOST_ACTS: usize = 7;

/// One act, and whether the next comes at once or when all is at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// The act.
    pub act: Act,
    /// Whether the next act comes while things still move.
    #[serde(default)]
    pub at_once: bool,
}

/// Acts, one after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub Vec<Step>);

impl Sequence {
    /// How many acts come while things still move.
    #[must_use]
    pub fn hurries(&self) -> usize {
        self.0.iter().filter(|step| step.at_once).count()
    }
}

/// Sequences that begin with a Deployment that is created, mostly.
pub fn sequences() -> impl Strategy<Value = Sequence> {
    let first = prop_oneof![20 => manifest().prop_map(Act::Create), 1 => act()];
    (step(first), vec(step(act()), 0..=MOST_ACTS)).prop_map(|(first, others)| {
        let mut steps: Vec<Step> = std::iter::once(first).chain(others).collect();
        // Once only: a container that ends a second time is backed off from, and when that is over is a matter of time.
        let crashes: Vec<usize> = (0..steps.len()).filter(|index| steps[*index].act == Act::Crash).collect();
        crashes.into_iter().skip(1).for_each(|index| steps[index].act = Act::ReadScale);
        // The model knows no deletion in the foreground: there it is one in the background, and all at rest is the same.
        steps.iter_mut().filter(|step| step.act == Act::DeleteInForeground).for_each(|step| step.at_once = false);
        // A rollout that comes to a stand stays as far as it got, which is chance where others were under way.
        let stalls = steps.iter().position(|step| step.act.stalls());
        let calm = stalls.map_or(steps.len(), |index| index.saturating_sub(1));
        steps[calm..].iter_mut().for_each(|step| step.at_once = false);
        Sequence(steps)
    })
}

fn step(act: impl Strategy<Value = Act>) -> impl Strategy<Value = Step> {
    (act, prop::bool::weighted(0.25)).prop_map(|(act, at_once)| Step { act, at_once })
}

fn act() -> impl Strategy<Value = Act> {
    let guard = prop_oneof![
        6 => Just(Guard::Right), 1 => Just(Guard::Uid), 1 => Just(Guard::Generation), 1 => Just(Guard::Replicas)
    ];
    let by_uid = option::of(prop_oneof![Just(Guard::Right), Just(Guard::Uid)]);
    let scaling = select(vec![Scaling::Merge, Scaling::Json, Scaling::Put]);
    prop_oneof![
        1 => Just(Act::ReadScale),
        2 => Just(Act::GiveBack),
        3 => (0..8u8).prop_map(Act::DeletePod),
        1 => Just(Act::Crash),
        1 => Just(Act::DeleteInForeground),
        2 => by_uid.prop_map(Act::Delete),
        3 => record().prop_map(Act::Record),
        2 => lease().prop_map(Act::Lease),
        4 => (scaling, 0..=6u8).prop_map(|(scaling, replicas)| Act::Scale(scaling, replicas)),
        3 => manifest().prop_map(Act::Create),
        8 => change().prop_map(Act::Merge),
        8 => (guard, change()).prop_map(|(guard, change)| Act::Patch(guard, change)),
        5 => (version(), change()).prop_map(|(version, change)| Act::Put(version, change)),
    ]
}

fn image() -> impl Strategy<Value = Image> {
    prop_oneof![
        6 => Just(Image::One), 6 => Just(Image::Two), 2 => Just(Image::Slow), 1 => Just(Image::Hangs),
        1 => Just(Image::Crashes), 2 => Just(Image::Later), 1 => Just(Image::Missing),
    ]
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![(0..=3u8).prop_map(Amount::Pods), select(vec![0u8, 25, 34, 50, 100]).prop_map(Amount::Percent)]
}

fn rolling() -> impl Strategy<Value = (Amount, Amount)> {
    (amount(), amount())
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => Just(Change::Nothing),
        2 => (0..3u8).prop_map(Change::Label),
        2 => (0..3u8).prop_map(Change::Annotation),
        2 => Just(Change::NoReplicas),
        2 => (0..4u8).prop_map(Change::History),
        3 => any::<bool>().prop_map(Change::Paused),
        2 => rolling().prop_map(|(surge, unavailable)| Change::Rolling(surge, unavailable)),
        1 => (0..=1u8).prop_map(Change::MinReadySeconds),
        1 => select(vec![300u16, 600]).prop_map(Change::Deadline),
        3 => (0..3u8).prop_map(Change::Restart),
        2 => (0..3u8).prop_map(Change::Environment),
        5 => (0..=6u8).prop_map(Change::Replicas),
        4 => (image(), 0..=6u8).prop_map(|(image, replicas)| Change::ImageAndReplicas(image, replicas)),
        10 => image().prop_map(Change::Image),
        4 => select(Fault::ALL.to_vec()).prop_map(Change::Wrong),
    ]
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let also = prop_oneof![4 => Just(None), 1 => change().prop_map(Some)];
    (image(), option::weighted(0.8, 0..=6u8), option::weighted(0.4, rolling()), also)
        .prop_map(|(image, replicas, rolling, also)| Manifest { image, replicas, rolling, also })
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![4 => Just(Version::Right), 2 => Just(Version::None), 1 => Just(Version::Stale)]
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        2 => (0..3u8).prop_map(Record::Create),
        2 => (0..3u8, version()).prop_map(|(content, version)| Record::Replace(content, version)),
        1 => version().prop_map(Record::Delete),
    ]
}

fn lease() -> impl Strategy<Value = Lease> {
    prop_oneof![
        2 => (0..3u8).prop_map(Lease::Create),
        2 => (0..3u8, version()).prop_map(|(holder, version)| Lease::Replace(holder, version)),
        1 => Just(Lease::Delete),
    ]
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(number, step)| {
            let then = if step.at_once { ", and at once" } else { "" };
            writeln!(f, "  {number}. {}{then}", step.act)
        })
    }
}
