//! Numbers and units as people read them.

use aviary_policy_sdk::{Metric, MetricKind};

/// A value with its metric's unit; the value of a counter is its rate per second.
pub(crate) fn value(metric: &Metric, value: f64) -> String {
    with_unit(metric, &number(value))
}

/// Two values of a metric, told apart even where rounding would make them look the same.
pub(crate) fn both(metric: &Metric, one: f64, other: f64) -> (String, String) {
    let rounded = (number(one), number(other));
    let (one, other) = if rounded.0 == rounded.1 { (one.to_string(), other.to_string()) } else { rounded };
    (with_unit(metric, &one), with_unit(metric, &other))
}

fn with_unit(metric: &Metric, number: &str) -> String {
    let unit = metric.unit.trim();
    let rate = if metric.kind == MetricKind::Counter && !unit.ends_with("/s") { "/s" } else { "" };
    let space = if unit.is_empty() || unit.starts_with(['%', '/']) { "" } else { " " };
    format!("{number}{space}{unit}{rate}")
}

/// Three significant digits at least, without zeros at the end.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 || !size.is_finite() => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.1 => 3,
        size if size >= 0.001 => 5,
        _ => return value.to_string(),
    };
    let written = format!("{value:.digits$}");
    if digits == 0 { written } else { written.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Milliseconds in the largest unit that shows them whole.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        whole if whole > 0 && whole.is_multiple_of(60_000) => format!("{} min", whole / 60_000),
        whole if whole.is_multiple_of(1000) => format!("{} s", whole / 1000),
        rest => format!("{rest} ms"),
    }
}

/// `1 canary pod is` or `3 canary pods are`.
pub(crate) fn pods(count: usize) -> String {
    if count == 1 { "1 canary pod is".to_owned() } else { format!("{count} canary pods are") }
}

/// `on a`, `on a and b`, `on a and 3 more`.
pub(crate) fn on_pods(pods: &[String]) -> String {
    match pods {
        [] => String::new(),
        [pod] => format!(" on {pod}"),
        [pod, other] => format!(" on {pod} and {other}"),
        [pod, rest @ ..] => format!(" on {pod} and {} more", rest.len()),
    }
}

/// How many percent `part` is of `whole`.
#[expect(clippy::cast_precision_loss, reason = "counts of metrics are small")]
pub(crate) fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
