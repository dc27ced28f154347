//! Replica arithmetic: how large a step is, and which Deployment is scaled next on the way from one size to another.

use crate::{
    judge::Track,
    settings::{Amount, Settings},
    view::Rolling,
};

/// The sizes that follow from N and the settings of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// N: how many pods the service has in all.
    pub replicas: u32,
    /// How many pods above N a walk may use.
    pub surge: u32,
    /// By how many pods a step grows, at least 1.
    pub step: u32,
    /// The canary's pods at which a candidate that passed is promoted, from 1 to N.
    pub break_point: u32,
}

impl Sizes {
    /// Of a service with `replicas` pods. Shares are rounded up; step and break-point are at least one pod and at most N.
    #[must_use]
    pub fn new(settings: &Settings, replicas: u32) -> Self {
        let most = replicas.max(1);
        let break_point = pods(settings.break_point, replicas).clamp(1, most);
        let step = pods(settings.step, replicas).clamp(1, break_point);
        Self { replicas, surge: pods(settings.surge, replicas), step, break_point }
    }

    /// The size of the step after one of `canary` pods; steps end exactly at the break-point.
    #[must_use]
    pub fn next_step(&self, canary: u32) -> u32 {
        canary.saturating_add(self.step).min(self.break_point)
    }

    /// How many steps lie ahead of one of `canary` pods.
    #[must_use]
    pub const fn steps_after(&self, canary: u32) -> u32 {
        self.break_point.saturating_sub(canary).div_ceil(self.step)
    }

    /// The primary's size beside a canary of `canary` pods. A lone pod stays beside its canary: that is the surge.
    #[must_use]
    pub const fn primary_beside(&self, canary: u32) -> u32 {
        if self.replicas == 1 && self.surge > 0 { 1 } else { self.replicas.saturating_sub(canary) }
    }

    /// A canary of `canary` pods out of `before`, at its share of this N.
    #[must_use]
    pub fn same_share(&self, canary: u32, before: &Self) -> u32 {
        if canary >= before.break_point {
            return self.break_point;
        }
        let share = u64::from(canary) * u64::from(self.replicas);
        let pods = share.div_ceil(u64::from(before.replicas.max(1)));
        u32::try_from(pods).unwrap_or(u32::MAX).clamp(1, self.break_point)
    }
}

/// A number of pods out of N; shares are rounded up.
#[must_use]
pub fn pods(amount: Amount, replicas: u32) -> u32 {
    match amount {
        Amount::Pods(pods) => pods,
        // The small term takes back what binary fractions add: 7 % of 100 is 7, not 8.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u32")]
        Amount::Percent(percent) => {
            (f64::from(replicas) * percent / 100.0 - 1e-9).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
        }
    }
}

/// A Deployment on its way to a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which one.
    pub track: Track,
    /// Its `spec.replicas`.
    pub wanted: u32,
    /// Its pods, wanted or still there, the greater of both; more where it rolls by itself.
    pub present: u32,
    /// Whether updated = available = total = wanted.
    pub complete: bool,
    /// Whether the controller has seen the size wanted now; until then there may be more pods than are counted.
    pub observed: bool,
    /// Its available pods.
    pub available: u32,
    /// Whether it rolls by itself.
    pub rolling: Rolling,
    /// Where it is to go.
    pub target: u32,
}

impl Standing {
    /// Of one that has no pods yet, there or about to be created.
    #[must_use]
    pub const fn empty(track: Track, target: u32) -> Self {
        let (wanted, present, available) = (0, 0, 0);
        Self { track, wanted, present, complete: true, observed: true, available, rolling: Rolling::No, target }
    }
}

/// What moves capacity next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Every Deployment is at its target and complete.
    Arrived,
    /// This one is scaled.
    Scale {
        /// Which one.
        track: Track,
        /// From so many pods.
        from: u32,
        /// To so many.
        to: u32,
    },
    /// Nothing moves until this one is complete.
    WaitFor(Track),
}

