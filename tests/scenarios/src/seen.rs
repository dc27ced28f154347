//! What an outsider saw, moment by moment, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Between a ReplicaSet that starts a pod and another that ends one, on a busy machine.
pub const INSTANT: Duration = Duration::from_secs(2);

/// How many pods a track has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Not terminating.
    pub pods: u32,
    /// Ready, and not terminating.
    pub available: u32,
}

/// How the service stood at one event.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When the event reached the outsider.
    pub at: Instant,
    /// Pods by track.
    pub original: Size,
    /// Pods by track.
    pub primary: Size,
    /// Pods by track.
    pub canary: Size,
}

/// A pod that was seen.
#[derive(Clone, Debug)]
pub struct SeenPod {
    /// Its name.
    pub name: String,
    /// Its track: `original`, `primary` or `canary`.
    pub track: String,
    /// The image of its first container.
    pub image: String,
    /// When it was first seen.
    pub first: Instant,
    /// When it was first seen ready.
    pub ready: Option<Instant>,
    /// When it was first seen terminating or gone.
    pub ended: Option<Instant>,
    /// The most restarts it showed.
    pub restarts: u64,
}

/// A Deployment as somebody left it.
#[derive(Clone, Debug)]
pub struct SeenDeployment {
    /// When the event reached the outsider.
    pub at: Instant,
    /// Its name.
    pub name: String,
    /// `spec.replicas`; 0 where it was deleted.
    pub replicas: u64,
    /// The image of its first container.
    pub image: String,
    /// Rises with each change that is not the controller's report.
    generation: u64,
}

/// All that was seen since some time.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// One moment per event of a pod.
    pub moments: Vec<Moment>,
    /// By uid.
    pub pods: BTreeMap<String, SeenPod>,
    /// One per change of a Deployment.
    pub deployments: Vec<SeenDeployment>,
    /// For how long each time nobody could watch something, and missed what was over by the end of it.
    pub gaps: Vec<Duration>,
}

impl Moment {
    /// Available pods of all tracks.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.original.available + self.primary.available + self.canary.available
    }

    /// Pods of all tracks that are not terminating.
    #[must_use]
    pub fn pods(&self) -> u32 {
        self.original.pods + self.pods_of_copies()
    }

    /// Pods of the copies that are not terminating.
    #[must_use]
    pub fn pods_of_copies(&self) -> u32 {
        self.primary.pods + self.canary.pods
    }
}

impl Story {
    /// I1: available pods of all tracks were never fewer.
    #[track_caller]
    pub fn never_fewer_available_than(&self, least: u32) {
        let worst = self.least_available().expect("something was seen");
        assert!(worst.available() >= least, "less than {least} pods available: {worst:?}\n{}", self.told());
    }

    /// The moment with the fewest available pods.
    #[must_use]
    pub fn least_available(&self) -> Option<&Moment> {
        self.moments.iter().min_by_key(|moment| moment.available())
    }

    /// I2: pods of all tracks were never more.
    #[track_caller]
    pub fn never_more_pods_than(&self, most: u32) {
        let worst = self.moments.iter().max_by_key(|moment| moment.pods()).expect("something was seen");
        assert!(worst.pods() <= most, "more than {most} pods: {worst:?}\n{}", self.told());
    }

    /// I2 while a Deployment rolls by its own strategy: Kubernetes bounds what its ReplicaSets want, and one may start a
    /// pod an instant before another ends one.
    #[track_caller]
    pub fn never_more_pods_for_long_than(&self, most: u32) {
        let longest = self.longest_above(most, Moment::pods);
        assert!(longest <= INSTANT, "more than {most} pods for {longest:?}\n{}", self.told());
    }

    /// The same without the original's pods, which a manifest with replicas starts (rule 10).
    #[track_caller]
    pub fn never_more_pods_of_copies_for_long_than(&self, most: u32) {
        let longest = self.longest_above(most, Moment::pods_of_copies);
        assert!(longest <= INSTANT, "more than {most} pods of the copies for {longest:?}\n{}", self.told());
    }

    /// For how long, without a break, there were more than so many pods.
    #[must_use]
    pub fn longest_above(&self, most: u32, count: impl Fn(&Moment) -> u32) -> Duration {
        let (mut longest, mut begun) = (Duration::ZERO, None);
        for moment in &self.moments {
            let since = begun.take().or((count(moment) > most).then_some(moment.at));
            longest = since.map_or(longest, |since: Instant| longest.max(moment.at - since));
            begun = since.filter(|_| count(moment) > most);
        }
        longest
    }

