//! The core's values in the words of the contract: what a policy is told.

use std::time::Duration;

use aviary_core::{
    diff::{Difference, ImageDifference},
    judge,
    time::Timestamp,
};
use serde_json::Value;

use crate::contract::types as wit;

pub(crate) fn change(change: &judge::Change, parameters: &str) -> wit::Change {
    wit::Change {
        service: service(&change.service),
        differences: change.differences.iter().map(difference).collect(),
        images: change.images.iter().map(image).collect(),
        replicas_before: change.replicas_before,
        replicas_after: change.replicas_after,
        parameters: parameters.to_owned(),
        attributes: vec![],
    }
}

pub(crate) fn observation(observation: &judge::Observation, parameters: &str) -> wit::Observation {
    wit::Observation {
        service: service(&observation.service),
        progress: progress(&observation.progress),
        scalings: observation.scalings.iter().map(scaling).collect(),
        pods: observation.pods.iter().map(pod).collect(),
        metrics: observation.metrics.iter().map(metric).collect(),
        parameters: parameters.to_owned(),
        attributes: vec![],
    }
}

pub(crate) fn situation(situation: &judge::Situation, parameters: &str) -> wit::Situation {
    wit::Situation {
        service: service(&situation.service),
        progress: progress(&situation.progress),
        scalings: situation.scalings.iter().map(scaling).collect(),
        checks: situation.checks.iter().map(check).collect(),
        parameters: parameters.to_owned(),
        attributes: resumed(situation),
    }
}

/// What came after the record was laid down goes into its open field.
fn resumed(situation: &judge::Situation) -> Vec<wit::Attribute> {
    let at = situation.resumed.iter();
    at.map(|at| wit::Attribute { key: "resumed-at".to_owned(), value: at.0.to_string() }).collect()
}

fn service(service: &judge::ServiceIdentity) -> wit::Service {
    wit::Service {
        namespace: service.namespace.clone(),
        name: service.name.clone(),
        labels: labels(&service.labels),
        attributes: vec![],
    }
}

fn labels(labels: &[(String, String)]) -> Vec<wit::Label> {
    labels.iter().map(|(name, value)| wit::Label { name: name.clone(), value: value.clone() }).collect()
}

fn difference(difference: &Difference) -> wit::Difference {
    wit::Difference {
        pointer: difference.pointer.clone(),
        before: difference.before.as_ref().map(Value::to_string),
        after: difference.after.as_ref().map(Value::to_string),
    }
}

fn image(image: &ImageDifference) -> wit::ImageDifference {
    wit::ImageDifference {
        container: image.container.clone(),
        init: image.init,
        before: image.before.clone(),
        after: image.after.clone(),
    }
}

fn progress(progress: &judge::Progress) -> wit::Progress {
    wit::Progress {
        rollout_id: progress.rollout_id.clone(),
        now: progress.now.0,
        started: progress.started.0,
        step_index: progress.step_index,
        step_started: progress.step_started.0,
        step_complete: progress.step_complete.map(|at| at.0),
        replicas: progress.replicas,
        canary: size(progress.canary),
        primary: size(progress.primary),
        break_point: progress.break_point,
        step: progress.step,
        warm_up: millis(progress.warm_up),
        warm_up_over: progress.warm_up_over,
        check_interval: millis(progress.check_interval),
        checks_in_step: progress.checks_in_step,
        checks_in_all: progress.checks_in_all,
    }
}

fn size(size: judge::TrackSize) -> wit::TrackSize {
    wit::TrackSize { wanted: size.wanted, ready: size.ready }
}

fn scaling(scaling: &judge::Scaling) -> wit::Scaling {
    wit::Scaling { at: scaling.at.0, canary: scaling.canary, primary: scaling.primary }
}

fn pod(pod: &judge::PodObservation) -> wit::Pod {
    wit::Pod {
        name: pod.name.clone(),
        track: track(pod.track),
        created: pod.created.0,
        became_ready: pod.became_ready.map(|at| at.0),
        ready: pod.ready,
        restart_count: pod.restart_count,
        restarts: pod.restarts.iter().map(restart).collect(),
        waiting_reason: pod.waiting_reason.clone(),
        waiting_message: pod.waiting_message.clone(),
        attributes: vec![],
    }
}

