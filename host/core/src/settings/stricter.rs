//! What holds for a rollout under way when the settings of its service change: what it began with, or what is stricter.

use serde_json::{Map, Value};

use super::{Amount, BREAKPOINT, MetricSettings, PolicyChoice, Settings};
use crate::replicas::pods;

impl Settings {
    /// What a rollout that began with `self` uses in a service of `replicas` pods for which `current` holds by now. A change
    /// counts at once where it makes promotion later or rollback sooner; what would be looser waits for the next rollout.
    ///
    /// | setting | what the rollout uses |
    /// |---|---|
    /// | `step` | the one of fewer pods |
    /// | `break-point` | the one of more pods |
    /// | `warm-up` | the longer one |
    /// | `ready-deadline`, `longest-step` | the shorter one |
    /// | `analyzers` | all of both; with other parameters both are asked, and the worst finding counts as ever |
    /// | `metrics` | all of both; of one name, source and kind the higher `min` and the lower `max` |
    /// | `passes`, `tolerated-failures`, `failure-window` of `breakpoint` | more, fewer, the longer one |
    /// | `check-interval`, `progression`, all other parameters | as begun: which is stricter, nobody can tell |
    /// | `classifier` | the current one: it is asked about another candidate, whose rollout is still to begin |
    /// | `surge`, `shared-claims` | the current one: what the cluster bears, whichever candidate is under test |
    /// | `on-rollback` | the current one: to whom the original belongs, which says nothing of the candidate |
    #[must_use]
    pub fn or_stricter(&self, current: &Self, replicas: u32) -> Self {
        let size = |amount: Amount| pods(amount, replicas);
        Self {
            step: if size(current.step) < size(self.step) { current.step } else { self.step },
            break_point: if size(current.break_point) > size(self.break_point) {
                current.break_point
            } else {
                self.break_point
            },
            surge: current.surge,
            warm_up: self.warm_up.max(current.warm_up),
            check_interval: self.check_interval,
            ready_deadline: self.ready_deadline.min(current.ready_deadline),
            longest_step: self.longest_step.min(current.longest_step),
            on_rollback: current.on_rollback,
            shared_claims: current.shared_claims,
            classifier: current.classifier.clone(),
            analyzers: analyzers(&self.analyzers, &current.analyzers),
            progression: progression(&self.progression, &current.progression),
            metrics: metrics(&self.metrics, &current.metrics),
        }
    }
}

fn analyzers(began: &[PolicyChoice], current: &[PolicyChoice]) -> Vec<PolicyChoice> {
    let added = current.iter().filter(|choice| !began.contains(choice));
    began.iter().chain(added).cloned().collect()
}

fn metrics(began: &[MetricSettings], current: &[MetricSettings]) -> Vec<MetricSettings> {
    let of = |list: &[MetricSettings], name: &str| list.iter().find(|metric| metric.name == name).cloned();
    let kept = began.iter().map(|metric| match of(current, &metric.name) {
        Some(now) if (&now.source, now.kind) == (&metric.source, metric.kind) => tighter(metric, &now),
        _ => metric.clone(),
    });
    let added = current.iter().filter(|metric| of(began, &metric.name).is_none()).cloned();
    kept.chain(added).collect()
}

fn tighter(began: &MetricSettings, current: &MetricSettings) -> MetricSettings {
    let both = |one: Option<f64>, other: Option<f64>, choose: fn(f64, f64) -> f64| match (one, other) {
        (Some(one), Some(other)) => Some(choose(one, other)),
        (one, other) => one.or(other),
    };
    MetricSettings {
        min: both(began.min, current.min, f64::max),
        max: both(began.max, current.max, f64::min),
        ..began.clone()
    }
}

/// The parameters by which the configuration sets the pace are known here; those of other policies only to themselves.
fn progression(began: &PolicyChoice, current: &PolicyChoice) -> PolicyChoice {
    let mut chosen = began.clone();
    if let (BREAKPOINT, BREAKPOINT) = (began.name.as_str(), current.name.as_str())
        && let (Some(chosen), Some(current)) = (chosen.parameters.as_object_mut(), current.parameters.as_object())
    {
        tighten(chosen, current, "passes", u64::max);
        tighten(chosen, current, "tolerated-failures", u64::min);
        tighten(chosen, current, "failure-window", longer_window);
    }
    chosen
}

fn tighten(chosen: &mut Map<String, Value>, current: &Map<String, Value>, name: &str, choose: fn(u64, u64) -> u64) {
    if let (Some(began), Some(now)) = (chosen.get_mut(name), current.get(name).and_then(Value::as_u64))
        && let Some(before) = began.as_u64()
    {
        *began = choose(before, now).into();
    }
}

