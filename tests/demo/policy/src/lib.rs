//! The stricter analyzer that the demo drops in: a limit lets pass what is worse than before, this does not.

use aviary_policy_sdk::{Analyzer, Better, Finding, Metric, MetricKind, Observation, Span, Track, parameters};

parameters! {
    /// How much worse is too much.
    pub struct Settings {
        /// A canary's counter may grow so many times as fast as the primary's.
        pub factor: f64 = 3.0,
        /// What grows slower than this (per second and pod) is never too fast.
        pub floor: f64 = 0.5,
    }
}

/// The policy.
pub struct NoWorse;

aviary_policy_sdk::export_analyzer!(NoWorse);

impl Analyzer for NoWorse {
    type Parameters = Settings;

    fn analyze(observation: &Observation, settings: &Settings) -> Finding {
        let Some(since) = observation.progress.step_complete.filter(|_| observation.progress.warm_up_over) else {
            return Finding::inconclusive("the canary is still warming up");
        };
        let counters = |metric: &&Metric| metric.kind == MetricKind::Counter && metric.better == Better::Lower;
        for metric in observation.metrics.iter().filter(counters) {
            let span = Span::before(observation.progress.now, metric.window).since(since);
            let rate = |track| mean_rate(observation, metric, track, span);
            let (Some(canary), Some(primary)) = (rate(Track::Canary), rate(Track::Primary)) else {
                return Finding::inconclusive(format!("{} has no rate on both tracks yet", metric.name));
            };
            if canary > settings.floor.max(primary * settings.factor) {
                let (name, unit, factor) = (&metric.name, &metric.unit, settings.factor);
                return Finding::fail(format!(
                    "{name}: {canary:.2} {unit} on a canary pod, {primary:.2} on one of the primary: more than {factor} times as many"
                ));
            }
        }
        Finding::pass("no counter grows faster on the canary than on the primary")
    }
}

fn mean_rate(observation: &Observation, metric: &Metric, track: Track, span: Span) -> Option<f64> {
    let pods = observation.pods_of(track).filter_map(|pod| metric.rate_of_pod(&pod.name, span));
    let (sum, count) = pods.fold((0.0, 0.0), |(sum, count), rate| (sum + rate.per_second, count + 1.0));
    Some(sum / count).filter(|mean: &f64| mean.is_finite())
}

#[cfg(test)]
mod tests {
    use aviary_policy_sdk::{
        Outcome,
        testing::{MetricBuilder, ObservationBuilder},
    };

    use super::*;

    fn outcome(canary: [f64; 3], primary: [f64; 3]) -> Finding {
        let errors = MetricBuilder::counter("errors").unit("errors/s");
        let errors = errors.values("new", canary).values("old", primary);
        let observation =
            ObservationBuilder::new().pod("new", Track::Canary).pod("old", Track::Primary).metric(errors).build();
        NoWorse::analyze(&observation, &Settings::default())
    }

    #[test]
    fn as_good_as_the_primary_passes_and_much_worse_fails() {
        assert_eq!(outcome([0.0, 15.0, 30.0], [0.0, 15.0, 30.0]).outcome, Outcome::Pass);
        let worse = outcome([0.0, 60.0, 120.0], [0.0, 15.0, 30.0]);
        assert_eq!(worse.outcome, Outcome::Fail);
        assert!(worse.reason.starts_with("errors: 4.00 errors/s on a canary pod, 1.00 on one of the primary"));
    }

    #[test]
    fn what_is_no_number_does_not_pass() {
        assert_eq!(outcome([0.0, f64::NAN, 8.0], [0.0, 0.0, 0.0]).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn next_to_nothing_is_never_too_fast() {
        assert_eq!(outcome([0.0, 4.0, 8.0], [0.0, 0.0, 0.0]).outcome, Outcome::Pass);
    }
}
