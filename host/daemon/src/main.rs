//! The binary `aviary`.

fn main() {}
