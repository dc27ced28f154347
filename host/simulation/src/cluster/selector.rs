//! Label selectors and field selectors of lists and watches.

use serde_json::Value;

use super::refusal::Refusal;

/// What a list or a watch is narrowed to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Is(String, String),
    IsNot(String, String),
    Exists(String),
    IsMissing(String),
}

impl Selector {
    /// # Errors
    /// A selector with `in`, or one of a field other than the name.
    pub fn of(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Refusal> {
        let labels = labels.into_iter().flat_map(|text| text.split(',')).map(requirement).collect::<Result<_, _>>()?;
        let name = fields.map(|text| {
            let name = text.strip_prefix("metadata.name=").filter(|name| !name.contains(','));
            name.map(|name| name.trim_start_matches('=').to_owned())
                .ok_or_else(|| Refusal::bad_request(format!("field selector {text:?}: only metadata.name is known")))
        });
        Ok(Self { labels, name: name.transpose()? })
    }

    pub fn fits(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |name: &String| labels.get(name.as_str()).and_then(Value::as_str);
        let met = |requirement: &Requirement| match requirement {
            Requirement::Is(name, value) => label(name) == Some(value),
            Requirement::IsNot(name, value) => label(name) != Some(value),
            Requirement::Exists(name) => label(name).is_some(),
            Requirement::IsMissing(name) => label(name).is_none(),
        };
        self.labels.iter().all(met) && self.name.as_deref().is_none_or(|name| object["metadata"]["name"] == name)
    }
}

fn requirement(text: &str) -> Result<Requirement, Refusal> {
    let own = |text: &str| text.trim().to_owned();
    if text.contains('(') || text.contains(')') {
        return Err(Refusal::bad_request(format!("label selector {text:?}: sets of values are not known here")));
    }
    Ok(match (text.split_once("!="), text.split_once('=')) {
        (Some((name, value)), _) => Requirement::IsNot(own(name), own(value)),
        (None, Some((name, value))) => Requirement::Is(own(name), own(value.trim_start_matches('='))),
        (None, None) => match text.trim().strip_prefix('!') {
            Some(name) => Requirement::IsMissing(own(name)),
            None => Requirement::Exists(own(text)),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_takes_what_fits_all_of_it() {
        let object = json!({"metadata": {"name": "foo", "labels": {"app": "foo", "tier": "back"}}});
        let table = [
            (Some("app=foo"), None, true),
            (Some("app==foo,tier=back"), None, true),
            (Some("app=foo,tier!=back"), None, false),
            (Some("tier"), None, true),
            (Some("!tier"), None, false),
            (Some("!other"), None, true),
            (None, Some("metadata.name=foo"), true),
            (None, Some("metadata.name=bar"), false),
        ];
        for (labels, fields, expected) in table {
            assert_eq!(Selector::of(labels, fields).unwrap().fits(&object), expected, "{labels:?} {fields:?}");
        }
        assert!(Selector::of(Some("app in (a,b)"), None).is_err());
        assert!(Selector::of(None, Some("status.phase=Running")).is_err());
    }
}
