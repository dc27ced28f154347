//! What the project ships for a cluster, given to an API server.

use scenarios::{Identity, cluster};
use serde_json::{Value, json};

fn admin(arguments: &[&str], stdin: Option<&str>) -> local_cluster::Output {
    cluster().kubectl(Identity::Admin, arguments, stdin).unwrap()
}

/// What kustomize makes of a folder in `config`.
fn built(folder: &str) -> String {
    let folder = format!("{}/../../config/{folder}", env!("CARGO_MANIFEST_DIR"));
    admin(&["kustomize", &folder], None).checked().unwrap()
}

fn objects(text: &str) -> Vec<Value> {
    let read = ["create", "--dry-run=client", "--validate=false", "--output=json", "-f", "-"];
    let objects = admin(&read, Some(text)).checked().unwrap();
    let objects = serde_json::Deserializer::from_str(&objects).into_iter::<Value>();
    objects.map(|object| object.unwrap()).collect()
}

fn apply(object: &Value, options: &[&str]) -> local_cluster::Output {
    let arguments: Vec<&str> = ["apply", "-f", "-"].iter().chain(options).copied().collect();
    admin(&arguments, Some(&object.to_string()))
}

fn may(user: &str, verb: &str, resource: &str, namespace: &str) -> bool {
    let (user, namespace) = (format!("--as={user}"), format!("--namespace={namespace}"));
    admin(&["auth", "can-i", verb, resource, &user, &namespace], None).stdout.trim() == "yes"
}

/// A pod of the Deployment, as the ReplicaSet controller would ask for it: Pod Security judges only those.
fn pod(deployment: &Value) -> Value {
    let template = &deployment["spec"]["template"];
    json!({ "apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
        "metadata": { "name": "aviary", "namespace": "aviary", "labels": template["metadata"]["labels"] } })
}

#[test]
fn shipped_example_is_accepted_restricted_and_has_rights_where_it_should() {
    for namespace in ["shop", "billing"] {
        admin(&["create", "namespace", namespace], None).checked().unwrap();
    }
    let (deployments, others): (Vec<Value>, Vec<Value>) =
        objects(&built("kustomize-example")).into_iter().partition(|object| object["kind"] == "Deployment");
    let namespaces = others.iter().filter(|object| object["kind"] == "Namespace");
    for object in namespaces.chain(&others) {
        apply(object, &[]).checked().unwrap();
    }
    let [deployment] = deployments.as_slice() else { panic!("one Deployment: {deployments:?}") };
    let dry = ["--dry-run=server"];
    let answer = apply(deployment, &dry);
    assert!(answer.success && answer.stderr.is_empty(), "{}", answer.stderr);

    let answer = apply(&pod(deployment), &dry);
    assert!(answer.success, "{}", answer.stderr);
    // That it could be refused.
    let mut bold = pod(deployment);
    bold["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let answer = apply(&bold, &dry);
    assert!(!answer.success && answer.stderr.contains("violates PodSecurity"), "{}", answer.stderr);

    let account = "system:serviceaccount:aviary:aviary";
    for namespace in ["shop", "billing"] {
        assert!(may(account, "patch", "deployments.apps", namespace), "in {namespace}");
        assert!(!may(account, "get", "secrets", namespace), "in {namespace}");
    }
    assert!(may(account, "update", "leases/aviary", "aviary") && may(account, "create", "leases", "aviary"));
    assert!(!may(account, "update", "leases/other", "aviary") && !may(account, "update", "leases/aviary", "shop"));
    assert!(!may(account, "list", "pods", "default"));
    assert!(!may(account, "list", "pods", "aviary"));
}

#[test]
fn shipped_base_goes_into_any_namespace() {
    let text = built("kustomize");
    assert!(!text.lines().any(|line| line.starts_with("  namespace:")), "{text}");
    let objects = objects(&text);
    let kinds: Vec<_> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds, ["ServiceAccount", "Role", "RoleBinding", "ConfigMap", "ConfigMap", "Deployment"]);
}
