//! What a scan of the policy folder found out, to be told once wherever an operator looks.

use std::{fmt, path::PathBuf};

use aviary_core::judge::PolicyIdentity;

use crate::{answer::Kind, text};

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A file is in force that was not before; the policy may be one that was in force from elsewhere.
    Loaded {
        /// The policy.
        policy: PolicyIdentity,
        /// The question it answers.
        kind: Kind,
        /// Its file.
        path: PathBuf,
    },
    /// A file took the place of another policy of its name.
    Replaced {
        /// The policy that is in force now.
        policy: PolicyIdentity,
        /// The policy that was.
        before: PolicyIdentity,
        /// Its file.
        path: PathBuf,
    },
    /// A file was refused; what was in force stays.
    Refused {
        /// The name it would have.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why, and the way out.
        reason: String,
        /// What stays in force.
        in_force: Option<PolicyIdentity>,
    },
    /// The file of a custom policy is gone; the policy stays in force until the daemon ends.
    Removed {
        /// The policy.
        policy: PolicyIdentity,
        /// The file it came from.
        path: PathBuf,
    },
    /// A file that took the place of a built-in policy is gone, and the built-in one is back.
    Restored {
        /// The built-in policy.
        policy: PolicyIdentity,
        /// The policy that was in force.
        before: PolicyIdentity,
    },
    /// The folder cannot be read; everything in force stays.
    FolderUnreadable {
        /// Why, and the way out.
        reason: String,
    },
    /// The folder can be read again.
    FolderReadable {
        /// The folder.
        folder: PathBuf,
    },
}

impl Notice {
    /// Whether somebody has to do something about it.
    #[must_use]
    pub const fn is_problem(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Removed { .. } | Self::FolderUnreadable { .. })
    }

    /// Every word there is for what changed.
    pub const WORDS: [&'static str; 7] =
        ["loaded", "replaced", "refused", "removed", "restored", "folder-unreadable", "folder-readable"];

    /// What changed, in one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "loaded",
            Self::Replaced { .. } => "replaced",
            Self::Refused { .. } => "refused",
            Self::Removed { .. } => "removed",
            Self::Restored { .. } => "restored",
            Self::FolderUnreadable { .. } => "folder-unreadable",
            Self::FolderReadable { .. } => "folder-readable",
        }
    }

    /// The name of the policy it is about, if it is about one.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Loaded { policy, .. }
            | Self::Replaced { policy, .. }
            | Self::Removed { policy, .. }
            | Self::Restored { policy, .. } => Some(&policy.name),
            Self::Refused { name, .. } => Some(name),
            Self::FolderUnreadable { .. } | Self::FolderReadable { .. } => None,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded { policy, kind, path } => {
                write!(f, "{kind} `{}` {} is in force, from {}", policy.name, short(policy), path.display())
            }
            Self::Replaced { policy, before, path } => {
                let (now, then) = (short(policy), short(before));
                write!(f, "policy `{}`: {now} from {} takes the place of {then}", policy.name, path.display())
            }
            Self::Refused { name, path, reason, in_force } => {
                // The name of a file that was refused is anybody's.
                let file = text::printable(&path.display().to_string());
                write!(f, "policy `{}`: {file} was refused: {reason}", text::printable(name))?;
                in_force.iter().try_for_each(|policy| write!(f, "; {} stays in force", short(policy)))
            }
            Self::Removed { policy, path } => {
                write!(f, "policy `{}`: {} is gone; {}", policy.name, path.display(), short(policy))?;
                f.write_str(" stays in force until a restart; put the file back, or configure another policy")
            }
            Self::Restored { policy, before } => {
                let (now, then) = (short(policy), short(before));
                write!(f, "policy `{}`: the built-in {now} is in force again instead of {then}", policy.name)
            }
            Self::FolderUnreadable { reason } => f.write_str(reason),
            Self::FolderReadable { folder } => write!(f, "the policy folder {} can be read again", folder.display()),
        }
    }
}

/// Version and the beginning of the digest, enough to tell two drops apart.
fn short(policy: &PolicyIdentity) -> String {
    let hex = policy.digest.trim_start_matches("sha256:");
    format!("{} ({})", policy.version, hex.get(..12).unwrap_or(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notice_has_a_word_of_its_own() {
        let policy = || PolicyIdentity { name: "x".into(), version: "1".into(), digest: "none".into() };
        let (path, reason) = (PathBuf::new, String::new);
        let notices = [
            Notice::Loaded { policy: policy(), kind: Kind::Analyzer, path: path() },
            Notice::Replaced { policy: policy(), before: policy(), path: path() },
            Notice::Refused { name: reason(), path: path(), reason: reason(), in_force: None },
            Notice::Removed { policy: policy(), path: path() },
            Notice::Restored { policy: policy(), before: policy() },
            Notice::FolderUnreadable { reason: reason() },
            Notice::FolderReadable { folder: path() },
        ];
        assert_eq!(notices.map(|notice| notice.word()), Notice::WORDS);
    }
}
