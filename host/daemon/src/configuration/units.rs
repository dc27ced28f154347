//! Durations and amounts as people write them: `90s`, `1h30m`, `20%`, `2`.

use std::time::Duration;

use aviary_core::{settings::Amount, time::humane};
use jiff::{SignedDuration, fmt::friendly::SpanParser};

use serde_json::{Value as Json, json};

use super::{
    document::{Node, Value},
    fault::Faults,
    fields::FromNode,
    names::said,
    schema::Definitions,
};

/// What every duration has: a number with its unit, or hours and minutes as on a clock.
const DURATION: &str = r"[0-9]\s*([^0-9\s.,]|:[0-9])";
/// What every share has.
const SHARE: &str = r"[0-9.].*%\s*$";

/// Reads a duration such as `90s` or `1h30m`.
///
/// # Errors
/// What is wrong and the way out.
pub fn duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("{} is not a duration: write one such as 90s, 5m or 1h30m", said(text));
    let duration: SignedDuration = SpanParser::new().parse_duration(text).map_err(|_| fault())?;
    let duration = Duration::try_from(duration)
        .map_err(|_| format!("{} is negative: write a duration such as 90s", said(text)))?;
    if duration.subsec_nanos() % 1_000_000 == 0 {
        Ok(duration)
    } else {
        Err(format!("{} is finer than 1ms: round it", said(text)))
    }
}

/// Reads a percentage such as `20%`.
///
/// # Errors
/// What is wrong and the way out.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse::<f64>().ok());
    match number {
        Some(number) if (0.0..=100.0).contains(&number) => Ok(number),
        Some(_) => Err(format!("{} is out of bounds: write a share from 0% to 100%", said(text))),
        None => Err(format!(
            "{} is neither a share nor a number of pods: write one such as 20%, or 2 without quotes",
            said(text)
        )),
    }
}

/// A duration as `duration` reads it, exact to the millisecond.
pub fn duration_text(duration: Duration) -> String {
    let seconds = Duration::from_secs(duration.as_secs());
    match duration.subsec_millis() {
        0 if duration.is_zero() => "0s".to_owned(),
        0 => humane(seconds),
        milliseconds if seconds.is_zero() => format!("{milliseconds}ms"),
        milliseconds => format!("{}{milliseconds}ms", humane(seconds)),
    }
}

/// An amount as it is written: a number of pods, or a text such as `20%`.
pub fn amount_json(amount: Amount) -> Json {
    match amount {
        Amount::Pods(pods) => pods.into(),
        Amount::Percent(percent) => format!("{percent}%").into(),
    }
}

impl FromNode for Duration {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let read = match &node.value {
            Value::Text(text) => duration(text),
            Value::Integer(number) => {
                Err(format!("{number} has no unit: write a duration such as {number}s or {number}m"))
            }
            Value::Decimal(number) => {
                Err(format!("{number} has no unit: write a duration such as {number}s or {number}m"))
            }
            other => Err(format!("is {}, not a duration: write one such as 90s, 5m or 1h30m", other.word())),
        };
        read.map_err(|message| node.fault(faults, message)).ok()
    }

    fn schema(_: &mut Definitions) -> Json {
        json!({ "type": "string", "pattern": DURATION, "examples": ["90s", "5m", "1h30m"] })
    }
}

impl FromNode for Amount {
    fn from_node(node: &Node, faults: &mut Faults) -> Option<Self> {
        let read = match &node.value {
            Value::Text(text) => percent(text).map(Self::Percent),
            Value::Integer(number) => u32::try_from(*number)
                .map(Self::Pods)
                .map_err(|_| format!("{number} is no number of pods: write one such as 2")),
            Value::Decimal(number) => {
                Err(format!("{number} is not a whole number of pods: write 2, or a share such as 20%"))
            }
            other => Err(format!(
                "is {}, not an amount: write a number of pods such as 2, or a share such as 20%",
                other.word()
            )),
        };
        read.map_err(|message| node.fault(faults, message)).ok()
    }

    fn schema(_: &mut Definitions) -> Json {
        let pods = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
        let share = json!({ "type": "string", "pattern": SHARE, "examples": ["20%"] });
        json!({ "anyOf": [pods, share] })
    }
}
