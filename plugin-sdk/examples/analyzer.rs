//! No pod of the canary may count something bad, such as errors, much faster than the pods of the primary do.

use aviary_policy_sdk::{Analyzer, Finding, Metric, Observation, Span, Track, parameters};

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
        let Some(metric) = observation.metric(&settings.metric) else {
            return Finding::inconclusive(format!("no metric `{}` is configured", settings.metric));
        };
        let Some(primary) = mean(&rates(observation, metric, Track::Primary)) else {
            return Finding::inconclusive(format!("no pod of the primary has a rate of {} yet", metric.name));
        };
        let canary = rates(observation, metric, Track::Canary);
        let limit = settings.floor.max(primary * settings.factor);
        match canary.iter().find(|(_, rate)| *rate > limit) {
            Some((pod, rate)) => {
                Finding::fail(format!("{pod}: {rate:.2} {} per second, the limit is {limit:.2}", metric.name))
            }
            None if canary.is_empty() => {
                Finding::inconclusive(format!("no canary pod has a rate of {} yet", metric.name))
            }
            None => Finding::pass(format!("no canary pod has more than {limit:.2} {} per second", metric.name)),
        }
    }

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.factor < 1.0 {
            return Err("parameter `factor` must be at least 1: less would fail a canary that is as good".to_owned());
        }
        Ok(())
    }
}

/// The pods of a track that have a rate in the metric's window, since this step is complete.
fn rates<'a>(observation: &'a Observation, metric: &Metric, track: Track) -> Vec<(&'a str, f64)> {
    let progress = &observation.progress;
    let span = Span::before(progress.now, metric.window).since(progress.step_complete.unwrap_or(progress.now));
    let rate = |pod: &'a str| metric.rate_of_pod(pod, span).map(|rate| (pod, rate.per_second));
    observation.pods_of(track).filter_map(|pod| rate(&pod.name)).collect()
}

fn mean(rates: &[(&str, f64)]) -> Option<f64> {
    let (sum, count) = rates.iter().fold((0.0, 0.0), |(sum, count), (_, rate)| (sum + rate, count + 1.0));
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
    fn without_samples_nothing_is_said() {
        let errors = MetricBuilder::counter("errors").no_data();
        let observation = ObservationBuilder::new().pod("new", Track::Canary).metric(errors).build();
        assert_eq!(NoFaster::analyze(&observation, &Settings::default()).outcome, Outcome::Inconclusive);
    }
}
