//! Hotfixes go direct: images whose tags end so. Every other new image deserves a canary.

use aviary_policy_sdk::{Change, Classification, Classifier, ImageDifference, KindOfChange, parameters};

parameters! {
    /// What a configuration can set.
    pub struct Settings {
        /// How the images of a hotfix end.
        pub direct_suffix: String = "-hotfix".to_owned(),
    }
}

/// The policy.
pub struct Hotfix;

aviary_policy_sdk::export_classifier!(Hotfix);

impl Classifier for Hotfix {
    type Parameters = Settings;

    fn classify(change: &Change, settings: &Settings) -> Classification {
        let is_hotfix = |image: &ImageDifference| {
            image.after.as_deref().is_some_and(|after| after.ends_with(&settings.direct_suffix))
        };
        if let Some(image) = change.images.iter().find(|image| !is_hotfix(image)) {
            let now = image.after.as_deref().unwrap_or("none");
            return Classification::new(
                KindOfChange::Canary,
                format!("the image of container {} is now {now}", image.container),
            );
        }
        if let Some(image) = change.images.first() {
            let reason =
                format!("container {} gets an image that ends with {}", image.container, settings.direct_suffix);
            return Classification::new(KindOfChange::Direct, reason);
        }
        match change.differences.iter().find(|difference| difference.pointer != "/replicas") {
            Some(difference) => {
                Classification::new(KindOfChange::Direct, format!("no image differs, but {}", difference.pointer))
            }
            None if change.replicas_before != change.replicas_after => {
                Classification::new(KindOfChange::Scale, format!("{} pods are wanted", change.replicas_after))
            }
            None => Classification::new(KindOfChange::Ignore, "nothing differs"),
        }
    }

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.direct_suffix.is_empty() {
            return Err("parameter `direct-suffix` must not be empty: every image would go direct".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aviary_policy_sdk::testing::ChangeBuilder;

    fn kind(change: ChangeBuilder) -> KindOfChange {
        Hotfix::classify(&change.build(), &Settings::default()).kind
    }

    #[test]
    fn a_new_image_is_a_canary_and_a_hotfix_goes_direct() {
        let to = |after| kind(ChangeBuilder::new().image("worker", Some("worker:1"), Some(after)));
        assert_eq!(to("worker:2"), KindOfChange::Canary);
        assert_eq!(to("worker:2-hotfix"), KindOfChange::Direct);
    }

    #[test]
    fn a_hotfix_beside_another_new_image_is_a_canary() {
        let change = ChangeBuilder::new().image("worker", Some("worker:1"), Some("worker:2-hotfix"));
        assert_eq!(kind(change.image("proxy", Some("proxy:1"), None)), KindOfChange::Canary);
    }

    #[test]
    fn without_a_new_image_it_goes_direct_or_is_a_matter_of_replicas() {
        let limit = "/template/spec/containers/name=worker/resources/limits/cpu";
        assert_eq!(kind(ChangeBuilder::new().differs(limit, Some("1"), Some("2"))), KindOfChange::Direct);
        assert_eq!(kind(ChangeBuilder::new().replicas(5, 6)), KindOfChange::Scale);
        assert_eq!(kind(ChangeBuilder::new()), KindOfChange::Ignore);
    }
}
