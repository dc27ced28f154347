//! What the API server fills in, and what it does not take.

use serde_json::{Value, json};

use super::{kinds::Kind, refusal::Refusal};

/// The longest name of a Deployment or pod.
const LONGEST_NAME: usize = 253;

/// Fills in what a Deployment leaves open.
pub(super) fn fill_in(deployment: &mut Value) {
    let spec = &mut deployment["spec"];
    default(spec, "replicas", &json!(1));
    default(spec, "revisionHistoryLimit", &json!(10));
    default(spec, "progressDeadlineSeconds", &json!(600));
    default(spec, "strategy", &json!({}));
    let strategy = &mut spec["strategy"];
    default(strategy, "type", &json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", &json!({}));
        default(&mut strategy["rollingUpdate"], "maxSurge", &json!("25%"));
        default(&mut strategy["rollingUpdate"], "maxUnavailable", &json!("25%"));
    }
    // What is false or 0 is left out, as Go writes it.
    if spec["paused"] == false {
        remove(spec, "paused");
    }
    if spec["minReadySeconds"] == 0 {
        remove(spec, "minReadySeconds");
    }
    pod_template(&mut spec["template"]["spec"]);
}

fn pod_template(spec: &mut Value) {
    let fields = [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
    ];
    fields.iter().for_each(|(field, value)| default(spec, field, value));
    for list in ["containers", "initContainers"] {
        spec[list].as_array_mut().into_iter().flatten().for_each(container);
        if spec[list].is_null() {
            remove(spec, list);
        }
    }
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':'));
    let pull =
        if tag.is_none_or(|(_, tag)| tag == "latest") && !image.contains('@') { "Always" } else { "IfNotPresent" };
    let fields = [
        ("resources", json!({})),
        ("imagePullPolicy", json!(pull)),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
    ];
    fields.iter().for_each(|(field, value)| default(container, field, value));
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        default(port, "protocol", &json!("TCP"));
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            let numbers =
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)];
            numbers.iter().for_each(|(field, number)| default(probe, field, &json!(number)));
            if let Some(get) = probe.get_mut("httpGet") {
                default(get, "scheme", &json!("HTTP"));
            }
        }
    }
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            default(field, "apiVersion", &json!("v1"));
        }
    }
}

fn default(object: &mut Value, field: &str, value: &Value) {
    if object.is_null() {
        *object = json!({});
    }
    if let Some(fields) = object.as_object_mut()
        && fields.get(field).is_none_or(Value::is_null)
    {
        fields.insert(field.to_owned(), value.clone());
    }
}

fn remove(object: &mut Value, field: &str) {
    object.as_object_mut().and_then(|fields| fields.remove(field));
}

/// Whether the fields of a Deployment have their types, as far as they matter here.
///
/// # Errors
/// The first that has not.
pub(super) fn decodes(deployment: &Value) -> Result<(), String> {
    let numbers = ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"];
    let wrong_number = numbers.into_iter().find(|field| {
        let value = &deployment["spec"][field];
        !value.is_null() && value.as_i64().is_none_or(|number| i32::try_from(number).is_err())
    });
    if let Some(field) = wrong_number {
        return Err(format!("spec.{field}: {} is no number", deployment["spec"][field]));
    }
    let paused = &deployment["spec"]["paused"];
    if !paused.is_null() && !paused.is_boolean() {
        return Err(format!("spec.paused: {paused} is neither true nor false"));
    }
    for pointer in ["/metadata/labels", "/metadata/annotations", "/spec/template/metadata/labels"] {
        let texts = deployment.pointer(pointer).and_then(Value::as_object);
        if let Some((name, value)) = texts.into_iter().flatten().find(|(_, value)| !value.is_string()) {
            return Err(format!("{pointer}/{name}: {value} is no text"));
        }
    }
    Ok(())
}

/// Whether an object may be stored in place of `before`.
///
/// # Errors
/// 422 with each field at fault.
pub(super) fn validate(kind: Kind, name: &str, before: Option<&Value>, object: &Value) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    if !is_name(name) {
        causes.push(fault("metadata.name", format!("Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'")));
    }
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    for (label, value) in labels.filter(|(_, value)| !value.as_str().is_some_and(is_label_value)) {
        causes.push(fault("metadata.labels", format!("Invalid value: {value}: label {label} has no valid value")));
    }
    if kind == Kind::Deployment {
        deployment(before, object, &mut causes);
    }
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(kind, name, causes)) }
}

fn fault(field: &str, words: impl Into<String>) -> (String, String) {
    (field.to_owned(), words.into())
}

/// What a label may have as its value.
fn is_label_value(value: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric();
    value.is_empty()
        || value.len() <= 63
            && value.starts_with(letter)
            && value.ends_with(letter)
            && value.chars().all(|it| letter(it) || "-_.".contains(it))
}

fn is_name(name: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let part = |part: &str| {
        part.starts_with(letter) && part.ends_with(letter) && part.chars().all(|it| letter(it) || it == '-')
    };
    name.len() <= LONGEST_NAME && name.split('.').all(part)
}

