//! What an act changes of a Deployment, however the request says it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Image;

/// The annotation that `kubectl rollout restart` puts on the pod template.
const RESTARTED_AT: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";

/// So many pods, or a share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// Pods.
    Pods(u8),
    /// A share in percent.
    Percent(u8),
}

impl Amount {
    /// As a manifest says it.
    #[must_use]
    pub fn value(self) -> Value {
        match self {
            Self::Pods(pods) => json!(pods),
            Self::Percent(percent) => json!(format!("{percent}%")),
        }
    }
}

/// What an act changes of a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The image.
    Image(Image),
    /// `spec.replicas`.
    Replicas(u8),
    /// `spec.replicas` is taken out, as a client-side apply does it with what the manifest says no longer.
    NoReplicas,
    /// Both in one request.
    ImageAndReplicas(Image, u8),
    /// `kubectl rollout restart`, at that time.
    Restart(u8),
    /// `kubectl rollout pause` and `resume`.
    Paused(bool),
    /// `maxSurge` and `maxUnavailable`.
    Rolling(Amount, Amount),
    /// `minReadySeconds`.
    MinReadySeconds(u8),
    /// `revisionHistoryLimit`.
    History(u8),
    /// `progressDeadlineSeconds`.
    Deadline(u16),
    /// An environment variable of the container.
    Environment(u8),
    /// An annotation of the Deployment.
    Annotation(u8),
    /// A label of the Deployment.
    Label(u8),
    /// None: the same again.
    Nothing,
    /// Something that must be refused.
    Wrong(Fault),
}

/// What the API server does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// `replicas: -1`.
    NegativeReplicas,
    /// `replicas: "many"`.
    WordsForReplicas,
    /// Another selector.
    Selector,
    /// A template whose labels the selector does not fit.
    Labels,
    /// No containers.
    NoContainers,
    /// An empty image.
    NoImage,
    /// A container without a name.
    NoName,
    /// Neither surge nor unavailable.
    NoRoom,
    /// `maxUnavailable: 120%`.
    TooMuchRoom,
    /// `maxSurge: "lots"`.
    WordsForSurge,
    /// `minReadySeconds: -1`.
    NegativeSeconds,
    /// A deadline that is not after minReadySeconds.
    DeadlineTooSoon,
    /// `restartPolicy: Never`.
    NeverRestarts,
    /// A label value with a blank.
    BadLabel,
    /// A strategy that does not exist.
    BadStrategy,
    /// Another uid.
    Uid,
    /// Another name.
    Name,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::NegativeReplicas,
        Self::WordsForReplicas,
        Self::Selector,
        Self::Labels,
        Self::NoContainers,
        Self::NoImage,
        Self::NoName,
        Self::NoRoom,
        Self::TooMuchRoom,
        Self::WordsForSurge,
        Self::NegativeSeconds,
        Self::DeadlineTooSoon,
        Self::NeverRestarts,
        Self::BadLabel,
        Self::BadStrategy,
        Self::Uid,
        Self::Name,
    ];

    fn edits(self) -> Vec<(&'static str, Value)> {
        let container = "/spec/template/spec/containers/0";
        match self {
            Self::NegativeReplicas => vec![("/spec/replicas", json!(-1))],
            Self::WordsForReplicas => vec![("/spec/replicas", json!("many"))],
            Self::Selector => vec![
                ("/spec/selector/matchLabels/app", json!("bar")),
                ("/spec/template/metadata/labels/app", json!("bar")),
            ],
            Self::Labels => vec![("/spec/template/metadata/labels/app", json!("bar"))],
            Self::NoContainers => vec![("/spec/template/spec/containers", json!([]))],
            Self::NoImage => vec![("/spec/template/spec/containers/0/image", json!(""))],
            Self::NoName => vec![(container, json!({"image": "foo:one"}))],
            Self::NoRoom => rolling(Amount::Pods(0), Amount::Percent(0)),
            Self::TooMuchRoom => rolling(Amount::Pods(1), Amount::Percent(120)),
            Self::WordsForSurge => vec![("/spec/strategy/rollingUpdate/maxSurge", json!("lots"))],
            Self::NegativeSeconds => vec![("/spec/minReadySeconds", json!(-1))],
            Self::DeadlineTooSoon => vec![("/spec/minReadySeconds", json!(900))],
            Self::NeverRestarts => vec![("/spec/template/spec/restartPolicy", json!("Never"))],
            Self::BadLabel => vec![("/metadata/labels/team", json!("not one"))],
            Self::BadStrategy => vec![("/spec/strategy/type", json!("Blue"))],
            Self::Uid => vec![("/metadata/uid", json!("00000000-0000-4000-8000-00000000dead"))],
            Self::Name => vec![("/metadata/name", json!("bar"))],
        }
    }
}

