//! The default classifier: a changed image deserves a canary, anything else goes direct.

mod pattern;

use aviary_policy_sdk::{Change, Classification, Classifier, Difference, ImageDifference, KindOfChange, parameters};

parameters! {
    /// What deserves a canary beside images, and which images do not.
    pub struct Settings {
        /// JSON Pointers whose differences deserve a canary too; `*` is any part, `**` any number of them, as in
        /// `/template/spec/containers/*/env/**`.
        pub canary_pointers: Vec<String> = Vec::new(),
        /// Images that go direct if all that differ match, with `*` for any text, as in `*/log-shipper:*`.
        pub direct_images: Vec<String> = Vec::new(),
    }
}

/// The policy.
pub struct ImageChange;

aviary_policy_sdk::export_classifier!(ImageChange);

impl Classifier for ImageChange {
    type Parameters = Settings;

    fn classify(change: &Change, settings: &Settings) -> Classification {
        let (replicas, others): (Vec<_>, Vec<_>) = change.differences.iter().partition(|it| it.pointer == "/replicas");
        if others.is_empty() && change.images.is_empty() {
            return without_spec(change, !replicas.is_empty());
        }
        if let Some(image) = change.images.iter().find(|image| !goes_direct(image, &settings.direct_images)) {
            return Classification::new(KindOfChange::Canary, told(image));
        }
        let deserves = |pattern: &&String| others.iter().any(|difference| pattern::touches(pattern, difference));
        if let Some(pattern) = settings.canary_pointers.iter().find(deserves) {
            return Classification::new(KindOfChange::Canary, deserved(pattern, &others));
        }
        Classification::new(KindOfChange::Direct, direct(&change.images, &others))
    }

    fn check(settings: &Settings) -> Result<(), String> {
        match settings.canary_pointers.iter().find(|pointer| !pointer.starts_with('/')) {
            None => Ok(()),
            Some(pointer) => Err(format!("parameter `canary-pointers` has `{pointer}`, which must start with a slash")),
        }
    }
}

fn without_spec(change: &Change, listed: bool) -> Classification {
    let (before, after) = (change.replicas_before, change.replicas_after);
    if before == after && !listed {
        return Classification::new(KindOfChange::Ignore, "nothing differs");
    }
    Classification::new(KindOfChange::Scale, format!("only replicas differ: {before} before, {after} now"))
}

/// A container that gets another image goes direct only if both images match.
fn goes_direct(image: &ImageDifference, patterns: &[String]) -> bool {
    let matches = |name: &String| patterns.iter().any(|pattern| pattern::matches(pattern, name));
    !patterns.is_empty() && image.before.iter().chain(&image.after).all(matches)
}

fn told(image: &ImageDifference) -> String {
    let kind = if image.init { "init container" } else { "container" };
    let name = &image.container;
    match (&image.before, &image.after) {
        (Some(before), Some(after)) => format!("the image of {kind} {name} changed from {before} to {after}"),
        (None, Some(after)) => format!("{kind} {name} was added with image {after}"),
        (Some(before), None) => format!("{kind} {name} with image {before} was removed"),
        (None, None) => format!("the image of {kind} {name} changed"),
    }
}

fn deserved(pattern: &str, differences: &[&Difference]) -> String {
    let touched = differences.iter().find(|difference| pattern::touches(pattern, difference));
    let pointer = touched.map_or(pattern, |difference| difference.pointer.as_str());
    format!("{pointer} differs, and `{pattern}` in canary-pointers deserves a canary")
}

fn direct(images: &[ImageDifference], differences: &[&Difference]) -> String {
    if let [image, rest @ ..] = images {
        let more = if rest.is_empty() { String::new() } else { format!(" ({} more like it)", rest.len()) };
        return format!("{}{more}, which direct-images lets go direct", told(image));
    }
    let mut pointers: Vec<&str> = differences.iter().take(3).map(|difference| difference.pointer.as_str()).collect();
    let rest = format!("{} more", differences.len().saturating_sub(pointers.len()));
    if differences.len() > pointers.len() {
        pointers.push(&rest);
    }
    format!("no image differs, only {}", pointers.join(", "))
}
