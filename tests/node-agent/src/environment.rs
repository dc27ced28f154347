//! What a container's process gets to see: the pod's environment, the downward API, and the image's placeholders.

use std::{collections::BTreeMap, net::Ipv4Addr, path::Path};

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, Pod};
use thiserror::Error;

use crate::images::Image;

/// Why a container cannot be made; a kubelet reports it as CreateContainerConfigError.
#[derive(Debug, Error, PartialEq)]
pub enum ConfigurationError {
    /// The downward API has no such field.
    #[error("env {variable}: fieldRef {path} is not one that this node agent knows")]
    UnknownField { variable: String, path: String },
    /// A source other than the downward API.
    #[error("env {variable}: this node agent knows values and fieldRef only; use one of them")]
    UnsupportedSource { variable: String },
    /// Neither the container nor the image names a program.
    #[error("no command specified: give the image one in the image table")]
    NoCommand,
}

/// The program of one container, ready to be started.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Program and arguments; never empty.
    pub arguments: Vec<String>,
    /// The whole environment, but for what the agent adds for its own book-keeping.
    pub environment: BTreeMap<String, String>,
}

/// What a pod is told about where it runs.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub node: &'a str,
    pub host: Ipv4Addr,
    pub address: Ipv4Addr,
    /// The folder of the agent's own programs.
    pub programs: &'a Path,
}

impl Program {
    /// Puts together what `container` of `pod` runs.
    ///
    /// # Errors
    /// When there is no command, or the environment asks for something that is not known here.
    pub fn resolve(pod: &Pod, container: &Container, image: &Image, place: Place) -> Result<Self, ConfigurationError> {
        let environment = environment(pod, container, image, place)?;
        let arguments = arguments(container, image, place, &environment);
        if arguments.is_empty() {
            return Err(ConfigurationError::NoCommand);
        }
        Ok(Self { arguments, environment })
    }
}

/// Replaces `$(NAME)` as Kubernetes does: an unknown name stays as it is, and `$$(NAME)` becomes `$(NAME)`.
pub fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let reference = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        if let Some(literal) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = literal;
        } else if let Some((value, after)) = reference.and_then(|(name, after)| Some((known.get(name)?, after))) {
            expanded.push_str(value);
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

/// The labels' or annotations' key of a path such as `metadata.labels['app']`.
fn key_of<'a>(path: &'a str, map: &str) -> Option<&'a str> {
    path.strip_prefix(map)?.strip_prefix("['")?.strip_suffix("']")
}

fn arguments(container: &Container, image: &Image, place: Place, known: &BTreeMap<String, String>) -> Vec<String> {
    let from_pod = |list: &Option<Vec<String>>| -> Vec<String> {
        list.iter().flatten().map(|argument| place.fill(&expand(argument, known))).collect()
    };
    let command = from_pod(&container.command);
    let replaced = !command.is_empty();
    let mut arguments =
        if replaced { command } else { image.command.iter().map(|argument| place.fill(argument)).collect() };
    arguments.extend(from_pod(&container.args));
    arguments
}

fn environment(
    pod: &Pod,
    container: &Container,
    image: &Image,
    place: Place,
) -> Result<BTreeMap<String, String>, ConfigurationError> {
    let mut known: BTreeMap<String, String> =
        image.env.iter().map(|(name, value)| (name.clone(), place.fill(value))).collect();
    known.entry("PATH".into()).or_insert_with(|| std::env::var("PATH").unwrap_or_default());
    known.insert("HOSTNAME".into(), pod.metadata.name.clone().unwrap_or_default());
    if container.env_from.as_ref().is_some_and(|sources| !sources.is_empty()) {
        return Err(ConfigurationError::UnsupportedSource { variable: "envFrom".into() });
    }
    for variable in container.env.iter().flatten() {
        let value = value(pod, variable, place, &known)?;
        known.insert(variable.name.clone(), value);
    }
    Ok(known)
}

fn value(
    pod: &Pod,
    variable: &EnvVar,
    place: Place,
    known: &BTreeMap<String, String>,
) -> Result<String, ConfigurationError> {
    match &variable.value_from {
        None => Ok(expand(variable.value.as_deref().unwrap_or_default(), known)),
        Some(EnvVarSource { field_ref: Some(field), .. }) => place.field(pod, &field.field_path).ok_or_else(|| {
            ConfigurationError::UnknownField { variable: variable.name.clone(), path: field.field_path.clone() }
        }),
        Some(_) => Err(ConfigurationError::UnsupportedSource { variable: variable.name.clone() }),
    }
}

