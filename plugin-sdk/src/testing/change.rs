//! A change, as a classifier is asked about it.

use crate::{Change, Difference, ImageDifference, testing::service};

/// Builds a [`Change`].
#[derive(Debug, Clone)]
pub struct ChangeBuilder(Change);

impl Default for ChangeBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChangeBuilder {
    /// Nothing differs.
    #[must_use]
    pub fn new() -> Self {
        Self(Change {
            service: service(),
            differences: Vec::new(),
            images: Vec::new(),
            replicas_before: 5,
            replicas_after: 5,
            parameters: String::new(),
            attributes: Vec::new(),
        })
    }

    /// A value differs; both are JSON, absent where it was added or removed.
    #[must_use]
    pub fn differs(mut self, pointer: &str, before: Option<&str>, after: Option<&str>) -> Self {
        let (before, after) = (before.map(str::to_owned), after.map(str::to_owned));
        self.0.differences.push(Difference { pointer: pointer.to_owned(), before, after });
        self
    }

    /// A container's image differs; adds the difference at its pointer, too.
    #[must_use]
    pub fn image(self, container: &str, before: Option<&str>, after: Option<&str>) -> Self {
        self.image_of("containers", container, before, after)
    }

    /// An init container's image differs; adds the difference at its pointer, too.
    #[must_use]
    pub fn init_image(self, container: &str, before: Option<&str>, after: Option<&str>) -> Self {
        self.image_of("initContainers", container, before, after)
    }

    /// N differs.
    #[must_use]
    pub fn replicas(mut self, before: u32, after: u32) -> Self {
        (self.0.replicas_before, self.0.replicas_after) = (before, after);
        self
    }

    /// The parameters as a configuration gives them, JSON.
    #[must_use]
    pub fn parameters(mut self, json: &str) -> Self {
        json.clone_into(&mut self.0.parameters);
        self
    }

    /// The change.
    #[must_use]
    pub fn build(self) -> Change {
        self.0
    }

    /// A container that is added or removed differs as a whole, another one at its image.
    fn image_of(mut self, list: &str, container: &str, before: Option<&str>, after: Option<&str>) -> Self {
        let element = format!("/template/spec/{list}/name={container}");
        let (pointer, json): (String, fn(&str, &str) -> String) = if before.is_some() && after.is_some() {
            (format!("{element}/image"), |_, image| format!("{image:?}"))
        } else {
            (element, |name, image| format!(r#"{{"name":{name:?},"image":{image:?}}}"#))
        };
        let of = |image: Option<&str>| image.map(|image| json(container, image));
        self.0.differences.push(Difference { pointer, before: of(before), after: of(after) });
        self.0.images.push(ImageDifference {
            container: container.to_owned(),
            init: list == "initContainers",
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        });
        self
    }
}
