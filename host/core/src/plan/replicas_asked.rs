//! Whether somebody asked for the number of replicas that the original has.

use serde_json::Value;

use crate::view::{FieldManager, MANAGER, View, Workload};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The replicas that somebody asked for; nothing when the API server only filled in its default of 1, or an autoscaler sets
/// them: that wishes for what it takes a Deployment held at 0 to need, with KEDA 1.
pub(super) fn asked(view: &View) -> Option<u32> {
    let original = view.original.as_ref().filter(|_| view.autoscalers.is_empty())?;
    let replicas = original.replicas();
    (replicas != 1 || is_asked_for(original)).then_some(replicas)
}

/// Whether Aviary, and nobody else, has set the number last: whatever it is, nobody asked for it. Until a walk has arrived its
/// field is not given back, and `kubectl scale` of a field that nobody owns leaves no owner: so that is somebody's number, but
/// for the 0 it is held at. Where there is no entry at all, nothing is told, and it is Aviary's if it is `meant`.
pub(super) fn set_by_aviary(original: &Workload, meant: bool) -> bool {
    if original.field_managers.is_empty() {
        return meant;
    }
    let mut owners = original.field_managers.iter().filter(|manager| manager.owns_replicas).peekable();
    if owners.peek().is_none() {
        return original.replicas() == 0;
    }
    owners.all(|owner| owner.manager == MANAGER)
}

/// Argo CD sends what a client-side apply of kubectl would, under a name of its own.
const ARGO_CD: &str = "argocd-controller";

/// A client-side apply that drops the field makes its manager the owner of the default. Nobody owns the field of an object
/// created server-side without it; later on, a scaling through the subresource leaves no owner either (seen on v1.37.1).
fn is_asked_for(original: &Workload) -> bool {
    let owner = original.field_managers.iter().find(|manager| manager.owns_replicas && manager.manager != MANAGER);
    match owner {
        None => original.generation > 1 || original.field_managers.is_empty(),
        Some(owner) => !(applied_by_a_client(owner) && applied_without_replicas(original)),
    }
}

fn applied_by_a_client(owner: &FieldManager) -> bool {
    let applies = owner.manager.ends_with("client-side-apply") || owner.manager == ARGO_CD;
    owner.operation == "Update" && owner.subresource.is_empty() && applies
}

fn applied_without_replicas(original: &Workload) -> bool {
    let applied = original.annotations.get(LAST_APPLIED).and_then(|text| serde_json::from_str::<Value>(text).ok());
    applied.is_some_and(|applied| applied["spec"]["replicas"].is_null())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::view::WorkloadStatus;

    fn original(replicas: u32, applied: Option<&str>, owner: Option<(&str, &str, &str)>) -> Workload {
        let manager = |(manager, operation, subresource): (&str, &str, &str), owns_replicas| FieldManager {
            manager: manager.to_owned(),
            operation: operation.to_owned(),
            subresource: subresource.to_owned(),
            owns_replicas,
        };
        let mut field_managers = vec![manager(("kube-controller-manager", "Update", "status"), false)];
        field_managers.extend(owner.map(|owner| manager(owner, true)));
        let annotations: BTreeMap<_, _> =
            applied.map(|text| (LAST_APPLIED.to_owned(), text.to_owned())).into_iter().collect();
        Workload {
            name: "foo".to_owned(),
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            generation: 1,
            deleting: false,
            labels: BTreeMap::new(),
            annotations,
            field_managers,
            controller: None,
            spec: json!({ "replicas": replicas }),
            status: WorkloadStatus::default(),
        }
    }

    #[test]
    fn a_number_is_aviarys_while_it_owns_the_field() {
        let owned = |by| Some((by, "Update", ""));
        let stripped = Workload { field_managers: Vec::new(), ..original(1, None, None) };
        let table = [
            ("in the middle of a walk", original(1, None, owned(MANAGER)), true),
            ("kubectl scale in the middle of a walk", original(1, None, Some(("kubectl", "Update", "scale"))), false),
            ("kubectl scale after the fields were given back", original(1, None, None), false),
            ("held at 0, its fields given back", original(0, None, None), true),
            ("kubectl scale to 0", original(0, None, Some(("kubectl", "Update", "scale"))), false),
            ("without any entry", stripped, true),
        ];
        for (what, original, expected) in table {
            assert_eq!(set_by_aviary(&original, true), expected, "{what}");
            let told = !original.field_managers.is_empty();
            assert_eq!(set_by_aviary(&original, false), expected && told, "{what}");
        }
    }

    #[test]
    fn a_default_is_nobodys_wish() {
        let (with, without) = (Some(r#"{"spec":{"replicas":1}}"#), Some(r#"{"spec":{}}"#));
        let client = Some(("kubectl-client-side-apply", "Update", ""));
        let table = [
            ("apply without the field", original(1, without, client), None),
            ("apply with replicas: 1", original(1, with, client), Some(1)),
            ("Argo CD, without the field", original(1, without, Some(("argocd-controller", "Update", ""))), None),
            ("Argo CD, with replicas: 1", original(1, with, Some(("argocd-controller", "Update", ""))), Some(1)),
            ("a script", original(1, without, Some(("python-requests", "Update", ""))), Some(1)),
            ("created by a server-side apply without the field", original(1, None, None), None),
            ("kubectl scale of a field nobody owns", Workload { generation: 7, ..original(1, without, None) }, Some(1)),
            ("server-side apply with replicas: 1", original(1, None, Some(("ci", "Apply", ""))), Some(1)),
            ("kubectl scale --replicas=1", original(1, without, Some(("kubectl", "Update", "scale"))), Some(1)),
            ("kubectl edit", original(1, without, Some(("kubectl-edit", "Update", ""))), Some(1)),
            ("helm", original(1, None, Some(("helm", "Update", ""))), Some(1)),
            ("any other number", original(7, without, None), Some(7)),
        ];
        for (what, original, expected) in table {
            assert_eq!(asked(&View { original: Some(original), ..View::default() }), expected, "{what}");
        }
    }
}
