//! No pod of the canary may count something bad, such as errors, much faster than the pods of the primary do.

use aviary_policy_sdk::{Analyzer, Finding, Observation, Pod, Track, parameters};

parameters! {
    /// What a configuration can set.
    pub struct Settings {
        /// The counter, by its name among the configuration's `metrics`.
        pub metric: String = "errors".to_owned(),
        /// A canary pod may count so many times as fast as a pod of the primary.
        pub factor: f64 = 2.0,
        /// What is slower than this, per second, is never too fast.
        pub floor: f64 = 0.5,
    }
}

/// The policy.
pub struct NoFaster;

aviary_policy_sdk::export_analyzer!(NoFaster);

impl Analyzer for NoFaster {
    type Parameters = Settings;

    fn analyze(observation: &Observation, settings: &Settings) -> Finding {
        if let Some(reason) = observation.too_early() {
            return Finding::inconclusive(reason);
        }
        let Some(metric) = observation.metric(&settings.metric) else {
            return Finding::inconclusive(format!("no metric `{}` is configured", settings.metric));
        };
        let (name, window) = (&metric.name, observation.window_of(metric));
        // A NaN compares with nothing: it must not look like a rate within the limit.
        let rate = |pod: &Pod| Some(metric.rate_of_pod(&pod.name, window)?.per_second).filter(|rate| rate.is_finite());
        let Some(primary) = mean(observation.pods_of(Track::Primary).filter_map(rate)) else {
            return Finding::inconclusive(format!("no pod of the primary has a rate of {name} yet"));
        };
        let limit = settings.floor.max(primary * settings.factor);
        let findings = observation.pods_of(Track::Canary).map(|pod| match rate(pod) {
            Some(rate) if rate > limit => {
                Finding::fail(format!("{}: {rate:.2} {name} per second, the limit is {limit:.2}", pod.name))
            }
            Some(_) => Finding::pass(format!("no canary pod has more than {limit:.2} {name} per second")),
            None => Finding::inconclusive(format!("{} has no rate of {name} yet", pod.name)),
        });
        Finding::worst(findings).unwrap_or_else(|| Finding::inconclusive("there is no canary pod"))
    }

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.factor < 1.0 {
            return Err("parameter `factor` must be at least 1: less would fail a canary that is as good".to_owned());
        }
        Ok(())
    }
}

fn mean(rates: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = rates.fold((0.0, 0.0), |(sum, count), rate| (sum + rate, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aviary_policy_sdk::{
        Outcome,
        testing::{MetricBuilder, ObservationBuilder},
    };

    /// A pod of each track, with the values of its counter every 15 seconds.
    fn judge(canary: [f64; 3], primary: [f64; 3]) -> Finding {
        let errors = MetricBuilder::counter("errors").values("new", canary).values("old", primary);
        let pods = ObservationBuilder::new().pod("new", Track::Canary).pod("old", Track::Primary);
        NoFaster::analyze(&pods.metric(errors).build(), &Settings::default())
    }

    #[test]
    fn a_canary_as_good_as_the_primary_passes() {
        assert_eq!(judge([0.0, 15.0, 30.0], [0.0, 15.0, 30.0]).outcome, Outcome::Pass);
    }

    #[test]
    fn a_canary_with_many_more_errors_fails() {
        let finding = judge([0.0, 60.0, 120.0], [0.0, 15.0, 30.0]);
        assert_eq!(finding.reason, "new: 4.00 errors per second, the limit is 2.00");
        assert_eq!(finding.outcome, Outcome::Fail);
    }

    #[test]
    fn what_is_not_known_of_a_pod_does_not_pass() {
        assert_eq!(judge([0.0, f64::NAN, 30.0], [0.0, 15.0, 30.0]).outcome, Outcome::Inconclusive);
        assert_eq!(judge([0.0, 15.0, 30.0], [0.0, f64::NAN, 30.0]).outcome, Outcome::Inconclusive);
        let of = |pods: ObservationBuilder| {
            let errors = MetricBuilder::counter("errors").values("new", [0.0, 1.0]).values("old", [0.0, 1.0]);
            NoFaster::analyze(&pods.metric(errors).build(), &Settings::default()).reason
        };
        let primary = || ObservationBuilder::new().pod("old", Track::Primary);
        let silent = primary().pod("new", Track::Canary).pod("silent", Track::Canary);
        assert_eq!(of(silent), "silent has no rate of errors yet");
        assert_eq!(of(primary()), "there is no canary pod");
        assert_eq!(
            of(ObservationBuilder::new().pod("new", Track::Canary)),
            "no pod of the primary has a rate of errors yet"
        );
        assert_eq!(of(primary().warming_up()), "the warm-up of 1 min after the scaling is not over");
    }

    #[test]
    fn a_pod_that_fails_fails_whatever_is_not_known_of_others() {
        let errors = MetricBuilder::counter("errors").values("bad", [0.0, 900.0]).values("old", [0.0, 1.0]);
        let pods = ObservationBuilder::new().pod("silent", Track::Canary).pod("bad", Track::Canary);
        let observation = pods.pod("old", Track::Primary).metric(errors).build();
        assert_eq!(NoFaster::analyze(&observation, &Settings::default()).outcome, Outcome::Fail);
    }
}
