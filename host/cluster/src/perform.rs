//! Writes to Deployments, each guarded and within a time limit.

use aviary_core::{
    judge::Track,
    view::{MANAGER, workload_name},
    write::Write,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::{ApiResource, DynamicObject},
};
use serde_json::Value;

use crate::{
    client::bounded,
    error::WriteError,
    index::Expectation,
    input::{DeploymentObject, ServiceKey},
    reduce::deployment,
};

/// What a write to a Deployment left.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// What has to be seen before the service is planned for again.
    pub expectation: Expectation,
    /// The Deployment as it was right after the write; nothing where it was deleted.
    pub deployment: Option<Box<DeploymentObject>>,
}

/// Carries out a write for a service, whose record is at the resourceVersion `record`; gives what it left of a Deployment.
///
/// # Errors
/// Why it was not done, or may not have been done.
pub async fn perform(
    client: &Client,
    key: &ServiceKey,
    write: &Write,
    record: Option<&str>,
) -> Result<Option<Written>, WriteError> {
    let resource = ApiResource::erase::<Deployment>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &key.namespace, &resource);
    match write {
        Write::Create { track, manifest } => create(&api, *track, manifest).await,
        Write::Patch { track, operations, .. } => patch(&api, key, *track, operations).await,
        Write::Delete { track, uid } => delete(&api, key, *track, uid).await,
        Write::DeleteRecord => crate::records::delete_record(client, key, record).await.map(|()| None),
    }
}

/// What a write whose answer was lost has left of the Deployment `track`, which had the uid `uid` if it was there: read from the
/// API server itself, not from what a watch has shown. Nothing where there is nothing to be seen. It is a list of one, for which
/// no further right is needed.
///
/// # Errors
/// Why nobody knows.
pub async fn read_back(
    client: &Client,
    key: &ServiceKey,
    track: Track,
    uid: Option<&str>,
) -> Result<Option<Written>, WriteError> {
    let resource = ApiResource::erase::<Deployment>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &key.namespace, &resource);
    let named = ListParams::default().fields(&format!("metadata.name={}", workload_name(&key.name, track)));
    let found = bounded(api.list(&named)).await?.items.into_iter().next();
    let gone = |uid: &str| {
        let expectation = Expectation::Gone { track, uid: uid.to_owned() };
        Written { expectation, deployment: None }
    };
    Ok(found.map(|object| written(track, object)).or_else(|| uid.map(gone)))
}

async fn create(api: &Api<DynamicObject>, track: Track, manifest: &Value) -> Result<Option<Written>, WriteError> {
    let object: DynamicObject =
        serde_json::from_value(manifest.clone()).map_err(|error| WriteError::Invalid(error.to_string()))?;
    let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let created = bounded(api.create(&parameters, &object)).await?;
    Ok(Some(written(track, created)))
}

async fn patch(
    api: &Api<DynamicObject>,
    key: &ServiceKey,
    track: Track,
    operations: &[Value],
) -> Result<Option<Written>, WriteError> {
    let operations = serde_json::from_value(Value::from(operations.to_vec()))
        .map_err(|error| WriteError::Invalid(error.to_string()))?;
    let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let name = workload_name(&key.name, track);
    let patched = bounded(api.patch(&name, &parameters, &Patch::<()>::Json(operations))).await?;
    Ok(Some(written(track, patched)))
}

async fn delete(
    api: &Api<DynamicObject>,
    key: &ServiceKey,
    track: Track,
    uid: &str,
) -> Result<Option<Written>, WriteError> {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    let parameters = DeleteParams::background().preconditions(preconditions);
    bounded(api.delete(&workload_name(&key.name, track), &parameters)).await?;
    let expectation = Expectation::Gone { track, uid: uid.to_owned() };
    Ok(Some(Written { expectation, deployment: None }))
}

fn written(track: Track, object: DynamicObject) -> Written {
    let resource_version = object.metadata.resource_version.clone().unwrap_or_default();
    let expectation = Expectation::Version { track, resource_version };
    // What cannot be read here cannot be read from the watch either, which says so.
    Written { expectation, deployment: deployment(object).ok().map(Box::new) }
}
