//! The binary `aviary`.

mod configuration;

fn main() {}
