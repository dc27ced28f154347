//! The default policy image-change.