/// The next scaling of a walk: takers go up while all pods are counted and at most N + surge, givers go down to as many as
/// leave N pods (N - 1 with surge 0 when all others are complete) with those of complete ones.
#[must_use]
pub fn walk(replicas: u32, surge: u32, standings: &[Standing]) -> Walk {
    up(replicas.saturating_add(surge), standings)
        .or_else(|| down(replicas, surge, standings))
        .unwrap_or_else(|| standings.iter().find(|s| !s.complete).map_or(Walk::Arrived, |s| Walk::WaitFor(s.track)))
}

fn up(most: u32, standings: &[Standing]) -> Option<Walk> {
    let taker = standings.iter().find(|s| s.wanted < s.target)?;
    if let Some(unseen) = standings.iter().find(|s| !s.observed) {
        return Some(Walk::WaitFor(unseen.track));
    }
    let room = most.saturating_sub(standings.iter().map(|s| s.present).sum());
    let grow = room.min(taker.target - taker.wanted);
    (grow > 0).then(|| Walk::Scale { track: taker.track, from: taker.wanted, to: taker.wanted + grow })
}

fn down(replicas: u32, surge: u32, standings: &[Standing]) -> Option<Walk> {
    // One that is not complete gives first: it serves least, and must not be waited for.
    let giver = standings.iter().filter(|s| s.wanted > s.target).min_by_key(|s| s.complete)?;
    let waited = standings.iter().find(|s| s.track != giver.track && !s.complete);
    let wait = || waited.map(|s| Walk::WaitFor(s.track));
    if !giver.complete && waited.is_some() {
        return wait();
    }
    // Beside one that is not complete only what is more than N without it is given.
    let least = replicas.saturating_sub(u32::from(surge == 0 && waited.is_none()));
    let beside: u32 = standings.iter().filter(|s| s.track != giver.track && s.complete).map(|s| s.wanted).sum();
    let spare = (beside + giver.wanted).saturating_sub(least);
    let to = giver.wanted - spare.min(giver.wanted - giver.target);
    if to == giver.wanted {
        return wait();
    }
    if !may_be_lowered(giver, to, beside, least) {
        return Some(Walk::WaitFor(giver.track));
    }
    Some(Walk::Scale { track: giver.track, from: giver.wanted, to })
}

