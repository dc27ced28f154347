//! The manifest of the service that all scenarios roll out: the Deployment `foo`.

use serde_json::{Value, json};

/// A Deployment `foo` as a team's CI would write it.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The whole object.
    pub object: Value,
}

impl Manifest {
    /// With this image, and without replicas.
    #[must_use]
    pub fn new(image: &str) -> Self {
        let probe = json!({ "httpGet": { "path": "/ready", "port": 8080 }, "periodSeconds": 1 });
        let resources = json!({ "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "memory": "64Mi" } });
        let container = json!({ "name": "worker", "image": image, "env": [{ "name": "GROUP", "value": "shop" }],
            "ports": [{ "name": "metrics", "containerPort": 8080 }], "readinessProbe": probe, "resources": resources });
        let template = json!({ "metadata": { "labels": { "app": "foo" } }, "spec": { "containers": [container] } });
        let spec = json!({ "selector": { "matchLabels": { "app": "foo" } }, "template": template });
        let metadata = json!({ "name": "foo", "labels": { "app": "foo", "team": "shop" } });
        Self { object: json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec }) }
    }

    /// Of another name, with pods of its own.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        let labels = ["/metadata/labels/app", "/spec/selector/matchLabels/app", "/spec/template/metadata/labels/app"];
        for pointer in labels.into_iter().chain(["/metadata/name"]) {
            *self.object.pointer_mut(pointer).unwrap() = name.into();
        }
        self
    }

    /// That also says how many.
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.object["spec"]["replicas"] = json!(replicas);
        self
    }

    /// With these environment variables of the worker, and no others.
    #[must_use]
    pub fn env(mut self, variables: &[(&str, &str)]) -> Self {
        let list: Vec<Value> = variables.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.container()["env"] = json!(list);
        self
    }

    /// With another limit of memory.
    #[must_use]
    pub fn memory(mut self, limit: &str) -> Self {
        self.container()["resources"]["limits"]["memory"] = json!(limit);
        self
    }

    /// With a second container.
    #[must_use]
    pub fn sidecar(mut self, image: &str) -> Self {
        let containers = &mut self.object["spec"]["template"]["spec"]["containers"];
        containers.as_array_mut().unwrap().push(json!({ "name": "sidecar", "image": image }));
        self
    }

    /// As text for kubectl.
    #[must_use]
    pub fn text(&self) -> String {
        self.object.to_string()
    }

    fn container(&mut self) -> &mut Value {
        &mut self.object["spec"]["template"]["spec"]["containers"][0]
    }
}
