//! A sequence played on one side: every act is asked, and what the side comes to rest at is read.

use std::future::Future;

use anyhow::Result;
use serde_json::Value;

use crate::{
    act::{Act, Told},
    call::{Answer, Call},
    rest::{self, Lists},
    sequence::Sequence,
};

/// How often a write that names the resourceVersion it has read is tried while the controllers write too.
const TRIES: usize = 50;

/// One of the two sides: something that answers requests, and comes to rest.
pub trait Side {
    /// The namespace in which the sequence is played; there is nothing in it.
    fn namespace(&self) -> &str;
    /// Asks for something.
    fn ask(&mut self, call: &Call) -> impl Future<Output = Result<Answer>>;
    /// Waits until nothing moves any more.
    fn settle(&mut self) -> impl Future<Output = Result<()>>;
    /// The next act comes at once.
    fn go_on(&mut self) -> impl Future<Output = Result<()>>;
    /// The pods of [`crate::Image::Later`] end, and start again.
    fn crash(&mut self) -> impl Future<Output = Result<()>>;
}

/// What a side has said and come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Played {
    /// What was answered to each act; null to one that was none.
    pub answers: Vec<Value>,
    /// What it came to rest at, with the number of the act before.
    pub rests: Vec<(usize, Value)>,
}

/// Plays a sequence.
///
/// # Errors
/// When the side does not answer, or does not come to rest.
pub async fn play(side: &mut impl Side, sequence: &Sequence) -> Result<Played> {
    let mut played = Played::default();
    let mut moving = false;
    for (number, step) in sequence.0.iter().enumerate() {
        if moving && step.act.needs_rest() {
            side.settle().await?;
            moving = false;
        }
        played.answers.push(carry_out(side, &step.act, moving).await?);
        moving = step.at_once && number + 1 < sequence.0.len();
        if moving {
            side.go_on().await?;
        } else {
            side.settle().await?;
            played.rests.push((number, rest::essence(&lists(side).await?)));
        }
    }
    Ok(played)
}

async fn carry_out(side: &mut impl Side, act: &Act, moving: bool) -> Result<Value> {
    if *act == Act::Crash {
        side.crash().await?;
        return Ok(Value::Null);
    }
    let namespace = side.namespace().to_owned();
    let tries = if moving && act.swaps() { TRIES } else { 1 };
    let mut essence = Value::Null;
    for _ in 0..tries {
        let told = told(side, act, &namespace).await?;
        let Some(call) = act.call(&namespace, &told) else { return Ok(Value::Null) };
        let answer = side.ask(&call).await?;
        essence = answer.essence(&call);
        if answer.status != 409 {
            break;
        }
    }
    Ok(essence)
}

async fn told(side: &mut impl Side, act: &Act, namespace: &str) -> Result<Told> {
    let answer = side.ask(&Call::get(act.path(namespace))).await?;
    let object = if answer.status == 200 { answer.body } else { Value::Null };
    let pods = if act.needs_rest() { rest::pods_in_order(&lists(side).await?) } else { Vec::new() };
    Ok(Told { object, pods })
}

/// All that there is in the namespace.
pub async fn lists(side: &mut impl Side) -> Result<Lists> {
    let namespace = side.namespace().to_owned();
    let mut lists = Lists::default();
    for (place, (api, plural)) in lists.all_mut().into_iter().zip(rest::RESOURCES) {
        let answer = side.ask(&Call::get(format!("{api}/namespaces/{namespace}/{plural}"))).await?;
        *place = answer.body["items"].as_array().cloned().unwrap_or_default();
    }
    Ok(lists)
}
