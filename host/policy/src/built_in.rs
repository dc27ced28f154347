//! The default policies, as `make policies` built them before the host was built.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The default policies that are embedded, by name.
pub(crate) fn embedded() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    EMBEDDED.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)))
}

/// The default policies that were not there when the host was built.
pub(crate) fn missing() -> Vec<&'static str> {
    EMBEDDED.into_iter().filter(|(_, bytes)| bytes.is_none()).map(|(name, _)| name).collect()
}
