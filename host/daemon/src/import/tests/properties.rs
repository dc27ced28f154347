//! Any file at all: what is imported is ours, with the numbers that the original lives by, and never looser.

use std::time::Duration;

use aviary_core::{record::REMEMBERED, settings::Amount};
use aviary_policy_sdk::{NextStep, Outcome, Progression as _, parameters, testing::SituationBuilder};
use breakpoint::Breakpoint;
use proptest::prelude::*;
use serde_json::json;

use super::{good, imported, read};

/// A service as somebody might have written it.
#[derive(Debug, Clone)]
struct Written {
    step: u64,
    break_point: u64,
    abort: u64,
    max_step: u64,
    interval: u64,
    failures: Option<i64>,
    delay: Option<u64>,
    expressions: Vec<String>,
    other: String,
}

impl Written {
    fn text(&self, name: &str) -> String {
        let Self { step, break_point, abort, max_step, interval, failures, delay, expressions, other } = self;
        let failures = failures.map_or(String::new(), |failures| format!("  check_max_failures: {failures}\n"));
        let delay = delay.map_or(String::new(), |delay| format!("  start_delay: {delay}s\n"));
        let success: Vec<_> = expressions.iter().map(|expression| json!({ "expr": expression })).collect();
        format!(
            "{name}:\n  step: {step}%\n  breakpoint: {break_point}%\n  abort: {abort}s\n  max_step_duration: {max_step}s\n  \
             check_success_step_duration: {interval}s\n{failures}{delay}  success: {}\n  note: {}\n",
            json!(success),
            json!(other)
        )
    }

    /// How many checks the original takes in a step, by its own loop.
    fn checks(&self) -> u64 {
        let least = self.failures.unwrap_or(1) * i64::try_from(self.interval).unwrap();
        let last = if (i64::try_from(self.max_step).unwrap()) < least { least as u64 + 1 } else { self.max_step };
        (0..last).step_by(usize::try_from(self.interval).unwrap()).count() as u64
    }
}

fn expression() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#"rate(a_total{pod="<<pod>>"}[1m]) > 5"#.to_owned()),
        Just("sum(b) < 3 # all".to_owned()),
        Just("c{p=~`<<pod>>`,q='{x}'}".to_owned()),
        "[a-c<>{}\"'`\\\\$#~=() \n]{1,12}",
        any::<String>(),
    ]
}

prop_compose! {
    fn written()(
        step in 0..=101_u64,
        break_point in 0..=101_u64,
        abort in 0..=100_000_u64,
        max_step in 0..=100_000_u64,
        share in 1..=70_u64,
        failures in proptest::option::of(-1..=70_i64),
        delay in proptest::option::of(0..=5_000_u64),
        expressions in proptest::collection::vec(expression(), 0..4),
        other: String,
    ) -> Written {
        Written { step, break_point, abort, max_step, interval: max_step / share + 1, failures, delay, expressions, other }
    }
}

fn file(services: &[Written]) -> String {
    let services = services.iter().enumerate().map(|(number, service)| service.text(&format!("service-{number}")));
    format!("prometheus-base-url: http://p/\nnamespace: shop\n{}", services.collect::<String>())
}

/// At which check a rollout ended, and whether well.
type Ended = Option<(usize, bool)>;

/// The original: so many checks in each of its steps, ended by so many failures in one of them.
fn theirs(checks: usize, failures: usize, steps: usize, passes: &[bool]) -> Ended {
    for (number, step) in passes.chunks(checks).take(steps).enumerate() {
        let mut failed = step.iter().enumerate().filter(|(_, passed)| !**passed);
        if let Some((at, _)) = failed.nth(failures - 1) {
            return Some((number * checks + at, false));
        }
        if step.len() == checks && number + 1 == steps {
            return Some((number * checks + checks - 1, true));
        }
    }
    None
}

/// Ours, decided by the policy itself; before the checks of a step pods are waited for.
fn ours(steps: u32, parameters: &str, pauses: [i64; 2], passes: &[bool]) -> Ended {
    let settings = parameters::read(parameters).expect("parameters of the policy");
    let [interval, waited] = pauses;
    let (mut now, mut step, mut checks) = (waited, 1, Vec::new());
    for (at, passed) in passes.iter().enumerate() {
        let outcome = if *passed { Outcome::Pass } else { Outcome::Fail };
        let one = SituationBuilder::new().step(step).sizes(step, steps, 1).check(outcome).build();
        let mut situation = one.clone();
        checks.extend(one.checks.into_iter().map(|check| aviary_policy_sdk::Check { at: now, ..check }));
        checks = checks.split_off(checks.len().saturating_sub(REMEMBERED));
        situation.checks.clone_from(&checks);
        let first = checks.iter().find(|check| check.step_index == step).map_or(now, |check| check.at);
        situation.progress.now = now;
        (situation.progress.started, situation.progress.step_started) = (0, 0);
        situation.progress.step_complete = Some(first);
        now += interval;
        match Breakpoint::next(&situation, &settings).next {
            NextStep::Rollback => return Some((at, false)),
            NextStep::Promote => return Some((at, true)),
            NextStep::Advance(size) => {
                step = size;
                now += waited;
            }
            _ => {}
        }
    }
    None
}

