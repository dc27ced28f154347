//! Whether capacity was held through a release, by what an outsider saw (I1, I2, I3 and I4 of the design).

use std::time::{Duration, Instant};

use scenarios::{INSTANT, Moment, Story};

use crate::{ending::Past, release::Release};

/// After an outage the controllers come back to what they had half done.
const AFTER_AN_OUTAGE: Duration = Duration::from_secs(10);

/// How near a release came to the bounds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// N, the smaller one where it changed.
    pub fewest: u32,
    /// N, the larger one.
    pub most: u32,
    /// The largest surge of either.
    pub surge: u32,
    /// The largest canary.
    pub canary: u32,
    /// Available pods at the worst moment.
    pub available: u32,
    /// Pods of the copies at the fullest moment.
    pub copies: u32,
    /// How long the original had pods: what a manifest with replicas, or a scaling, starts (rule 10).
    pub original: Duration,
}

/// A quarter, rounded up.
fn surge(replicas: u32) -> u32 {
    replicas.div_ceil(4)
}

/// Checks what was seen of a release, during which the control plane was out for `outage`.
///
/// # Errors
/// Which bound was broken, and every moment of it.
pub fn check(story: &Story, past: &Past, release: &Release, outage: Duration) -> Result<Held, String> {
    let held = held(story, past, release).ok_or("nothing was seen")?;
    let away = if release.may_be_taken_back() { held.canary } else { 0 };
    if held.available + away < held.fewest {
        let bound = held.fewest.saturating_sub(away);
        return Err(format!("{} pods were available, fewer than {bound}\n{}", held.available, story.told()));
    }
    // A rollback asks for N of the primary while the canary's are still there.
    let beyond = if release.may_be_taken_back() { held.surge.max(held.canary) } else { held.surge };
    let bearable = INSTANT + if outage.is_zero() { outage } else { outage + AFTER_AN_OUTAGE };
    let longest = story.longest_above(held.most + beyond, Moment::pods_of_copies);
    if longest > bearable {
        return Err(format!("the copies had more than {} pods for {longest:?}\n{}", held.most + beyond, story.told()));
    }
    risk(&held, release)?;
    primary(story, past, release)?;
    Ok(held)
}

fn held(story: &Story, past: &Past, release: &Release) -> Option<Held> {
    let (before, after) = (past.replicas, release.replicas);
    let canary = story.of("foo-canary").map(|seen| seen.replicas).max().unwrap_or(0);
    Some(Held {
        fewest: before.min(after),
        most: before.max(after),
        surge: surge(before.max(after)),
        canary: u32::try_from(canary).unwrap_or(u32::MAX),
        available: story.least_available()?.available(),
        copies: story.moments.iter().map(Moment::pods_of_copies).max()?,
        original: story.longest_above(0, |moment| moment.original.pods),
    })
}

fn risk(held: &Held, release: &Release) -> Result<(), String> {
    let most = release.risk.unwrap_or(held.most);
    (held.canary <= most).then_some(()).ok_or_else(|| format!("the canary had {} pods, more than {most}", held.canary))
}

fn primary(story: &Story, past: &Past, release: &Release) -> Result<(), String> {
    let proven: Vec<&str> = release.proven().chain([past.accepted.image.as_str()]).collect();
    let mut unproven = story.of("foo-primary").filter(|seen| !proven.contains(&seen.image.as_str()));
    unproven.next().map_or(Ok(()), |seen| Err(format!("the primary took {}, which nothing had proven", seen.image)))
}

/// Times at which the control plane was out.
#[derive(Debug, Default)]
pub struct Outages(Vec<(Instant, Option<Instant>)>);

impl Outages {
    /// One begins.
    pub fn begin(&mut self) {
        self.0.push((Instant::now(), None));
    }

    /// The last one ends.
    pub fn end(&mut self) {
        if let Some((_, end)) = self.0.last_mut() {
            *end = Some(Instant::now());
        }
    }

    /// How long it was out since then.
    pub fn since(&self, since: Instant) -> Duration {
        let now = Instant::now();
        let part = |(begin, end): &(Instant, Option<Instant>)| {
            end.unwrap_or(now).saturating_duration_since((*begin).max(since))
        };
        self.0.iter().map(part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Deck;

    /// The worst case of a story with these moments: pods and available ones of the copies.
    fn seen(moments: &[(u32, u32)]) -> Story {
        let begun = Instant::now();
        let moment = |(index, (pods, available)): (usize, &(u32, u32))| Moment {
            at: begun + Duration::from_secs(10) * u32::try_from(index).unwrap_or(0),
            original: Default::default(),
            primary: scenarios::Size { pods: *pods, available: *available },
            canary: Default::default(),
        };
        Story { moments: moments.iter().enumerate().map(moment).collect(), ..Story::default() }
    }

    #[test]
    fn bounds_that_are_broken_are_told() {
        let mut deck = Deck::new(1);
        let accepted = deck.first().0;
        let past = Past { accepted: accepted.clone(), replicas: 4, rollouts: Vec::new(), rejected: Vec::new() };
        let good = (0..).map(|_| deck.deal(&accepted, 4)).find(|one| !one.may_be_taken_back() && one.replicas == 4);
        let Some(good) = good else { unreachable!("the deck has good ones") };
        let table = [
            (vec![(4, 4), (5, 4), (4, 4)], None),
            (vec![(4, 4), (4, 3), (4, 4)], Some("3 pods were available, fewer than 4")),
            (vec![(4, 4), (6, 4), (4, 4)], Some("the copies had more than 5 pods for 10s")),
        ];
        for (moments, fault) in table {
            let found = check(&seen(&moments), &past, &good, Duration::ZERO).err();
            assert_eq!(found.as_ref().and_then(|found| found.lines().next()), fault, "{moments:?}");
        }
        let during_an_outage = check(&seen(&[(4, 4), (6, 4), (4, 4)]), &past, &good, Duration::from_secs(5));
        assert!(during_an_outage.is_ok());
    }
}
