//! The `hsmtrail` command.
fn main() {}
