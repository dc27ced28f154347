//! The specs of Deployments that occur in a world, each once, by number: a state holds numbers only.

use aviary_core::{settings::Amount, spec::Spec};
use foldhash::HashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Names a spec without its replicas.
pub type SpecId = u8;

/// The images that people apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// What the service runs in the beginning.
    First,
    /// The one whose behaviour the setting of an exploration tells.
    Second,
    /// A good one.
    Third,
}

impl Image {
    /// All three.
    pub const ALL: [Self; 3] = [Self::First, Self::Second, Self::Third];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "worker:v1",
            Self::Second => "worker:v2",
            Self::Third => "worker:v3",
        }
    }

    /// The bit that stands for it in a set of images.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Third => 4,
        }
    }
}

/// What pods of an image do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// They become ready, and checks pass.
    Good,
    /// They become ready, and checks fail.
    Failing,
    /// They never become ready, without a word.
    Hanging,
    /// They crash; so does an image that cannot be pulled: evidence at once, never ready.
    Crashing,
}

/// A spec with what the controllers and checks have to know of it.
#[derive(Debug)]
pub struct SpecEntry {
    /// As the core knows it.
    pub spec: Spec,
    /// Equal for specs with the same pod template.
    pub template: u8,
    /// Its image.
    pub image: Image,
    /// Whether it has the annotation of a restart.
    pub restarted: bool,
    surge: Amount,
    unavailable: Amount,
}

impl SpecEntry {
    /// How many pods above `replicas` its own rolling update may use.
    #[must_use]
    pub fn surge(&self, replicas: u8) -> u8 {
        u8::try_from(aviary_core::replicas::pods(self.surge, u32::from(replicas))).unwrap_or(u8::MAX)
    }

    /// How many pods its own rolling update may miss.
    #[must_use]
    pub fn unavailable(&self, replicas: u8) -> u8 {
        let most = match self.unavailable {
            Amount::Pods(pods) => pods,
            // Rounded down, unlike the surge.
            Amount::Percent(percent) => {
                let others = Amount::Percent(100.0 - percent);
                u32::from(replicas).saturating_sub(aviary_core::replicas::pods(others, u32::from(replicas)))
            }
        };
        let least = u32::from(self.surge(replicas) == 0);
        u8::try_from(most.max(least)).unwrap_or(u8::MAX).min(replicas)
    }
}

/// All specs seen so far.
#[derive(Debug, Default)]
pub struct Specs {
    entries: Vec<SpecEntry>,
    by_text: HashMap<String, SpecId>,
    originals: HashMap<(Image, bool), SpecId>,
    templates: Vec<String>,
}

impl Specs {
    /// The number of a raw spec; its replicas and pause do not count.
    pub fn intern(&mut self, raw: &Value) -> SpecId {
        let spec = Spec::of(raw);
        let text = spec.value().to_string();
        if let Some(id) = self.by_text.get(&text) {
            return *id;
        }
        let entry = self.entry(spec);
        let id = SpecId::try_from(self.entries.len()).unwrap_or(SpecId::MAX);
        self.entries.push(entry);
        self.by_text.insert(text, id);
        id
    }

    fn entry(&mut self, spec: Spec) -> SpecEntry {
        let value = spec.value();
        let name = value["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        let image = Image::ALL.into_iter().find(|image| image.name() == name).unwrap_or(Image::First);
        let rolling = &value["strategy"]["rollingUpdate"];
        let restarted = !value["template"]["metadata"]["annotations"].is_null();
        let (surge, unavailable) = (amount(&rolling["maxSurge"]), amount(&rolling["maxUnavailable"]));
        let template = self.template(value["template"].to_string());
        SpecEntry { template, image, restarted, surge, unavailable, spec }
    }

    fn template(&mut self, text: String) -> u8 {
        let found = self.templates.iter().position(|template| *template == text);
        let index = found.unwrap_or_else(|| {
            self.templates.push(text);
            self.templates.len() - 1
        });
        u8::try_from(index).unwrap_or(u8::MAX)
    }

    /// The spec of that number.
    #[must_use]
    pub fn get(&self, id: SpecId) -> &SpecEntry {
        &self.entries[usize::from(id)]
    }

    /// The image of the template of that number.
    #[must_use]
    pub fn image_of_template(&self, template: u8) -> Image {
        self.entries.iter().find(|entry| entry.template == template).map_or(Image::First, |entry| entry.image)
    }

    /// What people apply: the image, and whether `kubectl rollout restart` has left its annotation.
    pub fn original(&mut self, image: Image, restarted: bool) -> SpecId {
        if let Some(known) = self.originals.get(&(image, restarted)) {
            return *known;
        }
        let mut spec = json!({
            "selector": {"matchLabels": {"app": "worker"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": "worker"}},
                "spec": {"containers": [{"name": "worker", "image": image.name()}]},
            },
        });
        if restarted {
            spec["template"]["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/restartedAt": "later"});
        }
        let original = self.intern(&spec);
        self.originals.insert((image, restarted), original);
        original
    }
}

fn amount(value: &Value) -> Amount {
    match value.as_str().and_then(|text| text.trim_end_matches('%').parse::<f64>().ok()) {
        Some(percent) => Amount::Percent(percent),
        None => Amount::Pods(value.as_u64().and_then(|pods| u32::try_from(pods).ok()).unwrap_or(0)),
    }
}