/// A window of 0 has no end.
const fn longer_window(one: u64, other: u64) -> u64 {
    match (one, other) {
        (0, _) | (_, 0) => 0,
        _ if one < other => other,
        _ => one,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        judge::{Better, MetricKind},
        settings::{MetricSource, OnRollback, tests::settings},
    };

    type Change = fn(&mut Settings);

    fn metric(name: &str, query: &str, min: Option<f64>, max: Option<f64>) -> MetricSettings {
        MetricSettings {
            name: name.to_owned(),
            unit: String::new(),
            source: MetricSource::Query(query.to_owned()),
            kind: MetricKind::Evaluated,
            better: Better::Lower,
            min,
            max,
            window: Duration::from_secs(60),
            parameters: json!({}),
        }
    }

    fn policy(name: &str, parameters: Value) -> PolicyChoice {
        PolicyChoice { name: name.to_owned(), parameters }
    }

    /// What is used of `change` by a rollout of 10 pods that began with the settings of the tests, and what is used of the
    /// reverse.
    fn both_ways(change: impl Fn(&mut Settings)) -> (Settings, Settings, Settings, Settings) {
        let before = settings();
        let mut after = before.clone();
        change(&mut after);
        (before.or_stricter(&after, 10), after.or_stricter(&before, 10), before, after)
    }

    #[test]
    fn what_is_stricter_counts_at_once_and_what_is_looser_does_not() {
        let max = |max| vec![metric("errors", "q", None, Some(max))];
        let table: [(&str, Change); 8] = [
            ("a smaller step", |s| s.step = Amount::Pods(1)),
            ("a higher break-point", |s| s.break_point = Amount::Percent(50.0)),
            ("a longer warm-up", |s| s.warm_up = Duration::from_secs(21)),
            ("a shorter deadline", |s| s.ready_deadline = Duration::from_secs(299)),
            ("a shorter step", |s| s.longest_step = Duration::from_secs(3599)),
            ("another analyzer", |s| s.analyzers.push(policy("latency", json!({})))),
            ("another metric", |s| s.metrics.push(metric("latency", "l", None, None))),
            ("all of it", |s| {
                s.step = Amount::Percent(10.0);
                s.warm_up = Duration::from_secs(60);
                s.metrics.push(metric("latency", "l", Some(1.0), None));
            }),
        ];
        for (what, change) in table {
            let (tightened, loosened, _, after) = both_ways(change);
            assert_eq!((&tightened, &loosened), (&after, &after), "{what}");
        }
        let before = Settings { metrics: max(2.0), ..settings() };
        let after = Settings { metrics: max(1.0), ..settings() };
        assert_eq!((before.or_stricter(&after, 10), after.or_stricter(&before, 10)), (after.clone(), after));
    }

    #[test]
    fn what_nobody_can_tell_stays_as_begun() {
        let table: [(&str, Change); 6] = [
            ("check interval", |s| s.check_interval = Duration::from_secs(5)),
            ("another progression", |s| s.progression = policy("slow", json!({}))),
            ("an unknown parameter", |s| s.progression.parameters = json!({"inconclusive": "fail"})),
            ("a parameter that is no number", |s| s.progression.parameters = json!({"passes": "many"})),
            ("a step of as many pods", |s| s.step = Amount::Pods(2)),
            ("no analyzer", |s| s.analyzers.clear()),
        ];
        for (what, change) in table {
            let (used, _, before, after) = both_ways(change);
            assert_ne!(before, after, "{what}");
            assert_eq!(used, before, "{what}");
        }
    }

    #[test]
    fn what_says_nothing_of_the_candidate_is_followed() {
        let (used, _, _, after) = both_ways(|s| {
            s.surge = Amount::Pods(0);
            s.on_rollback = OnRollback::Keep;
            s.shared_claims = true;
            s.classifier = policy("labels", json!({}));
        });
        assert_eq!(used, after);
    }

    #[test]
    fn another_source_of_a_metric_waits_and_a_limit_of_the_same_one_does_not() {
        let began = Settings { metrics: vec![metric("errors", "old", None, Some(2.0))], ..settings() };
        let current = Settings { metrics: vec![metric("errors", "new", None, Some(1.0))], ..settings() };
        assert_eq!(began.or_stricter(&current, 10), began);
        let current = Settings { metrics: vec![metric("errors", "old", Some(0.5), Some(3.0))], ..settings() };
        assert_eq!(began.or_stricter(&current, 10).metrics, [metric("errors", "old", Some(0.5), Some(2.0))]);
    }

    #[test]
    fn an_analyzer_with_other_parameters_is_asked_beside_the_old_one() {
        let began = Settings { analyzers: vec![policy("threshold", json!({"least": 3}))], ..settings() };
        let current = Settings { analyzers: vec![policy("threshold", json!({"least": 5}))], ..settings() };
        let used = began.or_stricter(&current, 10).analyzers;
        assert_eq!(used, [began.analyzers[0].clone(), current.analyzers[0].clone()]);
    }

    #[test]
    fn the_pace_of_the_built_in_progression_is_known() {
        let pace = |passes: u32, failures: u32, window: u32| Settings {
            progression: policy(
                "breakpoint",
                json!({"passes": passes, "tolerated-failures": failures, "failure-window": window, "inconclusive": "hold"}),
            ),
            ..settings()
        };
        let table = [
            (pace(3, 1, 600), pace(5, 0, 900), pace(5, 0, 900)),
            (pace(3, 1, 600), pace(1, 2, 300), pace(3, 1, 600)),
            (pace(3, 1, 600), pace(1, 0, 0), pace(3, 0, 0)),
            (pace(3, 1, 0), pace(3, 1, 600), pace(3, 1, 0)),
        ];
        for (began, current, used) in table {
            assert_eq!(began.or_stricter(&current, 10), used);
        }
    }

    fn amount() -> impl Strategy<Value = Amount> {
        prop_oneof![(1..30u32).prop_map(Amount::Pods), (1..=100u32).prop_map(|share| Amount::Percent(share.into()))]
    }

    fn some_metrics() -> impl Strategy<Value = Vec<MetricSettings>> {
        let limit = || prop::option::of((0..9i32).prop_map(f64::from));
        let one = (0..2u8, limit(), limit()).prop_map(|(query, min, max)| (format!("query{query}"), min, max));
        let metrics = |list: Vec<(String, Option<f64>, Option<f64>)>| {
            let named = list.into_iter().enumerate();
            named.map(|(index, (query, min, max))| metric(&format!("m{index}"), &query, min, max)).collect()
        };
        prop::collection::vec(one, 0..3).prop_map(metrics)
    }

    prop_compose! {
        fn some_settings()(
            (step, break_point, surge) in (amount(), amount(), amount()),
            seconds in prop::array::uniform4(1..900u64),
            analyzers in prop::collection::vec((0..3u8, 0..2u8), 1..3),
            (passes, failures, window) in (1..5u32, 0..3u32, 0..3u32),
            metrics in some_metrics(),
        ) -> Settings {
            let [warm_up, check_interval, ready_deadline, longest_step] = seconds.map(Duration::from_secs);
            let analyzers = analyzers.iter().map(|(name, least)| policy(&format!("a{name}"), json!({"least": least})));
            let pace = json!({"passes": passes, "tolerated-failures": failures, "failure-window": window});
            Settings {
                step, break_point, surge, warm_up, check_interval, ready_deadline, longest_step, metrics,
                analyzers: analyzers.collect(),
                progression: policy("breakpoint", pace),
                ..settings()
            }
        }
    }

    /// Whether whatever `one` lets through, `other` lets through too.
    fn as_strict(one: &Settings, other: &Settings, replicas: u32) -> bool {
        let parameter = |settings: &Settings, name: &str| settings.progression.parameters[name].as_u64();
        let window = |settings: &Settings| parameter(settings, "failure-window").filter(|window| *window > 0);
        let metric = |wanted: &MetricSettings| {
            one.metrics.iter().any(|metric| {
                (&metric.name, &metric.source) == (&wanted.name, &wanted.source)
                    && wanted.min.is_none_or(|min| metric.min.is_some_and(|other| other >= min))
                    && wanted.max.is_none_or(|max| metric.max.is_some_and(|other| other <= max))
            })
        };
        pods(one.step, replicas) <= pods(other.step, replicas)
            && pods(one.break_point, replicas) >= pods(other.break_point, replicas)
            && one.warm_up >= other.warm_up
            && one.ready_deadline <= other.ready_deadline
            && one.longest_step <= other.longest_step
            && other.analyzers.iter().all(|analyzer| one.analyzers.contains(analyzer))
            && parameter(one, "passes") >= parameter(other, "passes")
            && parameter(one, "tolerated-failures") <= parameter(other, "tolerated-failures")
            && window(one).is_none_or(|long| window(other).is_some_and(|short| long >= short))
            && other.metrics.iter().all(metric)
    }

    proptest! {
        #[test]
        fn a_rollout_is_never_looser_than_it_began(
            (began, current, replicas) in (some_settings(), some_settings(), 1..40u32)
        ) {
            let used = began.or_stricter(&current, replicas);
            prop_assert!(as_strict(&used, &began, replicas), "{used:#?}");
            prop_assert_eq!(used.or_stricter(&current, replicas), used.clone(), "idempotent");
            prop_assert_eq!(began.or_stricter(&began, replicas), began.clone());
            prop_assert_eq!((used.surge, used.on_rollback), (current.surge, current.on_rollback));
            prop_assert_eq!(used.check_interval, began.check_interval);
        }

        #[test]
        fn what_is_tightened_counts((began, change, replicas) in (some_settings(), some_settings(), 1..40u32)) {
            // As strict as both, with nothing of which nobody can tell.
            let current = began.or_stricter(&change, replicas);
            let used = began.or_stricter(&current, replicas);
            prop_assert!(as_strict(&used, &current, replicas));
        }
    }
}
