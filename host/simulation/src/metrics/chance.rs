//! Random numbers: the same seed gives the same ones.

use rand_distr::{Distribution as _, Poisson, StandardNormal, StandardUniform};
use rand_pcg::{Pcg64Mcg, rand_core::SeedableRng as _};

/// A generator of random numbers.
#[derive(Debug, Clone)]
pub struct Chance(Pcg64Mcg);

impl Chance {
    /// The one of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    /// From 0 up to and without 1.
    pub fn share(&mut self) -> f64 {
        StandardUniform.sample(&mut self.0)
    }

    /// What a number is multiplied by that is off by `deviation`, a share of it; never below 0.
    pub fn about(&mut self, deviation: f64) -> f64 {
        let normal: f64 = StandardNormal.sample(&mut self.0);
        if deviation > 0.0 { normal.mul_add(deviation, 1.0).max(0.0) } else { 1.0 }
    }

    /// How many events there are where `mean` are expected.
    pub fn events(&mut self, mean: f64) -> f64 {
        Poisson::new(mean).map_or(0.0, |events| events.sample(&mut self.0))
    }
}
