//! The lease: one daemon acts at a time, and what it stores says under which lease. A daemon that was deposed without knowing
//! it fails there: its successor has stored the record anew before its own first write.

use serde::{Deserialize, Serialize};

/// What a daemon acts under.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lease {
    /// Which lease, as `namespace/name`.
    pub name: String,
    /// Rises whenever it is taken.
    pub epoch: u64,
}

/// Why a daemon must not touch a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fenced {
    /// Another daemon took the lease meanwhile.
    #[error("deposed: the record was written under epoch {theirs} of the lease {name}, and this daemon's is {ours}")]
    Deposed {
        /// Of both.
        name: String,
        /// The epoch of the record.
        theirs: u64,
        /// The epoch of this daemon.
        ours: u64,
    },
    /// A daemon that competes for another lease cares for the service.
    #[error("a daemon with the lease {theirs} cares for it, and this one has {ours}")]
    Foreign {
        /// The lease of the record.
        theirs: String,
        /// The lease of this daemon.
        ours: String,
    },
}

impl Lease {
    /// Whether a daemon that has this lease may touch a service whose record was written under `theirs`.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_touch(&self, theirs: Option<&Self>) -> Result<(), Fenced> {
        match theirs {
            Some(theirs) if theirs.name != self.name => {
                Err(Fenced::Foreign { theirs: theirs.name.clone(), ours: self.name.clone() })
            }
            Some(theirs) if theirs.epoch > self.epoch => {
                Err(Fenced::Deposed { name: self.name.clone(), theirs: theirs.epoch, ours: self.epoch })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_or_the_same_epoch_of_the_same_lease_may_be_touched() {
        let lease = |name: &str, epoch| Lease { name: name.to_owned(), epoch };
        let table = [
            (None, ""),
            (Some(lease("aviary/aviary", 6)), ""),
            (Some(lease("aviary/aviary", 7)), ""),
            (
                Some(lease("aviary/aviary", 8)),
                "deposed: the record was written under epoch 8 of the lease aviary/aviary, and this daemon's is 7",
            ),
            (
                Some(lease("other/aviary", 1)),
                "a daemon with the lease other/aviary cares for it, and this one has aviary/aviary",
            ),
        ];
        for (stored, said) in table {
            let fenced = lease("aviary/aviary", 7).may_touch(stored.as_ref()).err();
            assert_eq!(fenced.map(|fenced| fenced.to_string()).unwrap_or_default(), said, "{stored:?}");
        }
    }
}
