//! The default policy breakpoint.
