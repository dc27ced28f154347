//! The default policy threshold.
