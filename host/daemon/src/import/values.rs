//! Shares, times and numbers of the original, read as its code reads them.

use crate::configuration::{
    Faults,
    document::{Node, Value},
    fields::Placed,
    names::said,
};

/// What can be read of the original's file; a fault is said and gives nothing.
pub trait Read: Sized {
    /// Reads it.
    fn read(node: &Node, faults: &mut Faults) -> Option<Self>;
}

/// A field with its place, if it is there.
pub fn placed<T: Read>(node: Option<Node>, faults: &mut Faults) -> Option<Placed<T>> {
    let node = node?;
    let value = T::read(&node, faults)?;
    Some(Placed { place: node.place, path: node.path, value })
}

/// The most seconds that are read: far beyond what is allowed, so that no sum of them overflows.
const MOST_SECONDS: u64 = 1_000_000_000;

/// Whole percent, from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(pub u32);

/// Whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub u64);

/// Seconds that may also be written as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartDelay(pub Seconds);

/// So many failed checks in a step end a rollout; 0 and less do as 1 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxFailures(pub i128);

impl Read for Share {
    fn read(node: &Node, faults: &mut Faults) -> Option<Self> {
        let read = match &node.value {
            Value::Text(text) => share(text),
            Value::Integer(number) => Err(format!("is a number, which the original fails at: write {number}%")),
            other => Err(format!("is {}, not a share: write a whole one such as 50%", other.word())),
        };
        read.map_err(|message| node.fault(faults, message)).ok()
    }
}

fn share(text: &str) -> Result<Share, String> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse::<i64>().ok());
    match number {
        Some(0) => Err("is 0%, so that no image would ever be tested: write a share from 1% to 100%".to_owned()),
        Some(number @ 1..=100) => Ok(Share(u32::try_from(number).unwrap_or(100))),
        Some(_) => Err(format!("{} is out of bounds: write a share from 1% to 100%", said(text))),
        None => Err(format!("{} is not a whole share: write one such as 50%", said(text))),
    }
}

impl Read for Seconds {
    fn read(node: &Node, faults: &mut Faults) -> Option<Self> {
        let read = match &node.value {
            Value::Text(text) => seconds(text),
            Value::Integer(number) => {
                Err(format!("{number} has no unit, which the original fails at: write {number}s or {number}m"))
            }
            other => Err(format!("is {}, not a time: write one such as 120s, 2m or 1h", other.word())),
        };
        read.map_err(|message| node.fault(faults, message)).ok()
    }
}

fn seconds(text: &str) -> Result<Seconds, String> {
    let fault = || format!("{} is not a time of the original: write a whole number with s, m or h", said(text));
    let mut characters = text.chars();
    let unit = match characters.next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        _ => return Err(fault()),
    };
    let number: u64 = characters.as_str().trim().parse().map_err(|_| fault())?;
    match number.checked_mul(unit).filter(|seconds| *seconds <= MOST_SECONDS) {
        Some(seconds) => Ok(Seconds(seconds)),
        None => Err(format!("{} is longer than anybody waits: write a shorter time", said(text))),
    }
}

impl Read for StartDelay {
    /// What Python takes for nothing is no delay.
    fn read(node: &Node, faults: &mut Faults) -> Option<Self> {
        let nothing = match &node.value {
            Value::Text(text) => text.is_empty(),
            value => matches!(value, Value::Integer(0) | Value::Boolean(false)),
        };
        if nothing { Some(Self(Seconds(0))) } else { Seconds::read(node, faults).map(Self) }
    }
}

impl Read for MaxFailures {
    fn read(node: &Node, faults: &mut Faults) -> Option<Self> {
        if let Value::Integer(number) = node.value {
            return Some(Self(number));
        }
        node.fault(faults, format!("is {}, not a whole number: write one such as 3", node.value.word()));
        None
    }
}
