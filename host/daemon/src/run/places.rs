//! A few services are adopted at once; the others wait for a place.

use std::collections::BTreeSet;

use aviary_cluster::ServiceKey;

/// How many services may be adopted at once.
const PLACES: usize = 3;

/// Who is being adopted, and who may want to be.
#[derive(Debug, Default)]
pub struct Places {
    taken: BTreeSet<ServiceKey>,
    waiting: BTreeSet<ServiceKey>,
}

impl Places {
    /// Whether one more may begin.
    pub fn is_free(&self) -> bool {
        self.taken.len() < PLACES
    }

    /// Says whether a service takes a place. One that does again, having hung, may be one too many.
    pub fn set(&mut self, key: &ServiceKey, takes: bool) {
        if !takes {
            self.taken.remove(key);
        } else if self.taken.insert(key.clone()) {
            self.waiting.remove(key);
        }
    }

    /// A service that is not adopted is to be asked again when a place is free.
    pub fn wait(&mut self, key: &ServiceKey) {
        self.waiting.insert(key.clone());
    }

    /// A service is there no more.
    pub fn leave(&mut self, key: &ServiceKey) {
        self.taken.remove(key);
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
            places.set(&key(name), true);
        }
        for name in ["e", "d", "f"] {
            places.wait(&key(name));
        }
        assert_eq!((places.is_free(), places.next()), (false, None));
        places.set(&key("b"), false);
        places.leave(&key("e"));
        assert_eq!((places.next(), places.next(), places.next()), (Some(key("d")), Some(key("f")), None));
    }
}
