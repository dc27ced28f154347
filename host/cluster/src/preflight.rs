//! Whether the daemon may write what it will have to: asked beforehand, since in the middle of a rollout is too late.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::mpsc::Sender;
use tracing::warn;

use crate::{client::bounded, error::WriteError, input::ClusterInput};

/// What is written in each namespace: verb, API group and resource, as in `config/kustomize-rights/role.yaml`. Reading is told by the
/// watches.
const WRITES: [(&str, &str, &str); 7] = [
    ("create", "apps", "deployments"),
    ("patch", "apps", "deployments"),
    ("delete", "apps", "deployments"),
    ("create", "", "configmaps"),
    ("update", "", "configmaps"),
    ("delete", "", "configmaps"),
    ("create", "events.k8s.io", "events"),
];

/// The pause before a right that was missing is asked for again.
const MISSING_PAUSE: Duration = Duration::from_secs(60);
/// The pause after an answer that did not come.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(5);

/// The rights for writing that are missing in a namespace, a sentence each; none if all is well.
///
/// # Errors
/// When the API server does not say.
pub async fn missing_permissions(client: &Client, namespace: &str) -> Result<Vec<String>, WriteError> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for (verb, group, resource) in WRITES {
        let asked = bounded(api.create(&PostParams::default(), &review(namespace, verb, group, resource))).await?;
        let status = asked.status.unwrap_or_default();
        if !status.allowed {
            missing.push(sentence(namespace, verb, resource, &status));
        }
    }
    Ok(missing)
}

/// Tells what is missing until nothing is.
pub(crate) async fn tell_permissions(client: Client, namespace: String, sender: Sender<ClusterInput>) {
    loop {
        let answer = missing_permissions(&client, &namespace).await;
        let done = answer.as_ref().is_ok_and(Vec::is_empty);
        let (missing, pause) = told(&namespace, answer);
        for reason in &missing {
            warn!(%namespace, %reason, "writing will fail");
        }
        let input = ClusterInput::Permissions { namespace: namespace.clone(), missing };
        if sender.send(input).await.is_err() || done {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// What is told for an answer, and the pause before the next question.
fn told(namespace: &str, answer: Result<Vec<String>, WriteError>) -> (Vec<String>, Duration) {
    match answer {
        Ok(missing) => (missing, MISSING_PAUSE),
        // Who may not ask may still write: some clusters do not let everybody ask.
        Err(error @ WriteError::Forbidden(_)) => {
            warn!(%namespace, %error, "the rights to write cannot be asked for");
            (Vec::new(), MISSING_PAUSE)
        }
        Err(error) => (vec![format!("asking for the rights in namespace {namespace}: {error}")], UNKNOWN_PAUSE),
    }
}

fn review(namespace: &str, verb: &str, group: &str, resource: &str) -> SelfSubjectAccessReview {
    let attributes = ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        ..ResourceAttributes::default()
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() },
        ..Default::default()
    }
}

fn sentence(namespace: &str, verb: &str, resource: &str, status: &SubjectAccessReviewStatus) -> String {
    let reason = status.reason.as_deref().filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!(
        "may not {verb} {resource} in namespace {namespace}{reason}; compare the Role with config/kustomize-rights/role.yaml"
    )
}