/// Whether one that rolls can do without the pods that it would give, whichever they are.
const fn may_be_lowered(giver: &Standing, to: u32, beside: u32, least: u32) -> bool {
    match giver.rolling {
        Rolling::No => true,
        Rolling::WithoutSurge => to == 0,
        Rolling::WithSurge => {
            let left = giver.available.saturating_sub(giver.wanted - to);
            giver.available == left || beside + left >= least
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sizes(replicas: u32, surge: Amount, step: Amount, break_point: Amount) -> Sizes {
        let mut settings = crate::settings::tests::settings();
        (settings.surge, settings.step, settings.break_point) = (surge, step, break_point);
        Sizes::new(&settings, replicas)
    }

    fn steps(sizes: &Sizes) -> Vec<u32> {
        let mut steps = vec![sizes.next_step(0)];
        while *steps.last().unwrap() < sizes.break_point {
            steps.push(sizes.next_step(*steps.last().unwrap()));
        }
        steps
    }

    #[test]
    fn steps_end_exactly_at_the_break_point() {
        use Amount::{Percent, Pods};
        let table: [(u32, Amount, Amount, &[u32]); 7] = [
            (10, Percent(10.0), Percent(50.0), &[1, 2, 3, 4, 5]),
            (10, Percent(30.0), Percent(50.0), &[3, 5]),
            (5, Pods(1), Percent(40.0), &[1, 2]),
            (5, Pods(9), Percent(50.0), &[3]),
            (100, Percent(7.0), Percent(14.0), &[7, 14]),
            (1, Percent(10.0), Percent(50.0), &[1]),
            (0, Percent(10.0), Percent(50.0), &[1]),
        ];
        for (replicas, step, break_point, expected) in table {
            assert_eq!(steps(&sizes(replicas, Percent(25.0), step, break_point)), expected, "N = {replicas}");
        }
    }

    #[test]
    fn a_lone_pod_stays_beside_its_canary() {
        let half = Amount::Percent(50.0);
        assert_eq!(sizes(1, Amount::Percent(25.0), half, half).primary_beside(1), 1);
        assert_eq!(sizes(1, Amount::Pods(0), half, half).primary_beside(1), 0);
        assert_eq!(sizes(2, Amount::Pods(1), half, half).primary_beside(1), 1);
    }

    fn amount() -> impl Strategy<Value = Amount> {
        prop_oneof![(0..220u32).prop_map(Amount::Pods), (0.0..=100.0).prop_map(Amount::Percent)]
    }

    /// Walks with pods that become ready one write later, and says what was seen on the way.
    fn run(replicas: u32, surge: u32, mut standings: Vec<Standing>) -> Vec<Vec<u32>> {
        let mut seen = vec![standings.iter().map(|s| s.wanted).collect()];
        loop {
            match walk(replicas, surge, &standings) {
                Walk::Arrived => return seen,
                Walk::WaitFor(track) => settle(&mut standings, track),
                Walk::Scale { track, to, .. } => scale(&mut standings, track, to),
            }
            seen.push(standings.iter().map(|s| s.wanted).collect());
            assert!(seen.len() < 3000, "a walk has to end: {standings:?}");
        }
    }

    fn settle(standings: &mut [Standing], track: Track) {
        let standing = standings.iter_mut().find(|s| s.track == track).unwrap();
        (standing.present, standing.available, standing.complete) = (standing.wanted, standing.wanted, true);
    }

    fn scale(standings: &mut [Standing], track: Track, to: u32) {
        let standing = standings.iter_mut().find(|s| s.track == track).unwrap();
        (standing.wanted, standing.complete) = (to, false);
        standing.present = to;
    }

    fn standing(track: Track, wanted: u32, target: u32) -> Standing {
        Standing { wanted, present: wanted, available: wanted, ..Standing::empty(track, target) }
    }

    #[test]
    fn beside_one_that_is_not_complete_only_what_is_more_than_n_is_given() {
        let hanging = Standing { complete: false, ..standing(Track::Canary, 1, 1) };
        let next = |replicas, surge, primary, target| {
            walk(replicas, surge, &[standing(Track::Primary, primary, target), hanging])
        };
        let to = |from, to| Walk::Scale { track: Track::Primary, from, to };
        assert_eq!(next(1, 1, 3, 1), to(3, 1));
        assert_eq!(next(1, 0, 2, 0), to(2, 1));
        assert_eq!(next(1, 0, 1, 0), Walk::WaitFor(Track::Canary));
        assert_eq!(next(4, 1, 4, 3), Walk::WaitFor(Track::Canary));
    }

    #[test]
    fn one_that_rolls_gives_no_pods_that_may_be_those_that_serve() {
        let canary = standing(Track::Canary, 1, 1);
        let next = |rolling, available, target| {
            let primary = Standing { complete: false, available, rolling, ..standing(Track::Primary, 3, target) };
            walk(3, 1, &[primary, canary])
        };
        let to = |to| Walk::Scale { track: Track::Primary, from: 3, to };
        assert_eq!(next(Rolling::No, 2, 2), to(2));
        assert_eq!(next(Rolling::WithSurge, 3, 2), to(2));
        assert_eq!(next(Rolling::WithSurge, 2, 2), Walk::WaitFor(Track::Primary));
        assert_eq!(next(Rolling::WithSurge, 0, 2), to(2));
        assert_eq!(next(Rolling::WithoutSurge, 3, 2), Walk::WaitFor(Track::Primary));
        let alone = |available| Standing {
            complete: false,
            available,
            rolling: Rolling::WithSurge,
            ..standing(Track::Primary, 3, 2)
        };
        assert_eq!(walk(2, 1, &[alone(3)]), to(2));
        assert_eq!(walk(2, 1, &[alone(2)]), Walk::WaitFor(Track::Primary));
    }

    proptest! {
        #[test]
        fn sizes_are_in_their_ranges(replicas in 0..=200u32, surge in amount(), step in amount(), break_point in amount()) {
            let sizes = sizes(replicas, surge, step, break_point);
            let steps = steps(&sizes);
            prop_assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(*steps.last().unwrap(), sizes.break_point);
            prop_assert!(sizes.break_point >= 1 && sizes.break_point <= replicas.max(1));
            for (index, canary) in steps.iter().enumerate() {
                prop_assert_eq!(sizes.steps_after(*canary) as usize, steps.len() - 1 - index);
                let pods = sizes.primary_beside(*canary) + canary;
                prop_assert!(pods >= replicas && pods <= replicas.max(1) + u32::from(replicas == 1 && sizes.surge > 0));
            }
        }

        #[test]
        fn shares_survive_a_scaling(before in 1..=200u32, after in 1..=200u32, step in amount(), break_point in amount()) {
            let old = sizes(before, Amount::Pods(1), step, break_point);
            let new = sizes(after, Amount::Pods(1), step, break_point);
            for canary in steps(&old) {
                let size = new.same_share(canary, &old);
                prop_assert!(size >= 1 && size <= new.break_point);
                prop_assert!(canary < old.break_point || size == new.break_point);
            }
        }

        #[test]
        fn a_walk_keeps_capacity_and_totals(replicas in 1..=200u32, surge in 0..=210u32, canary in 0..=200u32, back in any::<bool>()) {
            let canary = canary.min(replicas);
            let (from, to) = if back { (canary, 0) } else { (0, canary) };
            let seen = run(replicas, surge, vec![
                standing(Track::Primary, replicas - from, replicas - to),
                standing(Track::Canary, from, to),
            ]);
            for pair in &seen {
                let pods: u32 = pair.iter().sum();
                prop_assert!(pods >= replicas - u32::from(surge == 0));
                prop_assert!(pods <= replicas + surge);
            }
            prop_assert_eq!(seen.last().unwrap(), &vec![replicas - to, to]);
            let canaries: Vec<u32> = seen.iter().map(|pair| pair[1]).collect();
            let monotone = if back { canaries.is_sorted_by(|a, b| a >= b) } else { canaries.is_sorted() };
            prop_assert!(monotone);
        }

        #[test]
        fn what_is_not_complete_is_not_counted_on(
            replicas in 0..=9u32,
            surge in 0..=3u32,
            sizes in [(0..12u32, 0..12u32, any::<bool>()), (0..12u32, 0..12u32, any::<bool>())],
        ) {
            let [primary, canary] = sizes;
            let standings = [(Track::Primary, primary), (Track::Canary, canary)]
                .map(|(track, (wanted, target, complete))| Standing { complete, ..standing(track, wanted, target) });
            if let Walk::Scale { track, from, to } = walk(replicas, surge, &standings) && to < from {
                let beside: u32 = standings.iter().filter(|s| s.track != track && s.complete).map(|s| s.wanted).sum();
                let all_others = standings.iter().all(|s| s.track == track || s.complete);
                prop_assert!(beside + to >= replicas.saturating_sub(u32::from(surge == 0 && all_others)));
            }
        }

        #[test]
        fn any_sizes_reach_any_targets(replicas in 0..=40u32, surge in 0..=10u32, wanted in [0..50u32, 0..50u32], canary in 0..=40u32) {
            let canary = canary.min(replicas);
            let seen = run(replicas, surge, vec![
                standing(Track::Primary, wanted[0], replicas - canary),
                standing(Track::Canary, wanted[1], canary),
            ]);
            prop_assert_eq!(seen.last().unwrap(), &vec![replicas - canary, canary]);
        }
    }
}
