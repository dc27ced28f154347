//! Numbers and units as people read them.

use aviary_policy_sdk::{Metric, MetricKind, humane, parameters::Parameter};

use crate::reading::Why;

/// Why nothing can be said of a metric, and the way out, if there is one.
pub(crate) fn why(metric: &Metric, why: Why) -> String {
    match why {
        Why::NoSamples => "no samples".to_owned(),
        Why::FewInWindow => {
            let window = humane(metric.window);
            format!("fewer than two samples in its window of {window}; give it a window of some scrape intervals")
        }
        Why::FewInStep => "fewer than two samples since the step was complete".to_owned(),
        Why::NotRecent => "no recent samples".to_owned(),
        Why::NoLastBucket => "no bucket with le=\"+Inf\"".to_owned(),
        Why::NoFiniteBucket => "no finite bucket".to_owned(),
        Why::NothingObserved => "nothing was observed in the window".to_owned(),
        Why::LeftOut(series) => {
            format!("the answer was too large, {series} series were left out; aggregate by pod in a query")
        }
    }
}

/// A value with its metric's unit; the value of a counter is its rate per second.
pub(crate) fn value(metric: &Metric, value: f64) -> String {
    with_unit(metric, &number(value))
}

/// Two values of a metric, told apart even where rounding would make them look the same.
pub(crate) fn both(metric: &Metric, one: f64, other: f64) -> (String, String) {
    let rounded = (number(one), number(other));
    let (one, other) = if one != other && rounded.0 == rounded.1 { (exact(one), exact(other)) } else { rounded };
    (with_unit(metric, &one), with_unit(metric, &other))
}

fn with_unit(metric: &Metric, number: &str) -> String {
    let unit = metric.unit.trim();
    let rate = if metric.kind == MetricKind::Counter && !unit.ends_with("/s") { "/s" } else { "" };
    let space = if unit.is_empty() || unit.starts_with(['%', '/']) { "" } else { " " };
    format!("{number}{space}{unit}{rate}")
}

/// Three significant digits at least, without zeros at the end. By integers: the standard library's way is 36 KB.
pub(crate) fn number(value: f64) -> String {
    let digits: u32 = match value.abs() {
        0.0 => 0,
        size if size < 0.001 => return exact(value),
        size if size < 0.1 => 5,
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        size if size < 1e15 => 0,
        _ => return exact(value),
    };
    let scale = 10_u64.pow(digits);
    let scaled = scaled(value.abs(), scale);
    let sign = if value < 0.0 && scaled > 0 { "-" } else { "" };
    let (whole, rest) = (scaled / scale, scaled % scale);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let rest = format!("{rest:0width$}", width = digits as usize);
    format!("{sign}{whole}.{}", rest.trim_end_matches('0'))
}

/// All digits that tell a value from any other.
pub(crate) fn exact(value: f64) -> String {
    match value {
        f64::INFINITY => "infinite".to_owned(),
        f64::NEG_INFINITY => "minus infinite".to_owned(),
        value => value.write(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "0 to 1e17")]
fn scaled(size: f64, scale: u64) -> u64 {
    (size * scale as f64).round() as u64
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
