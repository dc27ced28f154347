//! The verbs of the API.

use std::sync::Arc;

use aviary_core::time::Timestamp;
use serde_json::{Value, json};

use super::{
    Cluster, defaults,
    discovery::discovered,
    kinds::Kind,
    managed::{self, Writer},
    refusal::Refusal,
    request::{Part, Query, Request, Response, Target},
    selector::Selector,
    store::Key,
    strategic, time_text,
    watch::{Watch, metadata_of},
};
use crate::patch::patched;

/// Where a daemon asks what it may do.
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

impl Cluster {
    /// Carries out a request at `now`; what was due before is done first.
    pub fn request(&mut self, request: &Request<'_>, now: Timestamp) -> Response {
        self.advance(now);
        self.answered(request).unwrap_or_else(Response::from)
    }

    fn answered(&mut self, request: &Request<'_>) -> Result<Response, Refusal> {
        if request.path == ACCESS_REVIEWS && request.method == "POST" {
            // Everybody may do everything here.
            let mut review = request.json()?;
            review["status"] = json!({"allowed": true});
            return Ok(Response::Answer { status: 201, body: review });
        }
        if let Some(body) = discovered(request.path).filter(|_| request.method == "GET") {
            return Ok(Response::Answer { status: 200, body });
        }
        let target = Target::of(request.path)?;
        if !may(request.method, target.kind) {
            return Err(Refusal::method_not_allowed());
        }
        let query = Query::of(request.query);
        let Some(name) = target.name else { return self.on_all(request, &target, &query) };
        let namespace = target.namespace.ok_or_else(Refusal::no_such_resource)?;
        let key = Key::new(target.kind, namespace, name);
        // A Lease may be created so.
        if request.method == "PUT" && key.kind == Kind::Lease && self.store.get(&key).is_none() {
            let body = self.create(request.json()?, &key, request, &query)?;
            return Ok(Response::Answer { status: 201, body });
        }
        let body = match (request.method, target.part) {
            ("GET", Part::Whole | Part::Status) => self.get(&key)?.as_ref().clone(),
            ("GET", Part::Scale) => scale_of(&*self.get(&key)?),
            ("PUT", part) => self.replace(&key, part, request, &query)?,
            ("PATCH", part) => self.patch(&key, part, request, &query)?,
            ("DELETE", Part::Whole) => self.delete(&key, request, &query)?,
            _ => return Err(Refusal::method_not_allowed()),
        };
        let whole = target.part != Part::Scale;
        let body = if whole && request.wants_metadata() { metadata_of(&body) } else { body };
        Ok(Response::Answer { status: 200, body })
    }