proptest! {
    #[test]
    fn what_is_imported_is_ours_and_means_the_same(services in proptest::collection::vec(written(), 1..4)) {
        let Ok(imported) = imported(&file(&services)) else { return Ok(()) };
        let ours = read(&imported.yaml);
        prop_assert_eq!(ours.entries.len(), services.len());
        for (entry, written) in ours.entries.iter().zip(&services) {
            let settings = &entry.settings;
            let second = Duration::from_secs;
            prop_assert_eq!(settings.step, Amount::Percent(written.step as f64));
            prop_assert_eq!(settings.break_point, Amount::Percent(written.break_point as f64));
            prop_assert_eq!(settings.warm_up, second(written.delay.unwrap_or(0)));
            prop_assert_eq!(settings.check_interval, second(written.interval));
            prop_assert_eq!(settings.ready_deadline, second(written.abort.clamp(1, 86_400)));
            let passes = written.checks().max(1);
            let failures = written.failures.unwrap_or(1).max(1) - 1;
            prop_assert_eq!(&settings.progression.parameters["passes"], passes);
            prop_assert_eq!(&settings.progression.parameters["tolerated-failures"], failures);
            let checked = settings.warm_up + settings.check_interval * u32::try_from(passes).unwrap();
            prop_assert!(settings.longest_step > checked);
            prop_assert_eq!(settings.metrics.len(), written.expressions.len());
        }
        let again = good(&file(&services));
        prop_assert_eq!(again.yaml, imported.yaml);
    }

    #[test]
    fn plain_files_are_imported(mut service in written()) {
        (service.step, service.break_point) = (service.step.clamp(1, 100), service.break_point.clamp(1, 100));
        (service.max_step, service.interval) = (service.max_step.min(20_000), service.interval.clamp(400, 500));
        (service.failures, service.expressions) = (service.failures.map(|failures| failures.min(20)), Vec::new());
        good(&file(&[service]));
    }

    #[test]
    fn no_text_makes_it_panic(text: String, yaml in "[a-d%:s\\[\\]{}<>&*#'\"\n 0-9-]{0,80}") {
        let _ = imported(&text);
        let _ = imported(&format!("prometheus-base-url: http://p\nnamespace: shop\n{yaml}"));
    }

    #[test]
    fn it_is_never_looser(
        [interval, delay, abort, waited] in [1..60_u64, 0..300_u64, 1..300_u64, 0..300_u64],
        checks in 1..12_u64,
        failures in 1..6_i64,
        steps in 1..5_u32,
        passes in proptest::collection::vec(proptest::bool::weighted(0.8), 80),
    ) {
        let service = Written {
            step: 10, break_point: 50, abort, max_step: checks * interval, interval, failures: Some(failures),
            delay: Some(delay), expressions: Vec::new(), other: String::new(),
        };
        let settings = read(&good(&file(std::slice::from_ref(&service))).yaml).entries[0].settings.clone();
        let parameters = settings.progression.parameters.to_string();
        let milliseconds = |seconds: u64| i64::try_from(seconds * 1000).unwrap();
        let pauses = [milliseconds(interval), milliseconds(delay + waited.min(abort))];
        let of_theirs = usize::try_from(service.checks()).unwrap();
        let theirs = theirs(of_theirs, usize::try_from(failures).unwrap(), usize::try_from(steps).unwrap(), &passes);
        let ours = ours(steps, &parameters, pauses, &passes);
        match (theirs, ours) {
            (Some((at, false)), Some((ours, promoted))) => prop_assert!(!promoted && ours <= at),
            (Some((at, false)), None) => prop_assert!(false, "the original rolls back at check {at}"),
            (Some((at, true)), Some((ours, true))) => prop_assert!(ours >= at),
            (None, Some((_, promoted))) => prop_assert!(!promoted),
            _ => {}
        }
    }
}
