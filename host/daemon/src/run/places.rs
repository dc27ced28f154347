//! A few services are adopted at once; the others wait for a place.

use std::collections::BTreeSet;

use aviary_cluster::ServiceKey;

/// How many services may be adopted at once.
const PLACES: usize = 3;
/// How many may have been begun: what keeps more from going on is wrong with all, and would reach one after the other.
const BEGUN: usize = 12;

/// Whether a service takes a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// None.
    No,
    /// One of those that are adopted at once.
    Walks,
    /// It was begun, and somebody has to look at it: it lets others go first.
    Hangs,
}

/// Who is being adopted, and who may want to be.
#[derive(Debug, Default)]
pub struct Places {
    walking: BTreeSet<ServiceKey>,
    hanging: BTreeSet<ServiceKey>,
    waiting: BTreeSet<ServiceKey>,
}

impl Places {
    /// Whether one more may begin.
    pub fn is_free(&self) -> bool {
        self.walking.len() < PLACES && self.walking.len() + self.hanging.len() < BEGUN
    }

    /// Says whether a service takes a place. One that hung and goes on does not wait for one.
    pub fn set(&mut self, key: &ServiceKey, place: Place) {
        for (its, place_of) in [(Place::Walks, &mut self.walking), (Place::Hangs, &mut self.hanging)] {
            if its != place {
                place_of.remove(key);
            } else if place_of.insert(key.clone()) {
                self.waiting.remove(key);
            }
        }
    }

    /// A service that is not adopted is to be asked again when a place is free.
    pub fn wait(&mut self, key: &ServiceKey) {
        self.waiting.insert(key.clone());
    }

    /// A service is there no more.
    pub fn leave(&mut self, key: &ServiceKey) {
        self.set(key, Place::No);
        self.waiting.remove(key);
    }

    /// Who is to be asked now, by name; it waits no longer, whatever comes of it.
    pub fn next(&mut self) -> Option<ServiceKey> {
        if self.is_free() { self.waiting.pop_first() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_up_goes_to_one_that_waits() {
        let key = |name: &str| ServiceKey::new("shop", name);
        let mut places = Places::default();
        for name in ["a", "b", "c"] {
            assert!(places.is_free());
            places.set(&key(name), Place::Walks);
        }
        for name in ["e", "d", "f"] {
            places.wait(&key(name));
        }
        assert_eq!((places.is_free(), places.next()), (false, None));
        places.set(&key("b"), Place::No);
        places.leave(&key("e"));
        assert_eq!((places.next(), places.next(), places.next()), (Some(key("d")), Some(key("f")), None));
    }

    #[test]
    fn those_that_hang_let_others_go_first_but_not_all() {
        let mut places = Places::default();
        let key = |number: usize| ServiceKey::new("shop", format!("service-{number}"));
        for number in 0..BEGUN {
            assert!(places.is_free(), "{number} were begun");
            places.set(&key(number), Place::Walks);
            places.set(&key(number), Place::Hangs);
        }
        assert!(!places.is_free());
        (0..PLACES).for_each(|number| places.set(&key(number), Place::Walks));
        places.set(&key(PLACES), Place::No);
        assert!(!places.is_free(), "three go on");
        places.leave(&key(0));
        assert!(places.is_free());
    }
}