fn restart(restart: &judge::Restart) -> wit::Restart {
    wit::Restart {
        at: restart.at.0,
        container: restart.container.clone(),
        reason: restart.reason.clone(),
        exit_code: restart.exit_code,
    }
}

fn metric(metric: &judge::MetricObservation) -> wit::Metric {
    wit::Metric {
        name: metric.name.clone(),
        unit: metric.unit.clone(),
        kind: metric_kind(metric.kind),
        better: better(metric.better),
        min: metric.min,
        max: metric.max,
        window: millis(metric.window),
        parameters: metric.parameters.to_string(),
        status: status(&metric.status),
        series: metric.series.iter().map(series).collect(),
        series_cut: metric.series_cut,
        attributes: vec![],
    }
}

fn series(series: &judge::Series) -> wit::Series {
    wit::Series {
        pod: series.pod.clone(),
        track: series.track.map(track),
        labels: labels(&series.labels),
        times: series.times.iter().map(|Timestamp(millis)| *millis).collect(),
        values: series.values.clone(),
    }
}

fn check(check: &judge::Check) -> wit::Check {
    wit::Check {
        at: check.at.0,
        step_index: check.step_index,
        canary: check.canary,
        early: check.early,
        outcome: outcome(check.outcome),
        findings: check.findings.iter().map(analyzer_finding).collect(),
    }
}

fn analyzer_finding(finding: &judge::AnalyzerFinding) -> wit::AnalyzerFinding {
    let told = wit::Finding {
        outcome: outcome(finding.finding.outcome),
        score: finding.finding.score,
        reason: finding.finding.reason.clone(),
        metrics: finding.finding.metrics.iter().map(metric_finding).collect(),
        attributes: vec![],
    };
    wit::AnalyzerFinding { analyzer: finding.policy.name.clone(), finding: told }
}

fn metric_finding(finding: &judge::MetricFinding) -> wit::MetricFinding {
    wit::MetricFinding {
        metric: finding.metric.clone(),
        outcome: outcome(finding.outcome),
        canary: finding.canary,
        primary: finding.primary,
        limit: finding.limit,
        pods: finding.pods.clone(),
        samples_used: finding.samples_used,
        samples_left_out: finding.samples_left_out,
        note: finding.note.clone(),
    }
}

fn track(track: judge::Track) -> wit::Track {
    match track {
        judge::Track::Original => wit::Track::Original,
        judge::Track::Primary => wit::Track::Primary,
        judge::Track::Canary => wit::Track::Canary,
    }
}

fn metric_kind(kind: judge::MetricKind) -> wit::MetricKind {
    match kind {
        judge::MetricKind::Gauge => wit::MetricKind::Gauge,
        judge::MetricKind::Counter => wit::MetricKind::Counter,
        judge::MetricKind::HistogramBucket => wit::MetricKind::HistogramBucket,
        judge::MetricKind::Evaluated => wit::MetricKind::Evaluated,
        judge::MetricKind::Condition => wit::MetricKind::Condition,
    }
}

fn better(better: judge::Better) -> wit::Better {
    match better {
        judge::Better::Lower => wit::Better::Lower,
        judge::Better::Higher => wit::Better::Higher,
        judge::Better::Neither => wit::Better::Neither,
    }
}

fn status(status: &judge::MetricStatus) -> wit::MetricStatus {
    match status {
        judge::MetricStatus::Samples => wit::MetricStatus::Samples,
        judge::MetricStatus::NoData => wit::MetricStatus::NoData,
        judge::MetricStatus::Error(message) => wit::MetricStatus::Error(message.clone()),
    }
}

fn outcome(outcome: judge::Outcome) -> wit::Outcome {
    match outcome {
        judge::Outcome::Pass => wit::Outcome::Pass,
        judge::Outcome::Inconclusive => wit::Outcome::Inconclusive,
        judge::Outcome::Fail => wit::Outcome::Fail,
        judge::Outcome::Critical => wit::Outcome::Critical,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
