//! How a step of the original goes by the clock, and the numbers of ours that are never looser.

use aviary_core::record::REMEMBERED;

use super::{original::Deployment, values::Seconds};
use crate::configuration::Faults;

const DAY: u64 = 24 * 60 * 60;

/// The numbers of one Deployment, times in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    pub warm_up: u64,
    pub check_interval: u64,
    /// As many checks as the original takes in a step.
    pub passes: u64,
    pub tolerated_failures: u64,
    /// As long as a step can take there.
    pub step: u64,
    /// As long as that, or as its checks are remembered: failures of one step always fall into it.
    pub failure_window: u64,
    pub ready_deadline: u64,
    pub longest_step: u64,
    /// The `max_step_duration` that holds, if the original raises the one that is written.
    pub raised: Option<u64>,
}

/// What holds for a Deployment; what cannot be said here is a fault.
pub fn pace(deployment: &Deployment, faults: &mut Faults) -> Option<Pace> {
    let Seconds(check_interval) = deployment.check_interval.value;
    let warm_up = deployment.start_delay.as_ref().map_or(0, |delay| delay.value.0.0);
    let max_failures = deployment.max_failures.as_ref().map_or(1, |number| number.value.0);
    let Seconds(written) = deployment.max_step_duration.value;
    let raised = raised(written, max_failures, check_interval);
    let passes = raised.unwrap_or(written).div_ceil(check_interval).max(1);
    check(deployment, warm_up, (passes, raised.is_some()), faults)?;
    let ready_deadline = deployment.abort.value.0.clamp(1, DAY);
    let step = ready_deadline + warm_up + passes * check_interval;
    Some(Pace {
        warm_up,
        check_interval,
        passes,
        tolerated_failures: u64::try_from(max_failures).unwrap_or(0).saturating_sub(1),
        step,
        failure_window: step.min(DAY).min(REMEMBERED as u64 * check_interval),
        ready_deadline,
        longest_step: (2 * step).min(DAY),
        raised,
    })
}

/// The original makes a step long enough for all the failures that end it.
fn raised(written: u64, max_failures: i128, check_interval: u64) -> Option<u64> {
    let least = max_failures.saturating_mul(check_interval.into());
    (i128::from(written) < least).then(|| u64::try_from(least).unwrap_or(u64::MAX).saturating_add(1))
}

fn check(deployment: &Deployment, warm_up: u64, (passes, raised): (u64, bool), faults: &mut Faults) -> Option<()> {
    let most = REMEMBERED as u64;
    if passes > most {
        let message = format!("{passes} checks fit into a step, but the last {most} are all that count here");
        let (interval, longest) = (&deployment.check_interval, deployment.max_step_duration.value.0);
        match &deployment.max_failures {
            Some(number) if raised => number.fault(faults, format!("{message}: write a number below {most}")),
            _ => {
                let least = longest.div_ceil(most);
                interval.fault(faults, format!("{message}: make it at least {least}s, or max_step_duration shorter"));
            }
        }
        return None;
    }
    if warm_up + passes * deployment.check_interval.value.0 >= DAY {
        let message = "with start_delay takes a step to 24h or more, which is not allowed here: shorten one of them";
        deployment.max_step_duration.fault(faults, message);
        return None;
    }
    Some(())
}
