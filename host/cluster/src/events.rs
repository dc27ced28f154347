//! Kubernetes Events, written by us: the usual recorder leaves out those that differ in their note alone.

use std::sync::atomic::{AtomicU64, Ordering};

use aviary_core::time::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff,
};
use kube::{Api, Client, api::PostParams, core::ObjectMeta};

use crate::{client::bounded, error::WriteError, input::ServiceKey};

/// The longest note that the API takes, in bytes.
const LONGEST_NOTE: usize = 1024;
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// What an event says of a service's original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// One CamelCase word.
    pub reason: String,
    /// The sentence; cut where it is too long.
    pub note: String,
    /// Whether a person should see it.
    pub warning: bool,
    /// When it happened.
    pub at: Timestamp,
}

/// Writes an event about the original of a service, whose uid is `uid`.
///
/// # Errors
/// Why it was not written.
pub async fn publish(client: &Client, key: &ServiceKey, uid: &str, said: &Announcement) -> Result<(), WriteError> {
    let api: Api<Event> = Api::namespaced(client.clone(), &key.namespace);
    bounded(api.create(&PostParams::default(), &event(key, uid, said))).await.map(|_| ())
}

fn event(key: &ServiceKey, uid: &str, said: &Announcement) -> Event {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}.{:x}.{:x}.{serial:x}", key.name, said.at.0, std::process::id());
    let at = jiff::Timestamp::from_millisecond(said.at.0).unwrap_or_default();
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: Some(key.namespace.clone()), ..ObjectMeta::default() },
        action: Some(said.reason.clone()),
        event_time: Some(MicroTime(at)),
        note: Some(cut(&said.note).to_owned()),
        reason: Some(said.reason.clone()),
        regarding: Some(ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some("Deployment".to_owned()),
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some("aviary.dev/aviary".to_owned()),
        reporting_instance: Some(format!("aviary-{}", std::process::id())),
        type_: Some(if said.warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}

fn cut(note: &str) -> &str {
    let end = (0..=LONGEST_NOTE.min(note.len())).rev().find(|end| note.is_char_boundary(*end));
    &note[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_at_a_character() {
        let short = "a".repeat(LONGEST_NOTE);
        assert_eq!(cut(&short), short);
        assert_eq!(cut(""), "");
        // The limit falls into the middle of the last character that would fit.
        let long = format!("{}€uro", "a".repeat(LONGEST_NOTE - 1));
        assert_eq!(cut(&long), "a".repeat(LONGEST_NOTE - 1));
        let fits = format!("{}€uro", "a".repeat(LONGEST_NOTE - 3));
        assert_eq!(cut(&fits), format!("{}€", "a".repeat(LONGEST_NOTE - 3)));
    }

    #[test]
    fn two_events_of_one_moment_have_two_names() {
        let key = ServiceKey::new("shop", "foo");
        let said = Announcement { reason: "Held".into(), note: "why".into(), warning: true, at: Timestamp(1_000) };
        let [one, other] = [event(&key, "uid", &said), event(&key, "uid", &said)];
        assert_ne!(one.metadata.name, other.metadata.name);
        assert_eq!(one.event_time.map(|time| time.0.as_millisecond()), Some(1_000));
        assert_eq!(one.type_.as_deref(), Some("Warning"));
    }
}
