//! The releases that come with Aviary.

use std::fmt::Write as _;

macro_rules! releases {
    ($($name:literal),+ $(,)?) => {
        /// Name and text of each.
        const READY: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../config/releases/", $name, ".yaml")))),+];
    };
}

releases!(
    "good",
    "crash-loop",
    "errors-doubled",
    "latency",
    "memory-leak",
    "stall",
    "bad-pod",
    "poison-partition",
    "prometheus-down",
);

/// The one of a name.
pub fn find(name: &str) -> Option<&'static str> {
    READY.iter().find(|(ready, _)| *ready == name).map(|(_, text)| *text)
}

/// The names of all.
pub fn names() -> Vec<&'static str> {
    READY.iter().map(|(name, _)| *name).collect()
}

/// All of them with what each is, a line for each.
pub fn list() -> String {
    let mut page = String::new();
    for (name, text) in READY {
        let about = text.lines().find_map(|line| line.strip_prefix("about: ")).unwrap_or_default();
        let _ = writeln!(page, "{name:<18}{about}");
    }
    page
}
