//! A quantile of a classic histogram, from the rates of its buckets.

use aviary_policy_sdk::{Rate, Series, Span, parameters, rates};

use crate::{
    reading::{Value, Why},
    words,
};

/// Whether this is a quantile.
///
/// # Errors
/// One sentence.
pub(crate) fn check(quantile: f64) -> Result<f64, String> {
    let fault = || {
        format!(
            "parameter `quantile` must be above 0 and at most 1, not {}; give 0.95 for example",
            words::exact(quantile)
        )
    };
    (quantile > 0.0 && quantile <= 1.0).then_some(quantile).ok_or_else(fault)
}

/// The quantile over a span and the samples it rests on; nothing if no bucket has a rate.
pub(crate) fn of(series: &[&Series], span: Span, quantile: f64) -> Option<(Value, u32)> {
    let rates = rates(series.iter().copied(), span);
    let mut buckets: Vec<(f64, Rate)> =
        rates.iter().filter_map(|(series, rate)| Some((bound(series)?, *rate))).collect();
    buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let samples = buckets.iter().map(|(_, rate)| rate.samples).sum();
    Some((interpolate(&merge(&buckets), quantile)?, samples))
}

/// The upper bound of a bucket.
fn bound(series: &Series) -> Option<f64> {
    match series.label("le")? {
        "+Inf" => Some(f64::INFINITY),
        bound => bound.parse::<parameters::Value>().ok()?.as_f64(),
    }
}

/// One bucket for each bound: series that differ in other labels are added up.
fn merge(buckets: &[(f64, Rate)]) -> Vec<(f64, f64)> {
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (bound, rate) in buckets {
        match merged.last_mut() {
            Some((last, sum)) if last == bound => *sum += rate.per_second,
            _ => merged.push((*bound, rate.per_second)),
        }
    }
    merged
}

fn interpolate(buckets: &[(f64, f64)], quantile: f64) -> Option<Value> {
    let (bound, total) = buckets.last().copied()?;
    Some(if buckets.iter().any(|(_, rate)| rate.is_nan()) {
        Value::Known(f64::NAN)
    } else if bound != f64::INFINITY {
        Value::Absent(Why::NoLastBucket)
    } else if total <= 0.0 {
        Value::Absent(Why::NothingObserved)
    } else {
        at_rank(buckets, quantile * total)
    })
}

fn at_rank(buckets: &[(f64, f64)], rank: f64) -> Value {
    let place = buckets.iter().position(|(_, rate)| *rate >= rank).unwrap_or(buckets.len() - 1);
    let (lower, below) = place.checked_sub(1).map_or((0.0, 0.0), |before| buckets[before]);
    let (upper, at) = buckets[place];
    if upper == f64::INFINITY {
        return if place == 0 { Value::Absent(Why::NoFiniteBucket) } else { Value::AtLeast(lower) };
    }
    if place == 0 && upper <= 0.0 || at <= below {
        return Value::Known(upper);
    }
    Value::Known(lower + (upper - lower) * (rank - below) / (at - below))
}
