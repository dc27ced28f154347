//! A way to a violation, kept as a test of its own.

use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    alterations::Alterations,
    explore::Found,
    judge::{self, Violation},
    mind::Mind,
    setting::Setting,
    start::start,
    step::{finish, ordinary, possible, spins},
};

/// What happened in which setting, and what did not hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trace {
    /// What does not hold.
    pub violation: String,
    /// What is held fixed.
    pub setting: Setting,
    /// What happens, from the beginning.
    pub path: Vec<Action>,
}

impl Trace {
    /// The way to what was found.
    #[must_use]
    pub fn new(setting: Setting, found: &Found) -> Self {
        let violation = format!("{}: {}", found.violation.invariant, found.violation.said);
        Self { violation, setting, path: found.path.clone() }
    }

    /// The document to keep.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Does again what happened, as far as the core still lets it happen, and then whatever happens by itself until nothing
    /// does.
    ///
    /// # Errors
    /// What does not hold on the way or at its end.
    pub fn replay(&self) -> Result<(), Violation> {
        let mut mind = Mind::new(self.setting, Alterations::default());
        let mut world = start(&mut mind);
        for action in &self.path {
            let mut all = possible(&world, &mut mind).into_iter();
            // What the core does otherwise by now is left out; what people and faults do is not.
            if let Some((action, mut after)) = all.find(|(possible, _)| possible == action) {
                finish(&world, action, &mut after, &mut mind)?;
                world = after;
            }
        }
        for _ in 0..LONGEST {
            let mut usual = Vec::new();
            ordinary(&world, &mut mind, &mut usual);
            let Some((action, mut after)) = usual.pop() else {
                spins(&world, &mut mind)?;
                return judge::at_rest(&world, &mut mind);
            };
            finish(&world, action, &mut after, &mut mind)?;
            world = after;
        }
        Err(Violation { invariant: "I8", said: format!("it does not come to rest within {LONGEST} steps") })
    }
}

/// More steps than any way to rest needs.
const LONGEST: u32 = 2_000;
