//! The default policy health.
