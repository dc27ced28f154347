//! How a release ended, and what a program can tell it by.

use std::fmt;

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The candidate became the accepted version.
    Promoted,
    /// It was taken back.
    RolledBack,
    /// It waits for a person.
    Paused,
    /// It became the accepted version without a canary.
    Direct,
    /// Nothing was done about it.
    Ignored,
    /// Nothing of that within the time that was given.
    Unfinished,
}

impl Ending {
    /// All of them, as they are written.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("promoted", Self::Promoted),
        ("rolled-back", Self::RolledBack),
        ("paused", Self::Paused),
        ("direct", Self::Direct),
        ("ignored", Self::Ignored),
        ("unfinished", Self::Unfinished),
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, ending)| *ending == self).map_or("", |(word, _)| word)
    }

    /// What a program gets to know.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Promoted | Self::Direct => 0,
            Self::RolledBack => 2,
            Self::Paused | Self::Ignored | Self::Unfinished => 3,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
            Self::Paused => "paused for a person",
            Self::Direct => "went direct, without a canary",
            Self::Ignored => "nothing was done about it",
            Self::Unfinished => "not finished",
        })
    }
}

/// The exit code of a simulation that did not end as expected.
const NOT_AS_EXPECTED: u8 = 4;

/// The exit code of runs that ended like `endings`, where `expected` was to come of each.
pub fn exit_code(endings: impl IntoIterator<Item = Ending>, expected: Option<Ending>) -> u8 {
    let mut endings = endings.into_iter();
    match expected {
        Some(expected) if endings.all(|ending| ending == expected) => 0,
        Some(_) => NOT_AS_EXPECTED,
        None => {
            let first = endings.next().map_or(0, Ending::exit_code);
            if endings.all(|ending| ending.exit_code() == first) { first } else { Ending::Unfinished.exit_code() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_can_tell_how_it_ended_and_whether_that_was_expected() {
        use Ending::{Direct, Ignored, Paused, Promoted, RolledBack, Unfinished};
        let table: [(&[Ending], Option<Ending>, u8); 9] = [
            (&[Promoted, Direct], None, 0),
            (&[RolledBack, RolledBack], None, 2),
            (&[RolledBack, Promoted], None, 3),
            (&[Paused], None, 3),
            (&[Ignored, Unfinished], None, 3),
            (&[RolledBack, RolledBack], Some(RolledBack), 0),
            (&[RolledBack, Promoted], Some(RolledBack), 4),
            (&[Promoted], Some(Paused), 4),
            (&[Paused], Some(Paused), 0),
        ];
        for (endings, expected, code) in table {
            assert_eq!(exit_code(endings.iter().copied(), expected), code, "{endings:?} {expected:?}");
        }
    }
}