    fn on_all(&mut self, request: &Request<'_>, target: &Target<'_>, query: &Query) -> Result<Response, Refusal> {
        let selector = Selector::of(query.get("labelSelector"), query.get("fieldSelector"))?;
        match request.method {
            "GET" if query.is_set("watch") => Ok(Response::Watch(Watch {
                kind: target.kind,
                namespace: target.namespace.map(str::to_owned),
                selector,
                metadata_only: request.wants_metadata(),
                version: query.number("resourceVersion").unwrap_or_else(|| self.store.version()),
                seconds: query.number("timeoutSeconds"),
                ended: false,
                begins_with_all: query.is_set("sendInitialEvents"),
            })),
            "GET" => Ok(Response::Answer { status: 200, body: self.list(request, target, &selector, query) }),
            "POST" => {
                let namespace = target.namespace.ok_or_else(Refusal::method_not_allowed)?;
                let body = self.create_new(target.kind, namespace, request, query)?;
                Ok(Response::Answer { status: 201, body })
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn get(&self, key: &Key) -> Result<Arc<Value>, Refusal> {
        self.store.get(key).cloned().ok_or_else(|| Refusal::not_found(key.kind, &key.name))
    }

    /// A page of a list. The version is that of the first page, so that a watch from there misses nothing.
    fn list(&self, request: &Request<'_>, target: &Target<'_>, selector: &Selector, query: &Query) -> Value {
        let (version, from) = query
            .get("continue")
            .and_then(|token| token.split_once('.'))
            .and_then(|(version, from)| Some((version.parse().ok()?, from.parse().ok()?)))
            .unwrap_or((self.store.version(), 0usize));
        let limit = query.number("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        let all: Vec<&Arc<Value>> = self
            .store
            .list(target.kind, target.namespace)
            .map(|(_, object)| object)
            .filter(|object| selector.fits(object))
            .collect();
        let end = limit.map_or(all.len(), |limit| all.len().min(from + limit));
        let page = all.get(from..end).unwrap_or_default();
        let metadata_only = request.wants_metadata();
        let item = |object: &&Arc<Value>| if metadata_only { metadata_of(object) } else { (***object).clone() };
        let (api_version, kind) = if metadata_only {
            ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
        } else {
            (target.kind.api_version(), format!("{}List", target.kind.name()))
        };
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if end < all.len() {
            metadata["continue"] = json!(format!("{version}.{end}"));
        }
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "items": page.iter().map(item).collect::<Vec<_>>()})
    }

    fn create_new(
        &mut self,
        kind: Kind,
        namespace: &str,
        request: &Request<'_>,
        query: &Query,
    ) -> Result<Value, Refusal> {
        let object = request.json()?;
        if !object.is_object() {
            return Err(Refusal::bad_request("the body is no object"));
        }
        let name = match (object["metadata"]["name"].as_str(), object["metadata"]["generateName"].as_str()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(prefix)) => format!("{prefix}{:05x}", self.store.version()),
            (None, None) => {
                return Err(Refusal::invalid(
                    kind,
                    "",
                    vec![("metadata.name".to_owned(), "Required value: name or generateName is required".to_owned())],
                ));
            }
        };
        if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
            return Err(Refusal::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let key = Key::new(kind, namespace, &name);
        self.create(object, &key, request, query)
    }

    fn create(&mut self, mut object: Value, key: &Key, request: &Request<'_>, query: &Query) -> Result<Value, Refusal> {
        let Key { kind, namespace, name } = key;
        let kind = *kind;
        if kind == Kind::Deployment {
            defaults::decodes(&object)
                .map_err(|fault| Refusal::bad_request(format!("the body is no Deployment: {fault}")))?;
        }
        let bare = kind.bare();
        (object["apiVersion"], object["kind"]) = (bare["apiVersion"].clone(), bare["kind"].clone());
        let metadata = &mut object["metadata"];
        (metadata["name"], metadata["namespace"]) = (json!(name), json!(namespace));
        metadata["uid"] = json!(self.store.new_uid());
        metadata["creationTimestamp"] = json!(time_text(self.now));
        if kind == Kind::Deployment {
            metadata["generation"] = json!(1);
            if let Some(fields) = object.as_object_mut() {
                fields.remove("status");
            }
            defaults::fill_in(&mut object);
            object["status"] = json!({});
        }
        defaults::validate(kind, name, None, &object)?;
        if self.store.get(key).is_some() {
            return Err(Refusal::already_exists(kind, name));
        }
        let manager = request.manager(query);
        self.track(kind, &json!({}), &mut object, &manager, "");
        Ok(self.store_and_react(key, object))
    }

    fn replace(&mut self, key: &Key, part: Part, request: &Request<'_>, query: &Query) -> Result<Value, Refusal> {
        let body = request.json()?;
        if key.kind == Kind::Deployment && part != Part::Scale {
            defaults::decodes(&body)
                .map_err(|fault| Refusal::bad_request(format!("the body is no Deployment: {fault}")))?;
        }
        let named = body["metadata"]["name"].as_str().unwrap_or_default();
        if named != key.name {
            return Err(Refusal::bad_request(format!("the name of the object ({named}) is not that of the URL")));
        }
        let before = self.get(key)?;
        let version = body["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty());
        if key.kind == Kind::Lease && version.is_none() {
            return Err(Refusal::without_version(key.kind, &key.name));
        }
        if version.is_some_and(|version| before["metadata"]["resourceVersion"] != version) {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Refusal::conflict(key.kind, &key.name, why));
        }
        if part == Part::Scale {
            let replicas = body["spec"]["replicas"].clone();
            return self.scale(key, &before, replicas, &request.manager(query));
        }
        self.update(key, part, &before, body, &request.manager(query))
    }

    fn patch(&mut self, key: &Key, part: Part, request: &Request<'_>, query: &Query) -> Result<Value, Refusal> {
        let before = self.get(key)?;
        let document = if part == Part::Scale { scale_of(&before) } else { (*before).clone() };
        let patch = request.json()?;
        let media_type = request.content_type.split(';').next().unwrap_or_default().trim();
        let after = match media_type {
            "application/json-patch+json" => {
                let operations = patch.as_array().ok_or_else(|| Refusal::bad_request("the patch is no list"))?;
                patched(&document, operations).map_err(|refused| Refusal::patch_failed(&refused.0))?
            }
            "application/merge-patch+json" => merge_patched(document, &patch),
            "application/strategic-merge-patch+json" => strategic::merged(document, &patch),
            other => return Err(Refusal::unsupported_media_type(other)),
        };
        if part != Part::Scale {
            keeps_its_identity(key, &before, &after)?;
        }
        if key.kind == Kind::Deployment && part != Part::Scale {
            // Told as a patch that cannot be carried out is.
            defaults::decodes(&after).map_err(|fault| Refusal::patch_failed(&fault))?;
        }
        let manager = request.manager(query);
        match part {
            Part::Scale => self.scale(key, &before, after["spec"]["replicas"].clone(), &manager),
            _ => self.update(key, part, &before, after, &manager),
        }
    }

    fn scale(&mut self, key: &Key, before: &Value, replicas: Value, manager: &str) -> Result<Value, Refusal> {
        let mut after = before.clone();
        after["spec"]["replicas"] = if replicas.is_null() { json!(0) } else { replicas };
        let stored = self.admit(key, before, after, manager, "scale")?;
        Ok(scale_of(&stored))
    }

    fn update(
        &mut self,
        key: &Key,
        part: Part,
        before: &Value,
        mut after: Value,
        manager: &str,
    ) -> Result<Value, Refusal> {
        let spec_only = matches!(key.kind, Kind::Deployment | Kind::Pod);
        let subresource = if part == Part::Status { "status" } else { "" };
        if part == Part::Status {
            let status = after["status"].take();
            after = before.clone();
            after["status"] = status;
        } else if spec_only {
            after["status"] = before["status"].clone();
        }
        let uid = after["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty());
        if uid.is_some_and(|uid| before["metadata"]["uid"] != uid) {
            return Err(Refusal::conflict(
                key.kind,
                &key.name,
                "Precondition failed: UID in precondition and in object differ",
            ));
        }
        self.admit(key, before, after, manager, subresource)
    }

    /// Stores what was made of `before`, if it may be.
    fn admit(
        &mut self,
        key: &Key,
        before: &Value,
        mut after: Value,
        manager: &str,
        subresource: &str,
    ) -> Result<Value, Refusal> {
        for field in ["name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation"] {
            after["metadata"][field] = before["metadata"][field].clone();
        }
        for field in ["apiVersion", "kind"] {
            after[field] = before[field].clone();
        }
        strip_nulls(&mut after["metadata"]);
        if key.kind == Kind::Deployment {
            defaults::fill_in(&mut after);
        }
        defaults::validate(key.kind, &key.name, Some(before), &after)?;
        let annotations = |object: &Value| object["metadata"]["annotations"].clone();
        if key.kind == Kind::Deployment
            && (before["spec"] != after["spec"] || annotations(before) != annotations(&after))
        {
            after["metadata"]["generation"] = json!(before["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        self.track(key.kind, before, &mut after, manager, subresource);
        Ok(self.store_and_react(key, after))
    }

    fn track(&self, kind: Kind, before: &Value, after: &mut Value, manager: &str, subresource: &str) {
        let writer = Writer { manager, subresource, at: self.now };
        let track = if subresource == "scale" { managed::track_scale } else { managed::track };
        track(before, after, &kind.api_version(), writer);
    }

    fn delete(&mut self, key: &Key, request: &Request<'_>, query: &Query) -> Result<Value, Refusal> {
        let options = if request.body.is_empty() { json!({}) } else { request.json()? };
        let before = self.get(key)?;
        for (field, words) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
            let wanted = options["preconditions"][field].as_str();
            if wanted.is_some_and(|wanted| before["metadata"][field] != wanted) {
                let why = format!("Precondition failed: {words} in precondition and in object meta differ");
                return Err(Refusal::precondition(key.kind, &key.name, &why));
            }
        }
        let policy = options["propagationPolicy"].as_str().or(query.get("propagationPolicy")).unwrap_or("Background");
        if policy == "Orphan" {
            return Err(Refusal::bad_request("propagationPolicy Orphan is not known here; use Background"));
        }
        let (name, uid) = (&key.name, before["metadata"]["uid"].clone());
        let details = json!({"name": name, "group": key.kind.group(), "kind": key.kind.plural(), "uid": uid});
        self.remove_and_react(key);
        // What does not go at once is told as it is.
        if key.kind == Kind::Pod || policy == "Foreground" {
            return Ok((*before).clone());
        }
        Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}))
    }

    /// What a watch has to tell since the last time it was asked.
    pub fn watched(&self, watch: &mut Watch) -> Vec<Value> {
        watch.told(&self.store)
    }
}

/// ReplicaSets and pods are made by controllers only; people may delete a pod.
fn may(method: &str, kind: Kind) -> bool {
    match kind {
        Kind::ReplicaSet => method == "GET",
        Kind::Pod => matches!(method, "GET" | "DELETE"),
        _ => true,
    }
}

/// A patch may change neither the name nor the uid of an object.
fn keeps_its_identity(key: &Key, before: &Value, after: &Value) -> Result<(), Refusal> {
    let (before, after) = (&before["metadata"], &after["metadata"]);
    if before["name"] != after["name"] {
        return Err(Refusal::bad_request(format!("the name of the object ({}) is not that of the URL", after["name"])));
    }
    if before["uid"] != after["uid"] && !after["uid"].is_null() {
        let words = format!("Invalid value: {}: field is immutable", after["uid"]);
        return Err(Refusal::invalid(key.kind, &key.name, vec![("metadata.uid".to_owned(), words)]));
    }
    Ok(())
}

fn strip_nulls(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}

/// A Deployment as its subresource `scale` tells it.
fn scale_of(deployment: &Value) -> Value {
    let metadata = &deployment["metadata"];
    let labels = deployment["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    // No replicas are no field.
    let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(0);
    let spec = if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) };
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": spec,
        "status": {"replicas": deployment["status"]["replicas"].as_u64().unwrap_or(0), "selector": selector.join(",")},
    })
}

/// JSON merge patch (RFC 7396).
fn merge_patched(document: Value, patch: &Value) -> Value {
    let Some(changes) = patch.as_object() else { return patch.clone() };
    let mut fields = match document {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            let before = fields.remove(name).unwrap_or(Value::Null);
            fields.insert(name.clone(), merge_patched(before, change));
        }
    }
    Value::Object(fields)
}
