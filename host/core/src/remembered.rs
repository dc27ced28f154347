//! Which checks of a rollout are remembered: the last ones, as far as the record may grow.

use crate::{
    judge::{AnalyzerFinding, Check, Finding},
    record::REMEMBERED,
};

/// Bytes of them as JSON: a ConfigMap has room for 1 MiB, and two specs are beside them.
const BYTES: usize = 512 * 1024;

/// Remembers a check as the newest. Where all would be too much, the older ones lose their lines per metric first, and the
/// oldest are forgotten.
pub(crate) fn remember(checks: &mut Vec<Check>, check: Check) {
    checks.push(check);
    let mut left = BYTES;
    let newest = checks.iter().rev().take(REMEMBERED);
    let kept = newest.take_while(|check| spend(&mut left, size(&without_lines(check)))).count();
    checks.drain(..checks.len() - kept);
    for check in checks.iter_mut().rev() {
        let thin = without_lines(check);
        if !spend(&mut left, size(check) - size(&thin)) {
            *check = thin;
        }
    }
}

/// Takes so many of what is left; all of it where that is less, which is not enough.
fn spend(left: &mut usize, bytes: usize) -> bool {
    let rest = left.checked_sub(bytes);
    *left = rest.unwrap_or_default();
    rest.is_some()
}

fn without_lines(check: &Check) -> Check {
    let finding = |finding: &Finding| Finding { reason: finding.reason.clone(), metrics: Vec::new(), ..*finding };
    let found =
        |found: &AnalyzerFinding| AnalyzerFinding { policy: found.policy.clone(), finding: finding(&found.finding) };
    Check { findings: check.findings.iter().map(found).collect(), ..*check }
}

fn size(check: &Check) -> usize {
    // Numbers and text alone always have JSON.
    serde_json::to_string(check).map_or(0, |text| text.len() + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        judge::{MetricFinding, Outcome, PolicyIdentity},
        time::Timestamp,
    };

    fn check(number: i64, pods: usize, note: usize) -> Check {
        let text = |length: usize| "\"".repeat(length);
        let line = MetricFinding {
            metric: "errors".to_owned(),
            outcome: Outcome::Fail,
            canary: Some(f64::MIN),
            primary: Some(f64::MIN),
            limit: Some(f64::MIN),
            pods: vec![text(63); pods],
            samples_used: u32::MAX,
            samples_left_out: u32::MAX,
            note: text(note),
        };
        let policy = PolicyIdentity { name: text(63), version: text(63), digest: text(71) };
        let finding =
            Finding { outcome: Outcome::Critical, score: Some(f64::MIN), reason: text(note), metrics: vec![line; 5] };
        Check {
            at: Timestamp(number),
            step_index: u32::MAX,
            canary: u32::MAX,
            early: false,
            outcome: Outcome::Critical,
            findings: vec![AnalyzerFinding { policy, finding }; 3],
        }
    }

    fn remembered(number: i64, pods: usize, note: usize) -> Vec<Check> {
        let mut checks = Vec::new();
        (0..number).for_each(|number| remember(&mut checks, check(number, pods, note)));
        checks
    }

    #[test]
    fn of_ordinary_checks_the_last_64_are_whole() {
        let checks = remembered(100, 1, 10);
        assert_eq!(checks.len(), REMEMBERED);
        assert!(checks.iter().zip(36..).all(|(kept, number)| *kept == check(number, 1, 10)));
    }

    #[test]
    fn of_large_checks_the_older_ones_have_no_lines() {
        let checks = remembered(100, 100, 100);
        assert_eq!(checks.len(), REMEMBERED);
        assert_eq!(checks.last(), Some(&check(99, 100, 100)));
        assert!(checks[0].findings.iter().all(|found| found.finding.metrics.is_empty()));
        assert_eq!(checks[0].findings[0].finding.reason.len(), 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_remembered_fits_and_the_newest_is_among_it(number in 1..80i64, pods in 0..200usize, note in 0..2000usize) {
            let mut checks: Vec<Check> = (1..number).map(|number| check(number, pods, note)).collect();
            remember(&mut checks, check(number, pods, note));
            prop_assert!(serde_json::to_string(&checks).unwrap().len() <= BYTES + 2);
            let at: Vec<i64> = checks.iter().map(|check| check.at.0).collect();
            let first = number + 1 - i64::try_from(at.len()).unwrap();
            prop_assert!(!at.is_empty());
            prop_assert_eq!(at, (first..=number).collect::<Vec<i64>>());
        }
    }
}
