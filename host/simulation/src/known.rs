//! The hashes of all worlds that were reached, with their numbers. There are hundreds of millions of them all over the memory,
//! so that waiting for it is most of what a look-up costs. The tables of libraries take one key at a time; this one is asked for
//! all that comes of a world at once, and waits for them together.

/// Hashes with numbers in the order in which they came: open addressing with linear probing, the places in the order of the
/// hashes, so that growing goes through the memory from one end to the other.
#[derive(Debug)]
pub struct Known {
    /// A hash with its number and 1; 0 is a place that is free.
    places: Vec<(u64, u32)>,
    count: u32,
}

impl Default for Known {
    fn default() -> Self {
        Self { places: vec![(0, 0); 1024], count: 0 }
    }
}

impl Known {
    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// Brings what is known of `hashes` close, for what is asked about them next.
    pub fn approach(&self, hashes: impl Iterator<Item = u64>) {
        // No place is needed to tell where the next one is, so that the processor waits for all of them together.
        let close = hashes.fold(0, |all, hash| all ^ self.places[self.home(hash)].1);
        std::hint::black_box(close);
    }

    /// The number of a hash that is known.
    #[must_use]
    pub fn number(&self, hash: u64) -> Option<u32> {
        self.places[self.place(hash)].1.checked_sub(1)
    }

    /// The number of a hash, and whether it is new.
    pub fn add(&mut self, hash: u64) -> (u32, bool) {
        let place = self.place(hash);
        if let Some(number) = self.places[place].1.checked_sub(1) {
            return (number, false);
        }
        self.count += 1;
        self.places[place] = (hash, self.count);
        if self.count() > self.places.len() / 4 * 3 {
            self.grow();
        }
        (self.count - 1, true)
    }

    /// Where a hash is, or is to be.
    fn place(&self, hash: u64) -> usize {
        let mut place = self.home(hash);
        while self.places[place].1 > 0 && self.places[place].0 != hash {
            place = (place + 1) % self.places.len();
        }
        place
    }

    /// Where a hash is if nothing is in its way: its part of the whole.
    fn home(&self, hash: u64) -> usize {
        let part = (u128::from(hash) * self.places.len() as u128) >> u64::BITS;
        usize::try_from(part).unwrap_or(0)
    }

    fn grow(&mut self) {
        let more = vec![(0, 0); self.places.len() * 2];
        for (hash, number) in std::mem::replace(&mut self.places, more) {
            if number > 0 {
                let place = self.place(hash);
                self.places[place] = (hash, number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_hash_has_the_number_that_it_got_first(
            // Close together and at the ends, so that they are in each other's way; and so many that it grows.
            hashes in prop::collection::vec(prop_oneof![0..500_u64, any::<u64>(), u64::MAX - 500..=u64::MAX], 0..3_000),
        ) {
            let (mut known, mut expected) = (Known::default(), HashMap::new());
            for hash in &hashes {
                let before = expected.get(hash).copied();
                prop_assert_eq!(known.number(*hash), before);
                let next = u32::try_from(expected.len())?;
                let number = *expected.entry(*hash).or_insert(next);
                prop_assert_eq!(known.add(*hash), (number, before.is_none()));
            }
            known.approach(hashes.into_iter());
            prop_assert_eq!(known.count(), expected.len());
            for (hash, number) in expected {
                prop_assert_eq!(known.number(hash), Some(number));
            }
        }
    }
}
