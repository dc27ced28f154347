//! Queries: their parameters, and what they come to.

use std::{collections::BTreeMap, time::Duration};

use aviary_core::time::Timestamp;
use axum::http::Uri;
use serde_json::{Value, json};

use super::{Selector, Series};
use crate::samples::{latest, told};

/// The most points of a range.
const MOST_POINTS: u128 = 11_000;

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault(pub String);

/// What is asked, by name: from the address and from a form.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub fn of(uri: &Uri, body: &[u8]) -> Self {
        let pairs = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect::<Vec<_>>();
        Self(pairs(uri.query().unwrap_or_default().as_bytes()).into_iter().chain(pairs(body)).collect())
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn selector(&self) -> Result<Selector, Fault> {
        Selector::parse(self.text("query")).map_err(|fault| invalid("query", &fault))
    }

    /// Seconds, with or without a fraction; a duration may have a unit.
    fn seconds(&self, name: &str) -> Result<Duration, Fault> {
        let text = self.text(name).trim_end_matches('s');
        let fault = || invalid(name, &format!("cannot parse {:?} to a number of seconds", self.text(name)));
        text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(fault)
    }

    fn time(&self, name: &str) -> Result<Timestamp, Fault> {
        self.seconds(name).map(|since_epoch| Timestamp(0).plus(since_epoch))
    }
}

fn invalid(parameter: &str, fault: &str) -> Fault {
    Fault(format!("invalid parameter {parameter:?}: {fault}"))
}

/// A query at one time.
pub(super) fn instant(
    parameters: &Parameters,
    now: Timestamp,
    source: &dyn Fn(&Selector) -> Vec<Series>,
) -> Result<Value, Fault> {
    let selector = parameters.selector()?;
    let at = if parameters.text("time").is_empty() { now } else { parameters.time("time")? };
    let found = source(&selector).into_iter();
    Ok(match selector.range {
        Some(range) => {
            let rows = found.filter_map(|series| row(&series, "values", raw(&series.samples, range, at)));
            json!({ "resultType": "matrix", "result": rows.collect::<Vec<_>>() })
        }
        None => {
            let value = |series: &Series| latest(&series.samples, at).map(|value| told(at, value));
            let rows = found.filter_map(|series| Some(json!({ "metric": series.labels, "value": value(&series)? })));
            json!({ "resultType": "vector", "result": rows.collect::<Vec<_>>() })
        }
    })
}

/// A query at several times.
pub(super) fn range(parameters: &Parameters, source: &dyn Fn(&Selector) -> Vec<Series>) -> Result<Value, Fault> {
    let selector = parameters.selector()?;
    if selector.range.is_some() {
        let fault = "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector";
        return Err(invalid("query", fault));
    }
    let (start, end) = (parameters.time("start")?, parameters.time("end")?);
    let step = parameters.seconds("step")?;
    if step.as_millis() == 0 {
        return Err(invalid("step", "zero or negative query resolution step widths are not accepted"));
    }
    if end < start {
        return Err(invalid("end", "end timestamp must not be before start time"));
    }
    if end.since(start).as_millis() / step.as_millis() > MOST_POINTS {
        return Err(Fault("exceeded maximum resolution of 11,000 points per timeseries".to_owned()));
    }
    let times = || std::iter::successors(Some(start), |at| Some(at.plus(step))).take_while(|at| *at <= end);
    let points =
        |series: &Series| times().filter_map(|at| Some(told(at, latest(&series.samples, at)?))).collect::<Vec<_>>();
    let rows = source(&selector).into_iter().filter_map(|series| row(&series, "values", points(&series)));
    Ok(json!({ "resultType": "matrix", "result": rows.collect::<Vec<_>>() }))
}

fn row(series: &Series, field: &str, points: Vec<Value>) -> Option<Value> {
    (!points.is_empty()).then(|| json!({ "metric": series.labels, field: points }))
}

/// The samples of the last `range` before `at`.
fn raw(samples: &[(Timestamp, f64)], range: Duration, at: Timestamp) -> Vec<Value> {
    let within = samples.iter().filter(|(sampled, _)| *sampled <= at && at.since(*sampled) < range);
    within.map(|(sampled, value)| told(*sampled, *value)).collect()
}
