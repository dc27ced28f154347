//! The images that occur, each with what becomes of its pods: the model's kubelet and the pretending one go by it.

use std::{fmt, time::Duration};

use aviary_simulation::cluster::{End, Fate};
use serde::{Deserialize, Serialize};

/// When pods of [`Image::Later`] end by themselves in the model; nothing else takes so long, but for the back-off.
pub const LATER: Duration = Duration::from_secs(60);

/// An image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// Its pods become ready at once.
    One,
    /// Another such.
    Two,
    /// Its pods become ready a little later.
    Slow,
    /// Its pods run and never become ready.
    Hangs,
    /// Its pods end as soon as they start.
    Crashes,
    /// Its pods become ready; they end when a step of the sequence says so.
    Later,
    /// It cannot be pulled.
    Missing,
}

impl Image {
    /// All of them, the plainest first.
    pub const ALL: [Self; 7] =
        [Self::One, Self::Two, Self::Slow, Self::Hangs, Self::Crashes, Self::Later, Self::Missing];

    /// As containers name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "foo:one",
            Self::Two => "foo:two",
            Self::Slow => "foo:slow",
            Self::Hangs => "foo:hangs",
            Self::Crashes => "foo:crashes",
            Self::Later => "foo:crashes-later",
            Self::Missing => "foo:missing",
        }
    }

    /// The image of that name; [`Image::One`] for any other.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|image| image.name() == name).unwrap_or(Self::One)
    }

    /// Whether its pods get ready, and nothing that is on its way can get stuck on them.
    #[must_use]
    pub const fn serves(self) -> bool {
        matches!(self, Self::One | Self::Two | Self::Slow | Self::Later)
    }

    /// What becomes of its pods in the model.
    #[must_use]
    pub fn fate(self) -> Fate {
        let runs = |ready_after: Option<u64>, ends| Fate::Runs {
            ready_after: ready_after.map(Duration::from_millis),
            ends,
            stops_after: Duration::from_millis(20),
        };
        let end = |after| Some(End { after, exit_code: 1, out_of_memory: false });
        match self {
            Self::One | Self::Two => runs(Some(10), None),
            Self::Slow => runs(Some(150), None),
            Self::Hangs => runs(None, None),
            Self::Crashes => runs(None, end(Duration::from_millis(10))),
            Self::Later => runs(Some(10), end(LATER)),
            Self::Missing => Fate::Unpullable,
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