fn rolling(surge: Amount, unavailable: Amount) -> Vec<(&'static str, Value)> {
    vec![
        ("/spec/strategy/rollingUpdate/maxSurge", surge.value()),
        ("/spec/strategy/rollingUpdate/maxUnavailable", unavailable.value()),
    ]
}

impl Change {
    /// Fields by JSON pointer, each with its new value; null for one that goes.
    #[must_use]
    pub fn edits(self) -> Vec<(&'static str, Value)> {
        let image = |image: Image| ("/spec/template/spec/containers/0/image", json!(image.name()));
        match self {
            Self::Image(name) => vec![image(name)],
            Self::Replicas(replicas) => vec![("/spec/replicas", json!(replicas))],
            Self::NoReplicas => vec![("/spec/replicas", Value::Null)],
            Self::ImageAndReplicas(name, replicas) => vec![image(name), ("/spec/replicas", json!(replicas))],
            Self::Restart(at) => vec![(RESTARTED_AT, json!(format!("2026-01-01T00:00:{at:02}Z")))],
            Self::Paused(paused) => vec![("/spec/paused", json!(paused))],
            Self::Rolling(surge, unavailable) => rolling(surge, unavailable),
            Self::MinReadySeconds(seconds) => vec![("/spec/minReadySeconds", json!(seconds))],
            Self::History(kept) => vec![("/spec/revisionHistoryLimit", json!(kept))],
            Self::Deadline(seconds) => vec![("/spec/progressDeadlineSeconds", json!(seconds))],
            Self::Environment(value) => {
                vec![("/spec/template/spec/containers/0/env", json!([{"name": "LEVEL", "value": value.to_string()}]))]
            }
            Self::Annotation(value) => vec![("/metadata/annotations/note", json!(value.to_string()))],
            Self::Label(value) => vec![("/metadata/labels/team", json!(value.to_string()))],
            Self::Nothing => vec![],
            Self::Wrong(fault) => fault.edits(),
        }
    }
}

/// Sets a field and what is missing on the way to it; one that would get null is removed.
pub fn set_or_remove(object: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    match value {
        Value::Null => drop(object.pointer_mut(parent).and_then(Value::as_object_mut).and_then(|it| it.remove(name))),
        value => set(object, pointer, value),
    }
}

/// Sets a field and what is missing on the way to it.
pub fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    let tokens: Vec<String> = pointer.split('/').skip(1).map(|token| token.replace("~1", "/")).collect();
    let Some((last, parents)) = tokens.split_last() else { return };
    for token in parents {
        place = step(place, token);
    }
    *step(place, last) = value;
}

fn step<'a>(place: &'a mut Value, token: &str) -> &'a mut Value {
    match token.parse::<usize>() {
        Ok(index) if place.is_array() => &mut place[index],
        _ => {
            if !place.is_object() {
                *place = json!({});
            }
            &mut place[token]
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits = self.edits();
        if edits.is_empty() {
            return f.write_str("nothing");
        }
        for (index, (pointer, value)) in edits.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}={value}", pointer.rsplit('/').next().unwrap_or_default())?;
        }
        Ok(())
    }
}