fn deployment(before: Option<&Value>, object: &Value, causes: &mut Vec<(String, String)>) {
    let spec = &object["spec"];
    if spec["replicas"].as_u64().is_none() {
        let words = format!("Invalid value: {}: must be greater than or equal to 0", spec["replicas"]);
        causes.push(fault("spec.replicas", words));
    }
    let selector = &spec["selector"]["matchLabels"];
    if before.is_some_and(|before| before["spec"]["selector"] != spec["selector"]) {
        causes.push(fault("spec.selector", format!("Invalid value: {}: field is immutable", spec["selector"])));
    }
    let wanted = selector.as_object().filter(|labels| !labels.is_empty());
    let labels = &spec["template"]["metadata"]["labels"];
    match wanted {
        None => causes.push(fault("spec.selector", "Required value")),
        Some(wanted) if wanted.iter().any(|(name, value)| labels.get(name) != Some(value)) => {
            let words = format!("Invalid value: {labels}: `selector` does not match template `labels`");
            causes.push(fault("spec.template.metadata.labels", words));
        }
        Some(_) => {}
    }
    containers(&spec["template"]["spec"]["containers"], causes);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if *policy != "Always" {
        causes.push(fault("spec.template.spec.restartPolicy", format!("Unsupported value: {policy}: \"Always\"")));
    }
    seconds(spec, causes);
    strategy(&spec["strategy"], causes);
}

fn seconds(spec: &Value, causes: &mut Vec<(String, String)>) {
    let number = |field: &str| spec[field].as_i64().unwrap_or(0);
    for field in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        if number(field) < 0 {
            let words = format!("Invalid value: {}: must be greater than or equal to 0", spec[field]);
            causes.push(fault(&format!("spec.{field}"), words));
        }
    }
    let deadline = number("progressDeadlineSeconds");
    if deadline <= number("minReadySeconds") {
        let words = format!("Invalid value: {deadline}: must be greater than minReadySeconds");
        causes.push(fault("spec.progressDeadlineSeconds", words));
    }
}

fn strategy(strategy: &Value, causes: &mut Vec<(String, String)>) {
    let rolling = &strategy["rollingUpdate"];
    if strategy["type"] == "Recreate" {
        if !rolling.is_null() {
            let words = "Forbidden: may not be specified when strategy `type` is 'Recreate'";
            causes.push(fault("spec.strategy.rollingUpdate", words));
        }
        return;
    }
    if strategy["type"] != "RollingUpdate" {
        causes.push(fault("spec.strategy.type", format!("Unsupported value: {}", strategy["type"])));
        return;
    }
    let amount = |field: &str| {
        let percent =
            rolling[field].as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse().ok());
        rolling[field].as_u64().or(percent)
    };
    for field in ["maxUnavailable", "maxSurge"] {
        if amount(field).is_none() {
            let words = format!(
                "Invalid value: {}: a valid percent string must be a numeric string followed by an ending '%'",
                rolling[field]
            );
            causes.push(fault(&format!("spec.strategy.rollingUpdate.{field}"), words));
        }
    }
    let unavailable = amount("maxUnavailable").unwrap_or(0);
    if unavailable == 0 && amount("maxSurge").unwrap_or(0) == 0 {
        let words = "Invalid value: 0: may not be 0 when `maxSurge` is 0";
        causes.push(fault("spec.strategy.rollingUpdate.maxUnavailable", words));
    }
    if unavailable > 100 && rolling["maxUnavailable"].is_string() {
        let words = format!("Invalid value: {}: must not be greater than 100%", rolling["maxUnavailable"]);
        causes.push(fault("spec.strategy.rollingUpdate.maxUnavailable", words));
    }
}

fn containers(list: &Value, causes: &mut Vec<(String, String)>) {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        causes.push(fault("spec.template.spec.containers", "Required value"));
    }
    for (index, container) in list.iter().enumerate() {
        for field in ["name", "image"] {
            if container[field].as_str().is_none_or(str::is_empty) {
                causes.push(fault(&format!("spec.template.spec.containers[{index}].{field}"), "Required value"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Value {
        json!({"spec": {
            "selector": {"matchLabels": {"app": "foo"}},
            "template": {
                "metadata": {"labels": {"app": "foo"}},
                "spec": {"containers": [{"name": "foo", "image": "registry.example/foo:1"}]},
            },
        }})
    }

    fn filled(change: impl FnOnce(&mut Value)) -> Value {
        let mut object = plain();
        change(&mut object);
        fill_in(&mut object);
        object
    }

    #[test]
    fn what_is_left_open_is_filled_in_once() {
        let once = filled(|_| {});
        assert_eq!(once["spec"]["replicas"], 1);
        assert_eq!(once["spec"]["strategy"]["rollingUpdate"], json!({"maxSurge": "25%", "maxUnavailable": "25%"}));
        assert_eq!(once["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
        let mut twice = once.clone();
        fill_in(&mut twice);
        assert_eq!(twice, once);
    }

    #[test]
    fn what_the_api_server_does_not_take_is_refused_with_the_field() {
        let before = filled(|_| {});
        type Change = fn(&mut Value);
        let table: [(Change, &str); 5] = [
            (|it| it["spec"]["replicas"] = json!(-1), "spec.replicas"),
            (|it| it["spec"]["selector"] = json!({"matchLabels": {"app": "bar"}}), "spec.selector: Invalid value"),
            (|it| it["spec"]["template"]["metadata"]["labels"] = json!({}), "spec.template.metadata.labels"),
            (|it| it["spec"]["template"]["spec"]["containers"] = json!([]), "spec.template.spec.containers: Required"),
            (|it| it["spec"]["template"]["spec"]["containers"][0]["image"] = json!(""), "containers[0].image"),
        ];
        for (change, field) in table {
            let refused = validate(Kind::Deployment, "foo", Some(&before), &filled(change)).unwrap_err();
            let message = refused.status()["message"].as_str().unwrap().to_owned();
            assert!(message.contains(field), "{field}: {message}");
        }
        assert_eq!(validate(Kind::Deployment, "foo", Some(&before), &before), Ok(()));
        assert!(validate(Kind::ConfigMap, "Foo_", None, &json!({})).is_err());
    }
}