impl Place<'_> {
    fn fill(&self, text: &str) -> String {
        text.replace("{bin}", &self.programs.to_string_lossy()).replace("{ip}", &self.address.to_string())
    }

    /// One field of the downward API; a label or annotation that the pod does not have is empty.
    fn field(&self, pod: &Pod, path: &str) -> Option<String> {
        let meta = &pod.metadata;
        let in_map = |map: &Option<BTreeMap<String, String>>, key: &str| {
            Some(map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default())
        };
        match path {
            "metadata.name" => meta.name.clone(),
            "metadata.namespace" => meta.namespace.clone(),
            "metadata.uid" => meta.uid.clone(),
            "spec.nodeName" => Some(self.node.to_owned()),
            "spec.serviceAccountName" => pod.spec.as_ref()?.service_account_name.clone().or(Some(String::new())),
            "status.podIP" | "status.podIPs" => Some(self.address.to_string()),
            "status.hostIP" | "status.hostIPs" => Some(self.host.to_string()),
            _ => match (key_of(path, "metadata.labels"), key_of(path, "metadata.annotations")) {
                (Some(key), _) => in_map(&meta.labels, key),
                (_, Some(key)) => in_map(&meta.annotations, key),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn place() -> Place<'static> {
        Place {
            node: "node-1",
            host: Ipv4Addr::new(127, 77, 0, 1),
            address: Ipv4Addr::new(127, 77, 0, 9),
            programs: Path::new("/opt"),
        }
    }

    fn resolve(container: Value, image: Value) -> Result<Program, ConfigurationError> {
        let pod = json!({
            "metadata": {"name": "foo-1", "namespace": "shop", "uid": "u-1", "labels": {"app.io/name": "foo"}},
            "spec": {"containers": [container]},
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let image = serde_json::from_value(image).unwrap();
        Program::resolve(&pod, &pod.spec.as_ref().unwrap().containers[0], &image, place())
    }

    #[test]
    fn the_downward_api_is_filled_in() {
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let env = [
            ("A", "metadata.name", "foo-1"),
            ("B", "metadata.namespace", "shop"),
            ("C", "metadata.uid", "u-1"),
            ("D", "metadata.labels['app.io/name']", "foo"),
            ("E", "metadata.labels['none']", ""),
            ("F", "status.podIP", "127.77.0.9"),
            ("G", "status.hostIP", "127.77.0.1"),
            ("H", "spec.nodeName", "node-1"),
        ];
        let variables: Vec<Value> = env.iter().map(|(name, path, _)| field(name, path)).collect();
        let program = resolve(json!({"name": "c", "env": variables}), json!({"command": ["true"]})).unwrap();
        for (name, path, expected) in env {
            assert_eq!(program.environment[name], expected, "{path}");
        }
    }

    #[test]
    fn the_pod_wins_over_the_image_and_later_variables_see_earlier_ones() {
        let container = json!({"name": "c", "args": ["--at", "$(URL)"], "env": [
            {"name": "PORT", "value": "9"}, {"name": "URL", "value": "$(HOST):$(PORT)/$(NONE)/$$(PORT)"},
        ]});
        let image = json!({"command": ["{bin}/worker", "{ip}"], "env": {"PORT": "1", "HOST": "{ip}"}});
        let program = resolve(container, image).unwrap();
        assert_eq!(program.environment["URL"], "127.77.0.9:9/$(NONE)/$(PORT)");
        assert_eq!(program.arguments, ["/opt/worker", "127.77.0.9", "--at", "127.77.0.9:9/$(NONE)/$(PORT)"]);
        assert_eq!(program.environment["HOSTNAME"], "foo-1");
    }

    #[test]
    fn a_command_of_the_pod_replaces_the_images() {
        let program = resolve(json!({"name": "c", "command": ["sleep", "1"]}), json!({"command": ["x", "y"]})).unwrap();
        assert_eq!(program.arguments, ["sleep", "1"]);
    }

    #[test]
    fn what_cannot_be_resolved_is_named() {
        let reference = |source: Value| json!({"name": "c", "env": [{"name": "A", "valueFrom": source}]});
        let unknown = resolve(reference(json!({"fieldRef": {"fieldPath": "spec.x"}})), json!({"command": ["true"]}));
        assert_eq!(unknown, Err(ConfigurationError::UnknownField { variable: "A".into(), path: "spec.x".into() }));
        let secret = reference(json!({"secretKeyRef": {"name": "s", "key": "k"}}));
        let secret = resolve(secret, json!({"command": ["true"]}));
        assert_eq!(secret, Err(ConfigurationError::UnsupportedSource { variable: "A".into() }));
        assert_eq!(resolve(json!({"name": "c"}), json!({})), Err(ConfigurationError::NoCommand));
    }
}