    /// The sizes that the canary was given, in order, each once.
    #[must_use]
    pub fn canary_sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.of("foo-canary").map(|seen| seen.replicas).collect();
        sizes.dedup();
        sizes
    }

    /// What was seen of a Deployment.
    pub fn of(&self, name: &str) -> impl DoubleEndedIterator<Item = &SeenDeployment> {
        self.deployments.iter().filter(move |seen| seen.name == name)
    }

    /// The pods that are there and not terminating, by uid.
    #[must_use]
    pub fn live(&self) -> BTreeSet<&str> {
        self.pods.iter().filter(|(_, pod)| pod.ended.is_none()).map(|(uid, _)| uid.as_str()).collect()
    }

    /// How many pods were started after `since`.
    #[must_use]
    pub fn started(&self, since: Instant) -> usize {
        self.pods.values().filter(|pod| pod.first >= since).count()
    }

    /// The pods of a track.
    pub fn of_track(&self, track: &str) -> impl Iterator<Item = &SeenPod> {
        self.pods.values().filter(move |pod| pod.track == track)
    }

    /// Every pod, by its start, for a message.
    #[must_use]
    pub fn listed(&self) -> String {
        let Some(begun) = self.moments.first().map(|moment| moment.at) else { return String::new() };
        let mut pods: Vec<&SeenPod> = self.pods.values().collect();
        pods.sort_by_key(|pod| pod.first);
        // Negative before the first moment.
        let seconds = |at: Instant| {
            at.saturating_duration_since(begun).as_secs_f64() - (begun.saturating_duration_since(at)).as_secs_f64()
        };
        let line = |pod: &SeenPod| {
            let (first, ended) = (seconds(pod.first), pod.ended.map(seconds));
            format!("{} {} from {first:.3} s to {ended:?}", pod.name, pod.image)
        };
        pods.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Every size of the tracks, in order, for a message.
    #[must_use]
    pub fn told(&self) -> String {
        let Some(first) = self.moments.first() else { return String::new() };
        let line = |moment: &Moment| {
            let Moment { at, original, primary, canary } = moment;
            let size = |size: &Size| format!("{}/{}", size.available, size.pods);
            let seconds = (*at - first.at).as_secs_f64();
            format!("{seconds:.3} s: original {} primary {} canary {}", size(original), size(primary), size(canary))
        };
        self.moments.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Takes in how all pods of the namespace are now.
    pub(crate) fn take_pods(&mut self, live: &BTreeMap<String, Value>) {
        let at = Instant::now();
        for (uid, pod) in live {
            self.take_pod(uid, pod, at);
        }
        for (_, pod) in self.pods.iter_mut().filter(|(uid, _)| !live.contains_key(*uid)) {
            pod.ended.get_or_insert(at);
        }
        let size = |track| size(live, track);
        self.moments.push(Moment { at, original: size("original"), primary: size("primary"), canary: size("canary") });
    }

    /// Takes in how a Deployment is now; gives what is new of it.
    pub(crate) fn take_deployment(&mut self, object: &Value, deleted: bool) -> Option<SeenDeployment> {
        let replicas = if deleted { 0 } else { object["spec"]["replicas"].as_u64().unwrap_or(0) };
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let image = first_image(&object["spec"]["template"]["spec"]);
        let generation = object["metadata"]["generation"].as_u64().unwrap_or(0);
        let same = |last: &SeenDeployment| last.generation == generation && last.replicas == replicas;
        if self.of(&name).next_back().is_some_and(same) {
            return None;
        }
        let seen = SeenDeployment { at: Instant::now(), name, replicas, image, generation };
        self.deployments.push(seen.clone());
        Some(seen)
    }

    fn take_pod(&mut self, uid: &str, pod: &Value, at: Instant) {
        let seen = self.pods.entry(uid.to_owned()).or_insert_with(|| SeenPod {
            name: pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            track: track(pod).to_owned(),
            image: first_image(&pod["spec"]),
            first: at,
            ready: None,
            ended: None,
            restarts: 0,
        });
        if is_ready(pod) {
            seen.ready.get_or_insert(at);
        }
        if is_terminating(pod) {
            seen.ended.get_or_insert(at);
        }
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or(0);
        seen.restarts = seen.restarts.max(restarts);
    }
}

fn size(live: &BTreeMap<String, Value>, wanted: &str) -> Size {
    let of_track = || live.values().filter(|pod| track(pod) == wanted && !is_terminating(pod));
    let count = |pods: usize| u32::try_from(pods).unwrap_or(u32::MAX);
    Size { pods: count(of_track().count()), available: count(of_track().filter(|pod| is_ready(pod)).count()) }
}

fn track(pod: &Value) -> &str {
    pod["metadata"]["labels"]["aviary.dev/track"].as_str().unwrap_or("original")
}

fn is_terminating(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn first_image(pod_spec: &Value) -> String {
    pod_spec["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// The primary's pods, each size for so many milliseconds.
    fn story(sizes: &[(u32, u64)]) -> Story {
        let (mut at, mut moments) = (Instant::now(), Vec::new());
        for (pods, lasting) in sizes {
            let primary = Size { pods: *pods, available: *pods };
            moments.push(Moment { at, original: Size::default(), primary, canary: Size::default() });
            at += Duration::from_millis(*lasting);
        }
        Story { moments, ..Story::default() }
    }

    #[test]
    fn only_an_excess_that_lasts_counts_while_rolling() {
        let (brief, long) =
            (story(&[(5, 900), (8, 1200), (7, 900), (8, 1200), (5, 0)]), story(&[(8, 1200), (9, 1200), (5, 0)]));
        brief.never_more_pods_for_long_than(7);
        brief.never_more_pods_of_copies_for_long_than(7);
        assert!(catch_unwind(|| brief.never_more_pods_than(7)).is_err());
        assert!(catch_unwind(|| long.never_more_pods_for_long_than(7)).is_err());
        assert!(catch_unwind(|| long.never_more_pods_of_copies_for_long_than(7)).is_err());
    }
}
