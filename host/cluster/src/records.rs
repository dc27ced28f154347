//! The records of services: one ConfigMap each, swapped by resourceVersion.

use std::collections::BTreeMap;

use aviary_core::view::{MANAGED_BY_LABEL, MANAGER, OWNER_ANNOTATION};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
    core::ObjectMeta,
};

use crate::{
    client::bounded,
    error::WriteError,
    input::{RecordObject, ServiceKey},
    reduce::{RECORD_KEY, RECORD_SUFFIX, record},
};

/// Marks the ConfigMaps that are records.
pub const RECORD_LABEL: &str = "aviary.dev/record";

fn record_name(name: &str) -> String {
    format!("{name}{RECORD_SUFFIX}")
}

/// Stores a record: created where `expected` is nothing, else swapped if it is still at that resourceVersion. Gives the
/// new one.
///
/// # Errors
/// `AlreadyExists` or `GuardFailed` when somebody else stored one meanwhile.
pub async fn save_record(
    client: &Client,
    key: &ServiceKey,
    text: String,
    expected: Option<&str>,
) -> Result<String, WriteError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
    let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let object = config_map(key, text, expected);
    let stored = match expected {
        None => bounded(api.create(&parameters, &object)).await?,
        Some(_) => bounded(api.replace(&record_name(&key.name), &parameters, &object)).await?,
    };
    Ok(stored.metadata.resource_version.unwrap_or_default())
}

/// A record as it is stored now, read from the API server itself; nothing where there is none.
///
/// # Errors
/// Why nobody knows.
pub async fn read_record(client: &Client, key: &ServiceKey) -> Result<Option<RecordObject>, WriteError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
    let named = ListParams::default().fields(&format!("metadata.name={}", record_name(&key.name)));
    let found = bounded(api.list(&named)).await?.items.into_iter().next();
    found.map(|object| record(&object).map_err(|error| WriteError::Invalid(error.to_string()))).transpose()
}

/// Deletes a record if it is still at the resourceVersion `version`, if that is given; one that is gone already is no
/// error.
///
/// # Errors
/// `GuardFailed` when somebody stored another one meanwhile, else why it is still there.
pub async fn delete_record(client: &Client, key: &ServiceKey, version: Option<&str>) -> Result<(), WriteError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
    let preconditions = Preconditions { uid: None, resource_version: version.map(str::to_owned) };
    let parameters = DeleteParams::default().preconditions(preconditions);
    match bounded(api.delete(&record_name(&key.name), &parameters)).await {
        Ok(_) | Err(WriteError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn config_map(key: &ServiceKey, text: String, expected: Option<&str>) -> ConfigMap {
    let labels = [(RECORD_LABEL, "true"), (MANAGED_BY_LABEL, MANAGER)];
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(record_name(&key.name)),
            namespace: Some(key.namespace.clone()),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            annotations: Some(BTreeMap::from([(OWNER_ANNOTATION.to_owned(), key.name.clone())])),
            resource_version: expected.map(str::to_owned),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(RECORD_KEY.to_owned(), text)])),
        ..ConfigMap::default()
    }
}
