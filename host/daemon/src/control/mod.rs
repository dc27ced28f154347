//! The control socket: one JSON line a request, one JSON line a response, over a Unix socket of mode 0600.

pub mod client;
pub mod protocol;
pub mod server;
